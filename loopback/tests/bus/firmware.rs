//! A device that answers GET_DESCRIPTOR from tables and acknowledges the rest, on a thread of its own.

use std::thread::Scope;

use usbfs2_loopback::{ControlResponse, DeviceEvent, DevicePort, RespondError};
use usbfs2_protocol::SetupPacket;
use usbfs2_protocol::standard::{descriptor_type, request};

use crate::rig::bulk;

pub(crate) struct Firmware {
    pub(crate) device: Vec<u8>,
    pub(crate) configurations: Vec<Vec<u8>>,
    pub(crate) bos: Option<Vec<u8>>,
    /// Whether SET_CONFIGURATION and SET_INTERFACE are accepted.
    pub(crate) accepts: bool,
    /// Requests to leave without an answer.
    pub(crate) ignores: fn(&SetupPacket) -> bool,
}

/// One configuration of value 7 with two interfaces: 0 with bulk endpoints in alternate setting 1 only,
/// and 2 with interrupt endpoint 0x83.
pub(crate) fn configuration() -> Vec<u8> {
    let mut bytes = vec![9, 2, 0, 0, 2, 7, 0, 0x80, 50];
    bytes.extend([9, 4, 0, 0, 0, 0xff, 0, 0, 0]);
    bytes.extend([9, 4, 0, 1, 2, 0xff, 0, 0, 0]);
    bytes.extend([7, 5, 0x81, 2, 0, 2, 0, 7, 5, 0x01, 2, 0, 2, 0]);
    bytes.extend([9, 4, 2, 0, 1, 0xff, 0, 0, 0]);
    bytes.extend([7, 5, 0x83, 3, 8, 0, 4]);
    bytes[2] = u8::try_from(bytes.len()).unwrap();
    bytes
}

impl Firmware {
    /// A well-behaved high-speed device.
    pub(crate) fn new() -> Self {
        Self {
            device: vec![
                18, 1, 0x00, 0x02, 0xff, 0, 0, 64, 0x09, 0x12, 1, 0, 0, 1, 0, 0, 0, 1,
            ],
            configurations: vec![configuration()],
            bos: None,
            accepts: true,
            ignores: |_| false,
        }
    }

    /// Answers on a thread until the cable is pulled.
    pub(crate) fn run<'scope>(self, scope: &'scope Scope<'scope, '_>, port: &'scope DevicePort) {
        scope.spawn(move || {
            loop {
                match port.next_event(None) {
                    Some(DeviceEvent::Setup { setup, .. }) => {
                        if (self.ignores)(&setup) {
                            continue;
                        }
                        match port.respond(self.answer(port, &setup)) {
                            Ok(()) | Err(RespondError::Superseded) => {}
                            Err(error) => panic!("{setup}: {error}"),
                        }
                    }
                    Some(DeviceEvent::Disconnect) | None => return,
                    Some(_) => {}
                }
            }
        });
    }

    fn answer(&self, port: &DevicePort, setup: &SetupPacket) -> ControlResponse {
        let [index, kind] = setup.value.to_le_bytes();
        let bytes = match (setup.request, kind) {
            (request::GET_DESCRIPTOR, descriptor_type::DEVICE) => Some(&self.device),
            (request::GET_DESCRIPTOR, descriptor_type::CONFIGURATION) => {
                self.configurations.get(usize::from(index))
            }
            (request::GET_DESCRIPTOR, descriptor_type::BOS) => self.bos.as_ref(),
            (request::SET_CONFIGURATION, _) if self.accepts => {
                // Already enabled where the test selects a configuration twice.
                let _ = port.enable(bulk(0x81, 512));
                let _ = port.enable(bulk(0x01, 512));
                return ControlResponse::Acknowledge;
            }
            (request::SET_INTERFACE, _) if self.accepts => return ControlResponse::Acknowledge,
            _ => None,
        };
        match bytes {
            Some(bytes) => ControlResponse::Data(bytes.clone()),
            None => ControlResponse::Stall,
        }
    }
}
