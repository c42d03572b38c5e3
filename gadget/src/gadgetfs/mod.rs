//! The backend on gadgetfs (drivers/usb/gadget/legacy/inode.c), the kernel's file system for gadgets.
//!
//! Life of a gadget here: the mount offers one file, named after the controller, for endpoint 0. Writing the
//! descriptors to it connects the device and makes the endpoint files appear. Events and control requests
//! are read from it. An endpoint file is opened and given its descriptors when the host selects the
//! configuration; closing it disables the endpoint. Closing endpoint 0 disconnects the device.

mod control;
mod event;
mod mount;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use usbfs2_protocol::Speed;

use crate::check::{self, DescriptorProblems, Target};
use crate::controller::Plugged;
use crate::describe::{FunctionBuilder, InterfaceClass, Strings};
use crate::descriptors;
use crate::device::Device;
use crate::gadget::{DeviceIds, Gadget, GadgetModel};
use crate::keeper::Keeper;
use crate::kept::{self, Kept};
use crate::layout::Layout;
use crate::running::Running;
use crate::start::{GadgetfsOptions, StartError};
use crate::udc::Udc;
use control::{ControlFile, EndpointFiles, StopFd};
pub(crate) use mount::Mount;

/// Message tag of the set-up write.
const SET_UP_TAG: u32 = 0;

/// How long the files of a process that is ending, or of a run that has just ended, may take to be
/// released.
const RELEASE_TIME: Duration = Duration::from_secs(1);

/// Starts the gadget on the controller that gadgetfs has chosen.
pub(crate) fn start(gadget: &Gadget, options: &GadgetfsOptions) -> Result<Running, StartError> {
    let mount = Mount::at(&options.mount)?;
    let udc = match &options.udc {
        Some(udc) => udc.clone(),
        None => controller(
            &mount,
            gadget.model.has_isochronous(),
            options.keeper.as_ref(),
        )?,
    };
    DescriptorProblems::none_in(gadget.check(&Target::Gadgetfs(udc.clone())))?;
    let layout = check::endpoints(&gadget.model, &udc).map_err(DescriptorProblems::from)?;

    let message = set_up_message(&gadget.model, &layout);
    let endpoints = EndpointFiles {
        directory: mount.path().to_owned(),
        udc,
        has_high_speed: gadget.model.supports(Speed::High),
    };
    let (control, stop) = plug(&mount, &message, endpoints, options.keeper.as_ref())?;
    let place = mount.controller().to_owned();
    Device::start(gadget.clone(), layout, control, place, Box::new(stop))
        .map_err(StartError::Thread)
}

/// The one gadget of gadgetfs. Descriptors are behind the message's tag.
fn kept_place() -> kept::Place {
    kept::Place {
        name: "gadgetfs".to_owned(),
        descriptors: SET_UP_TAG.to_ne_bytes().len(),
    }
}

/// Connects the device that the message describes, and takes over its endpoint 0. Where a process before this one has left
/// that device with the keeper, it goes on.
fn plug(
    mount: &Mount,
    message: &[u8],
    endpoints: EndpointFiles,
    keeper: Option<&Keeper>,
) -> Result<(ControlFile, StopFd), StartError> {
    let stop = StopFd::new().map_err(|error| mount.failed("making an eventfd for", error))?;
    if let Some(found) = keeper.and_then(|keeper| Kept::find(keeper, kept_place(), message)) {
        return Ok((ControlFile::restored(found, stop.clone(), endpoints), stop));
    }
    let file = connect(mount, message)?;
    let kept = keeper
        .map(|keeper| Kept::begin(keeper.clone(), kept_place(), &file, message))
        .transpose()
        .map_err(|error| mount.failed("handing to the keeper", error))?;
    let control = ControlFile::new(file, stop.clone(), endpoints, kept).map_err(|error| {
        match Errno::from_io_error(&error) {
            // Descriptors accepted, but there was no controller to connect.
            Some(Errno::INVAL) => StartError::NoController,
            _ => mount.failed("reading", error),
        }
    })?;
    Ok((control, stop))
}

