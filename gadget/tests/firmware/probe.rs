//! A class that does what a test tells it to.

use std::sync::{Arc, Mutex};

use usb_device::LangID;
use usb_device::bus::UsbBusAllocator;
use usb_device::class_prelude::*;
use usb_device::prelude::*;
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareHandle};

use crate::rig::goes_on;

/// What a test tells and learns.
#[derive(Default)]
pub(crate) struct Script {
    /// Bytes the class reads into.
    pub(crate) room: usize,
    /// Whether it reads at all.
    pub(crate) reads: bool,
    pub(crate) received: Vec<Result<Vec<u8>, UsbError>>,
    /// Packets to send, and what came of the first that could not be.
    pub(crate) to_send: Vec<Vec<u8>>,
    pub(crate) send_error: Option<UsbError>,
    pub(crate) sent_events: usize,
    pub(crate) stall_in: bool,
    pub(crate) stall_out: bool,
    pub(crate) states: Vec<UsbDeviceState>,
    pub(crate) polls: usize,
    pub(crate) alternate: u8,
}

/// The index of a string that does not fit the control buffer.
pub(crate) const LONG_STRING: u8 = 4;

/// Vendor requests of the class, to the device.
pub(crate) const OVERFLOW: u8 = 1;
pub(crate) const IGNORE: u8 = 2;
pub(crate) const KEEP: u8 = 3;

pub(crate) struct Probe<'a, B: UsbBus> {
    interface: InterfaceNumber,
    pub(crate) output: EndpointOut<'a, B>,
    pub(crate) input: EndpointIn<'a, B>,
    kept: Vec<u8>,
    long: String,
    long_index: StringIndex,
    script: Arc<Mutex<Script>>,
    /// Added to the configuration.
    pub(crate) extra: Vec<u8>,
}

impl<'a, B: UsbBus> Probe<'a, B> {
    pub(crate) fn new(allocator: &'a UsbBusAllocator<B>, script: Arc<Mutex<Script>>) -> Self {
        Self {
            interface: allocator.interface(),
            output: allocator.bulk(64),
            input: allocator.bulk(64),
            kept: Vec::new(),
            long: "long".repeat(50),
            long_index: allocator.string(),
            script,
            extra: Vec::new(),
        }
    }

    /// What the main loop does with the class after each poll.
    pub(crate) fn act(&mut self) {
        let mut script = self.script.lock().unwrap();
        if script.reads {
            let mut buffer = vec![0; script.room];
            match self.output.read(&mut buffer) {
                Ok(count) => script.received.push(Ok(buffer[..count].to_vec())),
                Err(UsbError::WouldBlock) => {}
                Err(error) => script.received.push(Err(error)),
            }
        }
        while let Some(packet) = script.to_send.first() {
            match self.input.write(packet) {
                Ok(_) => drop(script.to_send.remove(0)),
                Err(error) => {
                    script.send_error = Some(error);
                    break;
                }
            }
        }
        if std::mem::take(&mut script.stall_in) {
            self.input.stall();
        }
        if std::mem::take(&mut script.stall_out) {
            self.output.stall();
        }
    }
}

impl<B: UsbBus> UsbClass<B> for Probe<'_, B> {
    fn get_configuration_descriptors(
        &self,
        writer: &mut DescriptorWriter,
    ) -> usb_device::Result<()> {
        writer.interface(self.interface, 0xff, 0, 0)?;
        if !self.extra.is_empty() {
            writer.write(0x24, &self.extra)?;
        }
        writer.endpoint(&self.output)?;
        writer.endpoint(&self.input)?;
        writer.interface_alt(self.interface, 1, 0xff, 0, 0, None)?;
        writer.endpoint(&self.output)
    }

    fn get_string(&self, index: StringIndex, _language: LangID) -> Option<&str> {
        (index == self.long_index).then_some(&self.long)
    }

    fn endpoint_in_complete(&mut self, address: EndpointAddress) {
        if address == self.input.address() {
            self.script.lock().unwrap().sent_events += 1;
        }
    }

    fn get_alt_setting(&mut self, interface: InterfaceNumber) -> Option<u8> {
        (interface == self.interface).then(|| self.script.lock().unwrap().alternate)
    }

    fn set_alt_setting(&mut self, interface: InterfaceNumber, alternative: u8) -> bool {
        let is_ours = interface == self.interface && alternative < 2;
        if is_ours {
            self.script.lock().unwrap().alternate = alternative;
        }
        is_ours
    }

    fn control_in(&mut self, transfer: ControlIn<B>) {
        let request = *transfer.request();
        if request.request_type != control::RequestType::Vendor {
            return;
        }
        match request.request {
            // More than the buffer of the control pipe holds.
            OVERFLOW => drop(transfer.accept_with(&[0; 300])),
            KEEP => transfer.accept_with(&self.kept).unwrap(),
            _ => {}
        }
    }

    fn control_out(&mut self, transfer: ControlOut<B>) {
        let request = *transfer.request();
        if request.request_type == control::RequestType::Vendor && request.request == KEEP {
            self.kept = transfer.data().to_vec();
            transfer.accept().unwrap();
        }
    }
}

/// The firmware: the class, and a script for it.
pub(crate) fn run(
    allocator: &UsbBusAllocator<FirmwareBus>,
    script: Arc<Mutex<Script>>,
    started: &mut dyn FnMut(FirmwareHandle),
) {
    run_with(allocator, script, started, &mut |_| ());
}

/// The same, with something done to its bus first.
pub(crate) fn run_with(
    allocator: &UsbBusAllocator<FirmwareBus>,
    script: Arc<Mutex<Script>>,
    started: &mut dyn FnMut(FirmwareHandle),
    prepare: &mut dyn FnMut(&FirmwareBus),
) {
    let mut probe = Probe::new(allocator, Arc::clone(&script));
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 0x0001))
        .strings(&[StringDescriptors::default().product("probe")])
        .unwrap()
        .build();
    prepare(device.bus());
    started(device.bus().handle());
    while goes_on(device.bus()) {
        device.poll(&mut [&mut probe]);
        {
            let mut script = script.lock().unwrap();
            script.polls += 1;
            let state = device.state();
            if script.states.last() != Some(&state) {
                script.states.push(state);
            }
        }
        probe.act();
    }
}
