//! What can go wrong, one error for each question.

use std::io;

use thiserror::Error;
use usbfs2_host::{
    AlternateSettingError, ClaimError, ConfigurationError, EndpointError, TransferError,
};
use usbfs2_protocol::hid::ReportDescriptorError;

/// Why a device cannot be used as a HID device.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No interface of class 03 in the active configuration.
    #[error("no HID interface (class 03) in the active configuration")]
    NoInterface,
    /// This interface is not of class 03.
    #[error("interface {0} is not a HID interface (class 03) of the active configuration")]
    NotHid(u8),
    /// The interface does not describe itself as HID 6.2.1 asks.
    #[error("interface {0} has no HID descriptor that names a report descriptor (HID 6.2.1)")]
    NoHidDescriptor(u8),
    /// The device is not configured, or its descriptors are wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The interface cannot be had.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The alternate setting cannot be had.
    #[error(transparent)]
    AlternateSetting(#[from] AlternateSettingError),
    /// The report descriptor cannot be read.
    #[error("reading the report descriptor: {0}")]
    ReadReportDescriptor(#[source] TransferError),
}

/// Why a request or a report failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HidError {
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
    /// The input endpoint failed again and again, for about a second.
    #[error("reading reports failed {attempts} times in a row: {error}")]
    Input {
        /// How often.
        attempts: u32,
        /// How it failed last.
        error: TransferError,
    },
    /// An endpoint cannot be had.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The interface has no interrupt IN endpoint, which HID 4.4 asks for.
    #[error("the interface has no interrupt IN endpoint to read reports from (HID 4.4)")]
    NoInputEndpoint,
    /// The alternate setting cannot be told.
    #[error(transparent)]
    AlternateSetting(#[from] AlternateSettingError),
    /// The report descriptor makes no sense, so reports cannot be taken apart.
    #[error("the report descriptor is wrong: {0}")]
    ReportDescriptor(#[from] ReportDescriptorError),
    /// The interface has no boot protocol (bInterfaceSubClass is not 1).
    #[error("the interface has no boot protocol (HID 4.2)")]
    NoBootProtocol,
}

impl HidError {
    pub(crate) fn request(request: &'static str) -> impl FnOnce(TransferError) -> Self {
        move |error| match error {
            TransferError::Disconnected => Self::Disconnected,
            error => Self::Request { request, error },
        }
    }
}

impl From<HidError> for io::Error {
    fn from(error: HidError) -> Self {
        let kind = match &error {
            HidError::Disconnected => io::ErrorKind::NotConnected,
            HidError::Request {
                error: TransferError::TimedOut,
                ..
            } => io::ErrorKind::TimedOut,
            HidError::ReportDescriptor(_) => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
