//! Who keeps a gadget's files open while its process is away.

mod inherited;
mod mark;
mod message;
mod open_file;
#[allow(unsafe_code)]
mod sys;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

pub use self::mark::Mark;
use self::message::NotifySocket;
pub(crate) use self::open_file::OpenFile;

/// Keeps the files of a gadget open while its process is away, so that a host notices nothing when that process
/// is killed and started again: systemd's file descriptor store, or `usbfs2 gadget hold`, which speaks the same
/// protocol (sd_notify(3), sd_listen_fds(3)).
///
/// Give it to [`GadgetfsOptions::keeper`](crate::GadgetfsOptions::keeper) or
/// [`FunctionfsOptions::keeper`](crate::FunctionfsOptions::keeper). The gadget hands over endpoint 0's file,
/// those of its endpoints, and a record of what the host has set: the configuration, alternate settings, and requests such
/// as SET_IDLE, SET_LINE_CODING or a volume. A process that is started again takes them back, when it describes the same
/// gadget, and goes on from there. While nobody serves the endpoints, the host's transfers wait: a device that says NAK.
///
/// [`Running::stop`](crate::Running::stop) takes everything back, so that the gadget goes off the bus.
///
/// A unit of systemd's (246 or later) needs `FileDescriptorStoreMax=64` (two files and one for each endpoint, with room),
/// `NotifyAccess=main` and `Restart=on-failure`.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    socket: NotifySocket,
    /// What the process was started with, by name.
    inherited: Mutex<BTreeMap<String, OwnedFd>>,
}

/// The environment names a keeper that cannot be spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// NOTIFY_SOCKET is no address of a Unix socket.
    #[error(
        "NOTIFY_SOCKET={0} is neither a path nor @NAME: run below systemd or usbfs2 gadget hold, or unset it"
    )]
    Address(String),
    /// What was kept cannot be taken.
    #[error("cannot take the files that LISTEN_FDS={count} tells of: {error}")]
    Inherited {
        /// The variable's text.
        count: String,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

impl Keeper {
    /// The keeper that this process was started by, from the environment: `NOTIFY_SOCKET`, and `LISTEN_FDS`,
    /// `LISTEN_FDNAMES` and `LISTEN_PID` for what it has kept. `None` when there is none.
    ///
    /// The files are taken by the first call in a process; what is not a gadget's is left alone.
    ///
    /// # Errors
    /// [`KeeperError`] when the environment is not what the protocol says.
    pub fn from_environment() -> Result<Option<Self>, KeeperError> {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET") else {
            return Ok(None);
        };
        let socket = NotifySocket::new(&address)
            .ok_or_else(|| KeeperError::Address(address.to_string_lossy().into_owned()))?;
        Ok(Some(Self(Arc::new(Inner {
            socket,
            inherited: Mutex::new(inherited::take(PREFIX)?),
        }))))
    }

    /// Has every gadget that was kept and that no call to start one has taken go off its bus: what is not to go on.
    pub fn forget_the_rest(&self) {
        for name in self.names() {
            self.forget(&name);
        }
    }

    /// Hands a file over, under this name.
    pub(crate) fn keep(&self, name: &str, file: impl AsFd) -> io::Result<()> {
        // Not to be polled: polling gadgetfs's endpoint 0 takes away what it has to tell.
        let text = format!("FDSTORE=1\nFDPOLL=0\nFDNAME={PREFIX}{name}");
        self.0.socket.send(&text, &[file.as_fd()])
    }

    /// Has the file of this name closed, and returns when it is.
    pub(crate) fn forget(&self, name: &str) {
        drop(self.take(name));
        let text = format!("FDSTOREREMOVE=1\nFDNAME={PREFIX}{name}");
        let socket = &self.0.socket;
        if let Err(error) = socket.send(&text, &[]).and_then(|()| socket.barrier()) {
            // A keeper that has gone has closed its files.
            log::debug!("{name} is not known to be closed by its keeper: {error}");
        }
    }

    /// Takes a file that was kept.
    pub(crate) fn take(&self, name: &str) -> Option<OwnedFd> {
        let inherited = self.0.inherited.lock();
        // An insertion or removal either has happened or has not.
        let mut inherited = inherited.unwrap_or_else(PoisonError::into_inner);
        inherited.remove(name)
    }

    /// The names of what was kept and not taken yet.
    pub(crate) fn names(&self) -> Vec<String> {
        let inherited = self.0.inherited.lock();
        let inherited = inherited.unwrap_or_else(PoisonError::into_inner);
        inherited.keys().cloned().collect()
    }
}

/// What the names of a gadget's files begin with, among others that a service may have in store.
const PREFIX: &str = "usbfs2-gadget-";

impl PartialEq for Keeper {
    /// Whether they are clones of each other.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Keeper {}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("socket", &self.0.socket)
            .field("inherited", &self.names())
            .finish()
    }
}
