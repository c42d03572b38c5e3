//! The endpoints of a stream, with what the audio class adds to them.

use super::super::codes::streaming_subtype as subtype;
use super::super::fields::{Fields, write_descriptor};
use super::super::{AudioError, Version};
use crate::descriptor::{
    AlternateSetting, ClassDescriptor, Descriptors, Endpoint, RawDescriptor, UnknownDescriptor,
    UsageType,
};
use crate::standard::descriptor_type;
use crate::{EndpointAddress, TransferType};

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

/// The isochronous endpoint that carries sound, with its class-specific descriptor, and the one that gives
/// feedback.
pub(super) fn of_setting(
    version: Version,
    setting: &AlternateSetting,
    problems: &mut Vec<AudioError>,
) -> Option<(DataEndpoint, Option<FeedbackEndpoint>)> {
    let isochronous = || {
        setting
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.transfer_type() == TransferType::Isochronous)
    };
    let endpoint = isochronous().find(|endpoint| endpoint.usage_type() != UsageType::Feedback)?;
    let mut data = DataEndpoint {
        endpoint: endpoint.clone(),
        ..DataEndpoint::new(Version::Uac2, endpoint.clone(), None)
    };
    // Some devices have the class-specific descriptor before the standard one, or behind the other endpoint.
    let own = |endpoint: &&Endpoint| endpoint.address == data.endpoint.address;
    let not_own = |endpoint: &&Endpoint| endpoint.address != data.endpoint.address;
    let behind_own = setting.endpoints.iter().filter(own);
    let behind_others = setting.endpoints.iter().filter(not_own);
    let before = setting.extra.iter().filter_map(|extra| match extra {
        ClassDescriptor::Unknown(extra) => Some(extra),
        ClassDescriptor::Hid(_) => None,
    });
    let class = behind_own
        .flat_map(|endpoint| &endpoint.extra)
        .chain(before)
        .chain(behind_others.flat_map(|endpoint| &endpoint.extra))
        .find(is_class_endpoint)
        .cloned();
    match class {
        Some(class) => {
            let mut bytes = Vec::new();
            class.write_to(&mut bytes);
            let raw = Descriptors::new(&bytes).flatten().next();
            if let Some(Err(problem)) = raw.map(|raw| data.read_class(version, raw)) {
                problems.push(problem);
            }
        }
        None => problems.push(AudioError::MissingDescriptor {
            interface: setting.interface_number,
            alternate_setting: setting.alternate_setting,
            descriptor: "class-specific endpoint",
            section: match version {
                Version::Uac1 => "UAC1 4.6.1.2",
                Version::Uac2 => "UAC2 4.10.1.2",
            },
        }),
    }
    if let Some(at) = data
        .endpoint
        .extra
        .iter()
        .position(|extra| is_class_endpoint(&extra))
    {
        data.endpoint.extra.remove(at);
    }
    let others = || isochronous().filter(|other| other.address != data.endpoint.address);
    let named = match version {
        Version::Uac1 => data.synch_address(),
        Version::Uac2 => 0,
    };
    let feedback = others()
        .find(|other| other.usage_type() == UsageType::Feedback)
        .or_else(|| others().find(|other| named != 0 && other.address.to_byte() == named))
        // Some devices leave out the direction.
        .or_else(|| others().find(|other| named != 0 && other.address.number() == named));
    if named != 0 && feedback.is_none() {
        problems.push(AudioError::MissingFeedback {
            data: data.endpoint.address,
            feedback: named,
        });
    }
    let feedback = feedback.cloned();
    let feedback = feedback.map(|endpoint| FeedbackEndpoint { endpoint });
    Some((data, feedback))
}

fn is_class_endpoint(extra: &&UnknownDescriptor) -> bool {
    extra.descriptor_type == descriptor_type::CS_ENDPOINT
        && extra.bytes.first() == Some(&subtype::ENDPOINT_GENERAL)
}
