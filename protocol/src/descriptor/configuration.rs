//! A configuration and the tree of interfaces under it.

use super::walk::UnknownDescriptor;
use super::{AlternateSetting, DescriptorError, Interface, InterfaceAssociation, salvage};
use crate::Speed;
use crate::standard::descriptor_type;

/// A configuration with all that belongs to it (USB 2.0 9.6.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Configuration {
    /// The value that selects it, not 0.
    #[doc(alias = "bConfigurationValue")]
    pub value: u8,
    /// The string that names it; 0 for none.
    #[doc(alias = "iConfiguration")]
    pub string_index: u8,
    /// The device has power of its own.
    pub self_powered: bool,
    /// The device can wake the host.
    pub remote_wakeup: bool,
    /// The current the device may draw as it is written; see
    /// [`max_power_milliamperes`](Self::max_power_milliamperes).
    #[doc(alias = "bMaxPower")]
    pub max_power: u8,
    /// Its interfaces, in the order the device lists them.
    pub interfaces: Vec<Interface>,
    /// Its interface associations. [`to_bytes`](Self::to_bytes) puts each before its first interface.
    pub associations: Vec<InterfaceAssociation>,
    /// Descriptors before the first interface that this crate has no type for.
    pub extra: Vec<UnknownDescriptor>,
}

impl Configuration {
    /// Bytes of the configuration descriptor itself. Its `wTotalLength` says how many follow.
    pub const HEADER_LENGTH: usize = 9;
    /// The interfaces Linux takes.
    pub const MAX_INTERFACES: usize = 32;

    /// The current the device may draw, in milliamperes: units of 2, at SuperSpeed of 8
    /// (USB 3.2 9.6.3).
    #[must_use]
    pub const fn max_power_milliamperes(&self, speed: Speed) -> u16 {
        let unit = match speed {
            Speed::Low | Speed::Full | Speed::High => 2,
            Speed::Super | Speed::SuperPlus => 8,
        };
        self.max_power as u16 * unit
    }

    /// The interface of this number.
    #[must_use]
    pub fn interface(&self, number: u8) -> Option<&Interface> {
        self.interfaces
            .iter()
            .find(|interface| interface.number == number)
    }

    /// Every alternate setting of every interface.
    pub fn alternate_settings(&self) -> impl Iterator<Item = &AlternateSetting> {
        self.interfaces
            .iter()
            .flat_map(|interface| &interface.alternate_settings)
    }

    /// `wTotalLength` of the configuration whose first bytes these are: how many to read in all.
    ///
    /// # Errors
    /// Fewer than nine bytes, another descriptor, or a length less than nine.
    pub fn total_length(header: &[u8]) -> Result<u16, DescriptorError> {
        let header = salvage::header(header, 0)?;
        Ok(u16::from_le_bytes([header[2], header[3]]))
    }

    /// The configuration as it travels. A configuration counts 255 interfaces and 65535 bytes: larger
    /// ones say so, and do not parse.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes_as(descriptor_type::CONFIGURATION)
    }

    /// The configuration as it travels when it is that of the speed the device does not run at
    /// (USB 2.0 9.6.4).
    #[must_use]
    pub fn to_other_speed_bytes(&self) -> Vec<u8> {
        self.to_bytes_as(descriptor_type::OTHER_SPEED_CONFIGURATION)
    }

    fn to_bytes_as(&self, descriptor_type: u8) -> Vec<u8> {
        // Bit 7 was "bus-powered" in USB 1.0 and is set ever since.
        let attributes =
            0x80 | u8::from(self.self_powered) << 6 | u8::from(self.remote_wakeup) << 5;
        let mut bytes = vec![
            9,
            descriptor_type,
            0,
            0,
            u8::try_from(self.interfaces.len()).unwrap_or(u8::MAX),
            self.value,
            self.string_index,
            attributes,
            self.max_power,
        ];
        for extra in &self.extra {
            extra.write_to(&mut bytes);
        }
        let is_orphan = |association: &&InterfaceAssociation| {
            self.interface(association.first_interface).is_none()
        };
        for association in self.associations.iter().filter(is_orphan) {
            bytes.extend_from_slice(&association.to_bytes());
        }
        for interface in &self.interfaces {
            let begins_here = |a: &&InterfaceAssociation| a.first_interface == interface.number;
            for association in self.associations.iter().filter(begins_here) {
                bytes.extend_from_slice(&association.to_bytes());
            }
            for setting in &interface.alternate_settings {
                setting.write_to(&mut bytes);
            }
        }
        let total_length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        bytes[2..4].copy_from_slice(&total_length.to_le_bytes());
        bytes
    }

    /// Reads a configuration, of the current speed or the other.
    ///
    /// # Errors
    /// The first rule that is broken. [`salvage`](Self::salvage) reads on.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let (configuration, problems) = Self::salvage(bytes)?;
        match problems.into_iter().next() {
            None => Ok(configuration),
            Some(problem) => Err(problem),
        }
    }

    /// Reads what can be read of a configuration that may lie, and every rule it breaks. What breaks a
    /// rule is left out, as Linux leaves it out; counts and lengths that lie are not believed.
    ///
    /// # Errors
    /// The nine bytes of the configuration descriptor itself cannot be read.
    pub fn salvage(bytes: &[u8]) -> Result<(Self, Vec<DescriptorError>), DescriptorError> {
        salvage::configuration(bytes, 0)
    }
}
