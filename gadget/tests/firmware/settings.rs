//! Alternate settings that have an endpoint in common.

use usb_device::bus::UsbBusAllocator;
use usb_device::class_prelude::*;
use usb_device::prelude::*;
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareHandle};
use usbfs2_protocol::SetupPacket;

use crate::rig::{Rig, goes_on};

/// Greets the host from each setting, as soon as it is told of it.
struct Greeter<'a, B: UsbBus> {
    interface: InterfaceNumber,
    input: EndpointIn<'a, B>,
    setting: u8,
}

impl<B: UsbBus> UsbClass<B> for Greeter<'_, B> {
    fn get_configuration_descriptors(
        &self,
        writer: &mut DescriptorWriter,
    ) -> usb_device::Result<()> {
        for setting in 0..2 {
            writer.interface_alt(self.interface, setting, 0xff, 0, 0, None)?;
            writer.endpoint(&self.input)?;
        }
        Ok(())
    }

    fn get_alt_setting(&mut self, interface: InterfaceNumber) -> Option<u8> {
        (interface == self.interface).then_some(self.setting)
    }

    fn set_alt_setting(&mut self, _interface: InterfaceNumber, alternative: u8) -> bool {
        self.input.write(&[alternative; 3]).unwrap();
        self.setting = alternative;
        // One that it does not have.
        alternative < 2
    }
}

fn run(allocator: &UsbBusAllocator<FirmwareBus>, started: &mut dyn FnMut(FirmwareHandle)) {
    let mut greeter = Greeter {
        interface: allocator.interface(),
        input: allocator.bulk(64),
        setting: 0,
    };
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 1)).build();
    started(device.bus().handle());
    while goes_on(device.bus()) {
        device.poll(&mut [&mut greeter]);
    }
}

#[test]
fn what_is_written_while_a_setting_is_selected_reaches_the_host() {
    let rig = Rig::configured(run);
    for setting in [1, 0, 1, 1] {
        rig.control(SetupPacket::set_interface(0, setting), &[])
            .unwrap();
        assert_eq!(rig.read(0x81, 64), [setting; 3]);
    }
    rig.finish();
}
