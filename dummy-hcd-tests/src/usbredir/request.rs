//! What the other side asks.

use thiserror::Error;

use super::{VERSION_LENGTH, kind};

/// One message of the other side's. Ids go back with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Its first: who it is.
    Hello {
        /// Free text.
        version: String,
    },
    /// Reset the device.
    Reset,
    /// SET_CONFIGURATION (USB 2.0 9.4.7).
    SetConfiguration {
        /// The message's.
        id: u64,
        /// bConfigurationValue.
        value: u8,
    },
    /// GET_CONFIGURATION (USB 2.0 9.4.2).
    GetConfiguration {
        /// The message's.
        id: u64,
    },
    /// SET_INTERFACE (USB 2.0 9.4.10).
    SetAlternate {
        /// The message's.
        id: u64,
        /// bInterfaceNumber.
        interface: u8,
        /// bAlternateSetting.
        alternate: u8,
    },
    /// GET_INTERFACE (USB 2.0 9.4.4).
    GetAlternate {
        /// The message's.
        id: u64,
        /// bInterfaceNumber.
        interface: u8,
    },
    /// Packets of this isochronous endpoint move from now on.
    StartIsochronous {
        /// bEndpointAddress.
        endpoint: u8,
    },
    /// And no longer.
    StopIsochronous {
        /// bEndpointAddress.
        endpoint: u8,
    },
    /// Packets of this interrupt IN endpoint are asked for from now on.
    StartInterrupt {
        /// bEndpointAddress.
        endpoint: u8,
    },
    /// And no longer.
    StopInterrupt {
        /// bEndpointAddress.
        endpoint: u8,
    },
    /// The data packet with this id is not wanted any more.
    Cancel {
        /// That one's, and the message's.
        id: u64,
    },
    /// Any other control request (USB 2.0 9.3).
    Control {
        /// The message's.
        id: u64,
        /// bmRequestType to wLength.
        setup: [u8; 8],
        /// What is sent.
        data: Vec<u8>,
    },
    /// A bulk transfer.
    Bulk {
        /// The message's.
        id: u64,
        /// bEndpointAddress.
        endpoint: u8,
        /// Bytes sent, or asked for.
        length: usize,
        /// What is sent.
        data: Vec<u8>,
    },
    /// A packet of an isochronous OUT endpoint.
    Isochronous {
        /// bEndpointAddress.
        endpoint: u8,
        /// What is sent.
        data: Vec<u8>,
    },
    /// A packet of an interrupt OUT endpoint.
    Interrupt {
        /// The message's.
        id: u64,
        /// bEndpointAddress.
        endpoint: u8,
        /// What is sent.
        data: Vec<u8>,
    },
    /// Something that our capabilities do not ask for.
    Other {
        /// Its type.
        kind: u32,
    },
}

/// The stream of bytes has no meaning any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a message of type {kind} with {length} bytes behind its header is too short or too long")]
pub struct MalformedMessage {
    /// Its type.
    pub kind: u32,
    /// Bytes behind the header, as it says.
    pub length: usize,
}

/// Takes requests out of a stream of bytes.
#[derive(Debug, Default)]
pub struct Requests {
    bytes: Vec<u8>,
    /// Ids have 64 bits once both sides have said hello, and 32 in the hello itself.
    said_hello: bool,
}

/// Longer ones are no use of this protocol.
const LONGEST: usize = 16 << 20;