/// Connects a device that comes with its descriptors: at full speed, and at high speed where it has that.
pub(crate) fn plug_described(
    mount: &Mount,
    udc: Udc,
    full_speed: &[u8],
    high_speed: Option<&[u8]>,
    device: &[u8],
    keeper: Option<&Keeper>,
) -> Result<Plugged, StartError> {
    let mut message = SET_UP_TAG.to_ne_bytes().to_vec();
    message.extend_from_slice(full_speed);
    message.extend_from_slice(high_speed.unwrap_or_default());
    message.extend_from_slice(device);
    let endpoints = EndpointFiles {
        directory: mount.path().to_owned(),
        udc,
        has_high_speed: high_speed.is_some(),
    };
    let (control, stop) = plug(mount, &message, endpoints, keeper)?;
    Ok(Plugged {
        controller: Box::new(control),
        stopper: Box::new(stop),
        place: mount.controller().to_owned(),
    })
}

/// The endpoints of the mount's controller. Of dummy_hcd they are known, but for isochronous ones, which its name does
/// not tell; of other controllers a table says what one board has, and this may be another.
///
/// A device that a process before this one has left with the keeper is connected: it shows its endpoints.
pub(crate) fn controller(
    mount: &Mount,
    has_isochronous: bool,
    keeper: Option<&Keeper>,
) -> Result<Udc, StartError> {
    let dummy = Udc::dummy_hcd();
    if mount.controller() == dummy.name() && !has_isochronous {
        return Ok(dummy);
    }
    if keeper.is_some_and(|keeper| kept_place().has_gadget(keeper)) {
        let names = mount.entries()?;
        return Ok(Udc::from_endpoint_names(mount.controller(), names));
    }
    learn(mount)
}

/// Asks gadgetfs for the controller's endpoints. It names them only once a device is connected, so this
/// connects one without endpoints for a moment; a host may notice it come and go.
fn learn(mount: &Mount) -> Result<Udc, StartError> {
    let message = set_up_message(&endpointless_device(), &Layout::default());
    let file = connect(mount, &message)?;
    let names = mount.entries();
    // Disconnects.
    drop(file);
    let udc = Udc::from_endpoint_names(mount.controller(), names?);
    if udc.endpoints().is_empty() {
        // Descriptors accepted, but there was no controller to connect.
        return Err(StartError::NoController);
    }
    Ok(udc)
}

/// As [`learn`], at the place the options name.
pub(crate) fn learn_at(options: &GadgetfsOptions) -> Result<Udc, StartError> {
    learn(&Mount::at(&options.mount)?)
}

/// Opens endpoint 0 and connects the device that the message describes.
fn connect(mount: &Mount, message: &[u8]) -> Result<File, StartError> {
    let path = mount.control_file();
    let mut file =
        open_when_released(&path, OFlags::NONBLOCK).map_err(|error| mount.open_failed(error))?;
    file.write_all(message)
        .map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::BUSY | Errno::NODEV) => StartError::NoController,
            _ => mount.failed("connecting through", error),
        })?;
    Ok(file)
}

/// Opens a file of gadgetfs, which one process may have open at a time, once whoever had it has let go.
fn open_when_released(path: &Path, flags: OFlags) -> io::Result<File> {
    let deadline = Instant::now() + RELEASE_TIME;
    loop {
        match rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC | flags, Mode::empty()) {
            Err(Errno::BUSY) if Instant::now() < deadline => {
                // The kernel offers nothing to wait on.
                thread::sleep(Duration::from_millis(1));
            }
            result => return Ok(result?.into()),
        }
    }
}

/// What connects the gadget: its configurations and its device descriptor.
fn set_up_message(model: &GadgetModel, layout: &Layout) -> Vec<u8> {
    let mut message = SET_UP_TAG.to_ne_bytes().to_vec();
    message.extend(descriptors::configuration(model, layout, Speed::Full));
    if model.supports(Speed::High) {
        message.extend(descriptors::configuration(model, layout, Speed::High));
    }
    message.extend(descriptors::device(model, Speed::High));
    message
}

/// The least that gadgetfs connects: a vendor-specific interface without endpoints.
fn endpointless_device() -> GadgetModel {
    let mut strings = Strings::default();
    let mut function = FunctionBuilder::new("endpointless", 0, &mut strings);
    function.interface(InterfaceClass::VENDOR);
    GadgetModel {
        // The Linux Foundation's numbers for a gadget that asks nothing of the host.
        ids: DeviceIds {
            vendor: 0x1d6b,
            product: 0x0104,
            release: 0,
        },
        class: InterfaceClass::VENDOR,
        manufacturer: 0,
        product: 0,
        serial_number: 0,
        self_powered: true,
        remote_wakeup: false,
        max_power_milliamperes: 0,
        slowest: Speed::Full,
        fastest: Speed::High,
        functions: vec![function.finish()],
        strings,
    }
}
