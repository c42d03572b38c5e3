//! What QEMU is told of a device: it cannot tell endpoints apart by itself.

use std::io;

use dummy_hcd_tests::usbredir::{ConnectedDevice, EndpointInfo, InterfaceInfo};
use usbfs2_loopback::BusDevice;
use usbfs2_protocol::EndpointAddress;
use usbfs2_protocol::descriptor::{AlternateSetting, Configuration, DeviceDescriptor, Endpoint};

/// The device, which has been enumerated.
pub(super) fn device(device: &BusDevice) -> io::Result<ConnectedDevice> {
    let enumerated = device.enumerated();
    let enumerated = enumerated.ok_or_else(|| io::Error::other("it is not enumerated"))?;
    let descriptor = DeviceDescriptor::parse(&enumerated.device).map_err(io::Error::other)?;
    Ok(ConnectedDevice {
        class: [descriptor.class, descriptor.subclass, descriptor.protocol],
        vendor: descriptor.vendor_id,
        product: descriptor.product_id,
        release: descriptor.device_version.0,
    })
}

/// The present alternate settings of the active configuration.
pub(super) fn settings(device: &BusDevice) -> io::Result<Vec<AlternateSetting>> {
    let active = device.active_configuration();
    let Some((value, enumerated)) = active.zip(device.enumerated()) else {
        return Ok(Vec::new());
    };
    let Some(bytes) = enumerated.configuration(value) else {
        return Ok(Vec::new());
    };
    let configuration = Configuration::parse(bytes).map_err(io::Error::other)?;
    let present = configuration.interfaces.iter().filter_map(|interface| {
        let number = device.alternate_setting(interface.number);
        interface.alternate_setting(number).cloned()
    });
    Ok(present.collect())
}

/// The endpoint with this address, if a present setting has it.
pub(super) fn endpoint(
    device: &BusDevice,
    address: EndpointAddress,
) -> io::Result<Option<Endpoint>> {
    let settings = settings(device)?;
    let mut endpoints = settings.into_iter().flat_map(|setting| setting.endpoints);
    Ok(endpoints.find(|endpoint| endpoint.address == address))
}

pub(super) fn interfaces(settings: &[AlternateSetting]) -> Vec<InterfaceInfo> {
    let interfaces = settings.iter().map(|setting| InterfaceInfo {
        number: setting.interface_number,
        class: [setting.class, setting.subclass, setting.protocol],
    });
    interfaces.collect()
}

pub(super) fn endpoints(settings: &[AlternateSetting]) -> Vec<EndpointInfo> {
    let endpoints = settings.iter().flat_map(|setting| {
        let interface = setting.interface_number;
        setting.endpoints.iter().map(move |endpoint| EndpointInfo {
            address: endpoint.address.to_byte(),
            transfer_type: endpoint.attributes & 3,
            interval: endpoint.interval,
            interface,
            max_packet_size: endpoint.max_packet_size(),
        })
    });
    endpoints.collect()
}
