//! Linux native asynchronous I/O as owned operations and futures.
//!
//! Reads, writes, syncs and polls on any file descriptor are handed to the kernel in batches (io_submit) and their
//! completions taken from a ring it shares with the process, without a system call. Made for files that complete
//! operations when a device does, such as USB endpoint files; as good for ordinary files, pipes and sockets, within
//! [what the kernel does for them](#what-the-kernel-does-for-which-file).
//!
//! # Blocking, with no thread and no runtime
//!
//! A [`Context`] is a queue with one user:
//!
//! ```
//! use aio_rs::{Buffer, Context, Operation, SharedFile};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = SharedFile::new(tempfile::tempfile()?);
//! let mut context = Context::new(16)?;
//!
//! // Three operations, one system call.
//! for (label, text) in (0..).zip([b"one ", b"two ", b"six "]) {
//!     let write = Operation::write(&file, label * 4, Buffer::from(text.as_slice()));
//!     context.prepare(write.user_data(label))?;
//! }
//! context.submit()?;
//!
//! // Every completion gives its buffer back, with the outcome.
//! while let Some(completion) = context.wait(Some(Duration::from_secs(5)))? {
//!     assert_eq!(completion.result?, 4);
//!     assert_eq!(completion.buffer.len(), 4);
//! }
//! # Ok(()) }
//! ```
//!
//! [`Context::wait_many`] sleeps once for several completions, [`Context::try_next`] never sleeps, and
//! [`Context::event_fd`] fits into an event loop of one's own.
//!
//! [`Operation::read_vectored`] and [`Operation::write_vectored`] take several buffers. [`Operation::read_parts`] and
//! [`Operation::write_parts`] cut one buffer into vectors, with a last one for what a driver reports: isochronous packets,
//! on usbfs2's files.
//!
//! # Futures, on any executor
//!
//! An [`AsyncContext`] is shared by any number of tasks and threads; [`AsyncFile`] has the operations as methods:
//!
//! ```
//! # #[cfg(feature = "async-io")]
//! # fn main() -> std::io::Result<()> {
//! use aio_rs::{AsyncContext, AsyncFile, Buffer};
//! use futures::future::join_all;
//!
//! # futures::executor::block_on(async {
//! let context = AsyncContext::new(16)?;
//! let file = AsyncFile::new(&context, tempfile::tempfile()?);
//! file.write_at(Buffer::from(vec![7; 100_000]), 0).await.1?;
//!
//! // Twenty-five reads at a time, of which sixteen are in the kernel and the others wait for their turn.
//! let reads = (0..25).map(|block| file.read_at(Buffer::with_capacity(4096), block * 4096));
//! let bytes: usize = join_all(reads).await.iter().map(|(buffer, _)| buffer.len()).sum();
//! assert_eq!(bytes, 100_000);
//! # Ok(()) }) }
//! # #[cfg(not(feature = "async-io"))]
//! # fn main() {}
//! ```
//!
//! A context of one task needs no sharing: [`Context::poll_next`] and [`Context::next`] wait for the next completion of
//! any operation.
//!
//! | feature | reactor | |
//! |---|---|---|
//! | `async-io` (default) | [`Reactor::AsyncIo`] | works below every executor; starts its thread with the first future that sleeps |
//! | `tokio` | [`Reactor::Tokio`] | the runtime's own; chosen with [`AsyncContext::with_reactor`] |
//! | neither | | blocking use and [`Context::event_fd`] alone |
//!
//! # A ring, for the endpoint files of usbfs2
//!
//! A [`TransferRing`] moves the transfers of one endpoint with a system call for a sleep instead of one for an operation,
//! in memory that the device's controller uses in place:
//!
//! ```no_run
//! use aio_rs::TransferRing;
//! use std::fs::OpenOptions;
//!
//! # fn main() -> std::io::Result<()> {
//! let file = OpenOptions::new().read(true).write(true).open("/dev/usbfs2/1-1/1.0/ep81")?;
//! let mut ring = TransferRing::new(file, true, 16)?;
//! for _ in 0..16 {
//!     let buffer = ring.allocate(4096)?;
//!     ring.prepare(buffer, 0).ok();
//! }
//! while let Some(completion) = ring.wait(None)? {
//!     println!("{} bytes", completion.result?);
//!     ring.prepare(completion.buffer, 0).ok();
//! }
//! # Ok(()) }
//! ```
//!
//! # Cancellation
//!
//! An operation owns its buffer and its file from [`Context::prepare`] until its completion is taken. Each
//! has exactly one completion, also when the kernel refuses it (the error is in the completion) and when it is
//! cancelled. Cancelling asks; a cancel that comes too late yields the success:
//!
//! ```
//! use aio_rs::{CancelOutcome, Context, Operation, PollEvents, SharedFile};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (reader, _writer) = std::io::pipe()?;
//! let mut context = Context::new(1)?;
//! let id = context.prepare(Operation::poll(SharedFile::new(reader), PollEvents::READABLE))?;
//!
//! if context.wait(Some(Duration::from_millis(10)))?.is_none() {
//!     assert_eq!(context.cancel(id), CancelOutcome::Requested);
//!     let completion = context.wait(None)?.ok_or("one completion for each operation")?;
//!     assert!(completion.is_cancelled());
//! }
//! # Ok(()) }
//! ```
//!
//! [`Operation::timeout`] has an operation cancelled when its time is over: the bytes that came until then are its result,
//! and one that moved none fails with `ETIMEDOUT`.
//!
//! Dropping a future cancels its operation, whose memory the context keeps until the kernel is done with it. Dropping
//! a context, or the last handle of a shared one, cancels all operations and returns when the kernel is done with
//! all of them. Forgetting either leaks memory and frees none.
//!
//! # What the kernel does for which file
//!
//! | file | submission | cancel |
//! |---|---|---|
//! | USB endpoint files (usbfs2, gadgetfs, FunctionFS) | queues | yes |
//! | ordinary files with `O_DIRECT` | queues, on most file systems | no, ends by itself |
//! | ordinary files | reads or writes at once, within [`Context::submit`] | no, is over |
//! | pipes, sockets, terminals | **blocks** in [`Context::submit`] until data or room is there | no |
//! | a [poll](Operation::poll) of any of these | queues | yes |
//! | a [sync](Operation::sync) | queues, on a kernel worker | no, ends by itself |
//!
//! So poll pipes and sockets first. The system-wide number of operations is limited by `fs.aio-max-nr`
//! (65,536 unless raised), of which a context takes its depth.
//!
//! # io_uring
//!
//! The same by the kernel's other queue: [`Context::with_engine`], or `AIO_RS_ENGINE=io-uring` in a program's environment
//! for all contexts that are not told. See [`Engine`].
//!
//! # Unsafe code
//!
//! The modules `aio` (who owns what while the kernel works) and `sys` (system calls, ring, mapped pages) have all of
//! it; the public interface is safe.

