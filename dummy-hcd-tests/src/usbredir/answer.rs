//! What is said to the other side.

use super::{CAPABILITIES, Status, VERSION_LENGTH, kind};

/// What is told of a device when it is plugged in. Its speed is high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectedDevice {
    /// bDeviceClass, bDeviceSubClass, bDeviceProtocol.
    pub class: [u8; 3],
    /// idVendor.
    pub vendor: u16,
    /// idProduct.
    pub product: u16,
    /// bcdDevice.
    pub release: u16,
}

/// An interface in its present alternate setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// bInterfaceNumber.
    pub number: u8,
    /// bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol.
    pub class: [u8; 3],
}

/// An endpoint of a present alternate setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointInfo {
    /// bEndpointAddress.
    pub address: u8,
    /// Bits 1 and 0 of bmAttributes.
    pub transfer_type: u8,
    /// bInterval.
    pub interval: u8,
    /// bInterfaceNumber.
    pub interface: u8,
    /// Bits 10 to 0 of wMaxPacketSize.
    pub max_packet_size: u16,
}

/// One message to the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The first, after the other side's.
    Hello,
    /// A device is plugged in; its endpoints and interfaces have been told.
    Connect(ConnectedDevice),
    /// It is pulled out.
    Disconnect,
    /// The interfaces; again after each change.
    Interfaces(&'a [InterfaceInfo]),
    /// The endpoints; again after each change.
    Endpoints(&'a [EndpointInfo]),
    /// To SET_CONFIGURATION and GET_CONFIGURATION.
    Configuration {
        /// The request's.
        id: u64,
        /// How it went.
        status: Status,
        /// What is selected now.
        value: u8,
    },
    /// To SET_INTERFACE and GET_INTERFACE.
    Alternate {
        /// The request's.
        id: u64,
        /// How it went.
        status: Status,
        /// bInterfaceNumber.
        interface: u8,
        /// What is selected now.
        alternate: u8,
    },
    /// An isochronous stream began or ended.
    IsochronousStream {
        /// How it went.
        status: Status,
        /// bEndpointAddress.
        endpoint: u8,
    },
    /// Packets of an interrupt endpoint are asked for, or no longer.
    InterruptReceiving {
        /// How it went.
        status: Status,
        /// bEndpointAddress.
        endpoint: u8,
    },
    /// A control request ended.
    Control {
        /// The request's.
        id: u64,
        /// The request's.
        setup: [u8; 8],
        /// How it went.
        status: Status,
        /// Bytes that moved.
        length: u16,
        /// What came.
        data: &'a [u8],
    },
    /// A bulk transfer ended.
    Bulk {
        /// The request's.
        id: u64,
        /// bEndpointAddress.
        endpoint: u8,
        /// How it went.
        status: Status,
        /// Bytes that moved.
        length: u32,
        /// What came.
        data: &'a [u8],
    },
    /// A packet of an isochronous IN endpoint.
    Isochronous {
        /// bEndpointAddress.
        endpoint: u8,
        /// How it went.
        status: Status,
        /// What came.
        data: &'a [u8],
    },
    /// A packet of an interrupt IN endpoint, or the end of one that was sent.
    Interrupt {
        /// The request's, or 0.
        id: u64,
        /// bEndpointAddress.
        endpoint: u8,
        /// How it went.
        status: Status,
        /// Bytes that moved.
        length: u16,
        /// What came.
        data: &'a [u8],
    },
}

/// How many endpoints and interfaces there may be.
const SLOTS: usize = 32;
/// `usb_redir_type_invalid`: no such endpoint.
const NO_ENDPOINT: u8 = 255;
/// `usb_redir_speed_high`.
const HIGH_SPEED: u8 = 2;

impl Answer<'_> {
    /// The message's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, id, head, data) = self.parts();
        let length = u32::try_from(head.len() + data.len()).unwrap_or(u32::MAX);
        let mut bytes = [kind.to_le_bytes(), length.to_le_bytes()].concat();
        match self {
            // Until it has come, this side's capabilities are not known.
            Answer::Hello => bytes.extend(0_u32.to_le_bytes()),
            _ => bytes.extend(id.to_le_bytes()),
        }
        bytes.extend(head);
        bytes.extend(data);
        bytes
    }

    fn parts(&self) -> (u32, u64, Vec<u8>, &[u8]) {
        let no_data: &[u8] = &[];
        match *self {
            Answer::Hello => {
                let mut head = b"usbfs2".to_vec();
                head.resize(VERSION_LENGTH, 0);
                head.extend(CAPABILITIES.to_le_bytes());
                (kind::HELLO, 0, head, no_data)
            }
            Answer::Connect(device) => {
                let [class, subclass, protocol] = device.class;
                let mut head = vec![HIGH_SPEED, class, subclass, protocol];
                for number in [device.vendor, device.product, device.release] {
                    head.extend(number.to_le_bytes());
                }
                (kind::DEVICE_CONNECT, 0, head, no_data)
            }
            Answer::Disconnect => (kind::DEVICE_DISCONNECT, 0, vec![], no_data),
            Answer::Interfaces(interfaces) => {
                (kind::INTERFACE_INFO, 0, all_interfaces(interfaces), no_data)
            }
            Answer::Endpoints(endpoints) => (kind::EP_INFO, 0, all_endpoints(endpoints), no_data),
            Answer::Configuration { id, status, value } => {
                let head = vec![status as u8, value];
                (kind::CONFIGURATION_STATUS, id, head, no_data)
            }
            Answer::Alternate {
                id,
                status,
                interface,
                alternate,
            } => {
                let head = vec![status as u8, interface, alternate];
                (kind::ALT_SETTING_STATUS, id, head, no_data)
            }
            Answer::IsochronousStream { status, endpoint } => {
                let head = vec![status as u8, endpoint];
                (kind::ISO_STREAM_STATUS, 0, head, no_data)
            }
            Answer::InterruptReceiving { status, endpoint } => {
                let head = vec![status as u8, endpoint];
                (kind::INTERRUPT_RECEIVING_STATUS, 0, head, no_data)
            }
            Answer::Control {
                id,
                setup,
                status,
                length,
                data,
            } => {
                let [request_type, request, v0, v1, i0, i1, ..] = setup;
                let endpoint = request_type & 0x80;
                let mut head = vec![endpoint, request, request_type, status as u8];
                head.extend([v0, v1, i0, i1]);
                head.extend(length.to_le_bytes());
                (kind::CONTROL_PACKET, id, head, data)
            }
            Answer::Bulk {
                id,
                endpoint,
                status,
                length,
                data,
            } => {
                let [l0, l1, l2, l3] = length.to_le_bytes();
                let head = vec![endpoint, status as u8, l0, l1, 0, 0, 0, 0, l2, l3];
                (kind::BULK_PACKET, id, head, data)
            }
            Answer::Isochronous {
                endpoint,
                status,
                data,
            } => {
                let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
                let [l0, l1] = length.to_le_bytes();
                let head = vec![endpoint, status as u8, l0, l1];
                (kind::ISO_PACKET, 0, head, data)
            }
            Answer::Interrupt {
                id,
                endpoint,
                status,
                length,
                data,
            } => {
                let [l0, l1] = length.to_le_bytes();
                let head = vec![endpoint, status as u8, l0, l1];
                (kind::INTERRUPT_PACKET, id, head, data)
            }
        }
    }
}

