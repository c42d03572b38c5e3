//! Interfaces, their alternate settings, and associations of them.

use super::DescriptorError;
use super::endpoint::Endpoint;
use super::walk::{RawDescriptor, UnknownDescriptor};
use crate::hid::HidDescriptor;
use crate::standard::{class, descriptor_type};
use crate::{EndpointAddress, TransferType};

/// One interface of a configuration, with each of its alternate settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interface {
    /// Its number.
    #[doc(alias = "bInterfaceNumber")]
    pub number: u8,
    /// Its alternate settings, in the order the device lists them. A parsed interface has at least one.
    pub alternate_settings: Vec<AlternateSetting>,
}

impl Interface {
    /// The alternate setting of this number.
    #[must_use]
    pub fn alternate_setting(&self, number: u8) -> Option<&AlternateSetting> {
        self.alternate_settings
            .iter()
            .find(|setting| setting.alternate_setting == number)
    }

    /// The alternate setting the interface has when nothing was selected: 0, or the first there is.
    #[must_use]
    pub fn default_setting(&self) -> Option<&AlternateSetting> {
        self.alternate_setting(0)
            .or_else(|| self.alternate_settings.first())
    }
}

/// One of the ways an interface can be set (USB 2.0 9.6.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AlternateSetting {
    /// The interface.
    #[doc(alias = "bInterfaceNumber")]
    pub interface_number: u8,
    /// This setting's number.
    #[doc(alias = "bAlternateSetting")]
    pub alternate_setting: u8,
    /// One of [`class`].
    #[doc(alias = "bInterfaceClass")]
    pub class: u8,
    /// The class's subclass.
    #[doc(alias = "bInterfaceSubClass")]
    pub subclass: u8,
    /// The class's protocol.
    #[doc(alias = "bInterfaceProtocol")]
    pub protocol: u8,
    /// The string that names it; 0 for none.
    #[doc(alias = "iInterface")]
    pub string_index: u8,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// The class's and other descriptors between the interface and its endpoints.
    pub extra: Vec<ClassDescriptor>,
}

impl AlternateSetting {
    /// Bytes of an interface descriptor.
    pub const LENGTH: usize = 9;

    /// The endpoint of this address.
    #[must_use]
    pub fn endpoint(&self, address: EndpointAddress) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.address == address)
    }

    /// The first endpoint of this type whose address has this direction.
    #[must_use]
    pub fn find_endpoint(
        &self,
        transfer_type: TransferType,
        direction: crate::Direction,
    ) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| {
            endpoint.transfer_type() == transfer_type && endpoint.address.direction() == direction
        })
    }

    /// The HID descriptor, wherever the device put it: HID 1.11 7.1 wants it before the endpoints,
    /// devices of HID 1.0 drafts have it after.
    #[must_use]
    pub fn hid(&self) -> Option<HidDescriptor> {
        self.extra
            .iter()
            .find_map(|extra| match extra {
                ClassDescriptor::Hid(hid) => Some(hid.clone()),
                ClassDescriptor::Unknown(_) => None,
            })
            .or_else(|| {
                let extras = self.endpoints.iter().flat_map(|endpoint| &endpoint.extra);
                extras
                    .filter(|extra| {
                        self.class == class::HID && extra.descriptor_type == descriptor_type::HID
                    })
                    .find_map(|extra| {
                        let mut bytes = Vec::new();
                        extra.write_to(&mut bytes);
                        HidDescriptor::parse(&bytes).ok()
                    })
            })
    }

    /// Appends the setting's descriptors as they travel. An interface descriptor counts 255 endpoints.
    pub fn write_to(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&[
            9,
            descriptor_type::INTERFACE,
            self.interface_number,
            self.alternate_setting,
            u8::try_from(self.endpoints.len()).unwrap_or(u8::MAX),
            self.class,
            self.subclass,
            self.protocol,
            self.string_index,
        ]);
        for extra in &self.extra {
            extra.write_to(to);
        }
        for endpoint in &self.endpoints {
            endpoint.write_to(to);
        }
    }

    /// The setting in this descriptor, without those that follow, and its `bNumEndpoints`.
    pub(super) fn from_raw(raw: RawDescriptor<'_>) -> Result<(Self, u8), DescriptorError> {
        let &[
            _,
            _,
            interface_number,
            alternate_setting,
            endpoint_count,
            class,
            subclass,
            protocol,
            string_index,
        ] = raw.expect::<{ Self::LENGTH }>(
            "interface descriptor",
            descriptor_type::INTERFACE,
            "USB 2.0 9.6.5",
        )?;
        let setting = Self {
            interface_number,
            alternate_setting,
            class,
            subclass,
            protocol,
            string_index,
            endpoints: Vec::new(),
            extra: Vec::new(),
        };
        Ok((setting, endpoint_count))
    }
}

