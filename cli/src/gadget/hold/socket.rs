//! The socket that NOTIFY_SOCKET names.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tempfile::TempDir;

/// The longest message.
const MESSAGE_ROOM: usize = 4096;
/// The most files that come with one (SCM_MAX_FD).
const FILE_ROOM: usize = 253;

/// A socket in a directory of its own, which only this user enters.
pub(super) struct NotifySocket {
    socket: UnixDatagram,
    directory: TempDir,
}

impl NotifySocket {
    pub(super) fn new() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("usbfs2-hold.")
            .tempdir()
            .context("cannot make a directory for the socket")?;
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path)
            .with_context(|| format!("cannot listen at {}", path.display()))?;
        Ok(Self { socket, directory })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("notify")
    }

    /// A message that has come, and its files; `None` when there is none.
    pub(super) fn receive(&self) -> Result<Option<(String, Vec<OwnedFd>)>> {
        let mut text = [0; MESSAGE_ROOM];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILE_ROOM))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let buffers = &mut [IoSliceMut::new(&mut text)];
        let length = match recvmsg(&self.socket, buffers, &mut ancillary, flags) {
            Ok(received) => received.bytes,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
            Err(error) => return Err(error).context("cannot hear what is to be held"),
        };
        let files = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => files.collect(),
            _ => Vec::new(),
        });
        let files = files.collect();
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        Ok(Some((text, files)))
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
