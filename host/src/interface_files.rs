//! Interfaces whose files somebody else opened.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use aio_rs::SharedFile;
use usbfs2_protocol::EndpointAddress;

use crate::backend::usbfs2::GivenFiles;
use crate::interface::list;
use crate::{ClaimError, DeviceInfo, Interface, Speed};

/// The open files of one interface on the usbfs2 module, for code that may open none: a process that has given its
/// rights away, or one that was sent the files (`SCM_RIGHTS` of unix(7)).
///
/// To the kernel a file is the right to use what it stands for: an interface's `ep00` that interface and
/// nothing else of the device, an endpoint's file that endpoint. The interface stays claimed as long as any of them is
/// open, in whichever process, and goes back to its former driver afterwards.
///
/// [`Interface::from_files`] makes an interface of them.
#[derive(Debug)]
pub struct InterfaceFiles {
    number: u8,
    alternate_setting: u8,
    control: SharedFile,
    endpoints: BTreeMap<EndpointAddress, SharedFile>,
}

impl InterfaceFiles {
    /// Of interface `number`, whose `ep00` this is, open for reading and writing.
    pub fn new(number: u8, control: impl Into<OwnedFd>) -> Self {
        Self {
            number,
            alternate_setting: 0,
            control: SharedFile::new(control),
            endpoints: BTreeMap::new(),
        }
    }

    /// The alternate setting that the interface is in, if it is not 0.
    #[must_use]
    pub fn alternate_setting(mut self, alternate_setting: u8) -> Self {
        self.alternate_setting = alternate_setting;
        self
    }

    /// Adds the file of an endpoint, open for reading or for writing, or for both, which mapped buffers need.
    #[must_use]
    pub fn endpoint(mut self, address: EndpointAddress, file: impl Into<OwnedFd>) -> Self {
        self.endpoints.insert(address, SharedFile::new(file));
        self
    }

    /// The `ep00`, to be sent.
    #[must_use]
    pub fn control_file(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// The endpoints' files, to be sent with their addresses.
    pub fn endpoint_files(&self) -> impl Iterator<Item = (EndpointAddress, BorrowedFd<'_>)> {
        let files = self.endpoints.iter();
        files.map(|(address, file)| (*address, file.as_fd()))
    }

    /// Opens `ep00` and every endpoint of the present alternate setting of interface `number`, which is taken
    /// from the driver that has it. `mount` is where usbfs2 is mounted.
    ///
    /// # Errors
    /// As [`Device::claim`](crate::Device::claim): [`ClaimError::Busy`] while another program has the interface or one
    /// of its endpoints.
    pub fn open(mount: &Path, info: &DeviceInfo, number: u8) -> Result<Self, ClaimError> {
        let configuration = info.configuration(info.active_configuration())?;
        let directory = mount.join(info.id().as_str());
        let directory = directory.join(format!("{}.{number}", configuration.value));
        let open = |name: &str| {
            let path = directory.join(name);
            let opened = OpenOptions::new().read(true).write(true).open(&path);
            opened.map_err(|error| refusal(number, &path, error))
        };
        // Its claim lasts until this is dropped, and by then the other files hold it.
        let mut driver = open("driver")?;
        let claimed = driver.write_all(b"usbfs2");
        claimed.map_err(|error| refusal(number, &directory.join("driver"), error))?;
        let path = directory.join("alternate");
        let setting = std::fs::read_to_string(&path);
        let setting = setting.map_err(|error| refusal(number, &path, error))?;
        let setting = setting.trim().parse().map_err(|_| ClaimError::Io {
            number,
            source: io::Error::new(io::ErrorKind::InvalidData, "`alternate` is no number"),
        })?;
        let mut files = Self::new(number, open("ep00")?).alternate_setting(setting);
        let interface = configuration.interface(number);
        let present = interface.and_then(|interface| interface.alternate_setting(setting));
        for endpoint in present.iter().flat_map(|setting| &setting.endpoints) {
            let address = endpoint.address;
            let file = open(&format!("ep{:02x}", address.to_byte()))?;
            files = files.endpoint(address, file);
        }
        Ok(files)
    }
}

fn refusal(number: u8, path: &Path, error: io::Error) -> ClaimError {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::ResourceBusy, _) => ClaimError::Busy(number),
        (io::ErrorKind::NotFound, _) => ClaimError::Disconnected,
        (io::ErrorKind::PermissionDenied, _) => ClaimError::PermissionDenied {
            number,
            path: path.to_owned(),
        },
        (_, Some(code)) if code == rustix::io::Errno::NODEV.raw_os_error() => {
            ClaimError::Disconnected
        }
        _ => ClaimError::Io {
            number,
            source: error,
        },
    }
}

impl Interface {
    /// An interface of the device that `info` describes, from files that are open already. It opens none itself, so it
    /// has the endpoints whose files it was given ([`EndpointError::NotGiven`](crate::EndpointError::NotGiven)) and
    /// stays in its alternate setting.
    ///
    /// An endpoint that is dropped and opened again is the same file, and one that was stopped is so still:
    /// [`Endpoint::clear_halt`](crate::Endpoint::clear_halt).
    ///
    /// # Errors
    /// The device, as it is described, has no such interface or alternate setting.
    pub fn from_files(info: &DeviceInfo, files: InterfaceFiles) -> Result<Self, ClaimError> {
        let configuration = info.configuration(info.active_configuration())?;
        let number = files.number;
        let interface = configuration.interface(number);
        let interface = interface.ok_or_else(|| ClaimError::NotFound {
            number,
            existing: list(configuration.interfaces.iter().map(|it| it.number)),
        })?;
        let given = GivenFiles::new(files.alternate_setting, files.control, files.endpoints);
        // Every system says; high speed is the likeliest for a device that came without.
        let speed = info.speed().unwrap_or(Speed::High);
        let made = Self::new(Box::new(given), interface.clone(), speed);
        let made = made.and_then(|made| made.alternate_setting().map(drop).map(|()| made));
        made.map_err(|error| ClaimError::Io {
            number,
            source: io::Error::other(error),
        })
    }
}
