//! Everything a device says: its device descriptor and every configuration, one after the other.

use super::walk::RawDescriptor;
use super::{Configuration, DescriptorError, DeviceDescriptor, salvage};
use crate::standard::descriptor_type;

/// A device descriptor and every configuration, as `descriptors` files hold them.
///
/// One descriptor that lies hides no other: each is read on its own.
///
/// ```
/// use usbfs2_protocol::descriptor::{DescriptorError, DescriptorSet};
///
/// let mut bytes = vec![18, 1, 0, 2, 0, 0, 0, 64, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
/// bytes.extend([9, 2, 0xff, 0, 0, 1, 0, 0x80, 50]); // 255 bytes, it says
/// bytes.extend([9, 2, 9, 0, 0, 2, 0, 0x80, 50]);
/// let set = DescriptorSet::parse(&bytes);
/// assert!(set.device.is_ok());
/// assert!(matches!(
///     set.configurations[0],
///     Err(DescriptorError::TotalLength { offset: 20, stated: 255, found: 9, .. })
/// ));
/// assert_eq!(set.configurations[1].as_ref().map(|c| c.value), Ok(2));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptorSet {
    /// The device.
    pub device: Result<DeviceDescriptor, DescriptorError>,
    /// Its configurations, in order. Where the device says there are more than there are, or none, the
    /// last is that error.
    pub configurations: Vec<Result<Configuration, DescriptorError>>,
}

impl DescriptorSet {
    /// Reads every descriptor that can be read.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let device = DeviceDescriptor::parse(bytes);
        let mut configurations: Vec<_> = configuration_extents(bytes)
            .map(|(start, extent)| parse_at(extent, start))
            .collect();
        let found = configurations.len();
        match device.as_ref().map(|device| device.configuration_count) {
            Ok(0) if found == 0 => configurations.push(Err(DescriptorError::NoConfiguration)),
            Ok(stated) if usize::from(stated) > found => {
                configurations.push(Err(DescriptorError::ConfigurationCount { stated, found }));
            }
            _ => {}
        }
        Self {
            device,
            configurations,
        }
    }

    /// The configuration this value selects, when it could be read.
    #[must_use]
    pub fn configuration(&self, value: u8) -> Option<&Configuration> {
        self.configurations
            .iter()
            .flatten()
            .find(|configuration| configuration.value == value)
    }
}

fn parse_at(bytes: &[u8], base: usize) -> Result<Configuration, DescriptorError> {
    let (configuration, problems) = salvage::configuration(bytes, base)?;
    match problems.into_iter().next() {
        None => Ok(configuration),
        Some(problem) => Err(problem),
    }
}

/// Where each configuration starts, and its bytes up to the next.
fn configuration_extents(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = match RawDescriptor::first(bytes) {
        Ok(device) if has_type(bytes, device.bytes.len()) => device.bytes.len(),
        _ => DeviceDescriptor::LENGTH,
    };
    std::iter::from_fn(move || {
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let (extent, _) = rest.split_at(extent_length(rest));
        let found = (start, extent);
        start += extent.len();
        Some(found)
    })
}

/// How many bytes the configuration at the start of `bytes` has: at least 1, at most all.
///
/// `wTotalLength` is believed when a configuration or the end is there, unless a configuration that
/// tells the truth begins before it. Otherwise the next bytes that look like a configuration end this
/// one: `bLength` may lie as well, so walking the descriptors would not find them.
fn extent_length(bytes: &[u8]) -> usize {
    let stated = Configuration::total_length(bytes)
        .ok()
        .map(usize::from)
        .filter(|&stated| ends_configuration(bytes, stated));
    let begins_next = |at: &usize| match header_total_length(bytes, *at) {
        Some(length) => stated.is_none() || ends_configuration(bytes, at + length),
        None => false,
    };
    let limit = stated.unwrap_or(bytes.len());
    (1..limit).find(begins_next).unwrap_or(limit)
}

/// Whether a configuration can end here: another begins, or there is nothing more.
fn ends_configuration(bytes: &[u8], at: usize) -> bool {
    at == bytes.len() || has_type(bytes, at)
}

/// Whether what is here, whatever its length, has a configuration's type.
fn has_type(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1) == Some(&descriptor_type::CONFIGURATION)
}

/// The `wTotalLength` of what looks like a configuration where none is expected: it has the length and
/// type of one, a length in all that holds it, a value that selects it and the attribute bit that is
/// always set.
fn header_total_length(bytes: &[u8], at: usize) -> Option<usize> {
    let header = bytes.get(at..)?.first_chunk()?;
    let &[
        9,
        descriptor_type::CONFIGURATION,
        t0,
        t1,
        _,
        value,
        _,
        attributes,
        _,
    ] = header
    else {
        return None;
    };
    let total_length = usize::from(u16::from_le_bytes([t0, t1]));
    (total_length >= Configuration::HEADER_LENGTH && value != 0 && attributes & 0x80 != 0)
        .then_some(total_length)
}
