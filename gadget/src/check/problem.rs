//! What can be wrong with a gadget, in words that say what to change.

use std::fmt;

use usbfs2_protocol::{Direction, Speed, TransferType};

/// Something a target would refuse or silently change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub kind: ProblemKind,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)
    }
}

/// The part of a gadget that a problem is in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The gadget as a whole.
    Gadget,
    /// A function.
    Function {
        /// Its name.
        function: String,
    },
    /// An interface, or one of its alternate settings.
    Interface {
        /// The function's name.
        function: String,
        /// The interface number.
        number: usize,
        /// The alternate setting.
        alternate_setting: usize,
    },
    /// An endpoint.
    Endpoint {
        /// The function's name.
        function: String,
        /// The endpoint's index in the function.
        index: usize,
        /// Its direction.
        direction: Direction,
        /// Its type.
        transfer_type: TransferType,
    },
}

impl Place {
    /// The name of the function that it is in; `None` for the gadget as a whole.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Gadget => None,
            Self::Function { function }
            | Self::Interface { function, .. }
            | Self::Endpoint { function, .. } => Some(function),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gadget => write!(f, "gadget"),
            Self::Function { function } => write!(f, "function {function}"),
            Self::Interface {
                function,
                number,
                alternate_setting,
            } => write!(
                f,
                "function {function}, interface {number}, alternate setting {alternate_setting}"
            ),
            Self::Endpoint {
                function,
                index,
                direction,
                transfer_type,
            } => write!(
                f,
                "function {function}, endpoint {index} ({transfer_type} {direction})"
            ),
        }
    }
}

