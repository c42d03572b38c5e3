//! The files of the module's file system, and what the module says about itself.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::wait::{self, TimedOut};

/// Where the harness mounts it.
pub const MOUNT: &str = "/dev/usbfs2";

/// The directory of one device.
#[derive(Debug, Clone)]
pub struct DeviceFiles {
    path: PathBuf,
}

impl DeviceFiles {
    /// Waits until device `name` ("1-1") has its files.
    ///
    /// # Errors
    /// When they do not appear.
    pub fn wait(name: &str) -> Result<Self, TimedOut> {
        let path = Path::new(MOUNT).join(name);
        wait::until(&format!("{} exists", path.display()), || {
            path.join("1.0/driver").exists().then_some(())
        })?;
        Ok(Self { path })
    }

    /// The device's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of interface `number` of configuration 1.
    #[must_use]
    pub fn interface(&self, number: u8) -> InterfaceFiles {
        InterfaceFiles {
            path: self.path.join(format!("1.{number}")),
        }
    }
}

/// The directory of one interface.
#[derive(Debug, Clone)]
pub struct InterfaceFiles {
    path: PathBuf,
}

impl InterfaceFiles {
    /// The interface whose directory is `path`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The interface's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Detaches the kernel's driver and claims the interface until the file is closed.
    ///
    /// # Errors
    /// As the module says: EBUSY when it is claimed.
    pub fn claim(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path.join("driver"))?;
        io::Write::write_all(&mut &file, b"usbfs2")?;
        Ok(file)
    }

    /// The one bulk or interrupt endpoint of the current alternate setting in this direction.
    ///
    /// # Errors
    /// When the directory cannot be read or has no such endpoint.
    pub fn endpoint(&self, direction_in: bool) -> io::Result<PathBuf> {
        let mut names = fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        names
            .into_iter()
            .find(|name| {
                let address = name
                    .strip_prefix("ep")
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                address.is_some_and(|address| {
                    address & 0x7f != 0 && (address & 0x80 != 0) == direction_in
                })
            })
            .map(|name| self.path.join(name))
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("no endpoint in {}", self.path.display()),
                )
            })
    }

    /// The one isochronous endpoint of the current alternate setting in this direction.
    ///
    /// # Errors
    /// When the descriptors cannot be read or tell of no such endpoint.
    pub fn isochronous(&self, direction_in: bool) -> io::Result<PathBuf> {
        let bytes = fs::read(self.path.join("../descriptors"))?;
        let mut rest = bytes.as_slice();
        while let [length @ 2..=u8::MAX, kind, ..] = *rest {
            let (descriptor, after) = rest.split_at(rest.len().min(length.into()));
            // An endpoint descriptor (USB 2.0 9.6.6): its address, and the transfer type in bmAttributes.
            if let (5, [_, _, address, attributes, ..]) = (kind, descriptor)
                && attributes & 3 == 1
                && (address & 0x80 != 0) == direction_in
            {
                let path = self.path.join(format!("ep{address:02x}"));
                if path.exists() {
                    return Ok(path);
                }
            }
            rest = after;
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("no isochronous endpoint in {}", self.path.display()),
        ))
    }

    /// Has the device halt an endpoint, whose file is `endpoint`: SET_FEATURE (USB 2.0 9.4.9), of which the module makes
    /// nothing.
    ///
    /// # Errors
    /// As the module says: EPIPE when the device refuses.
    pub fn halt(&self, endpoint: &Path) -> io::Result<()> {
        self.endpoint_feature(0x02 << 40 | 3 << 32, endpoint)
    }

    /// Has the device end an endpoint's halt: CLEAR_FEATURE (USB 2.0 9.4.1), from which the module recovers the endpoint.
    ///
    /// # Errors
    /// As [`halt`](Self::halt).
    pub fn clear_halt(&self, endpoint: &Path) -> io::Result<()> {
        self.endpoint_feature(0x02 << 40 | 1 << 32, endpoint)
    }

    /// Sends a request about ENDPOINT_HALT that is complete but for the endpoint's address.
    fn endpoint_feature(&self, request: u64, endpoint: &Path) -> io::Result<()> {
        let name = endpoint.file_name().unwrap_or_default().to_string_lossy();
        let address = u64::from_str_radix(name.trim_start_matches("ep"), 16);
        let address =
            address.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let ep00 = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path.join("ep00"))?;
        ep00.write_at(&[], request | address)?;
        Ok(())
    }

    /// Selects an alternate setting; needs the claim.
    ///
    /// # Errors
    /// As the module says.
    pub fn select(&self, alternate: u8) -> io::Result<()> {
        fs::write(self.path.join("alternate"), alternate.to_string())
    }

    /// Opens the IN endpoint.
    ///
    /// # Errors
    /// As the module says: EBUSY when it is open or the interface claimed.
    pub fn open_in(&self) -> io::Result<File> {
        File::open(self.endpoint(true)?)
    }

    /// Opens the OUT endpoint.
    ///
    /// # Errors
    /// As the module says: EBUSY when it is open or the interface claimed.
    pub fn open_out(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.endpoint(false)?)
    }

    /// Opens an endpoint with O_NONBLOCK, which arms it.
    ///
    /// # Errors
    /// As the module says: EBUSY when it is open or the interface claimed.
    pub fn open_armed(&self, direction_in: bool) -> io::Result<File> {
        OpenOptions::new()
            .read(direction_in)
            .write(!direction_in)
            .custom_flags(libc::O_NONBLOCK)
            .open(self.endpoint(direction_in)?)
    }

    /// Opens an endpoint to be read and written, as mmap needs it.
    ///
    /// # Errors
    /// As the module says: EBUSY when it is open or the interface claimed.
    pub fn open_both(&self, direction_in: bool) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.endpoint(direction_in)?)
    }
}

/// How many requests the module holds, on all devices.
///
/// # Errors
/// When the module is not loaded.
pub fn live_requests() -> io::Result<u64> {
    let text = fs::read_to_string("/sys/module/usbfs2/parameters/live_requests")?;
    text.trim()
        .parse()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Waits until the module holds no request.
///
/// # Errors
/// When some stay, or the module is not loaded.
pub fn wait_no_live_request() -> io::Result<()> {
    let settled = wait::until("the module holds no request", || match live_requests() {
        Ok(0) => Some(Ok(())),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    settled.map_err(io::Error::other)?
}
