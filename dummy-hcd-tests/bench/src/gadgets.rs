//! The kernel's gadgets under test. All rows of a gadget's kind and speed meet the same configuration.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::{Case, Spec, Speed};
use dummy_hcd_tests::composite::{GADGET_ZERO, KernelFunction, KernelGadget};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::usbfs2::DeviceFiles;
use dummy_hcd_tests::wait;

use crate::target::Target;

/// The one bus.
pub(crate) const BUS: u8 = 0;

/// The disk's size: small enough for the guest's memory, and a whole number of every request.
pub(crate) const DISK_BYTES: u64 = 64 << 20;

/// A vendor-specific product no driver knows by its number.
const UNKNOWN_PRODUCT: (u16, u16) = (0x1d6b, 0x0104);

/// Requests SourceSink keeps queued on each endpoint.
const QUEUED_REQUESTS: u32 = 16;

/// Its pattern 2: what comes is not looked at, what goes is not made anew.
const NO_PATTERN: u8 = 2;

/// A gadget's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// SourceSink with requests of this many bytes.
    SourceSink(u32),
    /// `f_hid` with vendor-defined reports in both directions.
    Reports,
    /// `f_mass_storage` on a file in memory.
    Disk,
    /// `f_hid` as a boot keyboard.
    Keyboard,
    /// `f_uac2` with 48 kHz stereo both ways, a packet each 125 us: with less often, no end could keep a millisecond.
    Sound,
}

impl Kind {
    pub(crate) fn of(spec: &Spec) -> Self {
        match spec.case {
            // At super speed a packet has 1024 bytes, and a host that asks for 512 must not be sent more.
            Case::Bulk if spec.bytes < 1024 => Self::SourceSink(spec.bytes),
            Case::Bulk | Case::Control => Self::SourceSink(65536),
            Case::Interrupt => Self::Reports,
            Case::Storage => Self::Disk,
            Case::Hid => Self::Keyboard,
            Case::Audio => Self::Sound,
        }
    }

    fn function(self, image: &str) -> KernelFunction {
        match self {
            Self::SourceSink(bytes) => {
                KernelFunction::source_sink(NO_PATTERN, bytes, QUEUED_REQUESTS)
            }
            Self::Reports => report_function(&VENDOR_REPORTS)
                .with("protocol", "0")
                .with("subclass", "0"),
            Self::Keyboard => report_function(&BOOT_KEYBOARD)
                .with("protocol", "1")
                .with("subclass", "1"),
            Self::Sound => KernelFunction::new("uac2")
                .with("c_srate", "48000")
                .with("p_srate", "48000")
                .with("c_hs_bint", "1")
                .with("p_hs_bint", "1"),
            Self::Disk => KernelFunction::mass_storage(image.as_ref(), false, false),
        }
    }
}

/// Room for more than any report here: f_hid sends a zero-length packet behind a report that fills its packet.
const REPORT_PACKET: &str = "64";

fn report_function(descriptor: &[u8]) -> KernelFunction {
    KernelFunction::new("hid")
        .with("report_length", REPORT_PACKET)
        .with("report_desc", descriptor)
}

/// Input and output reports of 32 vendor-defined bytes (HID 6.2.2).
const VENDOR_REPORTS: [u8; 25] = [
    0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x20,
    0x09, 0x01, 0x81, 0x02, 0x09, 0x01, 0x91, 0x02, 0xc0,
];

/// Input reports of 8 bytes: modifiers, a reserved byte, six keys (HID B.1), without lights.
const BOOT_KEYBOARD: [u8; 43] = [
    0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, 0x25, 0x01,
    0x75, 0x01, 0x95, 0x08, 0x81, 0x02, 0x95, 0x01, 0x75, 0x08, 0x81, 0x01, 0x95, 0x06, 0x75, 0x08,
    0x15, 0x00, 0x25, 0x65, 0x19, 0x00, 0x29, 0x65, 0x81, 0x00, 0xc0,
];

/// A gadget that is plugged in. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Plugged {
    // Before the image it has open.
    _gadget: KernelGadget,
    _image: Option<Image>,
    pub(crate) target: Target,
}

impl Plugged {
    pub(crate) fn plug(kind: Kind, speed: Speed) -> Result<Self> {
        let image = (kind == Kind::Disk).then(Image::create).transpose()?;
        let path = image.as_ref().map_or("", |image| image.0.as_str());
        let ids = match kind {
            Kind::SourceSink(_) => GADGET_ZERO,
            _ => UNKNOWN_PRODUCT,
        };
        let max_speed = match speed {
            Speed::High => "high-speed",
            Speed::Super => "super-speed",
        };
        let gadget = KernelGadget::bind_at(BUS, ids, &[kind.function(path)], Some(max_speed))
            .with_context(|| format!("plug {kind:?} in"))?;
        let device = SysfsDevice::wait(BUS)?;
        let megabits = device.attribute("speed")?;
        let expected = match speed {
            Speed::High => "480",
            Speed::Super => "5000",
        };
        anyhow::ensure!(
            megabits == expected,
            "the gadget runs at {megabits} Mbit/s, not {expected}"
        );
        DeviceFiles::wait(device.name())?;
        Ok(Self {
            _gadget: gadget,
            _image: image,
            target: Target::new(device.name()),
        })
    }
}

/// The medium, in memory and written once so that no request has to find a page for it.
#[derive(Debug)]
struct Image(String);

impl Image {
    fn create() -> Result<Self> {
        let image = Self("/dev/shm/usbfs2-bench-disk".to_owned());
        let mut file = File::create(&image.0)?;
        let mebibyte = vec![0xa5; 1 << 20];
        for _ in 0..DISK_BYTES >> 20 {
            file.write_all(&mebibyte)
                .context("make the disk's medium")?;
        }
        Ok(image)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // A file that stays is overwritten by the next.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The gadget's end of `f_hid`.
pub(crate) fn report_file() -> Result<File> {
    let file = wait::until("the gadget's report file opens", || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/hidg0")
            .ok()
    });
    Ok(file?)
}

/// Waits until the last gadget has left the bus.
pub(crate) fn wait_gone() -> Result<()> {
    SysfsDevice::wait_gone(BUS)?;
    Ok(())
}
