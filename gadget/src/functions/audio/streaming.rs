//! The alternate settings that carry sound (UAC1 4.5 and 4.6, UAC2 4.9 and 4.10).

use std::time::Duration;

use usbfs2_protocol::audio::{ChannelCluster, Version, streaming_subtype};
use usbfs2_protocol::descriptor::{SynchronizationType, UsageType};
use usbfs2_protocol::standard::descriptor_type;
use usbfs2_protocol::{Direction, Speed};

use super::describe::id;
use super::{
    AudioOptions, MicrophoneTiming, SampleSize, SpeakerTiming, Stream, StreamOptions, packets,
};
use crate::{EndpointRequest, InterfaceBuilder, PerSpeed};

/// bFormatType of linear samples (Data Formats A.1).
const FORMAT_TYPE_I: u8 = 1;
/// PCM: a tag in Audio 1.0, a bit in 2.0 (Data Formats A.1.1, A.2.1).
const PCM: u8 = 1;

/// How often an Audio 1.0 host asks for feedback: every 2^bRefresh intervals of the bus, which is 8 ms at full speed
/// and 1 ms at high speed (UAC1 4.6.2.1).
const REFRESH: u8 = 3;

/// Audio 1.0's bDelay, in milliseconds: the least there is, since what waits here is the caller's to choose.
const DELAY: u8 = 1;

impl AudioOptions {
    /// Adds a format of a stream to its current setting. `endpoints` are those the function has declared so far.
    pub(super) fn describe_setting(
        &self,
        interface: &mut InterfaceBuilder<'_>,
        stream: Stream,
        options: &StreamOptions,
        size: SampleSize,
        endpoints: &mut usize,
    ) {
        let terminal = match stream {
            Stream::Speaker => id::input(stream),
            Stream::Microphone => id::output(stream),
        };
        interface.class_descriptor(self.general(terminal, options));
        interface.class_descriptor(self.format_type(options, size));
        let has_feedback =
            stream == Stream::Speaker && self.speaker_timing == SpeakerTiming::Feedback;
        let direction = match stream {
            Stream::Speaker => Direction::Out,
            Stream::Microphone => Direction::In,
        };
        let (synchronization, usage) = self.synchronization(stream);
        let mut data = packets::endpoint(self, options, size, direction)
            .synchronization(synchronization, usage)
            .class_descriptor(self.data_endpoint());
        if self.version == Version::Uac1 {
            data = data.audio_extension(0, has_feedback.then_some(*endpoints + 1));
        }
        interface.endpoint(data);
        *endpoints += 1;
        if has_feedback {
            interface.endpoint(self.feedback_endpoint(options, size));
            *endpoints += 1;
        }
    }

    fn general(&self, terminal: u8, options: &StreamOptions) -> Vec<u8> {
        let channels = ChannelCluster::usual(options.channels);
        let mut bytes = vec![
            0,
            descriptor_type::CS_INTERFACE,
            streaming_subtype::GENERAL,
            terminal,
        ];
        match self.version {
            Version::Uac1 => bytes.extend([DELAY, PCM, 0]),
            Version::Uac2 => {
                bytes.extend([0, FORMAT_TYPE_I, PCM, 0, 0, 0, channels.count]);
                bytes.extend(channels.positions.bits().to_le_bytes());
                bytes.push(0);
            }
        }
        with_length(bytes)
    }

    fn format_type(&self, options: &StreamOptions, size: SampleSize) -> Vec<u8> {
        let mut bytes = vec![
            0,
            descriptor_type::CS_INTERFACE,
            streaming_subtype::FORMAT_TYPE,
            FORMAT_TYPE_I,
        ];
        if self.version == Version::Uac1 {
            bytes.push(options.channels);
        }
        bytes.extend([size.bytes(), size.bits()]);
        if self.version == Version::Uac1 {
            // check() has bounded the number.
            bytes.push(u8::try_from(self.rates.len()).unwrap_or(u8::MAX));
            let rates = self.rates.iter();
            bytes.extend(rates.flat_map(|rate| rate.to_le_bytes().into_iter().take(3)));
        }
        with_length(bytes)
    }

    /// What stands behind a data endpoint.
    fn data_endpoint(&self) -> Vec<u8> {
        let mut bytes = vec![
            0,
            descriptor_type::CS_ENDPOINT,
            streaming_subtype::ENDPOINT_GENERAL,
        ];
        match self.version {
            // The host sets the rate here; no lock delay.
            Version::Uac1 => bytes.extend([1, 0, 0, 0]),
            Version::Uac2 => bytes.extend([0, 0, 0, 0, 0]),
        }
        with_length(bytes)
    }

    /// The feedback endpoint (USB 2.0 5.12.4.2), asked as often as data is sent.
    fn feedback_endpoint(&self, options: &StreamOptions, size: SampleSize) -> EndpointRequest {
        let interval = packets::interval_microseconds(self, options, size, Speed::High);
        let interval = Duration::from_micros(u64::from(interval));
        let request = EndpointRequest::isochronous(Direction::In, 0, interval)
            .intervals(packets::exponents(interval))
            .max_packet_sizes(PerSpeed {
                full: 3,
                high: 4,
                super_speed: 4,
            });
        match self.version {
            // Older than usage types (UAC1 4.6.2.1). Linux refuses one that names another endpoint.
            Version::Uac1 => request.audio_extension(REFRESH, None),
            Version::Uac2 => {
                request.synchronization(SynchronizationType::None, UsageType::Feedback)
            }
        }
    }

    fn synchronization(&self, stream: Stream) -> (SynchronizationType, UsageType) {
        use SynchronizationType::{Adaptive, Asynchronous, Synchronous};
        let is_implicit = self.speaker.is_some()
            && self.speaker_timing == SpeakerTiming::ImplicitFeedback
            && self.version == Version::Uac2;
        match (stream, self.speaker_timing, self.microphone_timing) {
            (Stream::Speaker, SpeakerTiming::Adaptive, _) => (Adaptive, UsageType::Data),
            (Stream::Speaker, SpeakerTiming::Synchronous, _)
            | (Stream::Microphone, _, MicrophoneTiming::Synchronous) => {
                (Synchronous, UsageType::Data)
            }
            (Stream::Microphone, ..) if is_implicit => (Asynchronous, UsageType::ImplicitFeedback),
            _ => (Asynchronous, UsageType::Data),
        }
    }
}

/// The descriptor with its length in the first byte; check() has bounded it.
fn with_length(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[0] = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    bytes
}
