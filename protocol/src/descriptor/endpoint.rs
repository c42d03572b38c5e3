//! Endpoint descriptors.

use std::fmt;

use super::DescriptorError;
use super::walk::{RawDescriptor, UnknownDescriptor};
use crate::standard::descriptor_type;
use crate::{EndpointAddress, Speed, TransferType};

/// An endpoint of an alternate setting (USB 2.0 9.6.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Its number and direction.
    #[doc(alias = "bEndpointAddress")]
    pub address: EndpointAddress,
    /// The transfer type in bits 0 and 1; see [`transfer_type`](Self::transfer_type).
    #[doc(alias = "bmAttributes")]
    pub attributes: u8,
    /// Packet size and transactions as they are written; see
    /// [`max_packet_size`](Self::max_packet_size).
    #[doc(alias = "wMaxPacketSize")]
    pub max_packet_size_raw: u16,
    /// The interval as it is written; see [`interval_microframes`](Self::interval_microframes).
    #[doc(alias = "bInterval")]
    pub interval: u8,
    /// What follows the seven bytes all endpoints have: `bRefresh` and `bSynchAddress` in Audio 1.0.
    /// The first 248 bytes are sent.
    pub trailing: Vec<u8>,
    /// What SuperSpeed adds.
    pub companion: Option<SuperSpeedCompanion>,
    /// Descriptors of this endpoint that this crate has no type for.
    pub extra: Vec<UnknownDescriptor>,
}

impl Endpoint {
    /// Bytes of an endpoint descriptor, without its trailing bytes.
    pub const LENGTH: usize = 7;

    const MAX_TRAILING: usize = 248;
    const SECTION: &str = "USB 2.0 9.6.6";

    /// An endpoint with one transaction a microframe and no other descriptors.
    #[must_use]
    pub const fn new(
        address: EndpointAddress,
        transfer_type: TransferType,
        max_packet_size: u16,
        interval: u8,
    ) -> Self {
        Self {
            address,
            attributes: transfer_type.to_attributes(),
            max_packet_size_raw: max_packet_size,
            interval,
            trailing: Vec::new(),
            companion: None,
            extra: Vec::new(),
        }
    }

    /// An isochronous endpoint of these types with one transaction a microframe and no other descriptors.
    #[must_use]
    pub const fn isochronous(
        address: EndpointAddress,
        synchronization: SynchronizationType,
        usage: UsageType,
        max_packet_size: u16,
        interval: u8,
    ) -> Self {
        let mut endpoint = Self::new(
            address,
            TransferType::Isochronous,
            max_packet_size,
            interval,
        );
        endpoint.attributes |= synchronization.to_attributes() | usage.to_attributes();
        endpoint
    }

    /// How the endpoint moves data.
    #[must_use]
    pub const fn transfer_type(&self) -> TransferType {
        TransferType::from_attributes(self.attributes)
    }

    /// How an isochronous endpoint keeps time with the host.
    #[must_use]
    pub const fn synchronization_type(&self) -> SynchronizationType {
        SynchronizationType::from_attributes(self.attributes)
    }

    /// What an isochronous endpoint is for.
    #[must_use]
    pub const fn usage_type(&self) -> UsageType {
        UsageType::from_attributes(self.attributes)
    }

    /// The largest packet in bytes, 0 to 2047.
    #[must_use]
    pub const fn max_packet_size(&self) -> u16 {
        self.max_packet_size_raw & 0x07ff
    }

    /// Packets in a microframe, 1 to 3, of a high-speed interrupt or isochronous endpoint
    /// (USB 2.0 9.6.6).
    #[must_use]
    pub const fn transactions_per_microframe(&self) -> u8 {
        match self.max_packet_size_raw >> 11 & 0x03 {
            0 => 1,
            1 => 2,
            _ => 3,
        }
    }

