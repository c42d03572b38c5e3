//! `usbd-serial` from crates.io, unmodified: a port that echoes.

use std::sync::{Arc, Mutex};

use usb_device::bus::UsbBusAllocator;
use usb_device::class_prelude::{ControlOut, UsbBus, UsbClass};
use usb_device::control::{Recipient, RequestType};
use usb_device::prelude::*;
use usbd_serial::SerialPort;
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareHandle};
use usbfs2_loopback::{BusError, Transfer};
use usbfs2_protocol::SetupPacket;

use crate::rig::{PATIENCE, Rig, goes_on};

/// Where the class finds its data endpoints on the in-process bus.
const OUTPUT: u8 = 0x01;
const INPUT: u8 = 0x82;

/// Marks the transfers that read.
const ECHO: u64 = 1;

fn echo(allocator: &UsbBusAllocator<FirmwareBus>, started: &mut dyn FnMut(FirmwareHandle)) {
    let mut serial = SerialPort::new(allocator);
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x16c0, 0x27dd))
        .device_class(usbd_serial::USB_CLASS_CDC)
        .build();
    started(device.bus().handle());
    let mut waiting = Vec::new();
    while goes_on(device.bus()) {
        if !device.poll(&mut [&mut serial]) {
            continue;
        }
        let mut buffer = [0; 64];
        if waiting.len() < 1024
            && let Ok(count) = serial.read(&mut buffer)
        {
            waiting.extend_from_slice(&buffer[..count]);
        }
        if !waiting.is_empty()
            && let Ok(count) = serial.write(&waiting)
        {
            waiting.drain(..count);
        }
    }
}

#[test]
fn a_serial_port_echoes_what_it_is_sent() {
    let rig = Rig::configured(echo);
    let bytes: Vec<u8> = (0..100_000).map(|place: u32| (place % 251) as u8).collect();
    for packet in bytes.chunks(4096) {
        rig.submit(OUTPUT, Transfer::send(packet.to_vec()));
    }
    rig.submit(INPUT, Transfer::receive(64).user_data(ECHO));
    let mut echo = Vec::new();
    while echo.len() < bytes.len() {
        let completed = rig.host.wait(Some(PATIENCE)).unwrap();
        assert_eq!(completed.status, Ok(()));
        if completed.user_data == ECHO {
            echo.extend_from_slice(&completed.buffer);
            rig.submit(INPUT, Transfer::receive(64).user_data(ECHO));
        }
    }
    assert!(echo == bytes, "the echo differs");
    let counters = rig.handle.counters();
    assert_eq!(counters.bytes_out, 100_000);
    assert_eq!(counters.transfers_failed, 0);
    rig.finish();
}

/// Takes the breaks of a port whose class does not: a class beside it that is asked first.
#[derive(Default)]
struct Breaks {
    milliseconds: Arc<Mutex<Vec<u16>>>,
}

impl<B: UsbBus> UsbClass<B> for Breaks {
    fn control_out(&mut self, transfer: ControlOut<B>) {
        let request = *transfer.request();
        let is_break = request.request_type == RequestType::Class
            && request.recipient == Recipient::Interface
            && (request.request, request.index) == (SEND_BREAK, 0);
        if is_break {
            self.milliseconds.lock().unwrap().push(request.value);
            transfer.accept().unwrap();
        }
    }
}

/// CDC PSTN 1.2, 6.3.13.
const SEND_BREAK: u8 = 0x23;

#[test]
fn breaks_reach_a_class_that_takes_them() {
    let milliseconds: Arc<Mutex<Vec<u16>>> = Arc::default();
    let seen = Arc::clone(&milliseconds);
    let rig = Rig::configured(
        move |allocator: &UsbBusAllocator<FirmwareBus>, started: &mut dyn FnMut(FirmwareHandle)| {
            let mut serial = SerialPort::new(allocator);
            let mut breaks = Breaks { milliseconds: seen };
            let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x16c0, 0x27dd))
                .device_class(usbd_serial::USB_CLASS_CDC)
                .build();
            started(device.bus().handle());
            while goes_on(device.bus()) {
                device.poll(&mut [&mut breaks, &mut serial]);
            }
        },
    );
    // For a time, until further notice, and to an end; then one for an interface that is not the port's.
    for value in [100, 0xffff, 0] {
        let setup = SetupPacket::class_interface_out(SEND_BREAK, value, 0, 0);
        rig.control(setup, &[]).unwrap();
    }
    let elsewhere = SetupPacket::class_interface_out(SEND_BREAK, 7, 1, 0);
    assert_eq!(rig.control(elsewhere, &[]), Err(BusError::Stall));
    assert_eq!(*milliseconds.lock().unwrap(), [100, 0xffff, 0]);
    // The port's own requests reach it as before.
    let line = SetupPacket::class_interface_in(0x21, 0, 0, 7);
    assert_eq!(rig.control(line, &[]).unwrap().len(), 7);
    rig.finish();
}
