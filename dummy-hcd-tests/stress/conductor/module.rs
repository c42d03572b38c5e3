//! The file system and the module: unmounted while in use, reloaded, and empty in between.

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{env, fs, io, thread};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::stress::plan::{MOUNT as ACTIONS, MountAction, Plan, Step};
use dummy_hcd_tests::usbfs2::MOUNT;
use dummy_hcd_tests::{kernel_log, sys, usbfs2, wait};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use super::Course;
use crate::disturbance::Disturbance;

/// Something happens after this many steps of all, and up to twice as many.
const CALM: u64 = 250;
const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";

pub(super) struct Module<'course> {
    course: &'course Course,
    disturbance: Disturbance,
    plan: Plan<MountAction>,
    /// The file to load.
    file: String,
    /// What the kernel has logged up to here is known.
    logged: u64,
    elsewhere: tempfile::TempDir,
}

impl<'course> Module<'course> {
    pub(super) fn new(course: &'course Course) -> Result<Self> {
        Ok(Self {
            course,
            disturbance: Disturbance::create("mount")?,
            plan: Plan::new(course.seed, "mount", ACTIONS),
            file: env::var("USBFS2_MODULE")
                .context("USBFS2_MODULE is not set: the harness names the module there")?,
            logged: kernel_log::position()?,
            elsewhere: tempfile::tempdir_in("/dev/shm")?,
        })
    }

    /// Lets things happen while workers work.
    pub(super) fn disturb_until_over(&mut self) -> Result<()> {
        let result = self.disturb_again_and_again();
        if result.is_err() {
            self.course.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn disturb_again_and_again(&mut self) -> Result<()> {
        let mut due = self.course.steps.load(Ordering::Relaxed) + CALM;
        while !self.course.over.load(Ordering::Relaxed) && !self.course.has_failed() {
            if self.course.steps.load(Ordering::Relaxed) < due {
                thread::sleep(Duration::from_millis(2));
                continue;
            }
            let step = self.plan.next().context("the plan has no end")?;
            due += CALM + step.b as u64 % CALM;
            let mut counts = Counts::default();
            self.disturb(step, &mut counts)
                .with_context(|| format!("{step:?}"))?;
            self.course.made(1, &counts);
        }
        Ok(())
    }

    fn disturb(&mut self, step: Step<MountAction>, counts: &mut Counts) -> Result<()> {
        match step.action {
            MountAction::LazyUnmount => {
                counts.count("unmounted lazily and mounted again");
                self.disturbance.around(|| -> Result<()> {
                    unmount(MOUNT, UnmountFlags::DETACH).context("unmount lazily")?;
                    sys::mount(c"/dev/usbfs2").context("mount again")
                })?
            }
            MountAction::Remount => {
                counts.count("remounted with other owners and modes");
                // Modes have no x.
                let mode = ["0400", "0600", "0666"][step.b % 3];
                let options = format!("uid={},gid=0,mode={mode},dmode=0755", step.a % 3);
                mount_remount(MOUNT, MountFlags::empty(), options.as_str())
                    .with_context(|| format!("remount with {options}"))
            }
            MountAction::SecondMount => {
                counts.count("mounted at a second place");
                let place = self.elsewhere.path();
                mount("usbfs2", place, "usbfs2", MountFlags::empty(), None)
                    .context("mount at a second place")?;
                let listed = fs::read_dir(place).map(Iterator::count);
                unmount(place, UnmountFlags::empty()).context("unmount the second place")?;
                ensure!(listed? > 0, "the second place was empty");
                Ok(())
            }
            MountAction::Unload => {
                counts.count("unloading refused");
                match sys::delete_module(c"usbfs2") {
                    Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => Ok(()),
                    result => bail!("unloading while mounted gave {result:?}"),
                }
            }
        }
    }

    /// Nobody uses it any more: nothing must be left.
    pub(super) fn must_be_empty(&mut self) -> Result<()> {
        usbfs2::wait_no_live_request()?;
        wait::until("no AIO operation is reserved", || {
            let reserved = fs::read_to_string("/proc/sys/fs/aio-nr").ok()?;
            (reserved.trim() == "0").then_some(())
        })?;
        self.look_at_the_log()?;
        no_leak()
    }

    fn look_at_the_log(&mut self) -> Result<()> {
        let trouble = kernel_log::trouble_since(self.logged)?;
        ensure!(trouble.is_empty(), "the kernel reports {trouble:#?}");
        self.logged = kernel_log::position()?;
        Ok(())
    }

    /// Unloads it and loads it again, as nobody uses it.
    pub(super) fn reload(&self) -> Result<()> {
        let busy = |error: &io::Error| {
            [libc::EBUSY, libc::EWOULDBLOCK].contains(&error.raw_os_error().unwrap_or(0))
        };
        let patiently = |what: &str, act: &dyn Fn() -> io::Result<()>| -> Result<()> {
            let done = wait::until(what, || match act() {
                // Somebody's last file is being closed.
                Err(error) if busy(&error) => None,
                result => Some(result),
            });
            done?.with_context(|| what.to_owned())
        };
        patiently("it is unmounted", &|| {
            Ok(unmount(MOUNT, UnmountFlags::empty())?)
        })?;
        patiently("the module is unloaded", &|| sys::delete_module(c"usbfs2"))?;
        let output = Command::new("insmod").arg(&self.file).output();
        let output = output.context("run insmod (package kmod)")?;
        ensure!(
            output.status.success(),
            "insmod {}: {}",
            self.file,
            String::from_utf8_lossy(&output.stderr)
        );
        sys::mount(c"/dev/usbfs2").context("mount after loading again")?;
        let mut counts = Counts::default();
        counts.count("module unloaded and loaded");
        self.course.made(1, &counts);
        Ok(())
    }
}

/// Where the kernel looks for leaks (kmemleak), it finds none of the module's.
fn no_leak() -> Result<()> {
    if fs::write(KMEMLEAK, "scan").is_err() {
        return Ok(());
    }
    // What is found once may be in a register or a list that is being changed: twice is a leak.
    fs::write(KMEMLEAK, "scan")?;
    let found = fs::read_to_string(KMEMLEAK)?;
    let mut objects = found.split("unreferenced object");
    match objects.find(|object| object.contains("usbfs2")) {
        Some(object) => bail!("a leak: unreferenced object{object}"),
        None => Ok(()),
    }
}
