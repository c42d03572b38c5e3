//! Firmware that its bus refuses before anything is bound.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex};

use usb_device::UsbError;
use usb_device::class_prelude::{DescriptorWriter, InterfaceNumber, UsbBus, UsbClass};
use usb_device::endpoint::{EndpointIn, EndpointType};
use usb_device::prelude::*;
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareError, FirmwareHandle, Wait};
use usbfs2_gadget::{Speed, State, Udc};
use usbfs2_loopback::Bus;

use crate::probe::{Probe, Script};
use crate::rig::{PATIENCE, refusal};

#[test]
fn more_endpoints_than_there_are() {
    let bus = Bus::new();
    let allocator = FirmwareBus::on(&bus, Speed::Full);
    let mut probe = Probe::new(&allocator, Arc::<Mutex<Script>>::default());
    let endpoint = || allocator.alloc(None, EndpointType::Bulk, 64, 0);
    let mut more: Vec<EndpointIn<'_, _>> = Vec::new();
    let error = loop {
        match endpoint() {
            Ok(endpoint) => more.push(endpoint),
            Err(error) => break error,
        }
    };
    assert_eq!((more.len(), error), (14, UsbError::EndpointOverflow));
    let taken =
        allocator.alloc::<usb_device::endpoint::In>(Some(0x83.into()), EndpointType::Bulk, 64, 0);
    assert_eq!(taken.err(), Some(UsbError::InvalidEndpoint));

    let mut device = UsbDeviceBuilder::new(&allocator, UsbVidPid(0x1209, 1)).build();
    let error = refusal(&mut device, &mut probe);
    let message =
        "the in-process bus has 15 bulk IN endpoints for packets of 64 bytes, and all are";
    assert!(error.to_string().starts_with(message), "{error}");
    assert!(bus.devices().is_empty());
}

#[test]
fn a_configuration_that_overflows_the_control_buffer() {
    let bus = Bus::new();
    let allocator = FirmwareBus::on(&bus, Speed::Full);
    let mut probe = Probe::new(&allocator, Arc::<Mutex<Script>>::default());
    probe.extra = vec![0; 240];
    let mut device = UsbDeviceBuilder::new(&allocator, UsbVidPid(0x1209, 1)).build();
    let error = refusal(&mut device, &mut probe);
    assert!(
        matches!(error, FirmwareError::NotAnswered { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("256 bytes"), "{error}");
    assert!(bus.devices().is_empty());
}

#[test]
fn packets_that_the_speed_does_not_have() {
    let bus = Bus::new();
    let allocator = FirmwareBus::on(&bus, Speed::High);
    let mut probe = Probe::new(&allocator, Arc::<Mutex<Script>>::default());
    let mut device = UsbDeviceBuilder::new(&allocator, UsbVidPid(0x1209, 1)).build();
    let error = refusal(&mut device, &mut probe);
    assert!(error.to_string().contains("use 512"), "{error}");
}

/// Stops its device while it says what it is.
struct Stopping {
    interface: InterfaceNumber,
    handle: OnceCell<FirmwareHandle>,
}

impl<B: UsbBus> UsbClass<B> for Stopping {
    fn get_configuration_descriptors(
        &self,
        writer: &mut DescriptorWriter,
    ) -> usb_device::Result<()> {
        self.handle.get().unwrap().stop();
        writer.interface(self.interface, 0xff, 0, 0)
    }
}

#[test]
fn a_device_stopped_before_it_is_on_the_bus_never_is() {
    let bus = Bus::new();
    let allocator = FirmwareBus::on(&bus, Speed::Full);
    let mut class = Stopping {
        interface: allocator.interface(),
        handle: OnceCell::new(),
    };
    let mut device = UsbDeviceBuilder::new(&allocator, UsbVidPid(0x1209, 1)).build();
    assert!(class.handle.set(device.bus().handle()).is_ok());
    while device.bus().wait(Some(PATIENCE)).unwrap() == Wait::Ready {
        device.poll(&mut [&mut class]);
    }
    for _ in 0..4 {
        assert!(!device.poll(&mut [&mut class]));
    }
    assert_eq!(device.bus().wait(None).unwrap(), Wait::Stopped);
    let handle = device.bus().handle();
    assert_eq!((handle.port_name(), handle.state()), (None, State::Stopped));
    assert!(bus.devices().is_empty());
}

/// Whether the probe, with this much of a class's descriptors more, fits gadgetfs on this controller.
fn check(udc: &Udc, extra: usize) -> Result<(), FirmwareError> {
    let allocator = FirmwareBus::check(udc);
    let mut probe = Probe::new(&allocator, Arc::<Mutex<Script>>::default());
    probe.extra = vec![0; extra];
    let builder = UsbDeviceBuilder::new(&allocator, UsbVidPid(0x1209, 1));
    let mut device = builder.supports_remote_wakeup(extra == 1).build();
    for _ in 0..100 {
        if device.bus().wait(Some(PATIENCE))? == Wait::Stopped {
            assert_eq!(device.bus().handle().port_name(), None);
            assert!(!device.poll(&mut [&mut probe]));
            return Ok(());
        }
        device.poll(&mut [&mut probe]);
    }
    panic!("the rehearsal has no end");
}

#[test]
fn firmware_is_checked_for_a_controller_that_is_elsewhere() {
    let dwc2 = Udc::known("dwc2").unwrap();
    check(&dwc2, 0).unwrap();
    let error = check(&dwc2, 1).unwrap_err();
    assert!(matches!(error, FirmwareError::RemoteWakeup), "{error}");
    let error = check(&dwc2, 240).unwrap_err();
    assert!(
        matches!(error, FirmwareError::NotAnswered { .. }),
        "{error}"
    );
    // It has no bulk OUT endpoint, at which the class would panic.
    let error = check(&Udc::from_endpoint_names("small", ["ep1in"]), 0).unwrap_err();
    let message = "small has 0 bulk OUT endpoints for packets of 64 bytes";
    assert!(error.to_string().starts_with(message), "{error}");
}
