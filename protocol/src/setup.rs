//! Setup packets: the eight bytes that open every control transfer.

use std::fmt;

use crate::standard::{feature, request};
use crate::{Direction, EndpointAddress, Recipient, RequestKind, RequestType};

/// The eight bytes that open a control transfer (USB 2.0 9.3).
///
/// ```
/// use usbfs2_protocol::{Recipient, RequestKind, SetupPacket};
///
/// let setup = SetupPacket::set_interface(2, 1);
/// assert_eq!(setup.request_type.recipient, Recipient::Interface);
/// assert_eq!((setup.index, setup.value, setup.length), (2, 1, 0));
///
/// // A vendor request that reads 16 bytes.
/// let setup = SetupPacket::device_in(RequestKind::Vendor, 0x42, 0, 0, 16);
/// assert_eq!(setup.to_bytes(), [0xc0, 0x42, 0, 0, 0, 0, 16, 0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetupPacket {
    /// Direction, kind and recipient.
    #[doc(alias = "bmRequestType")]
    pub request_type: RequestType,
    /// The request's code.
    #[doc(alias = "bRequest")]
    pub request: u8,
    /// A parameter.
    #[doc(alias = "wValue")]
    pub value: u16,
    /// A parameter; an interface number or endpoint address when the recipient is one.
    #[doc(alias = "wIndex")]
    pub index: u16,
    /// The data stage's length in bytes; for IN the most the device may send. 0: no data stage.
    #[doc(alias = "wLength")]
    pub length: u16,
}

impl SetupPacket {
    /// Bytes of a setup packet.
    pub const LENGTH: usize = 8;

    /// The packet in these bytes. Every eight bytes are a setup packet.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self {
            request_type: RequestType::from_byte(bytes[0]),
            request: bytes[1],
            value: u16::from_le_bytes([bytes[2], bytes[3]]),
            index: u16::from_le_bytes([bytes[4], bytes[5]]),
            length: u16::from_le_bytes([bytes[6], bytes[7]]),
        }
    }

    /// The packet as it travels.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::LENGTH] {
        let [v0, v1] = self.value.to_le_bytes();
        let [i0, i1] = self.index.to_le_bytes();
        let [l0, l1] = self.length.to_le_bytes();
        [
            self.request_type.to_byte(),
            self.request,
            v0,
            v1,
            i0,
            i1,
            l0,
            l1,
        ]
    }

    /// The data stage's direction.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.request_type.direction
    }

    /// Whether this is the standard request `request`, to whatever recipient.
    #[must_use]
    pub const fn is_standard(&self, request: u8) -> bool {
        matches!(self.request_type.kind, RequestKind::Standard) && self.request == request
    }

    /// The interface `wIndex` names, when the recipient is an interface.
    #[must_use]
    pub const fn interface(&self) -> Option<u8> {
        match self.request_type.recipient {
            Recipient::Interface => Some(self.index.to_le_bytes()[0]),
            _ => None,
        }
    }

    /// The endpoint `wIndex` names, when the recipient is an endpoint and the address is valid.
    #[must_use]
    pub fn endpoint(&self) -> Option<EndpointAddress> {
        match self.request_type.recipient {
            Recipient::Endpoint => EndpointAddress::try_from(self.index.to_le_bytes()[0]).ok(),
            _ => None,
        }
    }

    const fn new(
        direction: Direction,
        kind: RequestKind,
        recipient: Recipient,
        request: u8,
        [value, index, length]: [u16; 3],
    ) -> Self {
        Self {
            request_type: RequestType {
                direction,
                kind,
                recipient,
            },
            request,
            value,
            index,
            length,
        }
    }
}

/// Standard requests (USB 2.0 9.4).
impl SetupPacket {
    /// GET_DESCRIPTOR of the device (USB 2.0 9.4.3). `index` chooses among descriptors of the type;
    /// `language` is a language identifier for strings and 0 otherwise.
    #[must_use]
    pub const fn get_descriptor(
        descriptor_type: u8,
        index: u8,
        language: u16,
        length: u16,
    ) -> Self {
        Self::new(
            Direction::In,
            RequestKind::Standard,
            Recipient::Device,
            request::GET_DESCRIPTOR,
            [
                u16::from_le_bytes([index, descriptor_type]),
                language,
                length,
            ],
        )
    }

