//! A host that reads reports and sends requests, straight to the in-process bus.

use std::sync::Arc;
use std::time::Duration;

use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::{DeviceIds, EndpointAddress, Gadget, Running, Speed};
use usbfs2_loopback::{Bus, BusDevice, BusError, CompletionQueue, Target, Transfer, WatchEvent};
use usbfs2_protocol::descriptor::Configuration;
use usbfs2_protocol::hid::{self, BootKeyboardReport, IdleRate, Leds, Request, us_layout};
use usbfs2_protocol::{Direction, SetupPacket};

/// Stops a test that hangs, and never ends one that works.
pub(crate) const HANG: Duration = Duration::from_secs(20);

/// A keyboard on a bus, and the host's view of it.
pub(crate) struct Host {
    pub(crate) bus: Bus,
    pub(crate) running: Running,
    pub(crate) device: BusDevice,
}

impl Host {
    /// Plugs the keyboard in.
    pub(crate) fn with(keyboard: Arc<Keyboard>, speed: Speed) -> Self {
        let ids = DeviceIds {
            vendor: 0x1209,
            product: 0x0001,
            release: 0x0100,
        };
        let gadget = Gadget::builder(ids).function(keyboard).build().unwrap();
        let bus = Bus::new();
        let running = gadget.start_on(&bus, speed).unwrap();
        let host = Self {
            device: bus.devices().remove(0),
            bus,
            running,
        };
        host.device.enumerate(HANG).unwrap();
        host
    }

    /// Pulls the cable and plugs it in again.
    pub(crate) fn replug(&mut self) {
        let cable = self.bus.cable(self.running.port_name()).unwrap();
        let watch = self.bus.watch();
        cable.pull();
        cable.plug();
        self.device = loop {
            match watch.wait(Some(HANG)).expect("the keyboard came back") {
                WatchEvent::Arrived(device) if device.is_plugged() => break device,
                _ => {}
            }
        };
        self.device.enumerate(HANG).unwrap();
    }

    pub(crate) fn configuration(&self) -> Configuration {
        let enumerated = self.device.enumerated().unwrap();
        Configuration::parse(enumerated.configuration(1).unwrap()).unwrap()
    }

    fn endpoint(&self, direction: Direction) -> EndpointAddress {
        let configuration = self.configuration();
        let setting = &configuration.interfaces[0].alternate_settings[0];
        let addresses = setting.endpoints.iter().map(|endpoint| endpoint.address);
        addresses
            .into_iter()
            .find(|address| address.direction() == direction)
            .expect("the keyboard has the endpoint")
    }

    /// The next report, if there is one in time.
    pub(crate) fn report_within(&self, timeout: Duration) -> Option<BootKeyboardReport> {
        let queue = CompletionQueue::new(&self.bus);
        let target = Target::Endpoint(self.endpoint(Direction::In));
        let transfer = Transfer::receive(BootKeyboardReport::LENGTH);
        self.device.submit(&queue, target, transfer);
        let completed = queue.wait(Some(timeout))?;
        assert_eq!(completed.status, Ok(()));
        assert_eq!(completed.actual_length, BootKeyboardReport::LENGTH);
        Some(BootKeyboardReport::parse(&completed.buffer).unwrap())
    }

    pub(crate) fn report(&self) -> BootKeyboardReport {
        self.report_within(HANG)
            .expect("the keyboard sent a report")
    }

    /// Sends bytes to the endpoint of the lights.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let queue = CompletionQueue::new(&self.bus);
        let target = Target::Endpoint(self.endpoint(Direction::Out));
        self.device
            .submit(&queue, target, Transfer::send(bytes.to_vec()));
        let completed = queue.wait(Some(HANG)).expect("the keyboard took the bytes");
        assert_eq!(completed.status, Ok(()));
    }

    pub(crate) fn control(&self, setup: SetupPacket, data: &[u8]) -> Result<Vec<u8>, BusError> {
        self.device.control(setup, data, HANG)
    }

    pub(crate) fn request(&self, request: Request) -> Result<Vec<u8>, BusError> {
        self.control(request.setup(0), &[])
    }

    pub(crate) fn set_idle(&self, rate: IdleRate) {
        let request = Request::SetIdle { report_id: 0, rate };
        self.request(request).unwrap();
    }
}

/// Turns reports back into text.
#[derive(Default)]
pub(crate) struct Decoder {
    keyboard: hid::Keyboard,
    pub(crate) text: String,
}

impl Decoder {
    pub(crate) fn take(&mut self, report: &BootKeyboardReport) {
        for change in self.keyboard.update(report) {
            let modifiers = self.keyboard.modifiers();
            let character = us_layout::character(change.usage, modifiers, Leds::empty());
            self.text.extend(character.filter(|_| change.pressed));
        }
    }

    /// No key is held on a host that has just met the keyboard.
    pub(crate) fn unplugged(&mut self) {
        self.keyboard = hid::Keyboard::new();
    }
}
