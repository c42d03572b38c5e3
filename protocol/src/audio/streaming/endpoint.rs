//! The endpoints of a stream, with what the audio class adds to them.

use super::super::codes::streaming_subtype as subtype;
use super::super::fields::{Fields, write_descriptor};
use super::super::{AudioError, Version};
use crate::EndpointAddress;
use crate::descriptor::{Endpoint, RawDescriptor, UnknownDescriptor};
use crate::standard::descriptor_type;

bitflags::bitflags! {
    /// What the endpoint of a stream can do (UAC1 4.6.1.2, UAC2 4.10.1.2).
    #[doc(alias = "bmAttributes")]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct EndpointAttributes: u8 {
        /// Audio 1.0: the sampling frequency can be set.
        const SAMPLING_FREQUENCY = 0x01;
        /// Audio 1.0: the pitch can be set.
        const PITCH = 0x02;
        /// Every packet has the largest size; the rest of it is padding.
        const MAX_PACKETS_ONLY = 0x80;
        /// What is not given out is kept.
        const _ = !0;
    }
}

/// The endpoint that carries a stream's sound (UAC1 4.6.1, UAC2 4.10.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataEndpoint {
    /// The standard descriptor. Its `extra` does not have the class-specific one. Audio 1.0 has two more
    /// bytes in `trailing`: `bRefresh` and `bSynchAddress`.
    pub endpoint: Endpoint,
    /// What it can do.
    pub attributes: EndpointAttributes,
    /// Audio 2.0: its controls, two bits each: pitch, data overrun, data underrun.
    #[doc(alias = "bmControls")]
    pub controls: u8,
    /// The unit of `lock_delay`: 1 for milliseconds, 2 for samples, 0 for none.
    #[doc(alias = "bLockDelayUnits")]
    pub lock_delay_units: u8,
    /// How long the endpoint takes to lock onto the clock.
    #[doc(alias = "wLockDelay")]
    pub lock_delay: u16,
}

/// The endpoint that says how many samples the device wants, or gives (UAC1 4.6.2, UAC2 4.10.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FeedbackEndpoint {
    /// The standard descriptor. Audio 1.0 has two more bytes in `trailing`.
    pub endpoint: Endpoint,
}

impl DataEndpoint {
    /// An endpoint without attributes, controls or lock delay. In Audio 1.0 the descriptor has the two bytes
    /// that version adds, which name `feedback`.
    #[must_use]
    pub fn new(
        version: Version,
        mut endpoint: Endpoint,
        feedback: Option<EndpointAddress>,
    ) -> Self {
        if version == Version::Uac1 {
            endpoint.trailing = vec![0, feedback.map_or(0, EndpointAddress::to_byte)];
        }
        Self {
            endpoint,
            attributes: EndpointAttributes::empty(),
            controls: 0,
            lock_delay_units: 0,
            lock_delay: 0,
        }
    }

    /// Audio 1.0: the address of the feedback endpoint as written; 0 for none.
    #[doc(alias = "bSynchAddress")]
    #[must_use]
    pub fn synch_address(&self) -> u8 {
        self.endpoint.trailing.get(1).copied().unwrap_or_default()
    }

    pub(super) fn read_class(
        &mut self,
        version: Version,
        raw: RawDescriptor<'_>,
    ) -> Result<(), AudioError> {
        let section = match version {
            Version::Uac1 => "UAC1 4.6.1.2",
            Version::Uac2 => "UAC2 4.10.1.2",
        };
        let mut fields = Fields::after_subtype(raw, "audio endpoint", section);
        self.attributes = EndpointAttributes::from_bits_retain(fields.u8()?);
        if version == Version::Uac2 {
            self.controls = fields.u8()?;
        }
        self.lock_delay_units = fields.u8()?;
        self.lock_delay = fields.u16()?;
        Ok(())
    }

    /// The standard descriptor with the class-specific one behind it.
    pub(super) fn to_endpoint(&self, version: Version) -> Endpoint {
        let mut contents = vec![self.attributes.bits()];
        if version == Version::Uac2 {
            contents.push(self.controls);
        }
        contents.push(self.lock_delay_units);
        contents.extend_from_slice(&self.lock_delay.to_le_bytes());
        let mut bytes = Vec::new();
        write_descriptor(
            &mut bytes,
            descriptor_type::CS_ENDPOINT,
            subtype::ENDPOINT_GENERAL,
            &contents,
        );
        let mut endpoint = self.endpoint.clone();
        let class = UnknownDescriptor {
            descriptor_type: descriptor_type::CS_ENDPOINT,
            bytes: bytes.split_off(2),
        };
        endpoint.extra.insert(0, class);
        endpoint
    }
}

impl FeedbackEndpoint {
    /// A feedback endpoint. In Audio 1.0 the descriptor has the two bytes that version adds, and says that
    /// there is a new value every 2^`refresh` ms, 1 to 9.
    #[must_use]
    pub fn new(version: Version, mut endpoint: Endpoint, refresh: u8) -> Self {
        if version == Version::Uac1 {
            endpoint.trailing = vec![refresh, 0];
        }
        Self { endpoint }
    }

    /// Audio 1.0: there is a new value every 2 to the power of this, in milliseconds; 0 where it says nothing,
    /// as in Audio 2.0, where the interval says it.
    #[doc(alias = "bRefresh")]
    #[must_use]
    pub fn refresh(&self) -> u8 {
        self.endpoint.trailing.first().copied().unwrap_or_default()
    }
}
