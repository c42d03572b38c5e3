//! What a device says about an endpoint when it enables it.

use thiserror::Error;
use usbfs2_protocol::{EndpointAddress, Speed, TransferType};

/// An endpoint to enable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Its address, as the host sees it.
    pub address: EndpointAddress,
    /// Bulk or interrupt.
    pub transfer_type: TransferType,
    /// Bytes per packet: bits 0 to 10 of `wMaxPacketSize`.
    #[doc(alias = "wMaxPacketSize")]
    pub max_packet_size: u16,
    /// `bInterval`. The bus serves interrupt endpoints as soon as both sides are ready, so this is
    /// only checked.
    #[doc(alias = "bInterval")]
    pub interval: u8,
}

/// Why an endpoint cannot be enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnableError {
    /// The in-process bus carries no isochronous transfers yet.
    #[error(
        "{0} is isochronous, which the in-process bus does not carry yet: \
         use bulk or interrupt endpoints"
    )]
    Isochronous(EndpointAddress),
    /// Endpoint 0 is always there, and no other endpoint is a control pipe here.
    #[error("{0} cannot be enabled as a control pipe: endpoint 0 is always enabled")]
    Control(EndpointAddress),
    /// Low speed has no bulk endpoints.
    #[error("{address} is {transfer_type}, which {speed} does not have (USB 2.0 5.8)")]
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
         (USB 2.0 5.7.3, 5.8.3, USB 3.2 9.6.6)"
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
    /// An interrupt endpoint's interval is 1 to 255 at low and full speed, 1 to 16 above.
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
        if transfer_type == TransferType::Isochronous {
            return Err(EnableError::Isochronous(address));
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
        let longest = if speed.has_microframes() { 16 } else { u8::MAX };
        if transfer_type == TransferType::Interrupt && !(1..=longest).contains(&interval) {
            return Err(EnableError::Interval {
                address,
                interval,
                speed,
            });
        }
        Ok(())
    }
}
