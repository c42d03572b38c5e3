//! Messages to the keeper (sd_notify(3)): a datagram of lines, which may carry file descriptors.

use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, sendmsg_addr, socket_with,
};
use rustix::pipe::{PipeFlags, pipe_with};

/// How long a keeper may take to read what was sent to it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the keeper listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotifySocket(SocketAddrUnix);

impl NotifySocket {
    /// Reads NOTIFY_SOCKET: an absolute path, or `@` and an abstract name.
    pub(super) fn new(address: &OsStr) -> Option<Self> {
        let address = match address.as_bytes() {
            [b'/', ..] => SocketAddrUnix::new(address).ok(),
            [b'@', name @ ..] if !name.is_empty() => SocketAddrUnix::new_abstract_name(name).ok(),
            _ => None,
        };
        address.map(Self)
    }

    pub(super) fn send(&self, text: &str, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(Errno::TOOBIG.into());
        }
        let text = [IoSlice::new(text.as_bytes())];
        loop {
            match sendmsg_addr(&socket, &self.0, &text, &mut ancillary, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                result => return Ok(result.map(drop)?),
            }
        }
    }

    /// Returns once the keeper has acted on everything sent before: it closes the pipe then.
    pub(super) fn barrier(&self) -> io::Result<()> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        self.send("BARRIER=1", &[std::os::fd::AsFd::as_fd(&theirs)])?;
        drop(theirs);
        let timeout = Timespec::try_from(PATIENCE).ok();
        loop {
            match poll(&mut [PollFd::new(&ours, PollFlags::IN)], timeout.as_ref()) {
                Ok(0) => return Err(Errno::TIMEDOUT.into()),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn an_address_is_a_path_or_an_abstract_name() {
        for right in ["/run/notify", "@notify"] {
            assert!(NotifySocket::new(OsStr::new(right)).is_some(), "{right}");
        }
        for wrong in ["", "@", "notify", "vsock:2:1234"] {
            assert!(NotifySocket::new(OsStr::new(wrong)).is_none(), "{wrong}");
        }
        let long = format!("/{}", "x".repeat(200));
        assert!(NotifySocket::new(OsStr::new(&long)).is_none());
    }

    #[test]
    fn what_is_sent_arrives_and_a_keeper_that_is_gone_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let keeper = UnixDatagram::bind(&path).unwrap();
        let socket = NotifySocket::new(path.as_os_str()).unwrap();
        socket.send("FDSTORE=1", &[keeper.as_fd()]).unwrap();
        let mut text = [0; 32];
        let length = keeper.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"FDSTORE=1");

        drop(keeper);
        let error = socket.send("FDSTORE=1", &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
