//! The ways from user space to the endpoints, each moving data as its own manual says is best.
//!
//! | file | way |
//! |---|---|
//! | `kernel.rs` | `usbtest`: no user space at all |
//! | `usbfs.rs` | classic usbfs by hand |
//! | `libusb.rs` | libusb, with ordinary and with mapped buffers |
//! | `nusb.rs` | nusb, with ordinary and with mapped buffers |
//! | `file.rs` | the module's files: read and write at depth 1, native AIO above |
//! | `host.rs` | this project's `host` crate on the module |
//! | `hidraw.rs` | the kernel's HID driver |
//! | `disk.rs` | disks: the kernel's driver and ours |
//! | `sound.rs` | streams of sound: the kernel's driver and ours |
//! | `reports.rs` | `hid`: the kernel's driver and ours |

mod disk;
mod file;
mod hidraw;
mod host;
mod kernel;
mod libusb;
mod nusb;
mod reports;
mod sound;
mod usbfs;

use std::fs::File;
use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::bench_row::{Case, Direction, Spec, Stack};

use crate::gadgets;
use crate::target::Target;

/// Something that moves data.
pub(crate) trait Transfers {
    /// Moves `count` transfers, a multiple of the depth, and returns when all are complete.
    fn run(&mut self, count: u64) -> Result<()>;

    /// Nanoseconds from the gadget's write to the answer, for `count` reports, or from one end of a stream to the
    /// other; `hid` and `audio` alone.
    fn latencies(&mut self, _count: usize) -> Result<Vec<u64>> {
        bail!("only hid and audio have latencies")
    }
}

/// The vendor requests of SourceSink (`drivers/usb/gadget/function/f_sourcesink.c`): fill its buffer, return it.
const CONTROL_WRITE: (u8, u8) = (0x40, 0x5b);
const CONTROL_READ: (u8, u8) = (0xc0, 0x5c);

/// Opens what `spec` names on `target`.
pub(crate) fn open(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    match spec.case {
        Case::Bulk => bulk(spec, target),
        Case::Control => control(spec, target),
        Case::Interrupt => {
            let transfers = interrupt(spec, target)?;
            Ok(Box::new(WithGadget::new(transfers, spec)?))
        }
        Case::Storage => match spec.stack {
            Stack::UsbStorage => disk::kernel(spec, target),
            Stack::Usbfs2Host => disk::ours(spec, target),
            _ => not_there(spec),
        },
        Case::Hid => match spec.stack {
            Stack::Hidraw => reports::kernel(spec, target),
            Stack::Usbfs2Host => reports::ours(spec, target),
            _ => not_there(spec),
        },
        Case::Audio => match spec.stack {
            Stack::SndUsbAudio => sound::kernel(spec),
            Stack::Usbfs2Host => sound::ours(spec, target),
            _ => not_there(spec),
        },
    }
}

fn bulk(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    match spec.stack {
        Stack::Kernel => kernel::bulk(spec, target),
        Stack::UsbfsRaw => usbfs::endpoint(spec, target),
        Stack::Libusb | Stack::LibusbZerocopy => libusb::endpoint(spec, target),
        Stack::Nusb | Stack::NusbZerocopy => nusb::bulk(spec, target),
        Stack::Usbfs2File => file::endpoint(spec, target),
        Stack::Usbfs2Host => host::bulk(spec, target),
        Stack::UsbStorage | Stack::Hidraw | Stack::SndUsbAudio => not_there(spec),
    }
}

fn control(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    match spec.stack {
        Stack::Kernel => kernel::control(spec, target),
        Stack::UsbfsRaw => usbfs::control(spec, target),
        Stack::Libusb => libusb::control(spec, target),
        Stack::Nusb => nusb::control(spec, target),
        Stack::Usbfs2File => file::control(spec, target),
        Stack::Usbfs2Host => host::control(spec, target),
        _ => not_there(spec),
    }
}

fn interrupt(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    match spec.stack {
        Stack::UsbfsRaw => usbfs::endpoint(spec, target),
        Stack::Libusb | Stack::LibusbZerocopy => libusb::endpoint(spec, target),
        Stack::Nusb | Stack::NusbZerocopy => nusb::interrupt(spec, target),
        Stack::Usbfs2File => file::endpoint(spec, target),
        Stack::Usbfs2Host => host::interrupt(spec, target),
        Stack::Hidraw => hidraw::open(spec, target),
        Stack::Kernel | Stack::UsbStorage | Stack::SndUsbAudio => not_there(spec),
    }
}

fn not_there<T>(spec: &Spec) -> Result<T> {
    bail!("{} has no way for {}", spec.stack, spec.case)
}

/// Bytes of a transfer, as the standard library counts them.
fn bytes(spec: &Spec) -> Result<usize> {
    usize::try_from(spec.bytes).context("more bytes than memory")
}

fn depth(spec: &Spec) -> Result<usize> {
    usize::try_from(spec.depth).context("more transfers than memory")
}

/// Fails unless all of a transfer came.
fn whole(moved: usize, spec_bytes: usize) -> Result<()> {
    ensure!(
        moved == spec_bytes,
        "{moved} of {spec_bytes} bytes were moved"
    );
    Ok(())
}

/// Keeps `depth` of `count` transfers in flight over a queue that is told by the index of its buffer.
fn keep_full<Q>(
    queue: &mut Q,
    depth: usize,
    count: u64,
    submit: impl Fn(&mut Q, usize) -> std::io::Result<()>,
    complete: impl Fn(&mut Q) -> std::io::Result<usize>,
) -> Result<()> {
    let mut left = count;
    for index in 0..depth {
        submit(queue, index)?;
        left = left.saturating_sub(1);
    }
    for _ in 0..count {
        let index = complete(queue)?;
        if left > 0 {
            submit(queue, index)?;
            left -= 1;
        }
    }
    Ok(())
}

/// Interrupt transfers in step with the gadget, which gives or takes each report by one system call.
struct WithGadget {
    transfers: Box<dyn Transfers>,
    gadget: File,
    direction: Direction,
    report: Vec<u8>,
}

impl WithGadget {
    fn new(transfers: Box<dyn Transfers>, spec: &Spec) -> Result<Self> {
        Ok(Self {
            transfers,
            gadget: gadgets::report_file()?,
            direction: spec.direction,
            report: vec![0x5a; bytes(spec)?],
        })
    }
}

impl Transfers for WithGadget {
    fn run(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            match self.direction {
                Direction::In => {
                    self.gadget
                        .write_all(&self.report)
                        .context("the gadget's report")?;
                    self.transfers.run(1)?;
                }
                Direction::Out => {
                    self.transfers.run(1)?;
                    self.gadget
                        .read_exact(&mut self.report)
                        .context("the gadget's report")?;
                }
            }
        }
        Ok(())
    }
}
