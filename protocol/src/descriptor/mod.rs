//! Descriptors: what a device says it is (USB 2.0 9.5 and 9.6, USB 3.2 9.6).
//!
//! [`DescriptorSet`] reads everything a device has said; each part also has its own `parse` and
//! `to_bytes`. A parser refuses a descriptor that lies and says where and which rule it breaks;
//! [`Configuration::salvage`] reads on past the lies and lists them all. What this crate has no type
//! for is kept as [`UnknownDescriptor`], in its place.
//!
//! ```
//! use usbfs2_protocol::descriptor::Configuration;
//!
//! let bytes = [
//!     9, 2, 25, 0, 1, 1, 0, 0x80, 50, // configuration 1, 100 mA
//!     9, 4, 0, 0, 1, 0xff, 0, 0, 0, // interface 0, vendor-specific
//!     7, 5, 0x81, 2, 0, 2, 0, // endpoint 0x81, bulk, 512 bytes
//! ];
//! let configuration = Configuration::parse(&bytes)?;
//! let setting = &configuration.interfaces[0].alternate_settings[0];
//! assert_eq!(setting.endpoints[0].max_packet_size(), 512);
//! assert_eq!(configuration.to_bytes(), bytes);
//!
//! let mut lying = bytes;
//! lying[18] = 0;
//! assert_eq!(
//!     Configuration::parse(&lying).unwrap_err().to_string(),
//!     "bLength at byte 18 is 0: a descriptor has at least 2 bytes (USB 2.0 9.5)",
//! );
//! # Ok::<(), usbfs2_protocol::descriptor::DescriptorError>(())
//! ```

mod bos;
mod configuration;
mod device;
mod endpoint;
mod error;
mod interface;
mod salvage;
mod set;
mod string;
mod walk;

pub use bos::{Bos, DeviceCapability};
pub use configuration::Configuration;
pub use device::{DeviceDescriptor, DeviceQualifier, Version};
pub use endpoint::{Endpoint, SuperSpeedCompanion, SynchronizationType, UsageType};
pub use error::DescriptorError;
pub use interface::{AlternateSetting, ClassDescriptor, Interface, InterfaceAssociation};
pub use set::DescriptorSet;
pub use string::{Languages, StringDescriptor, StringTooLong};
pub use walk::{Descriptors, RawDescriptor, UnknownDescriptor};
