//! What the threads of a worker share: the claim, the excuses, the messages under way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::stress::ledger::Ledger;
use dummy_hcd_tests::usbfs2::{self, InterfaceFiles, MOUNT};
use dummy_hcd_tests::wait;

use super::excuses::Excuses;
use crate::arguments::{Kind, Worker};
use crate::disturbance::Disturbance;
use crate::sys::Copy;

/// What another process of this test may do to a path or a claim for a moment, but never for long.
const PASSING: [i32; 4] = [libc::EBUSY, libc::ENODEV, libc::ENOENT, libc::EPERM];

/// How things stood from outside when something was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outside {
    device: u64,
    mount: u64,
}

/// What is known of the messages.
struct Known {
    ledger: Ledger,
    /// How things stood from outside when it was last looked at.
    seen: u64,
    /// A function of ours learns of a restart by an event, while its endpoints carry data again already: what it takes
    /// before it knows goes down with what it did before. It says when it has started afresh.
    settled: bool,
}

/// Whether a gadget of ours has started afresh: the answer is a byte, 1.
const HAS_STARTED: u64 = 0xc1 << 40 | crate::HAS_STARTED << 32;

/// The ledger, locked.
pub(crate) struct LedgerGuard<'shared>(MutexGuard<'shared, Known>);

impl Deref for LedgerGuard<'_> {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.0.ledger
    }
}

impl DerefMut for LedgerGuard<'_> {
    fn deref_mut(&mut self) -> &mut Ledger {
        &mut self.0.ledger
    }
}

pub(crate) struct Shared {
    pub(crate) kind: Kind,
    pub(crate) interface: InterfaceFiles,
    pub(crate) directory: PathBuf,
    /// Of the IN endpoint and of the OUT endpoint.
    pub(crate) excuses: [Excuses; 2],
    is_ours: bool,
    ledger: Mutex<Known>,
    device: Disturbance,
    mount: Disturbance,
    /// The driver file that claims, and how things stood when it was written.
    claim: Mutex<Option<(File, Outside)>>,
    failed: AtomicBool,
    companions: Mutex<Vec<Child>>,
    copies: Mutex<Vec<Copy>>,
}

