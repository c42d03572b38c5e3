//! A file whose operations are futures.

use std::io;

use crate::{AsyncContext, Buffer, Operation, PollEvents, SharedFile};

/// A file whose reads and writes are futures, on any executor. Clones refer to the same open file.
///
/// Every method queues its operation when it is called, and hands it to the kernel when a future is polled: see
/// [`AsyncContext::start`]. Dropping a future cancels its operation.
///
/// ```
/// use aio_rs::{AsyncContext, AsyncFile, Buffer};
///
/// # #[cfg(feature = "async-io")]
/// # fn main() -> std::io::Result<()> {
/// # futures::executor::block_on(async {
/// let file = AsyncFile::new(&AsyncContext::new(8)?, tempfile::tempfile()?);
/// // Two writes in one system call.
/// let first = file.write_at(Buffer::from(b"hello ".as_slice()), 0);
/// let second = file.write_at(Buffer::from(b"world".as_slice()), 6);
/// let ((_, first), (_, second)) = futures::join!(first, second);
/// assert_eq!((first?, second?), (6, 5));
///
/// let (buffer, result) = file.read_at(Buffer::with_capacity(100), 0).await;
/// assert_eq!((result?, &buffer[..]), (11, b"hello world".as_slice()));
/// # Ok(()) }) }
/// # #[cfg(not(feature = "async-io"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone)]
pub struct AsyncFile {
    context: AsyncContext,
    file: SharedFile,
}

impl AsyncFile {
    /// Uses `context` for operations on `file`.
    pub fn new(context: &AsyncContext, file: impl Into<SharedFile>) -> Self {
        Self {
            context: context.clone(),
            file: file.into(),
        }
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &SharedFile {
        &self.file
    }

    /// Reads as [`Operation::read`] does; yields the buffer and the bytes read.
    pub fn read_at(
        &self,
        buffer: Buffer,
        offset: u64,
    ) -> impl Future<Output = (Buffer, io::Result<usize>)> + Send + use<> {
        let read = self
            .context
            .start(Operation::read(&self.file, offset, buffer));
        async {
            let completion = read.await;
            (completion.buffer, completion.result)
        }
    }

    /// Writes as [`Operation::write`] does; yields the buffer and the bytes written.
    pub fn write_at(
        &self,
        buffer: Buffer,
        offset: u64,
    ) -> impl Future<Output = (Buffer, io::Result<usize>)> + Send + use<> {
        let write = self
            .context
            .start(Operation::write(&self.file, offset, buffer));
        async {
            let completion = write.await;
            (completion.buffer, completion.result)
        }
    }

    /// Reads as [`Operation::read_vectored`] does; yields the buffers and the bytes read in all.
    pub fn read_vectored_at(
        &self,
        buffers: Vec<Buffer>,
        offset: u64,
    ) -> impl Future<Output = (Vec<Buffer>, io::Result<usize>)> + Send + use<> {
        let read = self
            .context
            .start(Operation::read_vectored(&self.file, offset, buffers));
        async {
            let completion = read.await;
            (completion.buffers, completion.result)
        }
    }

    /// Writes as [`Operation::write_vectored`] does; yields the buffers and the bytes written in all.
    pub fn write_vectored_at(
        &self,
        buffers: Vec<Buffer>,
        offset: u64,
    ) -> impl Future<Output = (Vec<Buffer>, io::Result<usize>)> + Send + use<> {
        let write = self
            .context
            .start(Operation::write_vectored(&self.file, offset, buffers));
        async {
            let completion = write.await;
            (completion.buffers, completion.result)
        }
    }

    /// Waits until data and metadata are stored, as [`Operation::sync`].
    ///
    /// # Errors
    /// Those of fsync(2).
    pub fn sync_all(&self) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let sync = self.context.start(Operation::sync(&self.file));
        async { sync.await.result.map(drop) }
    }

    /// Waits until data is stored, as [`Operation::sync_data`].
    ///
    /// # Errors
    /// Those of fdatasync(2).
    pub fn sync_data(&self) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let sync = self.context.start(Operation::sync_data(&self.file));
        async { sync.await.result.map(drop) }
    }

    /// Waits until one of `events`, an error or a hang-up is there, as [`Operation::poll`]; yields what is.
    ///
    /// # Errors
    /// Those of the kernel: `EINVAL` before Linux 4.19.
    pub fn ready(
        &self,
        events: PollEvents,
    ) -> impl Future<Output = io::Result<PollEvents>> + Send + use<> {
        let poll = self.context.start(Operation::poll(&self.file, events));
        async {
            let completion = poll.await;
            let events = completion.poll_events();
            completion.result.map(|_| events)
        }
    }
}