    /// GET_DESCRIPTOR of an interface, as HID's report descriptor (HID 1.11 7.1.1).
    #[must_use]
    pub const fn get_interface_descriptor(
        descriptor_type: u8,
        index: u8,
        interface: u8,
        length: u16,
    ) -> Self {
        Self::new(
            Direction::In,
            RequestKind::Standard,
            Recipient::Interface,
            request::GET_DESCRIPTOR,
            [
                u16::from_le_bytes([index, descriptor_type]),
                interface as u16,
                length,
            ],
        )
    }

    /// GET_CONFIGURATION: one byte, 0 when not configured (USB 2.0 9.4.2).
    #[must_use]
    pub const fn get_configuration() -> Self {
        Self::new(
            Direction::In,
            RequestKind::Standard,
            Recipient::Device,
            request::GET_CONFIGURATION,
            [0, 0, 1],
        )
    }

    /// SET_CONFIGURATION to the configuration of this value, or to none with 0 (USB 2.0 9.4.7).
    #[must_use]
    pub const fn set_configuration(value: u8) -> Self {
        Self::new(
            Direction::Out,
            RequestKind::Standard,
            Recipient::Device,
            request::SET_CONFIGURATION,
            [value as u16, 0, 0],
        )
    }

    /// SET_ADDRESS (USB 2.0 9.4.6).
    #[must_use]
    pub const fn set_address(address: u8) -> Self {
        Self::new(
            Direction::Out,
            RequestKind::Standard,
            Recipient::Device,
            request::SET_ADDRESS,
            [address as u16, 0, 0],
        )
    }

    /// GET_INTERFACE: one byte, the alternate setting (USB 2.0 9.4.4).
    #[must_use]
    pub const fn get_interface(interface: u8) -> Self {
        Self::new(
            Direction::In,
            RequestKind::Standard,
            Recipient::Interface,
            request::GET_INTERFACE,
            [0, interface as u16, 1],
        )
    }

    /// SET_INTERFACE to an alternate setting (USB 2.0 9.4.10).
    #[must_use]
    pub const fn set_interface(interface: u8, alternate_setting: u8) -> Self {
        Self::new(
            Direction::Out,
            RequestKind::Standard,
            Recipient::Interface,
            request::SET_INTERFACE,
            [alternate_setting as u16, interface as u16, 0],
        )
    }

    /// GET_STATUS of the device: two bytes, bit 0 self-powered, bit 1 remote wake-up (USB 2.0 9.4.5).
    #[must_use]
    pub const fn get_device_status() -> Self {
        Self::get_status(Recipient::Device, 0)
    }

    /// GET_STATUS of an interface: two bytes, all reserved (USB 2.0 9.4.5).
    #[must_use]
    pub const fn get_interface_status(interface: u8) -> Self {
        Self::get_status(Recipient::Interface, interface as u16)
    }

    /// GET_STATUS of an endpoint: two bytes, bit 0 says halted (USB 2.0 9.4.5).
    #[must_use]
    pub const fn get_endpoint_status(endpoint: EndpointAddress) -> Self {
        Self::get_status(Recipient::Endpoint, endpoint.to_byte() as u16)
    }

    const fn get_status(recipient: Recipient, index: u16) -> Self {
        Self::new(
            Direction::In,
            RequestKind::Standard,
            recipient,
            request::GET_STATUS,
            [0, index, 2],
        )
    }

    /// CLEAR_FEATURE(ENDPOINT_HALT), which resets the data toggle too (USB 2.0 9.4.1, 9.4.5).
    #[doc(alias = "CLEAR_FEATURE")]
    #[must_use]
    pub const fn clear_endpoint_halt(endpoint: EndpointAddress) -> Self {
        Self::endpoint_halt(request::CLEAR_FEATURE, endpoint)
    }

    /// SET_FEATURE(ENDPOINT_HALT) (USB 2.0 9.4.9).
    #[doc(alias = "SET_FEATURE")]
    #[must_use]
    pub const fn set_endpoint_halt(endpoint: EndpointAddress) -> Self {
        Self::endpoint_halt(request::SET_FEATURE, endpoint)
    }

    const fn endpoint_halt(request: u8, endpoint: EndpointAddress) -> Self {
        Self::new(
            Direction::Out,
            RequestKind::Standard,
            Recipient::Endpoint,
            request,
            [feature::ENDPOINT_HALT, endpoint.to_byte() as u16, 0],
        )
    }
}

