//! What a device says about an endpoint when it enables it.

use thiserror::Error;
use usbfs2_protocol::{EndpointAddress, Speed, TransferType};

use crate::isochronous::Service;

/// An endpoint to enable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Its address, as the host sees it.
    pub address: EndpointAddress,
    /// Bulk, interrupt or isochronous.
    pub transfer_type: TransferType,
    /// Bytes per packet: bits 0 to 10 of `wMaxPacketSize`. Of an isochronous endpoint at high speed, the whole of
    /// `wMaxPacketSize`, additional transactions included; above, `wBytesPerInterval`.
    #[doc(alias = "wMaxPacketSize")]
    pub max_packet_size: u16,
    /// `bInterval`. The bus serves interrupt endpoints as soon as both sides are ready, so theirs is only
    /// checked.
    #[doc(alias = "bInterval")]
    pub interval: u8,
}

/// Why an endpoint cannot be enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnableError {
    /// Endpoint 0 is always there, and no other endpoint is a control pipe here.
    #[error("{0} cannot be enabled as a control pipe: endpoint 0 is always enabled")]
    Control(EndpointAddress),
    /// Low speed has neither bulk nor isochronous endpoints.
    #[error("{address} is {transfer_type}, which {speed} does not have (USB 2.0 5.6, 5.8)")]
    NotAtThisSpeed {
        /// The endpoint.
        address: EndpointAddress,
        /// Its type.
        transfer_type: TransferType,
        /// The port's speed.
        speed: Speed,
    },
    /// The packet size is not one this transfer type may have at this speed.
    #[error(
        "{address} has a packet size of {size}, which {transfer_type} at {speed} may not have \
         (USB 2.0 5.6.3, 5.7.3, 5.8.3, 9.6.6, USB 3.2 9.6.6, 9.6.7)"
    )]
    PacketSize {
        /// The endpoint.
        address: EndpointAddress,
        /// The size asked for, in bytes.
        size: u16,
        /// Its type.
        transfer_type: TransferType,
        /// The port's speed.
        speed: Speed,
    },
    /// An interrupt endpoint's interval is 1 to 255 at low and full speed, 1 to 16 above; an isochronous
    /// endpoint's 1 to 16.
    #[error("{address} has an interval of {interval}, out of range for {speed} (USB 2.0 9.6.6)")]
    Interval {
        /// The endpoint.
        address: EndpointAddress,
        /// The interval asked for.
        interval: u8,
        /// The port's speed.
        speed: Speed,
    },
    /// The endpoint is enabled already.
    #[error("{0} is enabled already: disable it first")]
    AlreadyEnabled(EndpointAddress),
    /// No host is connected, so there is no configuration to enable endpoints for.
    #[error("the cable is out: enable endpoints when the host selects a configuration")]
    Unplugged,
}

impl EndpointSpec {
    /// Whether a device may have this endpoint at this speed.
    pub(crate) fn check(&self, speed: Speed) -> Result<(), EnableError> {
        let Self {
            address,
            transfer_type,
            max_packet_size: size,
            interval,
        } = *self;
        if transfer_type == TransferType::Control || address.number() == 0 {
            return Err(EnableError::Control(address));
        }
        let largest = speed
            .largest_packet(transfer_type)
            .ok_or(EnableError::NotAtThisSpeed {
                address,
                transfer_type,
                speed,
            })?;
        let allowed = match (transfer_type, speed) {
            (TransferType::Bulk, Speed::Full) => matches!(size, 8 | 16 | 32 | 64),
            (TransferType::Bulk, _) => size == largest,
            (TransferType::Isochronous, Speed::Low | Speed::Full) => size <= largest,
            (TransferType::Isochronous, Speed::High) => high_bandwidth(size).is_some(),
            // Three bursts of sixteen packets (USB 3.2 9.6.7).
            (TransferType::Isochronous, _) => size <= 3 * 16 * largest,
            _ => (1..=largest).contains(&size),
        };
        if !allowed {
            return Err(EnableError::PacketSize {
                address,
                size,
                transfer_type,
                speed,
            });
        }
        let longest = match transfer_type {
            TransferType::Interrupt if !speed.has_microframes() => u8::MAX,
            _ => 16,
        };
        if transfer_type != TransferType::Bulk && !(1..=longest).contains(&interval) {
            return Err(EnableError::Interval {
                address,
                interval,
                speed,
            });
        }
        Ok(())
    }

    /// What the bus moves for it, if it is an isochronous endpoint that may be.
    pub(crate) fn service(&self, speed: Speed) -> Option<Service> {
        if self.transfer_type != TransferType::Isochronous {
            return None;
        }
        let unit: u64 = if speed.has_microframes() { 1 } else { 8 };
        let capacity = match speed {
            Speed::High => high_bandwidth(self.max_packet_size)?,
            _ => u32::from(self.max_packet_size),
        };
        Some(Service {
            interval: unit << (self.interval.clamp(1, 16) - 1),
            capacity,
        })
    }
}

/// Bytes a high-speed isochronous endpoint with this wMaxPacketSize moves in a microframe; `None` for one it may
/// not have (USB 2.0 table 9-14).
fn high_bandwidth(size: u16) -> Option<u32> {
    let (bytes, additional) = (size & 0x07ff, size >> 11);
    let allowed = match additional {
        0 => 0..=1024,
        1 => 513..=1024,
        2 => 683..=1024,
        _ => return None,
    };
    allowed
        .contains(&bytes)
        .then(|| u32::from(bytes) * u32::from(additional + 1))
}
