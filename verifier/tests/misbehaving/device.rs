//! A device of a few lines that does on request what no device should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use usbfs2_loopback::{Bus, ControlResponse, DeviceEvent, DevicePort, EndpointSpec, PortOptions};
use usbfs2_protocol::standard::{descriptor_type, feature, request};
use usbfs2_protocol::{
    Direction, EndpointAddress, Recipient, RequestKind, SetupPacket, Speed, TransferType,
};

/// What a device says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) device: Vec<u8>,
    pub(crate) configuration: Vec<u8>,
    pub(crate) qualifier: Option<Vec<u8>>,
    pub(crate) other_speed: Option<Vec<u8>>,
    pub(crate) languages: Vec<u8>,
    pub(crate) string: Vec<u8>,
    /// The value of a configuration that a program selected, and the status of the device.
    pub(crate) active: u8,
    pub(crate) status: u8,
}

impl Lines {
    /// An honest vendor-specific device at high speed with a bulk endpoint each way.
    pub(crate) fn honest() -> Self {
        let endpoints =
            |low, high| [[7, 5, 0x81, 2, low, high, 0], [7, 5, 0x01, 2, low, high, 0]].concat();
        let configuration = |kind, endpoints: Vec<u8>| {
            [
                vec![9, kind, 32, 0, 1, 1, 0, 0x80, 50],
                vec![9, 4, 0, 0, 2, 0xff, 0, 0, 0],
                endpoints,
            ]
            .concat()
        };
        Self {
            device: vec![18, 1, 0, 2, 0, 0, 0, 64, 9, 18, 1, 0, 0, 1, 0, 1, 0, 1],
            configuration: configuration(descriptor_type::CONFIGURATION, endpoints(0, 2)),
            qualifier: Some(vec![10, 6, 0, 2, 0, 0, 0, 64, 1, 0]),
            other_speed: Some(configuration(
                descriptor_type::OTHER_SPEED_CONFIGURATION,
                endpoints(64, 0),
            )),
            languages: vec![4, 3, 9, 4],
            string: vec![6, 3, b'o', 0, b'k', 0],
            active: 0,
            status: 0,
        }
    }

    /// The answer of a device that keeps the rules, about what it says of itself.
    pub(crate) fn answer(&mut self, setup: &SetupPacket) -> ControlResponse {
        use ControlResponse::{Acknowledge, Data, Stall};
        if setup.request_type.kind != RequestKind::Standard {
            return Stall;
        }
        let [value, kind] = setup.value.to_le_bytes();
        match (
            setup.request_type.direction,
            setup.request_type.recipient,
            setup.request,
        ) {
            (Direction::In, Recipient::Device, request::GET_DESCRIPTOR) => {
                let bytes = match (kind, value, setup.index) {
                    (descriptor_type::DEVICE, _, _) => Some(self.device.clone()),
                    (descriptor_type::CONFIGURATION, 0, _) => Some(self.configuration.clone()),
                    (descriptor_type::DEVICE_QUALIFIER, _, _) => self.qualifier.clone(),
                    (descriptor_type::OTHER_SPEED_CONFIGURATION, 0, _) => self.other_speed.clone(),
                    (descriptor_type::STRING, 0, _) => Some(self.languages.clone()),
                    (descriptor_type::STRING, 1, 0x0409) => Some(self.string.clone()),
                    _ => None,
                };
                bytes.map_or(Stall, |mut bytes| {
                    bytes.truncate(setup.length.into());
                    Data(bytes)
                })
            }
            (Direction::In, Recipient::Device, request::GET_CONFIGURATION) => {
                Data(vec![self.active])
            }
            (Direction::Out, Recipient::Device, request::SET_CONFIGURATION) if value < 2 => {
                self.active = value;
                Acknowledge
            }
            (Direction::In, Recipient::Device, request::GET_STATUS) => Data(vec![self.status, 0]),
            (Direction::In, Recipient::Interface, request::GET_STATUS)
                if self.active == 1 && setup.index == 0 =>
            {
                Data(vec![0, 0])
            }
            (Direction::In, Recipient::Interface, request::GET_INTERFACE)
                if self.active == 1 && setup.index == 0 =>
            {
                Data(vec![0])
            }
            (Direction::Out, Recipient::Interface, request::SET_INTERFACE)
                if self.active == 1 && setup.index == 0 && setup.value == 0 =>
            {
                Acknowledge
            }
            (Direction::Out, Recipient::Endpoint, _) if setup.value == feature::ENDPOINT_HALT => {
                Stall
            }
            _ => Stall,
        }
    }
}

/// How a device answers; `None`: it never does.
pub(crate) type Behaviour = Box<dyn FnMut(&SetupPacket) -> Option<ControlResponse> + Send>;

/// How often a device looks whether it is over.
const GLANCE: Duration = Duration::from_millis(20);

/// A device on the bus, until dropped.
pub(crate) struct Device {
    port: Arc<DevicePort>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    pub(crate) fn plug(bus: &Bus, mut behaviour: Behaviour) -> Self {
        let port = bus
            .plug(PortOptions::new(Speed::High).plugged(false))
            .unwrap();
        let port = Arc::new(port);
        let device = Arc::clone(&port);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            // The cable is pulled and plugged by checks, and pulled for good at the end.
            while !over.load(Ordering::SeqCst) {
                let Some(event) = device.next_event(Some(GLANCE)) else {
                    continue;
                };
                match event {
                    DeviceEvent::Setup { setup, .. } => {
                        let answer = behaviour(&setup);
                        if setup.is_standard(request::SET_CONFIGURATION)
                            || setup.is_standard(request::SET_INTERFACE)
                        {
                            enable(
                                &device,
                                setup.is_standard(request::SET_INTERFACE) || setup.value != 0,
                            );
                        }
                        if let Some(answer) = answer {
                            // An error says that the host did not wait for the answer.
                            let _ = device.respond(answer);
                        }
                    }
                    DeviceEvent::Reset => enable(&device, false),
                    _ => {}
                }
            }
        });
        port.cable().plug();
        Self {
            port,
            is_over,
            thread: Some(thread),
        }
    }

    pub(crate) fn name(&self) -> String {
        self.port.name()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // What waited for an answer ends with the cable out.
        self.port.cable().pull();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))), "the device panicked");
    }
}

fn enable(port: &DevicePort, configured: bool) {
    for byte in [0x81, 0x01] {
        let address = EndpointAddress::try_from(byte).unwrap();
        port.disable(address);
        if configured {
            let spec = EndpointSpec {
                address,
                transfer_type: TransferType::Bulk,
                max_packet_size: 512,
                interval: 0,
            };
            // An error says that the cable is out.
            let _ = port.enable(spec);
        }
    }
}