/// The rule that is broken, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// A gadget does nothing without functions.
    #[error("no function: add one with function(..)")]
    NoFunction,
    /// A function without interfaces cannot be reached.
    #[error("no interface: call interface(..) in describe")]
    NoInterface,
    /// Linux hosts ignore interfaces from the 33rd on, and composites on FunctionFS have 16.
    #[error("{count} interfaces, {limit} is the most: split the functions over several gadgets")]
    TooManyInterfaces {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// bAlternateSetting is a byte.
    #[error("{count} alternate settings, {limit} can be numbered: remove some")]
    TooManyAlternateSettings {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// String indices are bytes.
    #[error("{count} strings, {limit} can be numbered: remove some")]
    TooManyStrings {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A string descriptor's bLength is a byte (USB 2.0 9.6.7).
    #[error("string {text:?} has {units} UTF-16 units, a descriptor holds {limit}: shorten it")]
    StringTooLong {
        /// The string.
        text: String,
        /// Its length.
        units: usize,
        /// The longest.
        limit: usize,
    },
    /// Descriptors start with their length and type (USB 2.0 9.5).
    #[error(
        "a class-specific descriptor of {length} bytes says bLength {claimed:?}: \
         the first byte must be the length, the second the type"
    )]
    ClassDescriptorLength {
        /// The bytes given.
        length: usize,
        /// The first of them.
        claimed: Option<u8>,
    },
    /// A standard descriptor given as a class-specific one would change the structure.
    #[error(
        "a class-specific descriptor has the standard type {descriptor_type:#04x}: \
         declare it with the builder's own methods"
    )]
    StandardDescriptor {
        /// Its bDescriptorType.
        descriptor_type: u8,
    },
    /// The packet size is not one the speed has (USB 2.0 5.5-5.8, USB 3.2 9.6.6).
    #[error("max packet size {size} at {speed}: {legal}, set with max_packet_sizes(..)")]
    MaxPacketSize {
        /// The wMaxPacketSize asked for.
        size: u16,
        /// The speed.
        speed: Speed,
        /// What is legal.
        legal: &'static str,
    },
    /// bInterval is out of range (USB 2.0 9.6.6).
    #[error(
        "bInterval {interval} at {speed}: use 1 to {largest}; declare an interval of at least \
         1 ms at full speed, 125 us above, or set it with intervals(..)"
    )]
    Interval {
        /// The value.
        interval: u8,
        /// The speed.
        speed: Speed,
        /// The largest legal value.
        largest: u8,
    },
    /// A bus gives a device 500 mA, 900 at super speed (USB 2.0 7.2.1, USB 3.2 11.4.5).
    #[error("{milliamperes} mA from the bus, {limit} is the most: use self_powered(true)")]
    TooMuchPower {
        /// The current asked for.
        milliamperes: u16,
        /// The most.
        limit: u16,
    },
    /// The range given to speeds(..) is empty or names a speed gadgets do not run at.
    #[error("speeds {slowest} to {fastest}: use a range within full speed to super speed plus")]
    Speeds {
        /// Its lower end.
        slowest: Speed,
        /// Its upper end.
        fastest: Speed,
    },
    /// Hosts look for associations only under this device class.
    #[error(
        "an interface association needs the device class ef/02/01: \
         remove device_class(..) or use InterfaceClass::ASSOCIATIONS"
    )]
    AssociationClass,
    /// The gadget does not offer the target's speed.
    #[error("the target runs at {speed}, which speeds(..) excludes: widen it")]
    SpeedNotOffered {
        /// The target's speed.
        speed: Speed,
    },
    /// gadgetfs demands a full-speed configuration.
    #[error("gadgetfs needs a full-speed configuration: let speeds(..) start at full speed")]
    FullSpeedRequired,
    /// gadgetfs clears bcdUSB to 0x0200 and has no BOS.
    #[error("gadgetfs has no super speed: let speeds(..) start at full speed")]
    NoSuperSpeed,
    /// gadgetfs refuses configurations with the remote wake-up attribute.
    #[error("gadgetfs refuses remote wake-up: use remote_wakeup(false)")]
    NoRemoteWakeup,
    /// gadgetfs sends at most 256 bytes on endpoint 0, so the host would see a cut-off configuration.
    #[error(
        "the {speed} configuration has {length} bytes, gadgetfs can send {limit}: \
         use fewer functions or shorter class-specific descriptors"
    )]
    ConfigurationTooLong {
        /// The speed of this configuration.
        speed: Speed,
        /// Its wTotalLength.
        length: usize,
        /// The most.
        limit: usize,
    },
    /// The same limit for descriptors of an interface, such as a report descriptor.
    #[error(
        "the descriptor of type {descriptor_type:#04x} has {length} bytes, \
         gadgetfs can send {limit}: shorten it"
    )]
    InterfaceDescriptorTooLong {
        /// Its type.
        descriptor_type: u8,
        /// Its length.
        length: usize,
        /// The most.
        limit: usize,
    },
    /// The composite chooses the speed, and asks functions that are not described at it what they are.
    #[error("FunctionFS needs every speed: let speeds(..) go from full to super speed")]
    EverySpeedRequired,
    /// FunctionFS enables the endpoints of all settings at once.
    #[error("FunctionFS has no alternate settings: declare one, or use gadgetfs")]
    NoAlternateSettings,
    /// FunctionFS renumbers interfaces and leaves an association's first interface as it is.
    #[error("FunctionFS does not renumber an interface association: use gadgetfs")]
    NoAssociation,
    /// FunctionFS knows one type of class-specific descriptors.
    #[error(
        "FunctionFS refuses a descriptor of type {descriptor_type:#04x} here: it takes type 0x21 \
         of HID, CCID and DFU alone; use gadgetfs"
    )]
    NoClassDescriptor {
        /// Its type.
        descriptor_type: u8,
    },
    /// FunctionFS takes this descriptor in one length only.
    #[error(
        "FunctionFS refuses the class-specific descriptor: it has {length} bytes, not {expected}"
    )]
    FunctionfsDescriptorLength {
        /// Its length.
        length: usize,
        /// The only length taken.
        expected: usize,
    },
    /// FunctionFS's strings end with a NUL.
    #[error("FunctionFS cannot take the string {text:?}: remove the NUL in it")]
    StringWithNul {
        /// The string.
        text: String,
    },
    /// The controller has no endpoint left that suits.
    #[error(
        "{udc} has no free endpoint for it ({suitable} suit, all taken): \
         use fewer endpoints of this direction and type"
    )]
    NoEndpointLeft {
        /// The controller.
        udc: String,
        /// How many of its endpoints suit at all.
        suitable: usize,
    },
    /// The controller has nothing of the kind.
    #[error(
        "{udc} has no endpoint of this direction and type: use another type, or another controller"
    )]
    NoSuchEndpoint {
        /// The controller.
        udc: String,
    },
    /// The controller's endpoints have smaller FIFOs.
    #[error(
        "packets of {size} bytes, and {udc} takes {largest} at most here: set smaller ones with max_packet_sizes(..), or \
         end speeds(..) at a speed with smaller packets"
    )]
    PacketBeyondController {
        /// The controller.
        udc: String,
        /// The packet's size.
        size: u16,
        /// The largest that an endpoint of the direction and type takes.
        largest: u16,
    },
    /// The controller's transmit FIFOs are given out as endpoints are enabled.
    #[error(
        "{udc} has no transmit FIFO left for {size} bytes (they have {}): use fewer IN endpoints or smaller packets, or \
         share the FIFO memory out otherwise (g-tx-fifo-size in the device tree)", sizes(.fifos)
    )]
    NoFifoLeft {
        /// The controller.
        udc: String,
        /// What an interval of the endpoint moves.
        size: u16,
        /// The sizes of the FIFOs in bytes.
        fifos: Vec<u32>,
    },
    /// The controller does not carry isochronous transfers.
    #[error("{udc} carries no isochronous transfers: use bulk, or another controller")]
    NoIsochronous {
        /// The controller.
        udc: String,
    },
}

fn sizes(fifos: &[u32]) -> String {
    let words: Vec<String> = fifos.iter().map(u32::to_string).collect();
    words.join(", ")
}

/// Everything that is wrong with a gadget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptorProblems(Vec<Problem>);

/// From problems that were found, of which there is at least one.
impl From<Vec<Problem>> for DescriptorProblems {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems)
    }
}

impl DescriptorProblems {
    pub(crate) fn none_in(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self(problems))
        }
    }

    /// The problems, at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for DescriptorProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DescriptorProblems {}
