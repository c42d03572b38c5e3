//! Endpoint addresses, transfer types and speeds.

use std::fmt;

use thiserror::Error;

/// Which way data moves, seen from the host (USB 2.0 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Host to device.
    Out,
    /// Device to host.
    In,
}

impl Direction {
    /// The bit that says IN, in endpoint addresses and in bmRequestType.
    pub(crate) const IN_BIT: u8 = 0x80;

    /// The direction the top bit of an endpoint address, a bmRequestType or a bmCBWFlags says.
    #[must_use]
    pub const fn from_bit(byte: u8) -> Self {
        if byte & Self::IN_BIT == 0 {
            Self::Out
        } else {
            Self::In
        }
    }

    /// 0x80 for IN, 0 for OUT.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Out => 0,
            Self::In => Self::IN_BIT,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Out => "OUT",
            Self::In => "IN",
        })
    }
}

/// A byte, or a number, that cannot be an endpoint address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidEndpointAddress {
    /// An endpoint number is 0 to 15.
    #[error("endpoint number {0} is out of range: use 0 to 15 (USB 2.0 9.6.6)")]
    Number(u8),
    /// Bits 4 to 6 of an endpoint address are reserved and zero.
    #[error(
        "{0:#04x} is not an endpoint address: bits 4 to 6 are reserved and must be 0 (USB 2.0 9.6.6)"
    )]
    ReservedBits(u8),
}

/// An endpoint's number and direction as one byte, as in `bEndpointAddress` (USB 2.0 9.6.6).
///
/// ```
/// use usbfs2_protocol::{Direction, EndpointAddress};
///
/// let address = EndpointAddress::new(1, Direction::In)?;
/// assert_eq!(address.to_string(), "0x81");
/// assert_eq!(EndpointAddress::try_from(0x81)?, address);
/// assert!(EndpointAddress::try_from(0x91).is_err());
/// # Ok::<(), usbfs2_protocol::InvalidEndpointAddress>(())
/// ```
#[doc(alias = "bEndpointAddress")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointAddress(u8);

impl EndpointAddress {
    /// The default control pipe, 0x00.
    pub const CONTROL: Self = Self(0);

    const NUMBER_MASK: u8 = 0x0f;

    /// The address of endpoint `number` in `direction`.
    ///
    /// # Errors
    /// [`InvalidEndpointAddress::Number`] when `number` is above 15.
    pub const fn new(number: u8, direction: Direction) -> Result<Self, InvalidEndpointAddress> {
        if number > Self::NUMBER_MASK {
            return Err(InvalidEndpointAddress::Number(number));
        }
        Ok(Self(number | direction.bit()))
    }

    /// The endpoint number, 0 to 15, without the direction.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0 & Self::NUMBER_MASK
    }

    /// The direction. That of endpoint 0 says nothing: control transfers go both ways.
    #[must_use]
    pub const fn direction(self) -> Direction {
        Direction::from_bit(self.0)
    }

    /// The byte as it stands in `bEndpointAddress`.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for EndpointAddress {
    type Error = InvalidEndpointAddress;

    fn try_from(byte: u8) -> Result<Self, Self::Error> {
        if byte & !(Self::NUMBER_MASK | Direction::IN_BIT) != 0 {
            return Err(InvalidEndpointAddress::ReservedBits(byte));
        }
        Ok(Self(byte))
    }
}

impl From<EndpointAddress> for u8 {
    fn from(address: EndpointAddress) -> Self {
        address.0
    }
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

impl fmt::Debug for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointAddress({self})")
    }
}

/// How an endpoint moves data (USB 2.0 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferType {
    /// Requests with a setup packet, an optional data stage and a status stage.
    Control,
    /// A fixed share of the bandwidth, no retries.
    Isochronous,
    /// Whatever bandwidth is left, retried until it arrives.
    Bulk,
    /// Small and polled at an interval, retried until it arrives.
    Interrupt,
}

impl TransferType {
    /// The type that bits 0 and 1 of `bmAttributes` say (USB 2.0 9.6.6).
    #[must_use]
    pub const fn from_attributes(attributes: u8) -> Self {
        match attributes & 0x03 {
            0 => Self::Control,
            1 => Self::Isochronous,
            2 => Self::Bulk,
            _ => Self::Interrupt,
        }
    }

    /// Bits 0 and 1 of `bmAttributes`.
    #[must_use]
    pub const fn to_attributes(self) -> u8 {
        match self {
            Self::Control => 0,
            Self::Isochronous => 1,
            Self::Bulk => 2,
            Self::Interrupt => 3,
        }
    }
}

