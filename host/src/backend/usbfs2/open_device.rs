//! Open devices and claimed interfaces as files.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aio_rs::{Buffer, Engine, SharedFile};
use rustix::fs::OFlags;
use rustix::io::Errno;
use usbfs2_protocol::descriptor::Endpoint;
use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket, TransferType};

use super::control::ControlPipe;
use super::directory::{Directory, write_setting};
use super::endpoint::EndpointFile;
use super::isochronous::IsochronousFile;
use super::permits_an_interface;
use super::ring::EndpointRing;
use crate::backend::sysfs::configuration_value;
use crate::backend::{Claimed, InFlight, IsochronousQueue, OpenDevice, Queue, Refused};
use crate::{
    AlternateSettingError, ClaimError, ConfigurationError, DeviceId, DeviceInfo, EndpointError,
    OpenError, ResetError, TransferError,
};

/// One plug of a device.
#[derive(Debug)]
pub(super) struct OpenUsbfs2 {
    info: DeviceInfo,
    directory: Directory,
    /// The device's; `None` where this process was given interfaces alone.
    control: Option<ControlPipe>,
}

impl OpenUsbfs2 {
    pub(super) fn open(info: &DeviceInfo, directory: Directory) -> Result<Self, OpenError> {
        let control = match directory.open_file("ep00", OFlags::RDWR) {
            Ok(ep00) => Some(ControlPipe::new(SharedFile::new(ep00))),
            Err(Errno::ACCESS | Errno::PERM) if permits_an_interface(&directory, info) => None,
            Err(errno) => return Err(open_error(info.id(), &directory.path("ep00"), errno)),
        };
        Ok(Self {
            info: info.clone(),
            directory,
            control,
        })
    }

    /// Whether an interface of the active configuration is claimed, by whatever program.
    fn any_claimed(&self) -> Result<bool, ConfigurationError> {
        let Ok(active) = self.info.configuration(self.configuration()?) else {
            return Ok(false);
        };
        let is_claimed = |number| {
            let driver = self
                .directory
                .read(&format!("{}.{number}/driver", active.value));
            driver.is_ok_and(|driver| is_claim(&driver))
        };
        Ok(active
            .interfaces
            .iter()
            .any(|interface| is_claimed(interface.number)))
    }
}

/// Whether this is what the `driver` file of a claimed interface says.
fn is_claim(driver: &[u8]) -> bool {
    driver.trim_ascii() == b"usbfs2"
}

pub(super) fn open_error(id: &DeviceId, path: &Path, errno: Errno) -> OpenError {
    match errno {
        Errno::NOENT | Errno::NODEV => OpenError::NotFound(id.clone()),
        Errno::ACCESS | Errno::PERM => OpenError::PermissionDenied(path.to_owned()),
        errno => OpenError::Io {
            path: path.to_owned(),
            source: errno.into(),
        },
    }
}

impl OpenDevice for OpenUsbfs2 {
    fn configuration(&self) -> Result<Option<u8>, ConfigurationError> {
        match self.directory.read("configuration") {
            Ok(text) => Ok(configuration_value(&String::from_utf8_lossy(&text))),
            Err(Errno::NOENT | Errno::NODEV) => Err(ConfigurationError::Disconnected),
            Err(errno) => Err(ConfigurationError::Io(errno.into())),
        }
    }

    fn set_configuration(&self, value: u8) -> Result<(), ConfigurationError> {
        // The module lets a process reset a configuration under claims of its own.
        let _claiming = claiming();
        if self.any_claimed()? {
            return Err(ConfigurationError::Busy);
        }
        let result = self.directory.write("configuration", &value.to_string());
        result.map_err(|errno| match errno {
            Errno::INVAL => ConfigurationError::NotFound(value),
            Errno::BUSY => ConfigurationError::Busy,
            Errno::NOENT | Errno::NODEV => ConfigurationError::Disconnected,
            Errno::ACCESS | Errno::PERM => ConfigurationError::Io(errno.into()),
            errno => ConfigurationError::Refused(TransferError::from_io(&errno.into())),
        })
    }

    fn reset(&self) -> Result<(), ResetError> {
        let result = self.directory.write("reset", "1");
        result.map_err(|errno| match errno {
            Errno::BUSY => ResetError::Busy,
            Errno::NOENT if self.directory.read("configuration").is_ok() => {
                let message = "the usbfs2 module that is loaded is too old for that: build and load the present one";
                ResetError::Io(io::Error::new(io::ErrorKind::Unsupported, message))
            }
            Errno::NOENT | Errno::NODEV => ResetError::Disconnected,
            Errno::ACCESS | Errno::PERM => {
                ResetError::PermissionDenied(self.directory.path("reset"))
            }
            errno => ResetError::Io(errno.into()),
        })
    }

    fn claim(&self, configuration: u8, number: u8) -> Result<Box<dyn Claimed>, ClaimError> {
        let name = format!("{configuration}.{number}");
        let error = |file: &str, errno| match errno {
            Errno::BUSY => ClaimError::Busy(number),
            Errno::NOENT | Errno::NODEV => ClaimError::Disconnected,
            Errno::ACCESS | Errno::PERM => ClaimError::PermissionDenied {
                number,
                path: self.directory.path(&name).join(file),
            },
            errno => ClaimError::Io {
                number,
                source: errno.into(),
            },
        };
        let directory = self
            .directory
            .subdirectory(&name)
            .map_err(|errno| error("", errno))?;
        let driver = directory
            .open_file("driver", OFlags::RDWR)
            .map_err(|errno| error("driver", errno))?;
        claim_alone(&directory, &driver).map_err(|errno| error("driver", errno))?;
        let control = match &self.control {
            Some(device) => device.clone(),
            None => {
                let ep00 = directory
                    .open_file("ep00", OFlags::RDWR)
                    .map_err(|errno| error("ep00", errno))?;
                ControlPipe::new(SharedFile::new(ep00))
            }
        };
        Ok(Box::new(ClaimedUsbfs2 {
            control,
            _claim: driver,
            directory,
        }))
    }

    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight> {
        match &self.control {
            Some(control) => control.start(setup, data),
            None => Box::new(Refused::new(data, TransferError::PermissionDenied)),
        }
    }
}

