// A small device for the tests and for the examples in the documentation, which include this file:
// what is written to 0x01 comes back from 0x81, and the host's backend, not a gadget, is under test.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use usbfs2_loopback::{
    Bus, CompletionQueue, ControlResponse, DeviceEvent, DevicePort, EndpointSpec, PortOptions,
    Transfer,
};
use usbfs2_protocol::{EndpointAddress, RequestKind, SetupPacket, Speed, TransferType};

/// 1209:0001 with three strings and one configuration, at high speed.
pub(crate) const DEVICE: [u8; 18] = [
    18, 1, 0x00, 0x02, 0, 0, 0, 64, 0x09, 0x12, 0x01, 0x00, 0x00, 0x01, 1, 2, 3, 1,
];

/// Interface 0 has 0x01 and 0x81 bulk, in alternate setting 1 only 0x82 interrupt; interface 1 has
/// 0x83 interrupt.
#[rustfmt::skip]
pub(crate) const CONFIGURATION: [u8; 64] = [
    9, 2, 64, 0, 2, 1, 0, 0x80, 50,
    9, 4, 0, 0, 2, 0xff, 0, 0, 0,
    7, 5, 0x01, 2, 0x00, 0x02, 0,
    7, 5, 0x81, 2, 0x00, 0x02, 0,
    9, 4, 0, 1, 1, 0xff, 0, 0, 0,
    7, 5, 0x82, 3, 64, 0, 4,
    9, 4, 1, 0, 1, 0xff, 0, 0, 0,
    7, 5, 0x83, 3, 64, 0, 4,
];

/// What the device answers about more than USB 2.0: link power management (USB 3.2 9.6.2.1).
pub(crate) const BOS: [u8; 12] = [5, 15, 12, 0, 1, 7, 16, 2, 0x02, 0, 0, 0];

/// Vendor requests of the device.
pub(crate) mod request {
    /// OUT stores the data, IN reads it back.
    pub(crate) const STORE: u8 = 1;
    /// Always refused.
    pub(crate) const REFUSE: u8 = 2;
    /// Never answered.
    pub(crate) const IGNORE: u8 = 3;
}

/// The plugged device and the thread that answers its control requests.
pub(crate) struct Echo {
    port: Arc<DevicePort>,
    sent: CompletionQueue,
    stop: Arc<AtomicBool>,
    control: Option<JoinHandle<()>>,
}

impl Echo {
    pub(crate) fn plug(bus: &Bus) -> Self {
        Self::plug_with(bus, DEVICE.to_vec(), CONFIGURATION.to_vec())
    }

    /// A device that says this of itself.
    pub(crate) fn plug_with(bus: &Bus, device: Vec<u8>, configuration: Vec<u8>) -> Self {
        let port = Arc::new(bus.plug(PortOptions::new(Speed::High)).unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let answering = Answering {
            port: Arc::clone(&port),
            stop: Arc::clone(&stop),
            device,
            configuration,
            stored: Mutex::new(Vec::new()),
        };
        let control = std::thread::spawn(move || answering.run());
        Self {
            sent: CompletionQueue::new(bus),
            port,
            stop,
            control: Some(control),
        }
    }

    pub(crate) fn port(&self) -> &DevicePort {
        &self.port
    }

    /// Halts an endpoint, as a device that is in trouble does.
    pub(crate) fn halt(&self, address: u8) {
        let address = EndpointAddress::try_from(address).unwrap();
        self.port.set_halt(address, true).unwrap();
    }

    /// Sends bytes on an IN endpoint.
    pub(crate) fn send(&self, address: u8, bytes: &[u8]) {
        let address = EndpointAddress::try_from(address).unwrap();
        self.port.submit(&self.sent, address, Transfer::send(bytes.to_vec()));
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The disconnect wakes the thread, also when the test had pulled the cable before.
        let cable = self.port.cable();
        cable.plug();
        cable.pull();
        let answered = self.control.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(answered, Some(Ok(()))), "the device panicked");
        }
    }
}

struct Answering {
    port: Arc<DevicePort>,
    stop: Arc<AtomicBool>,
    device: Vec<u8>,
    configuration: Vec<u8>,
    stored: Mutex<Vec<u8>>,
}