    /// How often the host asks an interrupt or isochronous endpoint, in microframes of 125 us; `None`
    /// for the other types and for an interval the speed does not allow (USB 2.0 9.6.6).
    #[must_use]
    pub const fn interval_microframes(&self, speed: Speed) -> Option<u32> {
        const MICROFRAMES_PER_FRAME: u32 = 8;
        let unit = if speed.has_microframes() {
            1
        } else {
            MICROFRAMES_PER_FRAME
        };
        match (self.transfer_type(), speed) {
            (TransferType::Control | TransferType::Bulk, _) => None,
            (TransferType::Interrupt, Speed::Low | Speed::Full) => match self.interval {
                0 => None,
                frames => Some(frames as u32 * unit),
            },
            (TransferType::Interrupt | TransferType::Isochronous, _) => match self.interval {
                exponent @ 1..=16 => Some(unit << (exponent - 1)),
                _ => None,
            },
        }
    }

    /// The bytes an interrupt or isochronous endpoint moves in a service interval at most: one packet at low
    /// and full speed, up to three transactions at high speed, what the companion says above
    /// (USB 2.0 5.6.3 and 5.9, USB 3.2 9.6.7). One packet where there is no companion that says anything.
    #[doc(alias = "wBytesPerInterval")]
    #[must_use]
    pub const fn bytes_per_interval(&self, speed: Speed) -> u32 {
        let packet = self.max_packet_size() as u32;
        match (speed, self.companion) {
            (Speed::Low | Speed::Full, _) => packet,
            (Speed::High, _) => packet * self.transactions_per_microframe() as u32,
            (Speed::Super | Speed::SuperPlus, Some(companion)) => {
                if companion.bytes_per_interval == 0 {
                    packet
                } else {
                    companion.bytes_per_interval as u32
                }
            }
            (Speed::Super | Speed::SuperPlus, None) => packet,
        }
    }

    /// Appends the endpoint's descriptors as they travel.
    pub fn write_to(&self, to: &mut Vec<u8>) {
        let trailing = &self.trailing[..self.trailing.len().min(Self::MAX_TRAILING)];
        let length = u8::try_from(Self::LENGTH + trailing.len()).unwrap_or(u8::MAX);
        let [m0, m1] = self.max_packet_size_raw.to_le_bytes();
        to.extend_from_slice(&[
            length,
            descriptor_type::ENDPOINT,
            self.address.to_byte(),
            self.attributes,
            m0,
            m1,
            self.interval,
        ]);
        to.extend_from_slice(trailing);
        if let Some(companion) = self.companion {
            to.extend_from_slice(&companion.to_bytes());
        }
        for extra in &self.extra {
            extra.write_to(to);
        }
    }

    /// The endpoint in this descriptor, without those that follow.
    pub(super) fn from_raw(raw: RawDescriptor<'_>) -> Result<Self, DescriptorError> {
        let &[_, _, address, attributes, m0, m1, interval] = raw.expect::<{ Self::LENGTH }>(
            "endpoint descriptor",
            descriptor_type::ENDPOINT,
            Self::SECTION,
        )?;
        let offset = raw.offset;
        let address = EndpointAddress::try_from(address)
            .map_err(|error| DescriptorError::EndpointAddress { offset, error })?;
        if address.number() == 0 {
            return Err(DescriptorError::EndpointZero { offset });
        }
        Ok(Self {
            address,
            attributes,
            max_packet_size_raw: u16::from_le_bytes([m0, m1]),
            interval,
            trailing: raw.bytes[Self::LENGTH..].to_vec(),
            companion: None,
            extra: Vec::new(),
        })
    }
}

/// How an isochronous endpoint keeps time with the host (USB 2.0 5.12.4.1; bits 2 and 3 of `bmAttributes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SynchronizationType {
    /// It says nothing about it.
    None,
    /// It has a clock of its own: a feedback endpoint says how much a sink takes.
    Asynchronous,
    /// It follows the data.
    Adaptive,
    /// It runs with start of frame.
    Synchronous,
}

