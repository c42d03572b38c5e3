//! Opening, claiming, settings and control transfers.

use anyhow::Result;
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::protocol::RequestKind;
use usbfs2_host::{Bulk, In, Interrupt, Out, SetupPacket, TransferType};

use super::Rig;
use crate::vendor::request;

pub(super) fn run(rig: &mut Rig) -> Result<()> {
    description(rig);
    settings(rig)?;
    endpoints(rig)?;
    transfers(rig)
}

/// What the host knows of the device before it asks anything.
fn description(rig: &mut Rig) {
    let device = rig.device().clone();
    let info = device.info();
    rig.note("speed", info.speed());
    rig.note("device descriptor", info.device_descriptor());
    rig.note("configurations", info.configurations());
    rig.note("manufacturer", info.manufacturer());
    rig.note("product", info.product());
    rig.note("serial number", info.serial_number());
}

fn settings(rig: &mut Rig) -> Result<()> {
    let device = rig.device().clone();
    rig.note("active configuration", device.info().active_configuration());
    rig.note("interface", rig.interface.number());
    rig.note("claim again", device.claim(0).map(drop));
    rig.note("claim what is not there", device.claim(7).map(drop));
    let other = rig.connected.open_again()?;
    rig.note("claim by another opening", other.claim(0).map(drop));
    rig.note(
        "set the configuration of a claimed device",
        device.set_configuration(1),
    );
    rig.note(
        "set a configuration there is not",
        other.set_configuration(9).is_err(),
    );
    rig.note(
        "set a setting there is not",
        rig.interface.set_alternate_setting(3),
    );
    rig.note("set the setting", rig.interface.set_alternate_setting(0));
    for index in [0, 1, 2, 3, 200] {
        rig.note(&format!("string {index}"), device.string_blocking(index));
    }
    Ok(())
}

fn endpoints(rig: &mut Rig) -> Result<()> {
    let interface = rig.interface.clone();
    let address = rig.address(usbfs2_host::Direction::In, TransferType::Bulk)?;
    let open = interface.endpoint::<Bulk, In>(address)?;
    rig.note(
        "an open endpoint",
        interface.endpoint::<Bulk, In>(address).map(drop),
    );
    rig.note("settings with it open", interface.set_alternate_setting(0));
    drop(open);
    rig.note(
        "another direction",
        interface.endpoint::<Bulk, Out>(address).map(drop),
    );
    rig.note(
        "another type",
        interface.endpoint::<Interrupt, In>(address).map(drop),
    );
    rig.note("no endpoint", interface.endpoint::<Bulk, In>(0x8f).is_err());
    Ok(())
}

fn transfers(rig: &mut Rig) -> Result<()> {
    let interface = rig.interface.clone();
    let device = rig.device().clone();
    for length in [0_u16, 1, 64, 200] {
        let data = vec![0x5a; usize::from(length)];
        let stored = request::out(request::STORE, 0, 0, length);
        let stored = interface.control_out_blocking(stored, &data, DEADLINE);
        rig.note(&format!("store {length} bytes"), stored);
        // The kernel of a gadget drops what it had no time to read: this one makes sure.
        let load = request::input(request::LOAD, 0, 255);
        let loaded = interface.control_in_blocking(load, DEADLINE);
        rig.note(
            "load up to 255",
            loaded.map(|loaded| (loaded == data, loaded.len())),
        );
    }
    let load = request::input(request::LOAD, 0, 10);
    let loaded = device.control_in_blocking(load, DEADLINE);
    rig.note(
        "load 10 of 200 by the device",
        loaded.map(|loaded| loaded.len()),
    );
    let refused = request::input(request::REFUSE, 0, 10);
    rig.note(
        "refused IN",
        interface.control_in_blocking(refused, DEADLINE),
    );
    let refused = request::out(request::REFUSE, 0, 0, 0);
    rig.note(
        "refused OUT",
        interface.control_out_blocking(refused, &[], DEADLINE),
    );
    let status = SetupPacket::get_interface_status(0);
    rig.note(
        "status of the interface",
        interface.control_in_blocking(status, DEADLINE),
    );
    let wrong = request::out(request::STORE, 0, 0, 4);
    rig.note(
        "data of another length",
        interface.control_out_blocking(wrong, &[0; 3], DEADLINE),
    );
    let wrong = request::input(request::LOAD, 0, 4);
    rig.note(
        "an IN request for OUT",
        interface.control_out_blocking(wrong, &[0; 4], DEADLINE),
    );
    let nobody = SetupPacket::device_in(RequestKind::Vendor, request::REFUSE, 0, 0, 8);
    rig.note(
        "refused by the device",
        device.control_in_blocking(nobody, DEADLINE),
    );
    Ok(())
}
