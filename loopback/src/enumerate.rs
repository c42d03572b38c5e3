//! What the host does once with every device: read its descriptors, select a configuration.

use thiserror::Error;

use crate::BusError;

/// A device's descriptors, as it gave them: lengths may lie, so parse them with care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enumerated {
    /// The device descriptor, 18 bytes.
    pub device: Vec<u8>,
    /// The configurations that could be read, in order of their index.
    pub configurations: Vec<Vec<u8>>,
    /// The BOS, where bcdUSB promises one (2.01 and above) and the device has it.
    pub bos: Option<Vec<u8>>,
    /// What went wrong after the device descriptor. `None` means that every configuration was read and
    /// the first one selected.
    pub problem: Option<EnumerateError>,
}

/// Why enumeration failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnumerateError {
    /// The device descriptor was not to be had.
    #[error("reading the device descriptor failed: {0}")]
    DeviceDescriptor(BusError),
    /// The device descriptor breaks a rule.
    #[error("the device descriptor is not one: {0} (USB 2.0 9.6.1)")]
    BadDeviceDescriptor(&'static str),
    /// The device has no configuration.
    #[error("bNumConfigurations is 0: a device has at least one configuration (USB 2.0 9.6.1)")]
    NoConfiguration,
    /// A configuration was not to be had.
    #[error("reading configuration {index} failed: {error}")]
    Configuration {
        /// Its index, from 0.
        index: u8,
        /// Why.
        error: BusError,
    },
    /// A configuration's first nine bytes break a rule.
    #[error("configuration {index} is not a configuration: {rule} (USB 2.0 9.6.3)")]
    BadConfiguration {
        /// Its index, from 0.
        index: u8,
        /// The rule.
        rule: &'static str,
    },
    /// The device refused its first configuration, or did not answer.
    #[error("selecting configuration {value} failed: {error}")]
    SetConfiguration {
        /// bConfigurationValue.
        value: u8,
        /// Why.
        error: BusError,
    },
}
