//! The declared gadget, before endpoints have addresses.

use std::ops::Range;

use super::{EndpointRequest, InterfaceClass};

/// String descriptors, by index (USB 2.0 9.6.7). Index 0 lists the languages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Strings(Vec<String>);

impl Strings {
    /// The index of this string, which is added where it is not there yet.
    ///
    /// Beyond 255 strings the index says 255, and the validator reports the count.
    pub(crate) fn add(&mut self, text: &str) -> u8 {
        let position = self.0.iter().position(|known| known == text);
        let position = position.unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        });
        u8::try_from(position + 1).unwrap_or(u8::MAX)
    }

    pub(crate) fn get(&self, index: u8) -> Option<&str> {
        let position = usize::from(index).checked_sub(1)?;
        self.0.get(position).map(String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// One function of a gadget.
#[derive(Debug, Clone, Default)]
pub(crate) struct FunctionModel {
    pub(crate) name: String,
    pub(crate) interfaces: Vec<InterfaceModel>,
    pub(crate) association: Option<AssociationModel>,
    /// Each interface has a run of its own.
    pub(crate) independent_interfaces: bool,
    /// How many endpoints were asked for, over all alternate settings.
    pub(crate) endpoint_count: usize,
}

impl FunctionModel {
    /// The interfaces of each of the function's runs.
    pub(crate) fn runs(&self) -> Vec<Range<usize>> {
        let count = self.interfaces.len();
        if self.independent_interfaces {
            (0..count).map(|index| index..index + 1).collect()
        } else {
            std::iter::once(0..count).collect()
        }
    }

    /// All endpoints, in the order of their indices.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &EndpointModel> {
        self.interfaces
            .iter()
            .flat_map(|interface| &interface.alternate_settings)
            .flat_map(|setting| &setting.endpoints)
    }
}

/// The function's interfaces belong together (Interface Association Descriptor ECN).
#[derive(Debug, Clone)]
pub(crate) struct AssociationModel {
    pub(crate) class: InterfaceClass,
    pub(crate) string_index: u8,
}

#[derive(Debug, Clone)]
pub(crate) struct InterfaceModel {
    pub(crate) number: usize,
    pub(crate) alternate_settings: Vec<AlternateSettingModel>,
    /// Served to GET_DESCRIPTOR of the interface: type and bytes.
    pub(crate) descriptors: Vec<(u8, Vec<u8>)>,
}

#[derive(Debug, Clone)]
pub(crate) struct AlternateSettingModel {
    pub(crate) class: InterfaceClass,
    pub(crate) string_index: u8,
    pub(crate) class_descriptors: Vec<Vec<u8>>,
    pub(crate) endpoints: Vec<EndpointModel>,
}

#[derive(Debug, Clone)]
pub(crate) struct EndpointModel {
    /// The place in the function's `Endpoints`.
    pub(crate) index: usize,
    pub(crate) request: EndpointRequest,
}