impl Shared {
    pub(crate) fn new(arguments: &Worker) -> Result<Self> {
        let directory = PathBuf::from(MOUNT).join(&arguments.device);
        Ok(Self {
            kind: arguments.kind,
            interface: InterfaceFiles::at(directory.join("1.0")),
            directory,
            excuses: Default::default(),
            is_ours: arguments.is_ours,
            ledger: Mutex::new(Known {
                ledger: Ledger::new(arguments.nonce),
                seen: 0,
                settled: !arguments.is_ours,
            }),
            device: Disturbance::open(&arguments.bus.to_string())?,
            mount: Disturbance::open("mount")?,
            claim: Mutex::new(None),
            failed: AtomicBool::new(false),
            companions: Mutex::default(),
            copies: Mutex::default(),
        })
    }

    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// What is known of the messages, where nothing has happened to the device since.
    pub(crate) fn ledger(&self) -> Result<LedgerGuard<'_>> {
        let mut guard = locked(&self.ledger);
        let seen = self.device.now()?;
        if self.device.since(guard.seen)? {
            guard.ledger.blur();
            guard.seen = seen;
            guard.settled = !self.is_ours;
        }
        if !guard.settled {
            guard.ledger.blur();
        }
        Ok(LedgerGuard(guard))
    }

    /// Asks a gadget of ours that something has happened to whether it has started afresh; if so, what is sent from now
    /// on comes back.
    pub(crate) fn settle(&self) -> Result<()> {
        if self.ledger()?.0.settled {
            return Ok(());
        }
        let since = self.outside()?;
        let restarts = &self.excuses[0].restarts;
        let mark = restarts.mark();
        let mut answer = [0];
        // An error is not this one's to judge: another process may have the claim for a moment.
        let asked = self.control("1.0/ep00", HAS_STARTED, &mut answer);
        if !matches!(asked, Ok(Some(Ok(1)))) || answer != [1] {
            return Ok(());
        }
        // Locked, so that a restart that begins now finds it settled.
        let mut guard = self.ledger()?;
        if !restarts.holds(mark) && !self.disturbed(since)? {
            guard.blur();
            guard.0.settled = true;
        }
        Ok(())
    }

    /// Nothing is said of what was sent before.
    fn unsettle(&self) -> Result<()> {
        let mut guard = self.ledger()?;
        guard.blur();
        guard.0.settled = !self.is_ours;
        Ok(())
    }

    /// Runs what cancels everything on both endpoints and makes the device start afresh.
    pub(crate) fn restarting<T>(&self, act: impl FnOnce() -> T) -> Result<T> {
        for excuses in &self.excuses {
            excuses.restarts.begin();
        }
        self.unsettle()?;
        let result = act();
        self.unsettle()?;
        for excuses in &self.excuses {
            excuses.restarts.end();
        }
        Ok(result)
    }

    /// Before something is begun.
    pub(crate) fn outside(&self) -> Result<Outside> {
        Ok(Outside {
            device: self.device.now()?,
            mount: self.mount.now()?,
        })
    }

    /// Whether something happened to the device.
    pub(crate) fn disturbed(&self, since: Outside) -> Result<bool> {
        Ok(self.device.since(since.device)?)
    }

    /// The result, or none where an error is what happens from outside.
    pub(crate) fn tolerate<T>(
        &self,
        what: &str,
        since: Outside,
        result: io::Result<T>,
    ) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(_) if self.disturbed(since)? || self.mount.since(since.mount)? => Ok(None),
            Err(error) => Err(error).context(what.to_owned()),
        }
    }

    /// Claims the interface unless this process has the claim. How things stood before that was certain.
    pub(crate) fn claim(&self) -> Result<Outside> {
        let mut claim = locked(&self.claim);
        if let Some((file, since)) = &mut *claim {
            // Said twice it is still true, unless the claim was lost since.
            let before = self.outside()?;
            let again = (&*file).write_all(b"usbfs2");
            let what = "writing usbfs2 once more";
            if self.tolerate(what, *since, again)?.is_some() {
                *since = before;
                return Ok(before);
            }
        }
        *claim = None;
        let (file, since) = self.soon("the interface is claimed", || {
            let since = self.outside().map_err(io::Error::other)?;
            Ok((self.interface.claim()?, since))
        })?;
        *claim = Some((file, since));
        Ok(since)
    }

    /// Writes to a text file that cancels what is queued; false where the device was gone for the moment.
    pub(crate) fn select(&self, file: &str, text: &str) -> Result<bool> {
        let since = self.claim()?;
        let path = self.directory.join(file);
        let written = self.restarting(|| fs::write(path, text))?;
        let what = format!("writing {text} to {file}");
        Ok(self.tolerate(&what, since, written)?.is_some())
    }

    /// Gives the interface back, as far as the claim is concerned, and claims it again.
    pub(crate) fn claim_anew(&self) -> Result<Outside> {
        *locked(&self.claim) = None;
        self.claim()
    }

    /// Tries until it succeeds: another process may be in the way for a moment.
    pub(crate) fn soon<T>(&self, what: &str, mut act: impl FnMut() -> io::Result<T>) -> Result<T> {
        let result = wait::until(what, || match act() {
            Ok(value) => Some(Ok(value)),
            Err(_) if self.has_failed() => Some(Err(io::ErrorKind::Interrupted.into())),
            Err(error) if is_passing(&error) => None,
            Err(error) => Some(Err(error)),
        });
        result?.with_context(|| what.to_owned())
    }

    /// Opens an endpoint for itself alone, of a device that was there after what comes with it.
    pub(crate) fn open(&self, direction_in: bool, is_armed: bool) -> Result<(File, Outside)> {
        let what = format!("the endpoint {} is open", name(direction_in));
        let deadline = Instant::now() + wait::DEADLINE;
        let mut tries = 0;
        loop {
            tries += 1;
            let since = self.claim()?;
            let opened = match is_armed {
                true => self.interface.open_armed(direction_in),
                false => self.interface.open_both(direction_in),
            };
            match opened {
                Ok(file) => return Ok((file, since)),
                Err(_) if self.has_failed() => bail!("stopped by another thread"),
                Err(error) if !is_passing(&error) => return Err(error).context(what),
                Err(error) => {
                    ensure!(
                        tries < wait::LEAST_TRIES || Instant::now() < deadline,
                        "waited in vain until {what}: {error}; {}",
                        self.users()
                    );
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    /// Who has files of the device open, and how many requests there are.
    fn users(&self) -> String {
        let read = |path: &std::path::Path| fs::read_to_string(path).unwrap_or_default();
        let mut text = format!(
            "driver {:?}, {:?} live requests",
            read(&self.directory.join("1.0/driver")),
            usbfs2::live_requests().ok()
        );
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let files = fs::read_dir(process.path().join("fd"));
            for file in files.into_iter().flatten().flatten() {
                let link = fs::read_link(file.path()).unwrap_or_default();
                if link.starts_with(&self.directory) {
                    let command = read(&process.path().join("cmdline")).replace('\0', " ");
                    text += &format!("; {} has {}", command, link.display());
                }
            }
        }
        text
    }

    /// A control request to the interface or the device; none where it could not be made. The result is the device's.
    pub(crate) fn control(
        &self,
        file: &str,
        setup: u64,
        data: &mut [u8],
    ) -> Result<Option<io::Result<usize>>> {
        let since = self.claim()?;
        // Either direction's: what starts the device afresh is begun for both.
        let restarts = &self.excuses[0].restarts;
        let mark = restarts.mark();
        let path = self.directory.join(file);
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let what = format!("opening {file}");
        let Some(file) = self.tolerate(&what, since, opened)? else {
            return Ok(None);
        };
        let result = match setup >> 47 {
            0 => file.write_at(data, setup),
            _ => file.read_at(data, setup),
        };
        Ok(match result {
            // The device's own word, whatever goes on.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => Some(Err(error)),
            // Another thread has selected a setting meanwhile, or reset the device.
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) && restarts.holds(mark) => {
                None
            }
            result => self
                .tolerate(&format!("control request {setup:#x}"), since, result)?
                .map(Ok),
        })
    }

    pub(crate) fn has_companion(&self, child: Child) {
        locked(&self.companions).push(child);
    }

    pub(crate) fn has_copy(&self, copy: Copy) {
        locked(&self.copies).push(copy);
    }

    /// Every process that this one has started is gone soon.
    pub(crate) fn end(&self) -> Result<()> {
        for mut child in locked(&self.companions).drain(..) {
            let status = wait::until("a companion has ended", || child.try_wait().transpose())??;
            ensure!(status.success(), "a companion ended with {status}");
        }
        for copy in locked(&self.copies).drain(..) {
            wait::until("a copy of the process has ended", || match copy.is_gone() {
                Ok(false) => None,
                result => Some(result),
            })??;
        }
        Ok(())
    }
}

pub(crate) fn name(direction_in: bool) -> &'static str {
    match direction_in {
        true => "IN",
        false => "OUT",
    }
}

pub(crate) fn is_passing(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|errno| PASSING.contains(&errno))
        // `InterfaceFiles::endpoint` has no number for a directory without the file.
        || error.kind() == io::ErrorKind::NotFound
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