impl Answering {
    fn run(&self) {
        while let Some(event) = self.port.next_event(None) {
            match event {
                DeviceEvent::Setup { setup, data } => {
                    if let Some(response) = self.answer(setup, data) {
                        // The host may have given the request up, which is its business.
                        let _ = self.port.respond(response);
                    }
                }
                DeviceEvent::Disconnect if self.stop.load(Ordering::SeqCst) => return,
                _ => {}
            }
        }
    }

    fn answer(&self, setup: SetupPacket, data: Vec<u8>) -> Option<ControlResponse> {
        let [low, high] = setup.value.to_le_bytes();
        let strings: [&[u8]; 3] = [b"Nobody", b"Echo", b"1"];
        let response = match (setup.request_type.kind, setup.request) {
            (RequestKind::Standard, 6) => match (high, low) {
                (1, _) => ControlResponse::Data(self.device.clone()),
                (2, 0) => ControlResponse::Data(self.configuration.clone()),
                (15, 0) => ControlResponse::Data(BOS.to_vec()),
                (3, 0) => ControlResponse::Data(vec![4, 3, 0x09, 0x04]),
                (3, 1..=3) => {
                    let text = strings[usize::from(low) - 1];
                    let mut bytes = vec![u8::try_from(2 + 2 * text.len()).unwrap(), 3];
                    bytes.extend(text.iter().flat_map(|&letter| [letter, 0]));
                    ControlResponse::Data(bytes)
                }
                _ => ControlResponse::Stall,
            },
            (RequestKind::Standard, 9) => {
                self.configure(low);
                ControlResponse::Acknowledge
            }
            (RequestKind::Standard, 11) if setup.index == 0 => {
                self.alternate_setting(low);
                ControlResponse::Acknowledge
            }
            (RequestKind::Vendor, request::STORE) if setup.direction().bit() == 0 => {
                *self.stored.lock().unwrap() = data;
                ControlResponse::Acknowledge
            }
            (RequestKind::Vendor, request::STORE) => {
                ControlResponse::Data(self.stored.lock().unwrap().clone())
            }
            (RequestKind::Vendor, request::IGNORE) => return None,
            _ => ControlResponse::Stall,
        };
        Some(response)
    }

    fn configure(&self, value: u8) {
        self.disable(&[0x01, 0x81, 0x82, 0x83]);
        if value != 0 {
            self.enable(0x83, TransferType::Interrupt, 64);
            self.alternate_setting(0);
        }
    }

    fn alternate_setting(&self, number: u8) {
        self.disable(&[0x01, 0x81, 0x82]);
        if number == 1 {
            self.enable(0x82, TransferType::Interrupt, 64);
            return;
        }
        self.enable(0x01, TransferType::Bulk, 512);
        self.enable(0x81, TransferType::Bulk, 512);
        let port = Arc::clone(&self.port);
        std::thread::spawn(move || echo(&port));
    }

    fn disable(&self, addresses: &[u8]) {
        for &byte in addresses {
            self.port.disable(EndpointAddress::try_from(byte).unwrap());
        }
    }

    fn enable(&self, byte: u8, transfer_type: TransferType, max_packet_size: u16) {
        let enabled = self.port.enable(EndpointSpec {
            address: EndpointAddress::try_from(byte).unwrap(),
            transfer_type,
            max_packet_size,
            interval: 4,
        });
        enabled.unwrap();
    }
}

/// Sends back what comes, until the endpoints are disabled.
fn echo(port: &DevicePort) {
    const RECEIVE: u64 = 0;
    const SEND: u64 = 1;
    let output = EndpointAddress::try_from(0x01).unwrap();
    let input = EndpointAddress::try_from(0x81).unwrap();
    let queue = CompletionQueue::new(port.bus());
    let receive = || Transfer::receive(4096).user_data(RECEIVE);
    for _ in 0..4 {
        port.submit(&queue, output, receive());
    }
    while queue.pending() > 0 {
        let Some(completed) = queue.wait(None) else {
            return;
        };
        if completed.user_data == RECEIVE && completed.status.is_ok() {
            let send = Transfer::send(completed.buffer).user_data(SEND);
            port.submit(&queue, input, send);
            port.submit(&queue, output, receive());
        }
    }
}
