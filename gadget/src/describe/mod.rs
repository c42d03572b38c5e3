//! What a function declares: interfaces, descriptors, endpoints and strings.

mod builder;
mod endpoint_request;
mod model;

pub use builder::{EndpointHandle, FunctionBuilder, InterfaceBuilder, InterfaceHandle};
pub use endpoint_request::{EndpointRequest, PerSpeed};
pub(crate) use model::{
    AlternateSettingModel, EndpointModel, FunctionModel, InterfaceModel, Strings,
};

/// Class, subclass and protocol of a device, an interface or an association.
///
/// The numbers are assigned by the USB-IF: `InterfaceClass::new(3, 1, 1)` is a HID boot keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct InterfaceClass {
    /// The class code.
    #[doc(alias = "bInterfaceClass")]
    #[doc(alias = "bDeviceClass")]
    pub class: u8,
    /// The subclass code, with a meaning of its own in each class.
    pub subclass: u8,
    /// The protocol code, likewise.
    pub protocol: u8,
}

impl InterfaceClass {
    /// Vendor-specific: nobody's class driver takes it.
    pub const VENDOR: Self = Self::new(0xff, 0, 0);

    /// What a device with interface associations says (Interface Association Descriptor ECN).
    pub const ASSOCIATIONS: Self = Self::new(0xef, 2, 1);

    /// These three codes.
    #[must_use]
    pub const fn new(class: u8, subclass: u8, protocol: u8) -> Self {
        Self {
            class,
            subclass,
            protocol,
        }
    }
}
