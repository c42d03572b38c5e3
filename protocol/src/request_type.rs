//! The first byte of a setup packet: direction, kind and recipient.

use std::fmt;

use crate::Direction;

/// Who defined a request (USB 2.0 table 9-2, bits 5 and 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Chapter 9.
    Standard,
    /// A device class.
    Class,
    /// The vendor.
    Vendor,
    /// Nobody yet.
    Reserved,
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Standard => "standard",
            Self::Class => "class",
            Self::Vendor => "vendor",
            Self::Reserved => "reserved",
        })
    }
}

/// What a request is addressed to (USB 2.0 table 9-2, bits 0 to 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// The device.
    Device,
    /// The interface in the low byte of `wIndex`.
    Interface,
    /// The endpoint in the low byte of `wIndex`.
    Endpoint,
    /// Something else.
    Other,
    /// 4 to 31, given out to nobody in USB 2.0. Only the low five bits count, and 0 to 3 are the
    /// recipients above.
    Reserved(u8),
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Device => "device",
            Self::Interface => "interface",
            Self::Endpoint => "endpoint",
            Self::Other => "other",
            Self::Reserved(_) => "reserved",
        })
    }
}

/// The first byte of a setup packet (USB 2.0 9.3.1).
#[doc(alias = "bmRequestType")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestType {
    /// Which way the data stage goes. A request without one counts as OUT.
    pub direction: Direction,
    /// Who defined the request.
    pub kind: RequestKind,
    /// What it is addressed to.
    pub recipient: Recipient,
}

impl RequestType {
    /// The byte's three fields. Every byte is a request type.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        Self {
            direction: Direction::from_bit(byte),
            kind: match byte >> 5 & 0x03 {
                0 => RequestKind::Standard,
                1 => RequestKind::Class,
                2 => RequestKind::Vendor,
                _ => RequestKind::Reserved,
            },
            recipient: match byte & 0x1f {
                0 => Recipient::Device,
                1 => Recipient::Interface,
                2 => Recipient::Endpoint,
                3 => Recipient::Other,
                reserved => Recipient::Reserved(reserved),
            },
        }
    }

    /// The three fields as one byte.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        let kind = match self.kind {
            RequestKind::Standard => 0,
            RequestKind::Class => 1,
            RequestKind::Vendor => 2,
            RequestKind::Reserved => 3,
        };
        let recipient = match self.recipient {
            Recipient::Device => 0,
            Recipient::Interface => 1,
            Recipient::Endpoint => 2,
            Recipient::Other => 3,
            Recipient::Reserved(reserved) => reserved & 0x1f,
        };
        self.direction.bit() | kind << 5 | recipient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_type_byte_round_trips() {
        for byte in 0..=u8::MAX {
            assert_eq!(RequestType::from_byte(byte).to_byte(), byte);
        }
    }

    #[test]
    fn a_reserved_recipient_cannot_spill_into_the_kind() {
        let request_type = RequestType {
            direction: Direction::Out,
            kind: RequestKind::Standard,
            recipient: Recipient::Reserved(0xff),
        };
        assert_eq!(request_type.to_byte(), 0x1f);
    }
}
