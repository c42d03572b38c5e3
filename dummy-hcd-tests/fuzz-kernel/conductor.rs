//! The processes, the gadgets, and what must be true in the end.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::report;
use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::cable;
use dummy_hcd_tests::composite::{GADGET_ZERO, KernelFunction, KernelGadget};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::random::Random;
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::stress::plan::seed_of;
use dummy_hcd_tests::usbfs2::MOUNT;
use dummy_hcd_tests::{kernel_log, sys, usbfs2, wait};
use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};

/// Nobody: a plain user that the mount's files are given to.
const USER: u32 = 65_534;
/// Those there are: the liar's and two of the kernel's gadgets.
const BUSES: u8 = 3;
/// Whether each of the processes is root's.
const CALLERS: [bool; 4] = [true, true, false, false];
/// One that says nothing for so long hangs: what waits in the kernel is interrupted every few milliseconds.
const SILENCE: Duration = Duration::from_secs(60);

/// A process that makes calls or is a device.
struct Process {
    child: Child,
    /// Milliseconds since `since` when it last said something.
    heard: Arc<AtomicU64>,
    since: Instant,
}

impl Process {
    fn start(role: &str, seed: u64, is_root: bool, counts: &Arc<Mutex<Counts>>) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command
            .arg(role)
            .args(["--seed", &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if !is_root {
            command.uid(USER).gid(USER);
        }
        let mut child = command.spawn().context("start a process")?;
        let stdout = child.stdout.take();
        let stdout = stdout.context("the child's output is a pipe")?;
        let heard = Arc::new(AtomicU64::new(0));
        let (last, since, all) = (Arc::clone(&heard), Instant::now(), Arc::clone(counts));
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                // A line that a kill has cut off.
                let Ok(counts) = line
                    .map_err(drop)
                    .and_then(|line| serde_json::from_str::<Counts>(&line).map_err(drop))
                else {
                    break;
                };
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.merge(&counts);
                let passed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                last.store(passed, Ordering::Relaxed);
            }
        });
        Ok(Self {
            child,
            heard,
            since,
        })
    }

    /// Fails when it hangs.
    fn must_live(&mut self) -> Result<()> {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        let silent = self.since.elapsed().saturating_sub(heard);
        ensure!(
            silent < SILENCE || self.is_gone()?,
            "a process has said nothing for {} s:\n{}",
            silent.as_secs(),
            stack(self.child.id())
        );
        Ok(())
    }

    fn is_gone(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Kills it; it must be gone soon.
    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.ended("a process that was killed is gone")
    }

    fn ended(&mut self, what: &str) -> Result<()> {
        let child = &mut self.child;
        let id = child.id();
        let ended = wait::until(what, || child.try_wait().transpose());
        ended.with_context(|| stack(id))??;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process does in the kernel.
fn stack(process: u32) -> String {
    let read = |file| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    format!("{}{}{}", read("stat"), read("syscall"), read("stack"))
}

pub(crate) fn run(seed: u64, seconds: u64) -> Result<()> {
    let counts = Arc::new(Mutex::new(Counts::default()));
    let result = fuzz(seed, seconds, &counts);
    result.with_context(|| format!("seed {seed}"))?;
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    report::print(seed, seconds, &counts)
}

fn fuzz(seed: u64, seconds: u64, counts: &Arc<Mutex<Counts>>) -> Result<()> {
    KernelGadget::remove_leftovers()?;
    let logged = kernel_log::position()?;
    modprobe::load("usbtest")?;
    let mut random = Random::new(seed_of(seed, "conductor"));
    let gadgets = [
        KernelGadget::bind(1, GADGET_ZERO, &[KernelFunction::source_sink(1, 4096, 16)])?,
        KernelGadget::bind(2, GADGET_ZERO, &[KernelFunction::loopback()])?,
    ];
    let mut nonce = 0;
    let mut next = |role: &str| {
        nonce += 1;
        seed_of(seed, &format!("{role} {nonce}"))
    };
    let mut callers = Vec::new();
    mount_for(USER)?;
    for is_root in CALLERS {
        let caller = Process::start("caller", next("caller"), is_root, counts)?;
        callers.push((caller, is_root));
    }
    let mut liar = Process::start("liar", next("liar"), true, counts)?;

    let since = Instant::now();
    let mut said = 0;
    while since.elapsed().as_secs() < seconds {
        thread::sleep(Duration::from_millis(100));
        for (caller, is_root) in &mut callers {
            caller.must_live()?;
            // It ends itself by a signal it has asked for, or is killed in the middle of something.
            let is_due = random.below(40) == 0;
            if is_due || caller.is_gone()? {
                caller.kill()?;
                *caller = Process::start("caller", next("caller"), *is_root, counts)?;
                count(counts, "kill -9");
            }
        }
        liar.must_live()?;
        ensure!(!liar.is_gone()?, "the device that lies has ended");
        from_outside(&mut random, &gadgets, counts)?;
        mend_hubs(counts);
        let elapsed = since.elapsed().as_secs();
        if elapsed >= said + 60 {
            said = elapsed;
            eprintln!("{elapsed} of {seconds} s");
        }
    }
    for (caller, _) in &mut callers {
        caller.kill()?;
    }
    drop(liar.child.stdin.take());
    liar.ended("the device that lies has ended")?;
    drop(gadgets);
    must_be_empty(logged)
}

/// What happens meanwhile to the gadgets and to the mount.
fn from_outside(
    random: &mut Random,
    gadgets: &[KernelGadget; 2],
    counts: &Arc<Mutex<Counts>>,
) -> Result<()> {
    match random.below(30) {
        0 => {
            let bus = 1 + u8::try_from(random.below(2))?;
            cable::pull(bus)?;
            SysfsDevice::wait_gone(bus)?;
            gadgets[usize::from(bus - 1)].plug_again()?;
            count(counts, "cables pulled");
        }
        1 => {
            mount_for([0, USER][random.below(2)])?;
            count(counts, "remounts");
        }
        _ => {}
    }
    Ok(())
}

/// The callers may have taken the configuration or the driver of a root hub away, and with it the bus.
fn mend_hubs(counts: &Arc<Mutex<Counts>>) {
    let devices = Path::new("/sys/bus/usb/devices");
    for bus in 1..=BUSES {
        let configuration = devices.join(format!("usb{bus}/bConfigurationValue"));
        let interface = format!("{bus}-0:1.0");
        let is_configured = fs::read_to_string(&configuration).is_ok_and(|text| text.trim() == "1");
        // Whatever it says: somebody may have it now, and the next look comes soon.
        if !is_configured && fs::write(&configuration, "1").is_ok() {
            count(counts, "root hubs configured again");
        } else if is_configured
            && !devices.join(&interface).join("driver").exists()
            && fs::write("/sys/bus/usb/drivers_probe", &interface).is_ok()
        {
            count(counts, "root hubs bound again");
        }
    }
}

/// Gives every file to a user. The mode of each is the fuzzers' to change as well.
fn mount_for(user: u32) -> Result<()> {
    let options = format!("uid={user},mode=0666,dmode=0755");
    mount_remount(MOUNT, MountFlags::empty(), options.as_str())
        .with_context(|| format!("remount with {options}"))
}

/// Nobody is left: the module unloads, and the kernel has nothing to say.
fn must_be_empty(logged: u64) -> Result<()> {
    usbfs2::wait_no_live_request()?;
    let busy = |errno| [libc::EBUSY, libc::EWOULDBLOCK].contains(&errno);
    let unmounted = wait::until("it is unmounted", || {
        let result = unmount(MOUNT, UnmountFlags::empty());
        match result {
            Err(error) if busy(error.raw_os_error()) => None,
            result => Some(result),
        }
    })?;
    unmounted.context("unmount")?;
    let unloaded = wait::until("the module is unloaded", || {
        match sys::delete_module(c"usbfs2") {
            Err(error) if busy(error.raw_os_error().unwrap_or(0)) => None,
            result => Some(result),
        }
    })?;
    unloaded.context("unload the module")?;
    let trouble = kernel_log::trouble_since(logged)?;
    ensure!(trouble.is_empty(), "the kernel reports {trouble:#?}");
    Ok(())
}

fn count(counts: &Mutex<Counts>, what: &str) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    counts.count(what);
}
