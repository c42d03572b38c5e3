//! The Bulk-Only Mass Storage Reset of a class that refuses it, as `usbd-storage` does: it is reset all the same.

use usb_device::bus::UsbBusAllocator;
use usb_device::class_prelude::*;
use usb_device::prelude::*;
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareHandle};
use usbfs2_loopback::BusError;
use usbfs2_protocol::SetupPacket;

use crate::rig::{Rig, goes_on};

const RESET: u8 = 0xff;
/// Tells how often the class was reset.
const COUNT: u8 = 0xfe;

struct Storage {
    storage: InterfaceNumber,
    vendor: InterfaceNumber,
    resets: u8,
}

impl<B: UsbBus> UsbClass<B> for Storage {
    fn get_configuration_descriptors(
        &self,
        writer: &mut DescriptorWriter,
    ) -> usb_device::Result<()> {
        writer.interface(self.storage, 0x08, 0x06, 0x50)?;
        writer.interface(self.vendor, 0xff, 0, 0)
    }

    fn reset(&mut self) {
        self.resets += 1;
    }

    fn control_in(&mut self, transfer: ControlIn<B>) {
        if transfer.request().request == COUNT {
            transfer.accept_with(&[self.resets]).unwrap();
        }
    }
}

fn storage(allocator: &UsbBusAllocator<FirmwareBus>, started: &mut dyn FnMut(FirmwareHandle)) {
    let mut class = Storage {
        storage: allocator.interface(),
        vendor: allocator.interface(),
        resets: 0,
    };
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 1)).build();
    started(device.bus().handle());
    while goes_on(device.bus()) {
        device.poll(&mut [&mut class]);
    }
}

#[test]
fn a_reset_that_the_class_refuses_reaches_it_as_one_of_the_bus() {
    let rig = Rig::configured(storage);
    let count = || {
        let setup = SetupPacket::class_interface_in(COUNT, 0, 0, 1);
        rig.control(setup, &[]).unwrap()[0]
    };
    let reset = |interface| {
        let setup = SetupPacket::class_interface_out(RESET, 0, interface, 0);
        rig.control(setup, &[])
    };
    let before = count();
    assert_eq!(reset(0), Ok(Vec::new()));
    assert_eq!(count(), before + 1);
    // Of an interface that is no storage it is a request like others.
    assert_eq!(reset(1), Err(BusError::Stall));
    assert_eq!(count(), before + 1);
    assert_eq!(rig.handle.counters().storage_resets, 1);
    rig.finish();
}
