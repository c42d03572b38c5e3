//! Audio: what a sound card says it is, what it is asked, and how fast it plays (USB Audio 1.0 and 2.0).
//!
//! | type | what it holds | specification |
//! |---|---|---|
//! | [`AudioFunction`] | one function of a configuration: its control interface and its streams | UAC1 4, UAC2 4 |
//! | [`ControlInterface`], [`Entity`] | terminals, units and clocks, and the graph they make | UAC1 4.3, UAC2 4.7 |
//! | [`StreamingSetting`], [`Format`] | an alternate setting that carries sound: format and endpoints | UAC1 4.5, UAC2 4.9 |
//! | [`ControlRequest`] and its payloads | volume, mute, clock and rate | UAC1 5.2, UAC2 5.2 |
//! | [`Sample`] | how a sample travels | Audio Data Formats 2.3.1.7.1 |
//! | [`Feedback`], [`FeedbackDecoder`] | how many samples the device wants in each interval | USB 2.0 5.12.4.2 |
//!
//! Both versions share these types. A field that one of them does not have says so; it is written in the
//! other alone. Units this crate has no type for are kept as they came. Audio 3.0 is recognised and refused.
//!
//! ```
//! use usbfs2_protocol::audio::{ControlInterface, Entity, Version};
//!
//! let bytes = [
//!     9, 0x24, 1, 0x00, 0x01, 30, 0, 1, 1, // Audio 1.0, stream on interface 1
//!     12, 0x24, 2, 1, 0x01, 0x01, 0, 2, 3, 0, 0, 0, // terminal 1: USB streaming, two channels
//!     9, 0x24, 3, 2, 0x01, 0x03, 0, 1, 0, // terminal 2: a speaker that plays terminal 1
//! ];
//! let control = ControlInterface::parse(Version::Uac1, &bytes)?;
//! let Some(Entity::OutputTerminal(speaker)) = control.entity(2) else { panic!() };
//! assert_eq!(speaker.terminal_type.to_string(), "speaker");
//! assert_eq!(control.channels_of(speaker.source).map(|channels| channels.count), Some(2));
//! assert_eq!(control.to_bytes(), bytes);
//! # Ok::<(), usbfs2_protocol::audio::AudioError>(())
//! ```

mod channels;
mod codes;
mod control;
mod decibel;
mod error;
mod feedback;
mod feedback_decoder;
mod fields;
mod function;
mod request;
mod sample;
mod streaming;
mod terminal_type;
mod topology;
mod version;

pub use channels::{ChannelCluster, ChannelPositions};
pub use codes::{category, control_subtype, effect_type, process_type, streaming_subtype};
pub use control::{
    Access, ClockKind, ClockMultiplier, ClockSelector, ClockSource, ControlInterface, EffectUnit,
    Entity, ExtensionUnit, FeatureControl, FeatureControls, FeatureUnit, InputTerminal, MixerUnit,
    OutputTerminal, ProcessingUnit, SampleRateConverter, SelectorUnit, UnknownEntity,
};
pub use decibel::Decibel;
pub use error::AudioError;
pub use feedback::{Feedback, FeedbackFormat};
pub use feedback_decoder::{FeedbackDecoder, Heard};
pub use function::{AudioFunction, StreamingInterface};
pub use request::{
    Attribute, ControlRequest, Parameter, RangeBlock, RangeBlockError, SubRange, Target,
    decode_sampling_frequency, encode_sampling_frequency, request_code, selector,
};
pub use sample::Sample;
pub use streaming::{
    DataEndpoint, Encoding, EndpointAttributes, FeedbackEndpoint, Format, FormatType, Rates,
    SampleFormat, StreamingSetting,
};
pub use terminal_type::TerminalType;
pub use topology::ClockPath;
pub use version::Version;

/// `bInterfaceSubClass` of an audio control interface (UAC1 A.2, UAC2 A.5).
pub const SUBCLASS_CONTROL: u8 = 1;
/// `bInterfaceSubClass` of an audio streaming interface (UAC1 A.2, UAC2 A.5).
pub const SUBCLASS_STREAMING: u8 = 2;
/// `bInterfaceSubClass` of a MIDI streaming interface (UAC1 A.2, UAC2 A.5).
pub const SUBCLASS_MIDI_STREAMING: u8 = 3;
