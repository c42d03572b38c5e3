//! A device: its gadget, the processes that use it one after the other, and what happens to it from outside.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::cable;
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::stress::counts::{Counts, Report};
use dummy_hcd_tests::stress::plan::{DEVICE, DeviceAction, Plan, Step};
use dummy_hcd_tests::usbfs2::{DeviceFiles, InterfaceFiles};

use super::gadgets::{Gadget, Maker};
use super::worker_process::WorkerProcess;
use super::{Course, Stopped};
use crate::arguments::{Kind, THREADS, Worker};
use crate::disturbance::Disturbance;
use crate::sys;

/// Something happens after this many steps of the worker, and up to twice as many.
const CALM: u64 = 60;

pub(super) struct Device<'course> {
    bus: u8,
    kind: Kind,
    course: &'course Course,
    gadget: Gadget,
    device: SysfsDevice,
    interface: InterfaceFiles,
    disturbance: Disturbance,
    plan: Plan<DeviceAction>,
    /// Steps of the threads of its workers.
    made: [u64; 4],
    to_make: [u64; 4],
}

impl<'course> Device<'course> {
    pub(super) fn plug(bus: u8, kind: Kind, maker: Maker, course: &'course Course) -> Result<Self> {
        let disturbance = Disturbance::create(&bus.to_string())?;
        let gadget = Gadget::bind(bus, kind, maker)?;
        let device = SysfsDevice::wait(bus)?;
        let files = DeviceFiles::wait(device.name())?;
        Ok(Self {
            bus,
            kind,
            course,
            gadget,
            interface: files.interface(0),
            device,
            disturbance,
            plan: Plan::new(course.seed, &format!("{bus} outside"), DEVICE),
            made: [0; 4],
            to_make: [0; 4],
        })
    }

    /// Has workers make this many steps more.
    pub(super) fn epoch(&mut self, steps: u64) -> Result<()> {
        let steps = shares(self.kind).map(|part| (steps * part).div_ceil(100));
        for (to_make, more) in self.to_make.iter_mut().zip(steps) {
            *to_make += more;
        }
        while self.made != self.to_make {
            let ended = self.one_process();
            ended.with_context(|| format!("device {} ({:?})", self.bus, self.kind))?;
        }
        self.gadget.judge()
    }

    /// Starts a worker and lets things happen until it is done or killed.
    fn one_process(&mut self) -> Result<()> {
        let mut worker = WorkerProcess::start(&Worker {
            seed: self.course.seed,
            bus: self.bus,
            kind: self.kind,
            is_ours: self.gadget.is_ours(),
            device: self.device.name().to_owned(),
            nonce: u32::try_from(self.course.nonces.fetch_add(1, Ordering::Relaxed))?,
            from: self.made.to_vec(),
            to: self.to_make.to_vec(),
        })?;
        let mut step = self.plan.next().context("the plan has no end")?;
        let mut calm = CALM + step.a as u64 % CALM;
        while let Some(report) = worker.report()? {
            let steps = self.take(&report)?;
            calm = calm.saturating_sub(steps);
            if calm > 0 {
                continue;
            }
            if self.course.has_failed() {
                bail!(Stopped);
            }
            let mut counts = Counts::default();
            if step.action == DeviceAction::Kill {
                counts.count("kill -9");
                self.course.made(1, &counts);
                worker.kill()?;
                while let Some(report) = worker.report()? {
                    self.take(&report)?;
                }
                return Ok(());
            }
            let what = || format!("{step:?}");
            self.disturb(step, &mut counts).with_context(what)?;
            self.course.made(1, &counts);
            step = self.plan.next().context("the plan has no end")?;
            calm = CALM + step.a as u64 % CALM;
        }
        worker.end()?;
        ensure!(self.made == self.to_make, "a worker ended too early");
        Ok(())
    }

    /// Adds what a worker reports to what is known; steps since its last report.
    fn take(&mut self, report: &Report) -> Result<u64> {
        if let Some(violation) = &report.violation {
            bail!(
                "thread {}, step {}: {violation}",
                report.thread,
                report.steps
            );
        }
        let index = THREADS.iter().position(|name| *name == report.thread);
        let made = &mut self.made[index.context("a worker has no such thread")?];
        let steps = report.steps.saturating_sub(*made);
        *made = report.steps;
        self.course.made(steps, &report.counts);
        Ok(steps)
    }

