//! Putting a gadget on a bus.

use std::io;
use std::path::PathBuf;

use usbfs2_loopback::{Bus, BusFull};
use usbfs2_protocol::Speed;

use crate::check::DescriptorProblems;
use crate::gadget::Gadget;
use crate::keeper::Keeper;
use crate::running::Running;
use crate::udc::Udc;

/// How to start on gadgetfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GadgetfsOptions {
    /// Where gadgetfs is mounted, or is to be mounted if it is not. Default: `/dev/gadget`.
    pub mount: PathBuf,
    /// The controller's endpoints, where they are known. Default: `None`, which means the table for
    /// dummy_hcd and [`learn_udc`] for any other.
    pub udc: Option<Udc>,
    /// Who keeps the gadget on the bus should this process be killed, for the next to go on with. Default: `None`.
    pub keeper: Option<Keeper>,
}

impl Default for GadgetfsOptions {
    fn default() -> Self {
        Self {
            mount: PathBuf::from("/dev/gadget"),
            udc: None,
            keeper: None,
        }
    }
}

/// How to start on FunctionFS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionfsOptions {
    /// Where FunctionFS is mounted.
    pub directory: PathBuf,
    /// Whether class and vendor requests to the device itself come to the gadget's functions. Then functions
    /// behind them in the configuration get none. Default: true.
    pub device_requests: bool,
    /// Who keeps the functions' files should this process be killed, for the next to go on with. The composite stays
    /// where it is then. Default: `None`.
    pub keeper: Option<Keeper>,
}

impl FunctionfsOptions {
    /// FunctionFS mounted at this directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            device_requests: true,
            keeper: None,
        }
    }

    /// Says whether class and vendor requests to the device come here.
    #[must_use]
    pub fn device_requests(mut self, device_requests: bool) -> Self {
        self.device_requests = device_requests;
        self
    }

    /// Says who keeps the files.
    #[must_use]
    pub fn keeper(mut self, keeper: Option<Keeper>) -> Self {
        self.keeper = keeper;
        self
    }

    /// Whether the keeper has functions that a process before this one has left at the directory.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        crate::functionfs::is_kept(self)
    }
}

/// Why a gadget did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The target would refuse it.
    #[error("this gadget cannot run here: {0}")]
    Problems(#[from] DescriptorProblems),
    /// No port is free on the in-process bus.
    #[error(transparent)]
    BusFull(#[from] BusFull),
    /// The process has no right to mount gadgetfs, or to open the files of gadgetfs or FunctionFS.
    #[error("no permission for {}: run as root, or have root mount it and chown its files", .path.display())]
    NotPermitted {
        /// What was refused.
        path: PathBuf,
    },
    /// The kernel has no gadgetfs.
    #[error("this kernel has no gadgetfs: modprobe gadgetfs (CONFIG_USB_GADGETFS)")]
    NoGadgetfs,
    /// The directory is none of FunctionFS.
    #[error(
        "{0} is not FunctionFS: make a function ffs.NAME in configfs, and mount -t functionfs NAME {0}",
        .path.display()
    )]
    NotFunctionfs {
        /// The directory.
        path: PathBuf,
    },
    /// The kernel has no device controller, or all have a gadget.
    #[error(
        "no device controller is free: without hardware, modprobe dummy_hcd; otherwise stop the \
         gadget listed by: cat /sys/class/udc/*/function"
    )]
    NoController,
    /// Another process has the gadget open.
    #[error("{0} is in use: stop the process that runs a gadget on it (fuser {0})", .path.display())]
    Busy {
        /// Endpoint 0's file.
        path: PathBuf,
    },
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The kernel refused in a way not foreseen.
    #[error("{action} {}: {error}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        error: io::Error,
    },
}

impl Gadget {
    /// Plugs the gadget into an in-process bus.
    ///
    /// # Errors
    /// [`StartError::Problems`] or [`StartError::BusFull`].
    pub fn start_on(&self, bus: &Bus, speed: Speed) -> Result<Running, StartError> {
        crate::loopback::start(self, bus, speed)
    }

    /// Starts the gadget on the machine's device controller through gadgetfs, which is mounted if need
    /// be. The controller is the first free one, which gadgetfs chooses.
    ///
    /// # Errors
    /// Every [`StartError`] but [`StartError::BusFull`].
    pub fn start_gadgetfs(&self, options: &GadgetfsOptions) -> Result<Running, StartError> {
        crate::gadgetfs::start(self, options)
    }
}

impl Gadget {
    /// Starts the gadget's functions inside a composite gadget that somebody puts together in configfs, with
    /// FunctionFS mounted by the name of the function there.
    ///
    /// The identity, the power and the place among the composite's functions are the composer's: what this gadget
    /// says of its device counts for nothing here. Interfaces, endpoints and strings are renumbered by the
    /// kernel; functions see the numbers they declared. The composite can be put on a controller when this
    /// returns, and is taken off when the gadget stops.
    ///
    /// # Errors
    /// [`StartError::Problems`], [`StartError::NotFunctionfs`], [`StartError::NotPermitted`],
    /// [`StartError::Busy`], [`StartError::Io`] or [`StartError::Thread`].
    pub fn start_functionfs(&self, options: &FunctionfsOptions) -> Result<Running, StartError> {
        crate::functionfs::start(self, options)
    }
}

/// Asks gadgetfs which endpoints the machine's device controller has.
///
/// gadgetfs names them only while a device is connected, so this connects one without endpoints for a moment;
/// a host may notice it come and go. Keep the result for [`GadgetfsOptions::udc`] and
/// [`Target::Gadgetfs`](crate::Target::Gadgetfs).
///
/// # Errors
/// As for [`Gadget::start_gadgetfs`].
pub fn learn_udc(options: &GadgetfsOptions) -> Result<Udc, StartError> {
    crate::gadgetfs::learn_at(options)
}
