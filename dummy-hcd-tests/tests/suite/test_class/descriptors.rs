//! What the device says it is.

use anyhow::{Context as _, Result, ensure};
use usb_device::test_class::{
    CUSTOM_STRING, INTERFACE_STRING, MANUFACTURER, PRODUCT, SERIAL_NUMBER,
};
use usbfs2_host::TransferType;
use usbfs2_protocol::descriptor::AlternateSetting;

use super::rig::Rig;

/// The first string that usb-device leaves to classes.
const CUSTOM: u8 = 4;

pub(super) fn string_descriptors(rig: &Rig) -> Result<()> {
    let info = rig.device.info();
    let descriptor = info.device_descriptor().map_err(Clone::clone)?;
    for (index, expected) in [
        (descriptor.product_string, PRODUCT),
        (descriptor.manufacturer_string, MANUFACTURER),
        (descriptor.serial_number_string, SERIAL_NUMBER),
        (CUSTOM, CUSTOM_STRING),
    ] {
        let string = rig.device.string_blocking(index)?;
        ensure!(string == expected, "string {index} is {string:?}");
    }
    Ok(())
}

/// One of the interface's two settings.
fn setting(rig: &Rig, number: u8) -> Result<&AlternateSetting> {
    let setting = rig.interface.descriptor().alternate_setting(number);
    setting.with_context(|| format!("no setting {number}"))
}

pub(super) fn interface_descriptor(rig: &Rig) -> Result<()> {
    let (first, second) = (setting(rig, 0)?, setting(rig, 1)?);
    ensure!((first.class, first.subclass, first.string_index) == (0xff, 0, 0));
    ensure!((second.class, second.subclass) == (0xff, 1));
    let string = rig.device.string_blocking(second.string_index)?;
    ensure!(string == INTERFACE_STRING, "{string:?}");
    Ok(())
}

/// The isochronous endpoint is in the setting that may have one (USB 2.0 5.6.3).
pub(super) fn iso_endpoint_descriptors(rig: &Rig) -> Result<()> {
    let isochronous = |setting: &AlternateSetting| {
        let endpoints = setting.endpoints.iter();
        endpoints
            .filter(|one| one.transfer_type() == TransferType::Isochronous)
            .map(|one| one.max_packet_size_raw)
            .collect::<Vec<_>>()
    };
    let (first, second) = (isochronous(setting(rig, 0)?), isochronous(setting(rig, 1)?));
    ensure!(first.iter().all(|&size| size == 0), "{first:?}");
    ensure!(second == [500], "{second:?}");
    Ok(())
}
