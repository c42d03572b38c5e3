//! One error type for each question a caller asks.

use std::io;

use thiserror::Error;

use crate::Operation;

/// Why a context could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A context needs room for at least one operation.
    #[error("a context of depth 0 can hold no operation; ask for at least 1")]
    ZeroDepth,
    /// The system-wide limit on asynchronous operations is reached, or that of an io_uring.
    #[error(
        "no room for {depth} more asynchronous operations; use a smaller depth, or raise the limit: sysctl fs.aio-max-nr (of an \
         io_uring it is 65535)"
    )]
    LimitReached {
        /// The depth asked for.
        depth: u32,
    },
    /// This kernel has not got the engine, or a sandbox hides it.
    #[error(
        "this kernel offers no asynchronous I/O; it needs CONFIG_AIO, and a sandbox that permits io_setup (for the engine \
         io-uring: Linux 5.11, and a sandbox that permits io_uring_setup)"
    )]
    Unsupported,
    /// The environment names no engine there is.
    #[error("AIO_RS_ENGINE names no engine; it can be linux-aio or io-uring")]
    UnknownEngine,
    /// The kernel refused for another reason.
    #[error("cannot set up asynchronous I/O: {0}")]
    Os(#[from] io::Error),
}

impl From<SetupError> for io::Error {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::ZeroDepth | SetupError::UnknownEngine => {
                Self::new(io::ErrorKind::InvalidInput, error)
            }
            SetupError::LimitReached { .. } => Self::new(io::ErrorKind::QuotaExceeded, error),
            SetupError::Unsupported => Self::new(io::ErrorKind::Unsupported, error),
            SetupError::Os(error) => error,
        }
    }
}

/// Why a context did not take an operation, which comes back in the error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// As many operations as the context's depth are waiting for their completions to be taken.
    #[error("the context is full; take completions, or make it deeper")]
    Full(Operation),
    /// The context was made before fork(2), by the parent process.
    #[error("the context belongs to the parent process; make one after fork")]
    Forked(Operation),
}

impl PrepareError {
    /// The operation that was not taken.
    pub fn into_operation(self) -> Operation {
        match self {
            Self::Full(operation) | Self::Forked(operation) => operation,
        }
    }
}

/// Why nothing could be submitted. What the kernel refuses of single operations is in their completions.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The context was made before fork(2), by the parent process.
    #[error("the context belongs to the parent process; make one after fork")]
    Forked,
}

impl From<SubmitError> for io::Error {
    fn from(error: SubmitError) -> Self {
        Self::new(io::ErrorKind::Unsupported, error)
    }
}