    fn disturb(&mut self, step: Step<DeviceAction>, counts: &mut Counts) -> Result<()> {
        match step.action {
            DeviceAction::Unplug => {
                counts.count("cable pulled and plugged in");
                self.replug(Duration::from_millis(step.b as u64 % 50))
            }
            DeviceAction::Unbind => {
                counts.count("unbound by the driver core");
                let name = format!("{}:1.0", self.device.name());
                let unbind = || fs::write("/sys/bus/usb/drivers/usbfs2/unbind", name);
                // ENODEV: nobody has claimed it at the moment.
                expect(self.disturbance.around(unbind)?, &[libc::ENODEV])
            }
            DeviceAction::Rebind => {
                let word = ["usbfs2", "none", "probe"][step.a % 3];
                counts.count(&format!("another process writes {word} to the driver file"));
                self.rebind(word, Duration::from_millis(step.b as u64 % 4))
            }
            DeviceAction::Intrude => {
                counts.count("another process tries to open or to switch");
                self.intrude(step)
            }
            DeviceAction::Reset => {
                counts.count("device reset");
                let node = self.node()?;
                let reset = self.disturbance.around(|| sys::reset(&node))?;
                reset.context("reset the device")
            }
            // The caller's.
            DeviceAction::Kill => Ok(()),
        }
    }

    fn replug(&mut self, pause: Duration) -> Result<()> {
        let bus = self.bus;
        let gadget = &self.gadget;
        let plugged = self.disturbance.around(|| -> Result<_> {
            cable::pull(bus)?;
            SysfsDevice::wait_gone(bus)?;
            thread::sleep(pause);
            gadget.plug_again()?;
            let device = SysfsDevice::wait(bus)?;
            let files = DeviceFiles::wait(device.name())?;
            Ok((device, files.interface(0)))
        })?;
        let (device, interface) = plugged?;
        ensure!(
            device.name() == self.device.name(),
            "{} came back as {}",
            self.device.name(),
            device.name()
        );
        (self.device, self.interface) = (device, interface);
        Ok(())
    }

    fn rebind(&self, word: &str, time: Duration) -> Result<()> {
        let path = self.interface.path().join("driver");
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let written = opened.and_then(|mut file| {
            file.write_all(word.as_bytes())?;
            // Nobody else has the claim now, and nobody gets it before the file is closed.
            thread::sleep(time);
            Ok(())
        });
        expect(written, &[libc::EBUSY, libc::ENODEV, libc::ENOENT])
    }

    fn intrude(&self, step: Step<DeviceAction>) -> Result<()> {
        let result = match step.a % 4 {
            0 => self.interface.open_in().map(drop),
            1 => self.interface.open_out().map(drop),
            2 => File::open(self.interface.path().join("ep00")).map(drop),
            // Without a claim it is nobody's to switch.
            _ => match self.interface.select(0) {
                Ok(()) => bail!("an alternate setting was selected without the claim"),
                Err(error) => Err(error),
            },
        };
        let passing = [libc::EBUSY, libc::EPERM, libc::ENODEV, libc::ENOENT];
        expect(result, &passing)
    }

    /// The device's node of usbfs.
    fn node(&self) -> Result<File> {
        let number = |name| -> Result<u32> { Ok(self.device.attribute(name)?.parse()?) };
        let path = format!(
            "/dev/bus/usb/{:03}/{:03}",
            number("busnum")?,
            number("devnum")?
        );
        let node = OpenOptions::new().write(true).open(&path);
        node.with_context(|| format!("open {path}"))
    }
}

/// Of every hundred steps, those of each of `THREADS`.
fn shares(kind: Kind) -> [u64; 4] {
    match kind {
        Kind::SourceSink => [42, 42, 8, 8],
        // It has no isochronous endpoints.
        Kind::Loopback => [46, 46, 8, 0],
    }
}

/// Success, or one of these errors.
fn expect(result: io::Result<()>, passing: &[i32]) -> Result<()> {
    match result {
        Err(error) => {
            let errno = error.raw_os_error();
            let passes = errno.is_some_and(|errno| passing.contains(&errno))
                || error.kind() == io::ErrorKind::NotFound;
            ensure!(passes, "{error}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