/// Claims an interface that nobody has claimed.
///
/// To the module a process is one claimant, however often it claims. To a program each claim is one
/// of its own, so that two of its parts cannot drive the same interface.
fn claim_alone(directory: &Directory, driver: &OwnedFd) -> Result<(), Errno> {
    let _claiming = claiming();
    if is_claim(&directory.read("driver")?) {
        return Err(Errno::BUSY);
    }
    write_setting(driver, "usbfs2")
}

/// Keeps the claims of this process as they are.
fn claiming() -> MutexGuard<'static, ()> {
    static CLAIMING: Mutex<()> = Mutex::new(());
    CLAIMING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An interface, claimed as long as its `driver` file is open.
#[derive(Debug)]
struct ClaimedUsbfs2 {
    /// The device's where this process may open it, since the other backends let requests to the
    /// device through an interface; the interface's own, which refuses those, where it may not.
    control: ControlPipe,
    /// Closing it gives the interface back to the driver that had it, however the process ends.
    _claim: OwnedFd,
    directory: Directory,
}

impl ClaimedUsbfs2 {
    fn is_gone(&self) -> bool {
        let alternate = self.directory.read("alternate");
        matches!(alternate, Err(Errno::NOENT | Errno::NODEV))
    }

    fn open_endpoint(
        &self,
        endpoint: &Endpoint,
        access: OFlags,
    ) -> Result<SharedFile, EndpointError> {
        let address = endpoint.address;
        let name = format!("ep{:02x}", address.to_byte());
        let opened = self.directory.open_file(&name, access);
        opened.map(SharedFile::new).map_err(|errno| match errno {
            Errno::BUSY => EndpointError::Busy(address),
            Errno::NODEV => EndpointError::Disconnected,
            Errno::NOENT if self.is_gone() => EndpointError::Disconnected,
            Errno::ACCESS | Errno::PERM => {
                EndpointError::PermissionDenied(self.directory.path(&name))
            }
            Errno::OPNOTSUPP if endpoint.transfer_type() == TransferType::Isochronous => EndpointError::NoIsochronous {
                address,
                reason: "the usbfs2 module that is loaded is too old for that: build and load the present one",
            },
            errno => io_error(address, errno),
        })
    }
}

/// What transfers of this direction need.
fn access(direction: Direction) -> OFlags {
    match direction {
        Direction::In => OFlags::RDONLY,
        Direction::Out => OFlags::WRONLY,
    }
}

pub(super) fn io_error(address: EndpointAddress, source: impl Into<io::Error>) -> EndpointError {
    let source = source.into();
    EndpointError::Io { address, source }
}

impl Claimed for ClaimedUsbfs2 {
    fn alternate_setting(&self) -> Result<u8, AlternateSettingError> {
        let text = self.directory.read("alternate").map_err(alternate_error)?;
        let text = String::from_utf8_lossy(&text);
        text.trim().parse().map_err(|_| {
            let message = format!("the file `alternate` reads {text:?}, not a number");
            AlternateSettingError::Io(io::Error::new(io::ErrorKind::InvalidData, message))
        })
    }

    fn set_alternate_setting(&self, alternate_setting: u8) -> Result<(), AlternateSettingError> {
        let text = alternate_setting.to_string();
        let result = self.directory.write("alternate", &text);
        result.map_err(alternate_error)
    }

    fn endpoint(&self, endpoint: &Endpoint, depth: u32) -> Result<Box<dyn Queue>, EndpointError> {
        let address = endpoint.address;
        let direction = address.direction();
        // Memory is mapped from a file that is open for both.
        let file = match self.open_endpoint(endpoint, OFlags::RDWR) {
            Err(EndpointError::PermissionDenied(_)) => {
                self.open_endpoint(endpoint, access(direction))?
            }
            opened => opened?,
        };
        // Who asks for the other engine wants that to do the transfers.
        if matches!(Engine::chosen(), Ok(Engine::LinuxAio)) {
            match EndpointRing::new(&file, direction, endpoint.transfer_type(), depth) {
                Ok(ring) => return Ok(Box::new(ring)),
                Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => {}
                Err(error) => {
                    log::warn!(
                        "endpoint {address} has no ring: {error}; taking an operation for each transfer"
                    );
                }
            }
        }
        let queue = EndpointFile::new(file, direction, depth);
        Ok(Box::new(queue.map_err(|error| io_error(address, error))?))
    }

    fn isochronous_endpoint(
        &self,
        endpoint: &Endpoint,
        depth: u32,
    ) -> Result<Box<dyn IsochronousQueue>, EndpointError> {
        let address = endpoint.address;
        let file = self.open_endpoint(endpoint, access(address.direction()))?;
        let queue = IsochronousFile::new(file, address.direction(), depth);
        Ok(Box::new(queue.map_err(|error| io_error(address, error))?))
    }

    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight> {
        self.control.start(setup, data)
    }
}

fn alternate_error(errno: Errno) -> AlternateSettingError {
    match errno {
        Errno::NOENT | Errno::NODEV => AlternateSettingError::Disconnected,
        Errno::ACCESS | Errno::PERM => AlternateSettingError::Io(errno.into()),
        errno => AlternateSettingError::Refused(TransferError::from_io(&errno.into())),
    }
}
