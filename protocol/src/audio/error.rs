//! What is wrong with an audio function's descriptors.

use thiserror::Error;

use crate::EndpointAddress;
use crate::descriptor::DescriptorError;

/// What is wrong with the descriptors of an audio function: where, what was read, which rule it breaks.
///
/// Offsets count from the first class-specific descriptor of the interface, as `wTotalLength` does.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// A length that lies, as in any descriptor.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// The interface is of another class.
    #[error("interface {interface} is of class {class:#04x}, not audio (0x01)")]
    NotAudio {
        /// The interface.
        interface: u8,
        /// Its class.
        class: u8,
    },
    /// The function follows Audio 3.0.
    #[error(
        "interface {interface} follows USB Audio 3.0 (bInterfaceProtocol 0x30), which is not supported: select a \
         configuration with Audio 1.0 or 2.0, which every such device has too"
    )]
    Uac3 {
        /// The interface.
        interface: u8,
    },
    /// The function follows a specification nobody has written yet.
    #[error(
        "interface {interface} has bInterfaceProtocol {protocol:#04x}, which is neither Audio 1.0 (0x00) nor 2.0 (0x20)"
    )]
    UnknownVersion {
        /// The interface.
        interface: u8,
        /// What it says.
        protocol: u8,
    },
    /// The configuration has no audio control interface.
    #[error("no interface of the configuration is an audio control interface")]
    NoControlInterface,
    /// The control interface does not start with its header.
    #[error("the audio control interface has no header descriptor (UAC1 4.3.2, UAC2 4.7.2)")]
    NoHeader,
    /// An entity's identifier is 0, which names none.
    #[error(
        "bUnitID or bTerminalID at byte {offset} is 0, which is kept for the interface itself (UAC2 4.7)"
    )]
    EntityZero {
        /// Where the identifier is.
        offset: usize,
    },
    /// Two entities have the same identifier. The first is kept.
    #[error("entity {id} is there again at byte {offset} (UAC2 4.7)")]
    DuplicateEntity {
        /// Where the second descriptor starts.
        offset: usize,
        /// The identifier.
        id: u8,
    },
    /// An entity takes its sound from one that is not there.
    #[error("entity {entity} takes its sound from entity {source_id}, which is not there")]
    MissingSource {
        /// The entity.
        entity: u8,
        /// The one it names.
        source_id: u8,
    },
    /// An entity takes its sound from one that has none to give.
    #[error(
        "entity {entity} takes its sound from entity {source_id}, which is a {found} and has none to give"
    )]
    NoSound {
        /// The entity.
        entity: u8,
        /// The one it names.
        source_id: u8,
        /// What that one is.
        found: &'static str,
    },
    /// An entity names a clock that is not there.
    #[error("entity {entity} runs on clock {clock}, which is not there (UAC2 4.7.2)")]
    MissingClock {
        /// The entity.
        entity: u8,
        /// The clock it names.
        clock: u8,
    },
    /// An entity names a clock that is something else.
    #[error("entity {entity} runs on clock {clock}, which is a {found} (UAC2 4.7.2)")]
    NotAClock {
        /// The entity.
        entity: u8,
        /// The clock it names.
        clock: u8,
        /// What that one is.
        found: &'static str,
    },
    /// Sound or a clock goes in a circle.
    #[error("{} a loop", list(entities))]
    Loop {
        /// The entities, each fed by the next and the last by the first.
        entities: Vec<u8>,
    },
    /// A control bitmap has a size it cannot have.
    #[error("bControlSize at byte {offset} is {size}: 1 to 4 bytes are understood (UAC1 4.3.2.5)")]
    ControlSize {
        /// Where it is.
        offset: usize,
        /// What it says.
        size: u8,
    },
    /// The controls of a unit's channels end in the middle of one. The whole ones are kept.
    #[error(
        "the {descriptor} at byte {offset} has {bytes} bytes of controls, {size} a channel ({section})"
    )]
    ControlsCut {
        /// The descriptor, in the specification's words.
        descriptor: &'static str,
        /// Where it starts.
        offset: usize,
        /// How many bytes there are.
        bytes: usize,
        /// How many each channel has.
        size: usize,
        /// Where the rule is.
        section: &'static str,
    },
    /// Where sound comes from or goes to, it has no channel.
    #[error("the {descriptor} at byte {offset} has no channel")]
    NoChannel {
        /// The descriptor, in the specification's words.
        descriptor: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// A streaming interface the header or the association names is not there.
    #[error(
        "interface {interface} belongs to the audio function, but is not an audio interface of the configuration"
    )]
    MissingInterface {
        /// The interface.
        interface: u8,
    },
    /// An alternate setting carries sound but does not say which.
    #[error(
        "interface {interface} alternate setting {alternate_setting} has no {descriptor} descriptor ({section})"
    )]
    MissingDescriptor {
        /// The interface.
        interface: u8,
        /// The alternate setting.
        alternate_setting: u8,
        /// The descriptor, in the specification's words.
        descriptor: &'static str,
        /// Where the rule is.
        section: &'static str,
    },
    /// Samples do not fit where they are said to be.
    #[error(
        "the format at byte {offset} has samples of {bit_resolution} bits in {subslot_size} bytes: 1 to 4 bytes, \
         and no more bits than fit (Audio Data Formats 2.2)"
    )]
    SampleSize {
        /// Where the descriptor starts.
        offset: usize,
        /// The bytes of a sample.
        subslot_size: u8,
        /// Of which this many bits count.
        bit_resolution: u8,
    },
    /// A list of sampling frequencies is empty, has a 0 in it, or a range that is upside down.
    #[error("the sampling frequencies at byte {offset} are {found} (Audio Data Formats 1.0 2.2.5)")]
    Rates {
        /// Where the list starts.
        offset: usize,
        /// What it says.
        found: String,
    },
    /// A feedback endpoint is named that is not there.
    #[error(
        "endpoint {data} takes its feedback from endpoint {feedback:#04x}, which is not there (UAC1 4.6.1.1)"
    )]
    MissingFeedback {
        /// The endpoint that carries sound.
        data: EndpointAddress,
        /// The one it names.
        feedback: u8,
    },
    /// A stream is linked to a terminal that is not there, or is no terminal for streams.
    #[error(
        "interface {interface} alternate setting {alternate_setting} is linked to terminal {terminal}, {found}"
    )]
    TerminalLink {
        /// The interface.
        interface: u8,
        /// The alternate setting.
        alternate_setting: u8,
        /// The terminal.
        terminal: u8,
        /// What is there instead.
        found: &'static str,
    },
}

fn list(entities: &[u8]) -> String {
    let names: Vec<String> = entities.iter().map(u8::to_string).collect();
    match &names[..] {
        [one] => format!("entity {one} forms"),
        several => format!("entities {} form", several.join(", ")),
    }
}