impl SynchronizationType {
    /// The type bits 2 and 3 of `bmAttributes` say.
    #[must_use]
    pub const fn from_attributes(attributes: u8) -> Self {
        match attributes >> 2 & 0x03 {
            0 => Self::None,
            1 => Self::Asynchronous,
            2 => Self::Adaptive,
            _ => Self::Synchronous,
        }
    }

    /// Bits 2 and 3 of `bmAttributes`.
    #[must_use]
    pub const fn to_attributes(self) -> u8 {
        (self as u8) << 2
    }
}

impl fmt::Display for SynchronizationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "no synchronization",
            Self::Asynchronous => "asynchronous",
            Self::Adaptive => "adaptive",
            Self::Synchronous => "synchronous",
        })
    }
}

/// What an isochronous endpoint is for (USB 2.0 9.6.6; bits 4 and 5 of `bmAttributes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsageType {
    /// Data.
    Data,
    /// How much data a sink takes.
    Feedback,
    /// Data, whose rate is also that of the sinks of the device.
    ImplicitFeedback,
    /// Not given out.
    Reserved,
}

impl UsageType {
    /// The type bits 4 and 5 of `bmAttributes` say.
    #[must_use]
    pub const fn from_attributes(attributes: u8) -> Self {
        match attributes >> 4 & 0x03 {
            0 => Self::Data,
            1 => Self::Feedback,
            2 => Self::ImplicitFeedback,
            _ => Self::Reserved,
        }
    }

    /// Bits 4 and 5 of `bmAttributes`.
    #[must_use]
    pub const fn to_attributes(self) -> u8 {
        (self as u8) << 4
    }
}

impl fmt::Display for UsageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Data => "data",
            Self::Feedback => "feedback",
            Self::ImplicitFeedback => "implicit feedback",
            Self::Reserved => "reserved",
        })
    }
}

/// What SuperSpeed adds to an endpoint (USB 3.2 9.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SuperSpeedCompanion {
    /// Packets in a burst, less one.
    #[doc(alias = "bMaxBurst")]
    pub max_burst: u8,
    /// Streams of a bulk endpoint, bursts of an isochronous one.
    #[doc(alias = "bmAttributes")]
    pub attributes: u8,
    /// Bytes a periodic endpoint moves in a service interval.
    #[doc(alias = "wBytesPerInterval")]
    pub bytes_per_interval: u16,
}

impl SuperSpeedCompanion {
    /// Bytes of a companion.
    pub const LENGTH: usize = 6;