impl Requests {
    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next one that is whole.
    ///
    /// # Errors
    /// [`MalformedMessage`], for good.
    pub fn take_next(&mut self) -> Result<Option<Request>, MalformedMessage> {
        let header = if self.said_hello { 16 } else { 12 };
        let Some((kind, length)) = word(&self.bytes, 0).zip(word(&self.bytes, 4)) else {
            return Ok(None);
        };
        let length = length as usize;
        if length > LONGEST {
            return Err(MalformedMessage { kind, length });
        }
        if self.bytes.len() < header + length {
            return Ok(None);
        }
        let message: Vec<u8> = self.bytes.drain(..header + length).collect();
        let (head, body) = message.split_at(header);
        let high = word(head, 12).unwrap_or(0);
        let id = u64::from(high) << 32 | u64::from(word(head, 8).unwrap_or(0));
        let request = parse(kind, id, body).ok_or(MalformedMessage { kind, length })?;
        self.said_hello |= matches!(request, Request::Hello { .. });
        Ok(Some(request))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

fn parse(kind: u32, id: u64, body: &[u8]) -> Option<Request> {
    Some(match (kind, body) {
        (kind::HELLO, _) => {
            let version = body.get(..VERSION_LENGTH)?;
            let end = version.iter().position(|byte| *byte == 0);
            let version = &version[..end.unwrap_or(version.len())];
            Request::Hello {
                version: String::from_utf8_lossy(version).into_owned(),
            }
        }
        (kind::RESET, []) => Request::Reset,
        (kind::SET_CONFIGURATION, &[value]) => Request::SetConfiguration { id, value },
        (kind::GET_CONFIGURATION, []) => Request::GetConfiguration { id },
        (kind::SET_ALT_SETTING, &[interface, alternate]) => Request::SetAlternate {
            id,
            interface,
            alternate,
        },
        (kind::GET_ALT_SETTING, &[interface]) => Request::GetAlternate { id, interface },
        // Packets an URB, and URBs.
        (kind::START_ISO_STREAM, &[endpoint, _, _]) => Request::StartIsochronous { endpoint },
        (kind::STOP_ISO_STREAM, &[endpoint]) => Request::StopIsochronous { endpoint },
        (kind::START_INTERRUPT_RECEIVING, &[endpoint]) => Request::StartInterrupt { endpoint },
        (kind::STOP_INTERRUPT_RECEIVING, &[endpoint]) => Request::StopInterrupt { endpoint },
        (kind::CANCEL_DATA_PACKET, []) => Request::Cancel { id },
        // endpoint, request, requesttype, status, value, index, length
        (
            kind::CONTROL_PACKET,
            &[
                _,
                request,
                request_type,
                _,
                v0,
                v1,
                i0,
                i1,
                l0,
                l1,
                ref data @ ..,
            ],
        ) => Request::Control {
            id,
            setup: [request_type, request, v0, v1, i0, i1, l0, l1],
            data: data.to_vec(),
        },
        // endpoint, status, length, stream_id, length_high
        (kind::BULK_PACKET, &[endpoint, _, l0, l1, _, _, _, _, l2, l3, ref data @ ..]) => {
            Request::Bulk {
                id,
                endpoint,
                length: u32::from_le_bytes([l0, l1, l2, l3]) as usize,
                data: data.to_vec(),
            }
        }
        // endpoint, status, length
        (kind::ISO_PACKET, &[endpoint, _, _, _, ref data @ ..]) => Request::Isochronous {
            endpoint,
            data: data.to_vec(),
        },
        (kind::INTERRUPT_PACKET, &[endpoint, _, _, _, ref data @ ..]) => Request::Interrupt {
            id,
            endpoint,
            data: data.to_vec(),
        },
        (
            kind::RESET
            | kind::SET_CONFIGURATION
            | kind::GET_CONFIGURATION
            | kind::SET_ALT_SETTING
            | kind::GET_ALT_SETTING
            | kind::START_ISO_STREAM
            | kind::STOP_ISO_STREAM
            | kind::START_INTERRUPT_RECEIVING
            | kind::STOP_INTERRUPT_RECEIVING
            | kind::CANCEL_DATA_PACKET
            | kind::CONTROL_PACKET
            | kind::BULK_PACKET
            | kind::ISO_PACKET
            | kind::INTERRUPT_PACKET,
            _,
        ) => return None,
        _ => Request::Other { kind },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u32, id: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&kind.to_le_bytes()[..], &length, id, body].concat()
    }

    fn hello() -> Vec<u8> {
        let mut body = b"qemu\0".to_vec();
        body.resize(68, 0);
        message(0, &[0; 4], &body)
    }

    fn id(id: u64) -> [u8; 8] {
        id.to_le_bytes()
    }

    #[test]
    fn requests_come_whole_however_the_bytes_do() {
        let setup = [0, 6, 0x80, 0, 0, 1, 0, 0, 18, 0];
        let bulk = [2, 0, 2, 0, 0, 0, 0, 0, 1, 0, 7, 8];
        let bytes = [
            hello(),
            message(100, &id(5), &setup),
            message(9, &id(1 << 40), &[1, 2]),
            message(101, &id(6), &bulk),
            message(102, &id(0), &[3, 0, 2, 0, 9, 9]),
            message(23, &id(0), b"filter"),
        ]
        .concat();
        let expected = [
            Request::Hello {
                version: "qemu".to_owned(),
            },
            Request::Control {
                id: 5,
                setup: [0x80, 6, 0, 1, 0, 0, 18, 0],
                data: vec![],
            },
            Request::SetAlternate {
                id: 1 << 40,
                interface: 1,
                alternate: 2,
            },
            Request::Bulk {
                id: 6,
                endpoint: 2,
                length: 0x1_0002,
                data: vec![7, 8],
            },
            Request::Isochronous {
                endpoint: 3,
                data: vec![9, 9],
            },
            Request::Other { kind: 23 },
        ];
        for piece in [1, 3, 16, 1000] {
            let mut requests = Requests::default();
            let mut got = Vec::new();
            for bytes in bytes.chunks(piece) {
                requests.push(bytes);
                while let Some(request) = requests.take_next().unwrap() {
                    got.push(request);
                }
            }
            assert_eq!(got, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_too_short_or_too_long_is_refused() {
        for (kind, body) in [(9, vec![1]), (102, vec![1, 2]), (6, vec![]), (3, vec![0])] {
            let mut requests = Requests::default();
            requests.push(&hello());
            requests.push(&message(kind, &id(1), &body));
            assert!(requests.take_next().unwrap().is_some());
            assert!(requests.take_next().is_err(), "type {kind}");
        }
        let mut requests = Requests::default();
        requests.push(&[0, 0, 0, 0, 255, 255, 255, 255]);
        assert!(requests.take_next().is_err());
    }
}