impl fmt::Display for TransferType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Control => "control",
            Self::Isochronous => "isochronous",
            Self::Bulk => "bulk",
            Self::Interrupt => "interrupt",
        })
    }
}

/// The speed a device runs at. Slower speeds compare as less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speed {
    /// 1.5 Mbit/s.
    Low,
    /// 12 Mbit/s.
    Full,
    /// 480 Mbit/s.
    High,
    /// 5 Gbit/s.
    Super,
    /// 10 Gbit/s and more.
    SuperPlus,
}

impl Speed {
    /// The largest packet an endpoint of this type may declare at this speed, in bytes; `None` where
    /// the speed does not have the type (low speed has neither bulk nor isochronous).
    ///
    /// USB 2.0 5.5.3, 5.6.3, 5.7.3, 5.8.3; USB 3.2 9.6.6.
    #[must_use]
    pub const fn largest_packet(self, transfer_type: TransferType) -> Option<u16> {
        let largest = match (self, transfer_type) {
            (Self::Low, TransferType::Control | TransferType::Interrupt) => 8,
            (Self::Low, TransferType::Isochronous | TransferType::Bulk) => return None,
            (Self::Full, TransferType::Isochronous) => 1023,
            (Self::Full, _) | (Self::High, TransferType::Control) => 64,
            (Self::High, TransferType::Bulk) => 512,
            (Self::High, _) => 1024,
            (Self::Super | Self::SuperPlus, TransferType::Control) => 512,
            (Self::Super | Self::SuperPlus, _) => 1024,
        };
        Some(largest)
    }

    /// The packet size bulk endpoints use at this speed, in bytes: 64, 512 or 1024 (USB 2.0 5.8.3,
    /// USB 3.2 9.6.6). `None` at low speed, which has no bulk.
    #[must_use]
    pub const fn bulk_max_packet_size(self) -> Option<u16> {
        self.largest_packet(TransferType::Bulk)
    }

    /// Whether time is counted in microframes of 125 us rather than frames of 1 ms.
    #[must_use]
    pub const fn has_microframes(self) -> bool {
        matches!(self, Self::High | Self::Super | Self::SuperPlus)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low speed",
            Self::Full => "full speed",
            Self::High => "high speed",
            Self::Super => "super speed",
            Self::SuperPlus => "super speed plus",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_an_address_that_round_trips_or_an_error() {
        let valid: Vec<u8> = (0..=u8::MAX)
            .filter(|&byte| match EndpointAddress::try_from(byte) {
                Ok(address) => {
                    assert_eq!(address.to_byte(), byte);
                    let rebuilt = EndpointAddress::new(address.number(), address.direction());
                    assert_eq!(rebuilt, Ok(address));
                    true
                }
                Err(error) => {
                    assert_eq!(error, InvalidEndpointAddress::ReservedBits(byte));
                    false
                }
            })
            .collect();
        assert_eq!(valid, (0..16).chain(0x80..0x90).collect::<Vec<_>>());
    }

    #[test]
    fn a_number_above_15_is_refused() {
        assert_eq!(
            EndpointAddress::new(16, Direction::In),
            Err(InvalidEndpointAddress::Number(16))
        );
    }

    #[test]
    fn addresses_print_as_the_specification_writes_them() {
        let address = EndpointAddress::new(2, Direction::Out).unwrap();
        assert_eq!(address.to_string(), "0x02");
        assert_eq!(format!("{address:?}"), "EndpointAddress(0x02)");
    }

    #[test]
    fn transfer_types_round_trip_through_bm_attributes() {
        for attributes in 0..=u8::MAX {
            let transfer_type = TransferType::from_attributes(attributes);
            assert_eq!(transfer_type.to_attributes(), attributes & 3);
        }
    }

    #[test]
    fn packet_sizes_are_those_of_the_speed() {
        assert_eq!(Speed::Low.bulk_max_packet_size(), None);
        assert_eq!(Speed::Full.bulk_max_packet_size(), Some(64));
        assert_eq!(Speed::High.bulk_max_packet_size(), Some(512));
        assert_eq!(Speed::SuperPlus.bulk_max_packet_size(), Some(1024));
        assert_eq!(
            Speed::Full.largest_packet(TransferType::Isochronous),
            Some(1023)
        );
        assert_eq!(
            Speed::High.largest_packet(TransferType::Interrupt),
            Some(1024)
        );
        assert_eq!(Speed::Low.largest_packet(TransferType::Interrupt), Some(8));
        assert_eq!(
            Speed::Super.largest_packet(TransferType::Control),
            Some(512)
        );
    }
}
