//! A directory of the tree, held so that its files stay those of one plug of one device.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// A device's or an interface's directory.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    /// For error messages.
    path: PathBuf,
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            fd: rustix::fs::open(path, flags, Mode::empty())?,
            path: path.to_owned(),
        })
    }

    pub(super) fn subdirectory(&self, name: &str) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            fd: rustix::fs::openat(&self.fd, name, flags, Mode::empty())?,
            path: self.path(name),
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn open_file(&self, name: &str, access: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.fd, name, access | OFlags::CLOEXEC, Mode::empty())
    }

    /// Whether this user may read and write the file, now.
    pub(super) fn is_accessible(&self, name: &str) -> bool {
        let access = Access::READ_OK | Access::WRITE_OK;
        rustix::fs::accessat(&self.fd, name, access, AtFlags::empty()).is_ok()
    }

    /// Differs from that of any directory made later, as for what is plugged in there next.
    pub(super) fn number(&self) -> Result<u64, Errno> {
        Ok(rustix::fs::fstat(&self.fd)?.st_ino)
    }

    /// A small file's content.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Errno> {
        let file = self.open_file(name, OFlags::RDONLY)?;
        let mut content = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match rustix::io::read(&file, &mut piece) {
                Ok(0) => return Ok(content),
                Ok(length) => content.extend_from_slice(&piece[..length]),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a setting, in the one write call the module wants.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Errno> {
        let file = self.open_file(name, OFlags::WRONLY)?;
        write_setting(&file, text)
    }
}

/// Writes a setting to an open file.
pub(super) fn write_setting(file: &OwnedFd, text: &str) -> Result<(), Errno> {
    rustix::io::retry_on_intr(|| rustix::io::write(file, text.as_bytes()))?;
    Ok(())
}