/// Class and vendor requests.
impl SetupPacket {
    /// A class request to an interface that reads up to `length` bytes.
    #[must_use]
    pub const fn class_interface_in(request: u8, value: u16, interface: u8, length: u16) -> Self {
        Self::new(
            Direction::In,
            RequestKind::Class,
            Recipient::Interface,
            request,
            [value, interface as u16, length],
        )
    }

    /// A class request to an interface that writes `length` bytes, or none with 0.
    #[must_use]
    pub const fn class_interface_out(request: u8, value: u16, interface: u8, length: u16) -> Self {
        Self::new(
            Direction::Out,
            RequestKind::Class,
            Recipient::Interface,
            request,
            [value, interface as u16, length],
        )
    }

    /// A request to the device that reads up to `length` bytes.
    #[must_use]
    pub const fn device_in(
        kind: RequestKind,
        request: u8,
        value: u16,
        index: u16,
        length: u16,
    ) -> Self {
        Self::new(
            Direction::In,
            kind,
            Recipient::Device,
            request,
            [value, index, length],
        )
    }

    /// A request to the device that writes `length` bytes, or none with 0.
    #[must_use]
    pub const fn device_out(
        kind: RequestKind,
        request: u8,
        value: u16,
        index: u16,
        length: u16,
    ) -> Self {
        Self::new(
            Direction::Out,
            kind,
            Recipient::Device,
            request,
            [value, index, length],
        )
    }
}

impl fmt::Display for SetupPacket {
    /// As bus analysers write it: `80 06 value 0x0100 index 0x0000 length 18`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:02x} {:02x} value {:#06x} index {:#06x} length {}",
            self.request_type.to_byte(),
            self.request,
            self.value,
            self.index,
            self.length
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::standard::descriptor_type;

    #[test]
    fn standard_requests_have_the_bytes_of_table_9_3() {
        let in_1 = EndpointAddress::new(1, Direction::In).unwrap();
        let cases: [(SetupPacket, [u8; 8]); 11] = [
            (
                SetupPacket::get_descriptor(descriptor_type::STRING, 2, 0x0409, 255),
                [0x80, 6, 2, 3, 0x09, 0x04, 255, 0],
            ),
            (
                SetupPacket::get_interface_descriptor(descriptor_type::HID_REPORT, 0, 1, 63),
                [0x81, 6, 0, 0x22, 1, 0, 63, 0],
            ),
            (
                SetupPacket::get_configuration(),
                [0x80, 8, 0, 0, 0, 0, 1, 0],
            ),
            (SetupPacket::set_configuration(1), [0, 9, 1, 0, 0, 0, 0, 0]),
            (SetupPacket::set_address(5), [0, 5, 5, 0, 0, 0, 0, 0]),
            (SetupPacket::get_interface(3), [0x81, 10, 0, 0, 3, 0, 1, 0]),
            (SetupPacket::set_interface(3, 2), [1, 11, 2, 0, 3, 0, 0, 0]),
            (
                SetupPacket::get_device_status(),
                [0x80, 0, 0, 0, 0, 0, 2, 0],
            ),
            (
                SetupPacket::get_interface_status(1),
                [0x81, 0, 0, 0, 1, 0, 2, 0],
            ),
            (
                SetupPacket::get_endpoint_status(in_1),
                [0x82, 0, 0, 0, 0x81, 0, 2, 0],
            ),
            (
                SetupPacket::clear_endpoint_halt(in_1),
                [2, 1, 0, 0, 0x81, 0, 0, 0],
            ),
        ];
        for (setup, bytes) in cases {
            assert_eq!(setup.to_bytes(), bytes, "{setup}");
        }
    }

    #[test]
    fn recipients_are_read_from_the_index() {
        let halt = SetupPacket::set_endpoint_halt(EndpointAddress::CONTROL);
        assert_eq!(halt.endpoint(), Some(EndpointAddress::CONTROL));
        assert_eq!(halt.interface(), None);
        assert_eq!(SetupPacket::set_interface(7, 0).interface(), Some(7));
        let bad = SetupPacket {
            index: 0x71,
            ..halt
        };
        assert_eq!(bad.endpoint(), None);
    }

    proptest! {
        #[test]
        fn any_eight_bytes_round_trip(bytes: [u8; 8]) {
            prop_assert_eq!(SetupPacket::from_bytes(bytes).to_bytes(), bytes);
        }
    }
}
