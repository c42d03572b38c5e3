//! Files that operations keep open.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

/// An open file, shared by the operations on it and closed when the last of them has been reaped.
///
/// Cloning is cheap and refers to the same open file.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let (reader, _writer) = std::io::pipe()?;
/// let file = aio_rs::SharedFile::new(reader);
/// let again = file.clone();
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct SharedFile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    fd: Arc<OwnedFd>,
    is_endpoint: OnceLock<bool>,
}

impl SharedFile {
    /// Takes a file, pipe, socket or file descriptor over.
    pub fn new(file: impl Into<OwnedFd>) -> Self {
        Self::from(Arc::new(file.into()))
    }

    /// Whether it is an endpoint of usbfs2. Looked up once.
    pub(crate) fn is_endpoint(&self) -> bool {
        *self
            .0
            .is_endpoint
            .get_or_init(|| crate::sys::is_endpoint(self.as_fd()))
    }
}

impl AsFd for SharedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl From<&SharedFile> for SharedFile {
    fn from(file: &SharedFile) -> Self {
        file.clone()
    }
}

impl From<File> for SharedFile {
    fn from(file: File) -> Self {
        Self::new(file)
    }
}

impl From<OwnedFd> for SharedFile {
    fn from(fd: OwnedFd) -> Self {
        Self::new(fd)
    }
}

impl From<Arc<OwnedFd>> for SharedFile {
    fn from(fd: Arc<OwnedFd>) -> Self {
        Self(Arc::new(Shared {
            fd,
            is_endpoint: OnceLock::new(),
        }))
    }
}

impl From<&Arc<OwnedFd>> for SharedFile {
    fn from(fd: &Arc<OwnedFd>) -> Self {
        Self::from(Arc::clone(fd))
    }
}
