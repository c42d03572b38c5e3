//! The guest's port to QEMU's `usb-redir`.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use dummy_hcd_tests::qmp::QmpError;
use dummy_hcd_tests::usbredir::Answer;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Both directions of it, for one reader and several writers.
#[derive(Debug)]
pub(super) struct Port {
    file: File,
    writing: Mutex<()>,
    is_closed: AtomicBool,
    /// What ended it before its time.
    failure: Mutex<Option<io::Error>>,
}

impl Port {
    /// One process at a time has it.
    pub(super) fn open() -> Result<Self, QmpError> {
        let path = env::var_os("USBFS2_USBREDIR").ok_or(QmpError::NoMonitor)?;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true);
        Ok(Self {
            file: options.custom_flags(libc::O_NONBLOCK).open(path)?,
            writing: Mutex::new(()),
            is_closed: AtomicBool::new(false),
            failure: Mutex::default(),
        })
    }

    /// Nothing is read or written any more; whoever waits returns soon.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// The same once one of its threads has ended with `result`, an error of which is kept: the first one.
    pub(super) fn end(&self, result: io::Result<()>) {
        match result {
            // This end has hung up.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
            }
            Ok(()) => {}
        }
        self.close();
    }

    /// An error that ended it.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }

    pub(super) fn is_open(&self) -> bool {
        !self.is_closed.load(Ordering::Relaxed)
    }

    fn check_open(&self) -> io::Result<()> {
        match self.is_open() {
            true => Ok(()),
            false => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Waits for bytes, and puts them into `buffer`.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.check_open()?;
            match (&self.file).read(buffer) {
                // Nobody is at the other end yet, or any more.
                Ok(0) => thread::sleep(Duration::from_millis(1)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::IN)?;
                }
                result => return result,
            }
        }
    }

    pub(super) fn send(&self, answer: &Answer<'_>) -> io::Result<()> {
        let bytes = answer.to_bytes();
        let mut bytes = bytes.as_slice();
        // Messages are not mixed up; nothing is kept under the lock that a panic could spoil.
        let _writing = self.writing.lock();
        while !bytes.is_empty() {
            self.check_open()?;
            match (&self.file).write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        let mut descriptors = [PollFd::new(&self.file, flags)];
        let looks = Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        poll(&mut descriptors, Some(&looks))?;
        Ok(())
    }
}
