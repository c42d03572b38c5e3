//! How descriptors lie.

use thiserror::Error;

use crate::{EndpointAddress, InvalidEndpointAddress};

/// What is wrong with descriptors: where, what was read, which rule it breaks.
///
/// Offsets count from the first byte that was given to the parser.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The bytes end before the descriptor does.
    #[error("the {descriptor} at byte {offset} needs {needed} bytes, {found} are left ({section})")]
    Cut {
        /// The descriptor, in the specification's words.
        descriptor: &'static str,
        /// Where it starts.
        offset: usize,
        /// The bytes it needs.
        needed: usize,
        /// The bytes there are.
        found: usize,
        /// Where the rule is.
        section: &'static str,
    },
    /// `bLength` is 0 or 1, so nothing says where the next descriptor starts.
    #[error(
        "bLength at byte {offset} is {length}: a descriptor has at least 2 bytes (USB 2.0 9.5)"
    )]
    LengthTooSmall {
        /// Where the descriptor starts.
        offset: usize,
        /// What it says.
        length: u8,
    },
    /// `bLength` reaches past the last byte.
    #[error("bLength at byte {offset} is {length}, but only {left} bytes are left (USB 2.0 9.5)")]
    LengthPastEnd {
        /// Where the descriptor starts.
        offset: usize,
        /// What it says.
        length: u8,
        /// The bytes from `offset` on.
        left: usize,
    },
    /// `bLength` is less than the descriptor's type has.
    #[error(
        "bLength at byte {offset} is {length}: {descriptor} has at least {minimum} bytes ({section})"
    )]
    LengthForType {
        /// The descriptor, in the specification's words.
        descriptor: &'static str,
        /// Where it starts.
        offset: usize,
        /// What it says.
        length: u8,
        /// What its type has.
        minimum: usize,
        /// Where the rule is.
        section: &'static str,
    },
    /// It is another descriptor.
    #[error(
        "bDescriptorType at byte {offset} is {found:#04x}, {descriptor} has {expected:#04x} (USB 2.0 table 9-5)"
    )]
    Type {
        /// The descriptor that should be there.
        descriptor: &'static str,
        /// Where the type is.
        offset: usize,
        /// The type it should have.
        expected: u8,
        /// The type it has.
        found: u8,
    },
    /// `wTotalLength` is not the number of bytes there are.
    #[error(
        "wTotalLength at byte {offset} is {stated}, but the {descriptor} has {found} bytes ({section})"
    )]
    TotalLength {
        /// What it is the length of.
        descriptor: &'static str,
        /// Where `wTotalLength` is.
        offset: usize,
        /// What it says.
        stated: u16,
        /// The bytes there are.
        found: usize,
        /// Where the rule is.
        section: &'static str,
    },
    /// The device has no configuration.
    #[error("bNumConfigurations is 0: a device has at least one configuration (USB 2.0 9.6.1)")]
    NoConfiguration,
    /// The device has fewer configurations than it says.
    #[error(
        "bNumConfigurations is {stated}, but there are {found} configuration descriptors (USB 2.0 9.6.1)"
    )]
    ConfigurationCount {
        /// What the device says.
        stated: u8,
        /// How many there are.
        found: usize,
    },
    /// `bNumInterfaces` is not the number of interfaces there are.
    #[error(
        "bNumInterfaces at byte {offset} is {stated}, but {found} interfaces follow (USB 2.0 9.6.3)"
    )]
    InterfaceCount {
        /// Where `bNumInterfaces` is.
        offset: usize,
        /// What it says.
        stated: u8,
        /// How many there are.
        found: usize,
    },
    /// There are more interfaces than Linux takes.
    #[error(
        "interface {interface} at byte {offset} is one too many: a configuration has at most 32 interfaces (Linux USB_MAXINTERFACES)"
    )]
    TooManyInterfaces {
        /// Where the interface descriptor starts.
        offset: usize,
        /// Its number.
        interface: u8,
    },
    /// An alternate setting is there twice.
    #[error(
        "interface {interface} alternate setting {alternate_setting} is there again at byte {offset} (USB 2.0 9.6.5)"
    )]
    DuplicateAlternateSetting {
        /// Where the second starts.
        offset: usize,
        /// The interface.
        interface: u8,
        /// The alternate setting.
        alternate_setting: u8,
    },
    /// An interface has no alternate setting 0, the one it has when selected by nothing.
    #[error("interface {interface} has no alternate setting 0 (USB 2.0 9.6.5)")]
    NoDefaultSetting {
        /// The interface.
        interface: u8,
    },
    /// `bNumEndpoints` is not the number of endpoints there are.
    #[error(
        "bNumEndpoints at byte {offset} is {stated}, but {found} endpoints follow (USB 2.0 9.6.5)"
    )]
    EndpointCount {
        /// Where `bNumEndpoints` is.
        offset: usize,
        /// What it says.
        stated: u8,
        /// How many there are.
        found: usize,
    },
    /// An endpoint comes before any interface.
    #[error("the endpoint at byte {offset} follows no interface (USB 2.0 9.6.6)")]
    EndpointOutsideInterface {
        /// Where it starts.
        offset: usize,
    },
    /// An endpoint has an address that is none.
    #[error("the endpoint at byte {offset}: {error}")]
    EndpointAddress {
        /// Where it starts.
        offset: usize,
        /// What is wrong with the address.
        error: InvalidEndpointAddress,
    },
    /// Endpoint 0 is described, which belongs to no interface.
    #[error(
        "the endpoint at byte {offset} is endpoint 0, which no descriptor describes (USB 2.0 9.6.6)"
    )]
    EndpointZero {
        /// Where it starts.
        offset: usize,
    },
    /// An endpoint is there twice, in one alternate setting or in two interfaces.
    #[error(
        "endpoint {address} at byte {offset} is already endpoint of interface {interface} (USB 2.0 9.6.5)"
    )]
    DuplicateEndpoint {
        /// Where the second starts.
        offset: usize,
        /// Its address.
        address: EndpointAddress,
        /// The interface that has the first.
        interface: u8,
    },
    /// A HID descriptor lists more class descriptors than it has room for.
    #[error(
        "bNumDescriptors at byte {offset} is {stated}, but there is room for {room} (HID 1.11 6.2.1)"
    )]
    HidDescriptorCount {
        /// Where `bNumDescriptors` is.
        offset: usize,
        /// What it says.
        stated: u8,
        /// How many fit.
        room: usize,
    },
    /// `bNumDeviceCaps` is not the number of capabilities there are.
    #[error(
        "bNumDeviceCaps at byte {offset} is {stated}, but {found} capabilities follow (USB 3.2 9.6.2)"
    )]
    CapabilityCount {
        /// Where `bNumDeviceCaps` is.
        offset: usize,
        /// What it says.
        stated: u8,
        /// How many there are.
        found: usize,
    },
    /// A string descriptor ends in the middle of a UTF-16 code unit.
    #[error(
        "bLength at byte {offset} is {length}: a string descriptor has an even length (USB 2.0 9.6.7)"
    )]
    OddString {
        /// Where the descriptor starts.
        offset: usize,
        /// What it says.
        length: u8,
    },
}
