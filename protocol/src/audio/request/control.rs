//! Who is asked what: control requests.

use super::super::{FeatureControl, Version};
use super::{Parameter, selector};
use crate::{Direction, EndpointAddress};

/// Which of a control's attributes is meant (UAC1 5.2.1, UAC2 5.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// The value.
    Current,
    /// Audio 1.0: the lowest value.
    Minimum,
    /// Audio 1.0: the highest value.
    Maximum,
    /// Audio 1.0: the step.
    Resolution,
    /// Audio 2.0: all values there are; nobody can write it.
    Range,
    /// Memory of the entity.
    Memory,
}

/// Who is asked (UAC1 5.2.1, UAC2 5.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// An entity behind a control interface; 0 is the interface itself.
    Entity {
        /// The interface.
        interface: u8,
        /// The entity.
        id: u8,
    },
    /// An endpoint.
    Endpoint(
        /// Its address.
        EndpointAddress,
    ),
}

/// A request to read or write a control.
///
/// ```
/// use usbfs2_protocol::audio::{ControlRequest, Decibel, FeatureControl, Parameter, Version};
///
/// // The volume of both channels together, unit 5 behind interface 0.
/// let request = ControlRequest::feature(0, 5, FeatureControl::Volume, 0);
/// let setup = request.get::<Decibel>().setup(Version::Uac1);
/// assert_eq!(setup.map(|setup| setup.to_bytes()), Some([0xa1, 0x81, 0, 2, 0, 5, 2, 0]));
/// assert_eq!(Decibel::parse(&[0x00, 0xfa]).unwrap().to_string(), "-6.0 dB");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ControlRequest {
    /// Whether the control is read (IN) or written (OUT).
    pub direction: Direction,
    /// Which attribute.
    pub attribute: Attribute,
    /// Who is asked.
    pub target: Target,
    /// Which control, as [`selector`] has them.
    pub selector: u8,
    /// Which channel; 0 for all together and for controls that have none. Mixers have a number for each
    /// crossing.
    pub channel: u8,
    /// Bytes that follow, or the most to answer with.
    pub length: u16,
}

impl ControlRequest {
    /// A control of an entity; [`get`](Self::get), [`set`](Self::set) or [`range`](Self::range) says what to do.
    #[must_use]
    pub const fn entity(interface: u8, id: u8, selector: u8, channel: u8) -> Self {
        Self {
            direction: Direction::In,
            attribute: Attribute::Current,
            target: Target::Entity { interface, id },
            selector,
            channel,
            length: 0,
        }
    }

    /// A control of a feature unit; channel 0 is all of them together.
    #[must_use]
    pub const fn feature(interface: u8, id: u8, control: FeatureControl, channel: u8) -> Self {
        Self::entity(interface, id, control.selector(), channel)
    }

    /// A control of an endpoint.
    #[must_use]
    pub const fn endpoint(address: EndpointAddress, selector: u8) -> Self {
        Self {
            target: Target::Endpoint(address),
            ..Self::entity(0, 0, selector, 0)
        }
    }

    /// Audio 1.0: read the sampling frequency of an endpoint, three bytes.
    #[must_use]
    pub const fn get_sampling_frequency(address: EndpointAddress) -> Self {
        let request = Self::endpoint(address, selector::ENDPOINT_SAMPLING_FREQUENCY);
        Self {
            length: 3,
            ..request
        }
    }

    /// Audio 1.0: write the sampling frequency of an endpoint, three bytes.
    #[must_use]
    pub const fn set_sampling_frequency(address: EndpointAddress) -> Self {
        Self {
            direction: Direction::Out,
            ..Self::get_sampling_frequency(address)
        }
    }

    /// Audio 2.0: the frequency of a clock source, four bytes.
    #[must_use]
    pub const fn clock_frequency(interface: u8, id: u8) -> Self {
        Self::entity(interface, id, selector::CLOCK_FREQUENCY, 0)
    }

    /// Audio 2.0: whether a clock source is valid, one byte.
    #[must_use]
    pub const fn clock_valid(interface: u8, id: u8) -> Self {
        Self::entity(interface, id, selector::CLOCK_VALID, 0)
    }

    /// Audio 2.0: the input pin of a clock selector, one byte.
    #[must_use]
    pub const fn clock_selector(interface: u8, id: u8) -> Self {
        Self::entity(interface, id, selector::CLOCK_SELECTOR, 0)
    }

    /// The input pin of a selector unit, one byte.
    #[must_use]
    pub const fn selector_unit(version: Version, interface: u8, id: u8) -> Self {
        let selector = match version {
            Version::Uac1 => 0,
            Version::Uac2 => selector::SELECTOR,
        };
        Self::entity(interface, id, selector, 0)
    }

    /// Reads a value of this type.
    #[must_use]
    pub const fn get<T: Parameter>(self) -> Self {
        Self {
            direction: Direction::In,
            length: T::LENGTH,
            ..self
        }
    }

    /// Writes a value of this type.
    #[must_use]
    pub const fn set<T: Parameter>(self) -> Self {
        Self {
            direction: Direction::Out,
            length: T::LENGTH,
            ..self
        }
    }

    /// Audio 2.0: reads this much of the ranges; see [`RangeBlock::length`](super::RangeBlock::length).
    #[must_use]
    pub const fn range(self, length: u16) -> Self {
        Self {
            direction: Direction::In,
            attribute: Attribute::Range,
            length,
            ..self
        }
    }

    /// The same of another attribute.
    #[must_use]
    pub const fn of(self, attribute: Attribute) -> Self {
        Self { attribute, ..self }
    }
}
