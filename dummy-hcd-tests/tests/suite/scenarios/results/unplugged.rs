//! The cable pulled, and every call after that.

use anyhow::{Context as _, Result};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{Buffer, Bulk, In, SetupPacket, TransferType};

use super::{Rig, message, outcome};
use crate::vendor::request;

pub(super) fn run(mut rig: Rig) -> Result<String> {
    let (device, interface) = (rig.device().clone(), rig.interface.clone());
    let (mut output, mut input) = (rig.output()?, rig.input()?);
    let interrupt = rig.address(usbfs2_host::Direction::In, TransferType::Interrupt)?;
    input.submit_all((0..4).map(|_| Buffer::with_capacity(1024)));
    rig.connected.cable().pull()?;
    for number in 0..4 {
        let ended = input.wait(Some(DEADLINE)).context("silence")?;
        rig.note(
            &format!("read {number} with the cable pulled"),
            outcome(ended),
        );
    }
    let read = input.transfer_blocking(Buffer::with_capacity(512), DEADLINE);
    rig.note("read", outcome(read));
    let written = output.transfer_blocking(Buffer::from(message(10)), DEADLINE);
    rig.note("write", outcome(written));
    rig.note("recovery", input.clear_halt());
    drop((input, output));
    let load = request::input(request::LOAD, 0, 10);
    rig.note("request", interface.control_in_blocking(load, DEADLINE));
    let status = SetupPacket::get_device_status();
    rig.note(
        "request to the device",
        device.control_in_blocking(status, DEADLINE),
    );
    rig.note("string", device.string_blocking(1));
    rig.note("configuration", device.configuration().map(|_| ()));
    rig.note("set_configuration", device.set_configuration(1));
    rig.note("claim", device.claim(0).map(drop));
    rig.note("setting", interface.set_alternate_setting(0));
    rig.note(
        "endpoint",
        interface
            .endpoint::<usbfs2_host::Interrupt, In>(interrupt)
            .map(drop),
    );
    let address = rig.address(usbfs2_host::Direction::In, TransferType::Bulk)?;
    rig.note(
        "bulk endpoint",
        interface.endpoint::<Bulk, In>(address).map(drop),
    );
    let id = device.info().id();
    let opened = rig.connected.open_once().map(drop);
    let opened = opened.map_err(|error| error.to_string().replace(id.as_str(), "ID"));
    rig.note("open", opened);
    Ok(rig.found)
}
