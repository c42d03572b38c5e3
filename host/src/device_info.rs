//! What is known about a device without opening it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use usbfs2_protocol::Speed;
use usbfs2_protocol::descriptor::{
    Configuration, DescriptorError, DescriptorSet, DeviceDescriptor,
};

use crate::ConfigurationError;

/// A device's place on its bus, as in sysfs: `1-1`, `2-1.4`.
///
/// It names the port rather than the device: what is plugged in there later has the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(Arc<str>);

impl DeviceId {
    /// The device at this place.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for DeviceId {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// What is known about a device without opening it. Clones are cheap.
#[derive(Debug, Clone)]
pub struct DeviceInfo {
    shared: Arc<Facts>,
}

/// What a backend found out.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) id: DeviceId,
    pub(crate) speed: Option<Speed>,
    pub(crate) descriptors: DescriptorSet,
    pub(crate) active_configuration: Option<u8>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) product: Option<String>,
    pub(crate) serial_number: Option<String>,
    /// By interface number.
    pub(crate) drivers: BTreeMap<u8, String>,
}

impl DeviceInfo {
    pub(crate) fn new(facts: Facts) -> Self {
        Self {
            shared: Arc::new(facts),
        }
    }

    /// Where the device is; opens it with [`Host::open`](crate::Host::open).
    #[must_use]
    pub fn id(&self) -> &DeviceId {
        &self.shared.id
    }

    /// The speed the device runs at, where the system says.
    #[must_use]
    pub fn speed(&self) -> Option<Speed> {
        self.shared.speed
    }

    /// The device descriptor (USB 2.0 9.6.1).
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn device_descriptor(&self) -> Result<&DeviceDescriptor, &DescriptorError> {
        self.shared.descriptors.device.as_ref()
    }

    /// The vendor's number; `None` when the device descriptor is wrong.
    #[doc(alias = "idVendor")]
    #[must_use]
    pub fn vendor_id(&self) -> Option<u16> {
        Some(self.device_descriptor().ok()?.vendor_id)
    }

    /// The product's number; `None` when the device descriptor is wrong.
    #[doc(alias = "idProduct")]
    #[must_use]
    pub fn product_id(&self) -> Option<u16> {
        Some(self.device_descriptor().ok()?.product_id)
    }

    /// Every configuration, or the rule its descriptors break; one that lies hides no other.
    pub fn configurations(&self) -> &[Result<Configuration, DescriptorError>] {
        &self.shared.descriptors.configurations
    }

    /// The value of the configuration active when this was found out; `None` when not configured.
    #[doc(alias = "bConfigurationValue")]
    #[must_use]
    pub fn active_configuration(&self) -> Option<u8> {
        self.shared.active_configuration
    }

    /// The manufacturer's name, where the device gives one.
    #[must_use]
    pub fn manufacturer(&self) -> Option<&str> {
        self.shared.manufacturer.as_deref()
    }

    /// The product's name, where the device gives one.
    #[must_use]
    pub fn product(&self) -> Option<&str> {
        self.shared.product.as_deref()
    }

    /// The serial number, where the device gives one.
    #[must_use]
    pub fn serial_number(&self) -> Option<&str> {
        self.shared.serial_number.as_deref()
    }

    /// The driver bound to an interface of the active configuration when this was found out.
    #[must_use]
    pub fn driver(&self, interface: u8) -> Option<&str> {
        self.shared.drivers.get(&interface).map(String::as_str)
    }

    /// The configuration of this value, or why there is none.
    pub(crate) fn configuration(
        &self,
        value: Option<u8>,
    ) -> Result<&Configuration, ConfigurationError> {
        let descriptors = &self.shared.descriptors;
        if let Some(found) = value.and_then(|value| descriptors.configuration(value)) {
            return Ok(found);
        }
        // A configuration too broken to parse may be the one asked for, and its error says more.
        let broken = descriptors
            .configurations
            .iter()
            .find_map(|c| c.as_ref().err());
        Err(match (broken, value) {
            (Some(error), _) => ConfigurationError::Descriptor(error.clone()),
            (None, Some(value)) => ConfigurationError::NotFound(value),
            (None, None) => ConfigurationError::NotConfigured,
        })
    }
}