    /// The descriptor as it travels.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::LENGTH] {
        let [b0, b1] = self.bytes_per_interval.to_le_bytes();
        [
            6,
            descriptor_type::SUPERSPEED_ENDPOINT_COMPANION,
            self.max_burst,
            self.attributes,
            b0,
            b1,
        ]
    }

    /// Reads a companion.
    ///
    /// # Errors
    /// Fewer than 6 bytes, or another descriptor.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        Self::from_raw(RawDescriptor::first(bytes)?)
    }

    pub(super) fn from_raw(raw: RawDescriptor<'_>) -> Result<Self, DescriptorError> {
        let &[_, _, max_burst, attributes, b0, b1] = raw.expect::<{ Self::LENGTH }>(
            "SuperSpeed endpoint companion",
            descriptor_type::SUPERSPEED_ENDPOINT_COMPANION,
            "USB 3.2 9.6.7",
        )?;
        Ok(Self {
            max_burst,
            attributes,
            bytes_per_interval: u16::from_le_bytes([b0, b1]),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoint(transfer_type: TransferType, interval: u8) -> Endpoint {
        let address = EndpointAddress::try_from(0x81).unwrap();
        Endpoint::new(address, transfer_type, 64, interval)
    }

    #[test]
    fn intervals_are_read_as_the_speed_writes_them() {
        use Speed::{Full, High, Low, Super};
        use TransferType::{Bulk, Interrupt, Isochronous};
        let cases = [
            (Interrupt, 10, Low, Some(80)),
            (Interrupt, 255, Full, Some(2040)),
            (Interrupt, 4, High, Some(8)),
            (Interrupt, 16, Super, Some(32768)),
            (Interrupt, 17, High, None),
            (Interrupt, 0, Full, None),
            (Isochronous, 1, Full, Some(8)),
            (Isochronous, 4, High, Some(8)),
            (Isochronous, 0, High, None),
            (Bulk, 1, High, None),
        ];
        for (transfer_type, interval, speed, microframes) in cases {
            assert_eq!(
                endpoint(transfer_type, interval).interval_microframes(speed),
                microframes,
                "{transfer_type} {interval} {speed}"
            );
        }
    }

    #[test]
    fn isochronous_attributes_are_three_fields() {
        let address = EndpointAddress::try_from(0x81).unwrap();
        for attributes in (0..=u8::MAX).filter(|attributes| attributes & 0xc3 == 1) {
            let synchronization = SynchronizationType::from_attributes(attributes);
            let usage = UsageType::from_attributes(attributes);
            let endpoint = Endpoint::isochronous(address, synchronization, usage, 192, 1);
            assert_eq!(endpoint.attributes, attributes);
            assert_eq!(endpoint.transfer_type(), TransferType::Isochronous);
            assert_eq!(endpoint.synchronization_type(), synchronization);
            assert_eq!(endpoint.usage_type(), usage);
        }
    }

    #[test]
    fn high_bandwidth_endpoints_say_their_transactions() {
        let mut endpoint = endpoint(TransferType::Isochronous, 1);
        endpoint.max_packet_size_raw = 0x1400;
        assert_eq!(endpoint.max_packet_size(), 1024);
        assert_eq!(endpoint.transactions_per_microframe(), 3);
        endpoint.max_packet_size_raw = 0x0a00;
        assert_eq!(endpoint.max_packet_size(), 512);
        assert_eq!(endpoint.transactions_per_microframe(), 2);
    }

    #[test]
    fn an_interval_carries_what_the_speed_allows() {
        let mut endpoint = endpoint(TransferType::Isochronous, 1);
        endpoint.max_packet_size_raw = 0x1400;
        let sizes = [Speed::Full, Speed::High, Speed::Super]
            .map(|speed| endpoint.bytes_per_interval(speed));
        assert_eq!(sizes, [1024, 3072, 1024]);
        endpoint.companion = Some(SuperSpeedCompanion {
            max_burst: 15,
            attributes: 2,
            bytes_per_interval: 49_152,
        });
        assert_eq!(endpoint.bytes_per_interval(Speed::Super), 49_152);
        assert_eq!(endpoint.bytes_per_interval(Speed::High), 3072);
    }

    proptest! {
        #[test]
        fn any_companion_round_trips(max_burst: u8, attributes: u8, bytes_per_interval: u16) {
            let companion = SuperSpeedCompanion { max_burst, attributes, bytes_per_interval };
            prop_assert_eq!(SuperSpeedCompanion::parse(&companion.to_bytes()), Ok(companion));
            prop_assert!(SuperSpeedCompanion::parse(&companion.to_bytes()[..5]).is_err());
        }

        #[test]
        fn no_endpoint_has_an_interval_that_panics(attributes: u8, interval: u8, raw: u16) {
            let mut endpoint = endpoint(TransferType::from_attributes(attributes), interval);
            endpoint.max_packet_size_raw = raw;
            for speed in [Speed::Low, Speed::Full, Speed::High, Speed::Super, Speed::SuperPlus] {
                prop_assert_ne!(endpoint.interval_microframes(speed), Some(0));
            }
            prop_assert!((1..=3).contains(&endpoint.transactions_per_microframe()));
        }
    }
}
