//! Linux native asynchronous I/O as owned operations and futures

#[allow(unsafe_code)]
mod aio;
#[cfg(any(feature = "async-io", feature = "tokio"))]
mod async_context;
#[cfg(any(feature = "async-io", feature = "tokio"))]
mod async_file;
mod buffer;
mod context;
mod error;
mod file;
mod operation;
#[cfg(any(feature = "async-io", feature = "tokio"))]
mod reactor;
#[allow(unsafe_code)]
mod sys;

#[cfg(any(feature = "async-io", feature = "tokio"))]
pub use async_context::{AsyncContext, Started};
#[cfg(any(feature = "async-io", feature = "tokio"))]
pub use async_file::AsyncFile;
pub use buffer::Buffer;
pub use context::Context;
pub use error::{PrepareError, SetupError, SubmitError};
pub use file::SharedFile;
pub use operation::{CancelOutcome, Completion, Operation, OperationId, PollEvents};
#[cfg(any(feature = "async-io", feature = "tokio"))]
pub use reactor::Reactor;
