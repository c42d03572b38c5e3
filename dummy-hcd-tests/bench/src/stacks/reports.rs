//! A keyboard's reports, from the gadget's write to the driver's answer.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::Spec;
use usbfs2_hid::{HidDevice, Reports};

use super::{Transfers, bytes, host, whole};
use crate::gadgets;
use crate::target::Target;

/// The reports hidraw keeps for a reader who is away (`HIDRAW_BUFFER_SIZE`). By default our driver keeps a second's,
/// all of which `dummy_hcd` looks at in each tick, as no controller made of hardware does.
const HIDRAW_DEPTH: usize = 64;

pub(super) fn kernel(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let file = OpenOptions::new()
        .read(true)
        .open(target.node("class/hidraw", "hidraw")?)?;
    Keyboard::open(
        spec,
        HidrawReports {
            file,
            report: vec![0; bytes(spec)?],
        },
    )
}

pub(super) fn ours(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let hid = HidDevice::open_blocking(&host::device(target)?)?;
    let reports = hid.reports_with_depth(HIDRAW_DEPTH)?;
    Keyboard::open(
        spec,
        OurReports {
            reports,
            _hid: hid,
            bytes: bytes(spec)?,
        },
    )
}

/// Waits for one report.
trait NextReport {
    fn next(&mut self) -> Result<()>;
}

struct HidrawReports {
    file: File,
    report: Vec<u8>,
}

impl NextReport for HidrawReports {
    fn next(&mut self) -> Result<()> {
        whole(self.file.read(&mut self.report)?, self.report.len())
    }
}

struct OurReports {
    reports: Reports,
    _hid: HidDevice,
    bytes: usize,
}

impl NextReport for OurReports {
    fn next(&mut self) -> Result<()> {
        let report = self
            .reports
            .next_blocking()
            .context("the reports ended")??;
        whole(report.bytes.len(), self.bytes)
    }
}

struct Keyboard<R> {
    reports: R,
    gadget: File,
    report: Vec<u8>,
    pause: Pauses,
}

impl<R: NextReport + 'static> Keyboard<R> {
    fn open(spec: &Spec, reports: R) -> Result<Box<dyn Transfers>> {
        Ok(Box::new(Self {
            reports,
            gadget: gadgets::report_file()?,
            report: vec![0; bytes(spec)?],
            pause: Pauses::default(),
        }))
    }
}

impl<R: NextReport> Keyboard<R> {
    /// The key goes down, or up again.
    fn type_key(&mut self) -> Result<()> {
        self.report[2] ^= 4;
        self.gadget
            .write_all(&self.report)
            .context("the gadget's report")
    }
}

impl<R: NextReport> Transfers for Keyboard<R> {
    fn run(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.type_key()?;
            self.reports.next()?;
        }
        Ok(())
    }

    fn latencies(&mut self, count: usize) -> Result<Vec<u64>> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            thread::sleep(self.pause.next());
            let since = Instant::now();
            self.type_key()?;
            self.reports.next()?;
            latencies.push(u64::try_from(since.elapsed().as_nanos())?);
        }
        Ok(latencies)
    }
}

/// Pauses that spread the writes evenly over the controller's 125 us tick, so that few reports give the same
/// median as many.
#[derive(Default)]
struct Pauses {
    taken: u32,
}

impl Pauses {
    fn next(&mut self) -> Duration {
        self.taken = self.taken.wrapping_add(1);
        // Multiples of the golden ratio are spread as evenly as any, however many are taken.
        let part = self.taken.wrapping_mul(2_654_435_769);
        Duration::from_millis(1) + Duration::from_nanos((u64::from(part) * 125_000) >> 32)
    }
}