fn all_interfaces(interfaces: &[InterfaceInfo]) -> Vec<u8> {
    let count = interfaces.len().min(SLOTS);
    let field = |value: fn(&InterfaceInfo) -> u8| {
        let mut slots = [0; SLOTS];
        for (slot, interface) in slots.iter_mut().zip(interfaces) {
            *slot = value(interface);
        }
        slots
    };
    let mut body = (count as u32).to_le_bytes().to_vec();
    body.extend(field(|interface| interface.number));
    body.extend(field(|interface| interface.class[0]));
    body.extend(field(|interface| interface.class[1]));
    body.extend(field(|interface| interface.class[2]));
    body
}

/// OUT endpoints 0 to 15, and then IN.
fn all_endpoints(endpoints: &[EndpointInfo]) -> Vec<u8> {
    let mut types = [NO_ENDPOINT; SLOTS];
    // Endpoint 0, both ways.
    types[0] = 0;
    types[16] = 0;
    let (mut intervals, mut interfaces) = ([0; SLOTS], [0; SLOTS]);
    let mut sizes = [0_u16; SLOTS];
    sizes[0] = 64;
    sizes[16] = 64;
    for endpoint in endpoints {
        let slot = usize::from((endpoint.address & 0x80) >> 3 | endpoint.address & 0x0f);
        types[slot] = endpoint.transfer_type;
        // 0 is refused of a periodic one.
        intervals[slot] = endpoint.interval.max(1);
        interfaces[slot] = endpoint.interface;
        sizes[slot] = endpoint.max_packet_size;
    }
    let mut body = [types, intervals, interfaces].concat();
    body.extend(sizes.into_iter().flat_map(u16::to_le_bytes));
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_long_as_the_protocol_says() {
        let endpoint = EndpointInfo {
            address: 0x83,
            transfer_type: 1,
            interval: 4,
            interface: 2,
            max_packet_size: 0x0304,
        };
        let bytes = Answer::Endpoints(&[endpoint]).to_bytes();
        assert_eq!(bytes[..8], [5, 0, 0, 0, 160, 0, 0, 0]);
        let body = &bytes[16..];
        let slot = 16 + 3;
        assert_eq!([body[slot], body[32 + slot], body[64 + slot]], [1, 4, 2]);
        assert_eq!(body[96 + 2 * slot..][..2], [4, 3]);
        assert_eq!((body[0], body[1], body[16]), (0, 255, 0));

        let hello = Answer::Hello.to_bytes();
        assert_eq!(hello.len(), 12 + 64 + 4);
        let interfaces = Answer::Interfaces(&[]).to_bytes();
        assert_eq!(interfaces.len(), 16 + 4 + 4 * 32);
        let connect = Answer::Connect(ConnectedDevice {
            class: [0; 3],
            vendor: 0x1234,
            product: 2,
            release: 3,
        });
        assert_eq!(
            connect.to_bytes()[16..],
            [2, 0, 0, 0, 0x34, 0x12, 2, 0, 3, 0]
        );
    }

    #[test]
    fn a_long_bulk_transfer_has_its_length_in_two_places() {
        let bulk = Answer::Bulk {
            id: 1 << 33,
            endpoint: 0x81,
            status: Status::Stall,
            length: 0x0003_0002,
            data: &[7],
        };
        let expected = [
            101, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x81, 4, 2, 0, 0, 0, 0, 0, 3, 0, 7,
        ];
        assert_eq!(bulk.to_bytes(), expected);
    }
}
