//! What can go wrong, one error for each question.

use std::io;

use thiserror::Error;
use usbfs2_host::{
    AlternateSettingError, ClaimError, ConfigurationError, EndpointError, TransferError,
};
use usbfs2_protocol::audio::AudioError;

use crate::format::AudioFormat;
use crate::statistics::Statistics;

/// Why a device cannot be used as an audio device.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The descriptors describe no audio function, or one this driver cannot use.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The device is not configured, or its descriptors are wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The control interface cannot be had.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The device was unplugged.
    #[error("the device is disconnected: plug it in and open it again")]
    Disconnected,
}

/// Why a stream cannot be opened, or ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The device has no such format.
    #[error("the device cannot {verb} {asked}: it has {existing}")]
    NoSuchFormat {
        /// `play` or `record`.
        verb: &'static str,
        /// What was asked for.
        asked: AudioFormat,
        /// What there is, all of it.
        existing: String,
    },
    /// The device has no stream of this direction that this driver knows how to use.
    #[error("the device has nothing to {verb}{why}")]
    NoStream {
        /// `play` or `record`.
        verb: &'static str,
        /// What streams there are, and why they are of no use.
        why: String,
    },
    /// The format's frames do not fit its packets.
    #[error(
        "alternate setting {alternate_setting} of interface {interface} has packets of {packet_bytes} bytes, and \
         {format} needs {needed}: choose a lower rate"
    )]
    Bandwidth {
        /// The interface.
        interface: u8,
        /// The alternate setting.
        alternate_setting: u8,
        /// Bytes its packets hold.
        packet_bytes: usize,
        /// The format.
        format: AudioFormat,
        /// Bytes the fullest packet would have.
        needed: usize,
    },
    /// No clock the stream can run on is usable.
    #[error("the stream has no clock to run on: {0}")]
    Clock(String),
    /// The device took the rate and runs at another.
    #[error("the device was asked for {asked} Hz and runs at {actual} Hz: ask for that rate")]
    Rate {
        /// The rate asked for.
        asked: u32,
        /// The rate the device says it has.
        actual: u32,
    },
    /// Bytes that are not whole sample frames.
    #[error("{bytes} bytes are not whole sample frames of {frame_bytes} bytes: give whole frames")]
    NotWholeFrames {
        /// The bytes given.
        bytes: usize,
        /// Bytes of a frame.
        frame_bytes: usize,
    },
    /// A request was refused or failed.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The interface cannot be had.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The alternate setting cannot be had.
    #[error(transparent)]
    AlternateSetting(#[from] AlternateSettingError),
    /// An endpoint cannot be had.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The device was unplugged while it streamed.
    #[error("the device was unplugged after {statistics}: plug it in and open it again")]
    Disconnected {
        /// What had become of the stream until then.
        statistics: Box<Statistics>,
    },
    /// The system ended the stream.
    #[error("the stream ended after {statistics}: {error}")]
    Transfer {
        /// Why.
        error: TransferError,
        /// What had become of the stream until then.
        statistics: Box<Statistics>,
    },
}

impl StreamError {
    pub(crate) fn ended(error: TransferError, statistics: Statistics) -> Self {
        let statistics = Box::new(statistics);
        match error {
            TransferError::Disconnected => Self::Disconnected { statistics },
            error => Self::Transfer { error, statistics },
        }
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match &error {
            StreamError::Disconnected { .. } => io::ErrorKind::NotConnected,
            StreamError::NotWholeFrames { .. } | StreamError::NoSuchFormat { .. } => {
                io::ErrorKind::InvalidInput
            }
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Why a control of the device could not be read or set.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The device was unplugged.
    #[error("the device is disconnected: plug it in and open it again")]
    Disconnected,
    /// The device refuses or fails a request.
    #[error("{request}: {error}")]
    Request {
        /// The request's name.
        request: &'static str,
        /// How it failed.
        error: TransferError,
    },
    /// The device answers a request with something that is no answer to it.
    #[error("{request}: the device answers {answer:02x?}, which is none")]
    Answer {
        /// The request's name.
        request: &'static str,
        /// What came.
        answer: Vec<u8>,
    },
    /// The control cannot be set.
    #[error("the {control} of this channel can be read but not set")]
    ReadOnly {
        /// `volume` or `mute`.
        control: &'static str,
    },
    /// There is no such control for this channel.
    #[error("there is no {control} for channel {channel}: there is one for {existing}")]
    NoSuchChannel {
        /// `volume` or `mute`.
        control: &'static str,
        /// The channel asked for; 0 is the master.
        channel: u8,
        /// Those that have it.
        existing: String,
    },
}

impl ControlError {
    pub(crate) fn request(request: &'static str) -> impl FnOnce(TransferError) -> Self {
        move |error| match error {
            TransferError::Disconnected => Self::Disconnected,
            error => Self::Request { request, error },
        }
    }
}
