//! Tells the processes that use something that something happens to it: whoever sees an error that this may be
//! the reason of looks here.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;

/// A number in a file: odd while something happens.
#[derive(Debug)]
pub(crate) struct Disturbance(File);

impl Disturbance {
    /// A new one, for the process that disturbs.
    pub(crate) fn create(name: &str) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let disturbance = Self(options.open(path(name))?);
        disturbance.0.write_all_at(&0_u64.to_ne_bytes(), 0)?;
        Ok(disturbance)
    }

    /// For a process that is disturbed.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        Ok(Self(File::open(path(name))?))
    }

    pub(crate) fn now(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 0)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Whether something has happened since `then`, or was happening.
    pub(crate) fn since(&self, then: u64) -> io::Result<bool> {
        Ok(then % 2 == 1 || self.now()? != then)
    }

    /// Disturbs. One thread does so at a time.
    pub(crate) fn around<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let before = self.now()?;
        self.0.write_all_at(&(before + 1).to_ne_bytes(), 0)?;
        let result = work();
        self.0.write_all_at(&(before + 2).to_ne_bytes(), 0)?;
        Ok(result)
    }
}

fn path(name: &str) -> String {
    format!("/dev/shm/usbfs2-stress-{name}")
}
