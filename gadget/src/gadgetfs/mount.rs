//! Finding gadgetfs, or mounting it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::MountFlags;

use crate::start::StartError;
use crate::udc::UdcEndpoint;

/// GADGETFS_MAGIC (drivers/usb/gadget/legacy/inode.c).
const MAGIC: u32 = 0xaee7_1ee7;

/// A mounted gadgetfs. It stays mounted: the mount belongs to the machine, not to one run.
#[derive(Debug)]
pub(crate) struct Mount {
    path: PathBuf,
    controller: String,
}

impl Mount {
    /// The gadgetfs mounted at this directory, which is mounted, and the directory made, if need be.
    pub(crate) fn at(path: &Path) -> Result<Self, StartError> {
        if !is_gadgetfs(path) {
            mount(path)?;
        }
        let entries = entries(path)?;
        // The controller's file is there from the start, the endpoints' while a gadget is connected.
        let controller = entries
            .into_iter()
            .find(|name| UdcEndpoint::parse(name).is_none())
            .ok_or(StartError::NoController)?;
        Ok(Self {
            path: path.to_owned(),
            controller,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The controller's name.
    pub(super) fn controller(&self) -> &str {
        &self.controller
    }

    /// Endpoint 0's file.
    pub(super) fn control_file(&self) -> PathBuf {
        self.path.join(&self.controller)
    }

    /// The names of all files.
    pub(super) fn entries(&self) -> Result<Vec<String>, StartError> {
        entries(&self.path)
    }

    /// What to say when endpoint 0 cannot be opened.
    pub(super) fn open_failed(&self, error: io::Error) -> StartError {
        let path = self.control_file();
        match Errno::from_io_error(&error) {
            Some(Errno::BUSY) => StartError::Busy { path },
            Some(Errno::ACCESS | Errno::PERM) => StartError::NotPermitted { path },
            _ => self.failed("opening", error),
        }
    }

    /// What to say when something else about endpoint 0 fails.
    pub(super) fn failed(&self, action: &'static str, error: io::Error) -> StartError {
        StartError::Io {
            action,
            path: self.control_file(),
            error,
        }
    }
}

fn is_gadgetfs(path: &Path) -> bool {
    // f_type is signed on some architectures: only its low 32 bits say something.
    rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type as u32 == MAGIC)
}

fn mount(path: &Path) -> Result<(), StartError> {
    let not_made = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => StartError::NotPermitted {
            path: path.to_owned(),
        },
        _ => StartError::Io {
            action: "making the directory",
            path: path.to_owned(),
            error,
        },
    };
    fs::create_dir_all(path).map_err(not_made)?;
    rustix::mount::mount("gadgetfs", path, "gadgetfs", MountFlags::empty(), None).map_err(|errno| {
        match errno {
            Errno::PERM | Errno::ACCESS => StartError::NotPermitted {
                path: path.to_owned(),
            },
            // The same errno for a file system type that does not exist and for no free controller.
            Errno::NODEV if knows_gadgetfs() => StartError::NoController,
            Errno::NODEV => StartError::NoGadgetfs,
            errno => StartError::Io {
                action: "mounting gadgetfs at",
                path: path.to_owned(),
                error: errno.into(),
            },
        }
    })
}

/// Whether the kernel has the file system type (mounting would have loaded its module).
fn knows_gadgetfs() -> bool {
    fs::read_to_string("/proc/filesystems")
        .is_ok_and(|types| types.split_whitespace().any(|word| word == "gadgetfs"))
}

fn entries(path: &Path) -> Result<Vec<String>, StartError> {
    let names = || -> io::Result<Vec<String>> {
        fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    names().map_err(|error| StartError::Io {
        action: "listing",
        path: path.to_owned(),
        error,
    })
}
