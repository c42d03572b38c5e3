//! usbmon: the kernel's own look at its host controllers.

#[allow(unsafe_code)]
mod sys;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use thiserror::Error;

use crate::usbmon::Header;

/// The kernel's ring of packets at its largest (BUFF_MAX of drivers/usb/mon/mon_bin.c). A transfer longer
/// than a fifth of the ring is cut by the kernel.
const RING_BYTES: usize = 1200 * 1024;

/// The packets of one bus, or of all, as /dev/usbmonN gives them to anyone who may read it.
///
/// Packets come in the order the kernel met them. What is not read in time is lost and counted:
/// [`lost`](Self::lost).
#[derive(Debug)]
pub struct Usbmon {
    file: File,
    buffer: Vec<u8>,
    lost: u64,
}

/// Why usbmon cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UsbmonError {
    /// There is no usbmon for the bus.
    #[error(
        "{0} is not there: load usbmon with `modprobe usbmon`, as root, and check the bus's number"
    )]
    Missing(PathBuf),
    /// This user may not read it.
    #[error("{0} is not yours to read, since it shows everybody's traffic: run this as root")]
    Forbidden(PathBuf),
    /// Opening it failed otherwise.
    #[error("cannot open {path}: {error}")]
    Open {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

impl Usbmon {
    /// Opens bus number `bus`; 0 means all buses.
    ///
    /// # Errors
    /// [`UsbmonError`], with what to do about it.
    pub fn open(bus: u16) -> Result<Self, UsbmonError> {
        let path = PathBuf::from(format!("/dev/usbmon{bus}"));
        let opened = File::open(&path).and_then(|file| {
            sys::set_ring_size(&file, RING_BYTES)?;
            Ok(file)
        });
        let file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => UsbmonError::Missing(path),
            io::ErrorKind::PermissionDenied => UsbmonError::Forbidden(path),
            _ => UsbmonError::Open { path, error },
        })?;
        Ok(Self {
            file,
            buffer: vec![0; Header::LENGTH + RING_BYTES],
            lost: 0,
        })
    }

    /// Takes the next packet and its data, waiting for it up to `timeout`.
    ///
    /// `None` means that the time is up, or that a signal came.
    ///
    /// # Errors
    /// That of reading, or [`io::ErrorKind::InvalidData`] for what is no packet.
    pub fn next(&mut self, timeout: Duration) -> io::Result<Option<(Header, &[u8])>> {
        if !self.is_readable(timeout)? {
            return Ok(None);
        }
        // One read takes one packet: its header, and then its data.
        let count = match self.file.read(&mut self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
            outcome => outcome?,
        };
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let bytes = &self.buffer[..count];
        let header = Header::parse(bytes).map_err(invalid)?;
        Ok(Some((header, &bytes[Header::LENGTH..])))
    }

    fn is_readable(&self, timeout: Duration) -> io::Result<bool> {
        let mut files = [PollFd::new(&self.file, PollFlags::IN)];
        // A timeout past all telling is none.
        let timeout = Timespec::try_from(timeout).ok();
        match poll(&mut files, timeout.as_ref()) {
            Err(Errno::INTR) => Ok(false),
            outcome => Ok(outcome? > 0),
        }
    }

    /// Packets the kernel had no room for since [`open`](Self::open).
    ///
    /// # Errors
    /// That of asking the kernel.
    pub fn lost(&mut self) -> io::Result<u64> {
        self.lost += u64::from(sys::lost_since_last_asked(&self.file)?);
        Ok(self.lost)
    }
}
