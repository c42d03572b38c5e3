//! What a test in the VM starts from: a kernel gadget on bus 0, seen by sysfs and by usbfs2.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::cable;
use dummy_hcd_tests::composite::{GADGET_ZERO, KernelFunction, KernelGadget};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::usbfs2::{DeviceFiles, InterfaceFiles};

/// The bus the tests use.
pub(crate) const BUS: u8 = 0;

/// A vendor-specific product no driver knows.
const UNKNOWN_PRODUCT: (u16, u16) = (0x1d6b, 0x0104);

/// One gadget with one function, plugged in. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Plugged {
    pub(crate) device: SysfsDevice,
    pub(crate) files: DeviceFiles,
    pub(crate) interface: InterfaceFiles,
    gadget: KernelGadget,
}

impl Plugged {
    fn plug(ids: (u16, u16), function: KernelFunction) -> Result<Self> {
        Self::plug_at(ids, function, None)
    }

    fn plug_at(ids: (u16, u16), function: KernelFunction, max_speed: Option<&str>) -> Result<Self> {
        let gadget = KernelGadget::bind_at(BUS, ids, &[function], max_speed)?;
        let device = SysfsDevice::wait(BUS)?;
        let files = DeviceFiles::wait(device.name())?;
        Ok(Self {
            interface: files.interface(0),
            device,
            files,
            gadget,
        })
    }

    /// Pulls the cable and waits until the host has noticed.
    pub(crate) fn pull(&self) -> Result<()> {
        cable::pull(BUS)?;
        SysfsDevice::wait_gone(BUS)?;
        Ok(())
    }

    /// Plugs the cable in and waits for the device's files.
    pub(crate) fn plug_again(&mut self) -> Result<()> {
        self.gadget.plug_again()?;
        self.device = SysfsDevice::wait(BUS)?;
        self.files = DeviceFiles::wait(self.device.name())?;
        self.interface = self.files.interface(0);
        Ok(())
    }
}

/// One function no driver knows.
pub(crate) fn plug(function: KernelFunction) -> Result<Plugged> {
    Plugged::plug(UNKNOWN_PRODUCT, function)
}

/// Data without end in both directions, each byte its offset in its packet modulo 63; no driver.
pub(crate) fn source_sink() -> Result<Plugged> {
    Plugged::plug(UNKNOWN_PRODUCT, KernelFunction::source_sink(1, 4096, 16))
}

/// Zeros without end in both directions; no driver.
pub(crate) fn zeros() -> Result<Plugged> {
    Plugged::plug(UNKNOWN_PRODUCT, KernelFunction::source_sink(0, 4096, 16))
}

/// The same, bound to the kernel's `usbtest`.
pub(crate) fn source_sink_with_driver() -> Result<Plugged> {
    with_usbtest(KernelFunction::source_sink(1, 4096, 16))
}

/// Reads wait for writes; bound to the kernel's `usbtest`.
pub(crate) fn loopback_with_driver() -> Result<Plugged> {
    with_usbtest(KernelFunction::loopback())
}

/// One function, bound to a driver of the kernel's that knows its class.
pub(crate) fn with_driver(function: KernelFunction, driver: &str) -> Result<Plugged> {
    let plugged = Plugged::plug(UNKNOWN_PRODUCT, function)?;
    plugged.device.wait_driver(0, driver)?;
    Ok(plugged)
}

/// The same at no more than `max_speed`, in udc's words: "high-speed".
pub(crate) fn with_driver_at(
    function: KernelFunction,
    driver: &str,
    max_speed: &str,
) -> Result<Plugged> {
    let plugged = Plugged::plug_at(UNKNOWN_PRODUCT, function, Some(max_speed))?;
    plugged.device.wait_driver(0, driver)?;
    Ok(plugged)
}

/// One function, bound to the kernel's `usbtest`.
pub(crate) fn with_usbtest(function: KernelFunction) -> Result<Plugged> {
    modprobe::load("usbtest")?;
    usbtest(function, None)
}

/// One function at no more than `max_speed`, bound to the kernel's `usbtest`, which is loaded.
pub(crate) fn usbtest_at(function: KernelFunction, max_speed: &str) -> Result<Plugged> {
    usbtest(function, Some(max_speed))
}

fn usbtest(function: KernelFunction, max_speed: Option<&str>) -> Result<Plugged> {
    let plugged = Plugged::plug_at(GADGET_ZERO, function, max_speed)?;
    plugged.device.wait_driver(0, "usbtest")?;
    Ok(plugged)
}

/// A disk of `mebibytes`, bound to the kernel's usb-storage.
pub(crate) fn disk(mebibytes: u64) -> Result<(Plugged, tempfile::NamedTempFile)> {
    let mut image = tempfile::Builder::new()
        .prefix("disk")
        .tempfile_in("/dev/shm")?;
    image.write_all(b"usbfs2 test disk")?;
    image.as_file().set_len(mebibytes << 20)?;
    let plugged = Plugged::plug(
        UNKNOWN_PRODUCT,
        KernelFunction::mass_storage(image.path(), false, true),
    )?;
    plugged.device.wait_driver(0, "usb-storage")?;
    Ok((plugged, image))
}

/// Where an example is, whose directory `cargo xtask test` names.
pub(crate) fn example(name: &str) -> Result<PathBuf> {
    const EXAMPLES: &str = "USBFS2_EXAMPLES";
    let directory = env::var_os(EXAMPLES).with_context(|| {
        format!("{EXAMPLES} is no directory of examples: run the suite by cargo xtask test")
    })?;
    Ok(Path::new(&directory).join(name))
}

/// Fails unless `result` is the error `errno`.
#[track_caller]
pub(crate) fn expect_errno<T>(what: &str, result: std::io::Result<T>, errno: i32) -> Result<()> {
    let expected = std::io::Error::from_raw_os_error(errno);
    match result {
        Ok(_) => anyhow::bail!("{what}: succeeded instead of {expected}"),
        Err(error) => {
            ensure!(
                error.raw_os_error() == Some(errno),
                "{what}: {error} instead of {expected}"
            );
            Ok(())
        }
    }
}
