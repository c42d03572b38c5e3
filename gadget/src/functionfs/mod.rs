//! The backend on FunctionFS (drivers/usb/gadget/function/f_fs.c): functions inside a composite gadget that
//! configfs puts together, beside functions of the kernel's.
//!
//! Life of the functions here: somebody makes a function `ffs.NAME` in configfs and mounts FunctionFS by that
//! name. Writing descriptors and strings to `ep0` makes the endpoint files appear, and lets the composite be put
//! on a controller. Events and control requests are read from `ep0`. The files stay open from one configuration to
//! the next; closing the last takes the whole composite off its controller.

mod control;
mod event;
mod message;
#[allow(unsafe_code)]
mod sys;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use usbfs2_protocol::Speed;

use crate::check::{self, DescriptorProblems, Target};
use crate::controller::Event;
use crate::device::Device;
use crate::gadget::Gadget;
use crate::kept::{self, Found, Keeping, Kept};
use crate::layout::Layout;
use crate::running::Running;
use crate::start::{FunctionfsOptions, StartError};
use crate::udc::Udc;
use control::{ControlFile, OpenEndpoint, Stop};

/// FUNCTIONFS_MAGIC (f_fs.c).
const MAGIC: u32 = 0x0a64_7361;

/// Describes the gadget's functions to the kernel and serves them.
pub(crate) fn start(gadget: &Gadget, options: &FunctionfsOptions) -> Result<Running, StartError> {
    DescriptorProblems::none_in(gadget.check(&Target::Functionfs))?;
    let layout =
        check::endpoints(&gadget.model, &Udc::functionfs()).map_err(DescriptorProblems::from)?;

    let directory = &options.directory;
    if !is_functionfs(directory) {
        return Err(StartError::NotFunctionfs {
            path: directory.clone(),
        });
    }
    let path = directory.join("ep0");
    let failed = |action, error: Errno| StartError::Io {
        action,
        path: path.clone(),
        error: error.into(),
    };
    let stop = Arc::new(Stop::new().map_err(|error| StartError::Io {
        action: "making an eventfd for",
        path: path.clone(),
        error,
    })?);
    let descriptors = message::descriptors(&gadget.model, &layout, options.device_requests);
    let strings = message::strings(&gadget.model);
    let message = [&*descriptors, &*strings].concat();
    let keeper = options.keeper.as_ref();
    let found = keeper.and_then(|keeper| Kept::find(keeper, kept_place(directory), &message));
    let (file, keeping) = match found {
        Some(Found {
            kept,
            control,
            in_hand,
        }) => {
            let connected = [Event::Restored { in_hand }, Event::Configured];
            (control, Keeping::restored(kept, connected))
        }
        None => {
            let file = open(&path, OFlags::NONBLOCK)?;
            rustix::io::write(&file, &descriptors).map_err(|error| match error {
                // Somebody has described functions here, and there is no request to answer.
                Errno::SRCH | Errno::IDRM => StartError::Busy { path: path.clone() },
                error => failed("writing descriptors to", error),
            })?;
            rustix::io::write(&file, &strings)
                .map_err(|error| failed("writing strings to", error))?;
            let kept = keeper
                .map(|keeper| Kept::begin(keeper.clone(), kept_place(directory), &file, &message))
                .transpose()
                .map_err(|error| StartError::Io {
                    action: "handing to the keeper",
                    path: path.clone(),
                    error,
                })?;
            (file, Keeping::new(kept))
        }
    };

    let endpoints = open_endpoints(gadget, &layout, directory)?;
    let mut control = ControlFile {
        path: path.clone(),
        file,
        endpoints,
        stop: Arc::clone(&stop),
        speed: Speed::Full,
        is_disabled: Arc::default(),
        keeping,
    };
    // The process before this one has left its endpoint files closed, which the kernel does not mind: endpoints work as
    // long as the configuration does.
    let history = control.keeping.kept().map(Kept::history);
    if history.is_some_and(|history| history.speed.is_some()) {
        control.learn_speed();
    }
    let place = directory.display().to_string();
    Device::start(gadget.clone(), layout, control, place, Box::new(stop))
        .map_err(StartError::Thread)
}

/// Whether a process before this one has left functions here.
pub(crate) fn is_kept(options: &FunctionfsOptions) -> bool {
    let place = kept_place(&options.directory);
    let keeper = options.keeper.as_ref();
    keeper.is_some_and(|keeper| place.has_gadget(keeper))
}

/// The functions mounted at this directory. The first descriptor is behind the header and three counts.
fn kept_place(directory: &Path) -> kept::Place {
    kept::Place {
        name: format!("functionfs-{}", directory.display()),
        descriptors: message::FIRST_DESCRIPTOR,
    }
}

/// Opens the files of all endpoints, which are numbered in the order of the descriptors.
fn open_endpoints(
    gadget: &Gadget,
    layout: &Layout,
    directory: &Path,
) -> Result<Vec<OpenEndpoint>, StartError> {
    let functions = gadget.model.functions.iter().enumerate();
    let requests = functions
        .flat_map(|(function, model)| model.endpoints().map(move |endpoint| (function, endpoint)));
    requests
        .filter_map(|(function, endpoint)| {
            let address = layout.get(function, endpoint.index)?.address;
            Some((address, endpoint.request.clone()))
        })
        .enumerate()
        .map(|(place, (address, request))| {
            let path = directory.join(format!("ep{}", place + 1));
            Ok(OpenEndpoint {
                address,
                request,
                file: Arc::new(open(&path, OFlags::empty())?.into()),
                inquiry: open(&path, OFlags::NONBLOCK)?,
            })
        })
        .collect()
}

fn open(path: &Path, flags: OFlags) -> Result<File, StartError> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | flags;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
        let path = path.to_owned();
        match error {
            Errno::ACCESS | Errno::PERM => StartError::NotPermitted { path },
            Errno::BUSY => StartError::Busy { path },
            error => StartError::Io {
                action: "opening",
                path,
                error: error.into(),
            },
        }
    })?;
    Ok(file.into())
}

fn is_functionfs(path: &Path) -> bool {
    // f_type is signed on some architectures: only its low 32 bits say something.
    rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type as u32 == MAGIC)
}