// The manual links to what features add; whether its links are right shows with all of them.
#![cfg_attr(
    not(all(feature = "async-io", feature = "tokio")),
    allow(rustdoc::broken_intra_doc_links)
)]

#[allow(unsafe_code)]
mod aio;
#[cfg(any(feature = "async-io", feature = "tokio"))]
mod async_context;
#[cfg(any(feature = "async-io", feature = "tokio"))]
mod async_file;
mod buffer;
mod context;
mod deadlines;
mod engine;
mod error;
mod file;
mod operation;
mod parts;
#[cfg(any(feature = "async-io", feature = "tokio"))]
mod reactor;
#[allow(unsafe_code)]
mod sys;
mod transfer_ring;

#[cfg(any(feature = "async-io", feature = "tokio"))]
pub use async_context::{AsyncContext, Started};
#[cfg(any(feature = "async-io", feature = "tokio"))]
pub use async_file::AsyncFile;
pub use buffer::Buffer;
pub use context::Context;
pub use engine::Engine;
pub use error::{PrepareError, SetupError, SubmitError};
pub use file::SharedFile;
pub use operation::{CancelOutcome, Completion, Operation, OperationId, PollEvents};
pub use parts::Parts;
#[cfg(any(feature = "async-io", feature = "tokio"))]
pub use reactor::Reactor;
pub use transfer_ring::{TransferCompletion, TransferRing};

/// The example of the README is compiled and run like the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