/// A descriptor that belongs to an alternate setting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClassDescriptor {
    /// A HID interface's.
    Hid(HidDescriptor),
    /// One this crate has no type for.
    Unknown(UnknownDescriptor),
}

impl ClassDescriptor {
    /// Appends the descriptor as it travels.
    pub fn write_to(&self, to: &mut Vec<u8>) {
        match self {
            Self::Hid(hid) => to.extend_from_slice(&hid.to_bytes()),
            Self::Unknown(unknown) => unknown.write_to(to),
        }
    }

    /// The descriptor as one of an interface of this class. A HID descriptor that lies is kept as it
    /// is: the configuration is none the worse for it.
    pub(super) fn from_raw(raw: RawDescriptor<'_>, interface_class: u8) -> Self {
        if interface_class == class::HID
            && raw.descriptor_type == descriptor_type::HID
            && let Ok(hid) = HidDescriptor::parse(raw.bytes)
        {
            return Self::Hid(hid);
        }
        Self::Unknown(raw.into())
    }
}

/// Interfaces that make up one function (USB 3.2 9.6.4).
#[doc(alias = "IAD")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InterfaceAssociation {
    /// The first interface's number.
    #[doc(alias = "bFirstInterface")]
    pub first_interface: u8,
    /// How many interfaces, with consecutive numbers.
    #[doc(alias = "bInterfaceCount")]
    pub interface_count: u8,
    /// One of [`class`].
    #[doc(alias = "bFunctionClass")]
    pub class: u8,
    /// The class's subclass.
    #[doc(alias = "bFunctionSubClass")]
    pub subclass: u8,
    /// The class's protocol.
    #[doc(alias = "bFunctionProtocol")]
    pub protocol: u8,
    /// The string that names the function; 0 for none.
    #[doc(alias = "iFunction")]
    pub string_index: u8,
}

impl InterfaceAssociation {
    /// Bytes of an association.
    pub const LENGTH: usize = 8;

    /// Whether it takes in this interface.
    #[must_use]
    pub const fn contains(&self, interface: u8) -> bool {
        interface >= self.first_interface && interface - self.first_interface < self.interface_count
    }

    /// The descriptor as it travels.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::LENGTH] {
        [
            8,
            descriptor_type::INTERFACE_ASSOCIATION,
            self.first_interface,
            self.interface_count,
            self.class,
            self.subclass,
            self.protocol,
            self.string_index,
        ]
    }

    /// Reads an association.
    ///
    /// # Errors
    /// Fewer than 8 bytes, or another descriptor.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        Self::from_raw(RawDescriptor::first(bytes)?)
    }

    pub(super) fn from_raw(raw: RawDescriptor<'_>) -> Result<Self, DescriptorError> {
        let &[
            _,
            _,
            first_interface,
            interface_count,
            class,
            subclass,
            protocol,
            string_index,
        ] = raw.expect::<{ Self::LENGTH }>(
            "interface association",
            descriptor_type::INTERFACE_ASSOCIATION,
            "USB 3.2 9.6.4",
        )?;
        Ok(Self {
            first_interface,
            interface_count,
            class,
            subclass,
            protocol,
            string_index,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_association_near_the_last_number_contains_no_other() {
        let association = InterfaceAssociation::parse(&[8, 11, 254, 2, 14, 3, 0, 0]).unwrap();
        assert!(association.contains(254) && association.contains(255));
        assert!(!association.contains(0) && !association.contains(253));
    }

    #[test]
    fn a_hid_descriptor_behind_the_endpoint_is_found() {
        let mut setting = AlternateSetting {
            class: class::HID,
            endpoints: vec![Endpoint::new(
                EndpointAddress::try_from(0x81).unwrap(),
                TransferType::Interrupt,
                8,
                10,
            )],
            ..AlternateSetting::default()
        };
        setting.endpoints[0].extra.push(UnknownDescriptor {
            descriptor_type: descriptor_type::HID,
            bytes: vec![0x00, 0x01, 0, 1, 0x22, 63, 0],
        });
        assert_eq!(setting.hid().unwrap().report_descriptor_length(), Some(63));
        setting.class = class::VENDOR_SPECIFIC;
        assert_eq!(setting.hid(), None);
    }

    proptest! {
        #[test]
        fn any_association_round_trips(mut bytes: [u8; 8]) {
            bytes[..2].copy_from_slice(&[8, 11]);
            let association = InterfaceAssociation::parse(&bytes).unwrap();
            prop_assert_eq!(association.to_bytes(), bytes);
            prop_assert!(InterfaceAssociation::parse(&bytes[..7]).is_err());
        }
    }
}
