//! What the host learns of a device before it claims anything.

use anyhow::{Context as _, Result, ensure};
use usbfs2_gadget::functions::Keyboard;

use super::Scenario;
use crate::world::World;

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![(
        "identity::strings_and_descriptors_reach_the_host",
        strings_and_descriptors_reach_the_host,
    )]
}

fn strings_and_descriptors_reach_the_host(world: &World) -> Result<()> {
    let gadget = World::gadget().function(Keyboard::new()).build()?;
    let connected = world.connect(&gadget)?;
    let info = connected.device.info();
    let descriptor = info.device_descriptor().map_err(|error| error.clone())?;
    for (index, expected) in [
        (descriptor.manufacturer_string, "usbfs2"),
        (descriptor.product_string, "scenario"),
        (descriptor.serial_number_string, "42"),
    ] {
        let text = connected.device.string_blocking(index)?;
        ensure!(
            text == expected,
            "string {index} is {text:?}, not {expected:?}"
        );
    }
    let configuration = connected.device.configuration()?;
    let interface = configuration.interfaces.first().context("no interface")?;
    let setting = interface
        .alternate_settings
        .first()
        .context("no alternate setting")?;
    ensure!(
        setting.class == 3,
        "a keyboard's class is 3, this is {}",
        setting.class
    );
    ensure!(
        !setting.endpoints.is_empty(),
        "a keyboard has an interrupt endpoint"
    );
    Ok(())
}
