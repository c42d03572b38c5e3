//! Ports of the kernel's hubs, through sysfs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use usbfs2_host::{DeviceId, HubPort};

use super::{Port, PortError};

const DEVICES: &str = "/sys/bus/usb/devices";
/// How often sysfs is looked at: it announces no suspend.
const GLANCE: Duration = Duration::from_millis(10);

/// The port of the kernel's hub that a device hangs on. Switching it off and suspending the device need root.
///
/// A device sleeps when nobody uses it. Many drivers keep theirs awake for as long as they have it, so the drivers of
/// its interfaces are unbound for the time of a suspend.
#[derive(Debug)]
pub struct KernelPort {
    device: DeviceId,
    hub: Result<HubPort, String>,
    /// Whether the port is, or may be, switched off.
    is_off: AtomicBool,
    asleep: Mutex<Option<Asleep>>,
    /// Interfaces that were unbound, and the directories of their drivers.
    unbound: Mutex<Vec<(String, PathBuf)>>,
}

/// What to put back when the device is awake again.
#[derive(Debug)]
struct Asleep {
    control: String,
    delay: Option<String>,
}

impl KernelPort {
    /// The port of a device that is plugged in.
    #[must_use]
    pub fn of(device: &DeviceId) -> Self {
        Self {
            device: device.clone(),
            hub: HubPort::of(device).map_err(|error| error.to_string()),
            is_off: AtomicBool::new(false),
            asleep: Mutex::new(None),
            unbound: Mutex::new(Vec::new()),
        }
    }

    fn hub(&self) -> Result<&HubPort, PortError> {
        self.hub
            .as_ref()
            .map_err(|error| PortError::NotPossible(format!("no port to switch off: {error}")))
    }

    fn directory(&self) -> PathBuf {
        Path::new(DEVICES).join(self.device.as_str())
    }

    /// The interfaces that have a driver, and its directory.
    fn drivers(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let mut bound = Vec::new();
        let prefix = format!("{}:", self.device);
        for entry in fs::read_dir(self.directory())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&prefix)
                && let Ok(driver) = fs::canonicalize(entry.path().join("driver"))
            {
                bound.push((name, driver));
            }
        }
        Ok(bound)
    }

    fn fall_asleep(&self, has_delay: bool, timeout: Duration) -> Result<(), PortError> {
        let power = self.directory().join("power");
        self.unbind_drivers()?;
        if has_delay {
            write(&power.join("autosuspend_delay_ms"), "0")?;
        }
        write(&power.join("control"), "auto")?;
        let deadline = Instant::now() + timeout;
        loop {
            let status = read(&power.join("runtime_status"))?;
            if status == "suspended" {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(PortError::NotPossible(format!(
                    "the kernel did not suspend the device within {} s: it is {status}",
                    timeout.as_secs()
                )));
            }
            thread::sleep(GLANCE);
        }
    }

    /// Puts back what was before. Every step is tried; the first error is told.
    fn wake_up(&self, asleep: &Asleep) -> Result<(), PortError> {
        let power = self.directory().join("power");
        // "on" wakes the device, and returns when it is awake or did not wake up.
        let awake = write(&power.join("control"), "on");
        let status = read(&power.join("runtime_status"));
        let delay = asleep.delay.as_ref().map_or(Ok(()), |delay| {
            write(&power.join("autosuspend_delay_ms"), delay)
        });
        let control = write(&power.join("control"), &asleep.control);
        self.bind_drivers();
        awake.and(delay).and(control)?;
        match status?.as_str() {
            "active" => Ok(()),
            other => Err(PortError::NotPossible(format!(
                "the kernel says that the device is {other} after a resume"
            ))),
        }
    }
}

impl Port for KernelPort {
    fn unplug(&self) -> Result<(), PortError> {
        let hub = self.hub()?;
        self.is_off.store(true, Ordering::Relaxed);
        Ok(hub.disable()?)
    }

    fn plug(&self) -> Result<(), PortError> {
        self.hub()?.enable()?;
        self.is_off.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn unbind_drivers(&self) -> Result<(), PortError> {
        for (interface, driver) in self.drivers()? {
            write(&driver.join("unbind"), &interface)?;
            let mut unbound = self.unbound.lock().unwrap_or_else(PoisonError::into_inner);
            unbound.push((interface, driver));
        }
        Ok(())
    }

    fn bind_drivers(&self) {
        let mut unbound = self.unbound.lock().unwrap_or_else(PoisonError::into_inner);
        for (interface, driver) in unbound.drain(..) {
            // One that has it again, as after a new configuration, says so; one that is gone needs nothing.
            let _ = write(&driver.join("bind"), &interface);
        }
    }

    fn suspend(&self, timeout: Duration) -> Result<(), PortError> {
        let power = self.directory().join("power");
        let asleep = Asleep {
            control: read(&power.join("control"))?,
            delay: read(&power.join("autosuspend_delay_ms")).ok(),
        };
        let has_delay = asleep.delay.is_some();
        // Before anything is altered, so that it is put back whatever happens.
        *self.asleep.lock().unwrap_or_else(PoisonError::into_inner) = Some(asleep);
        let slept = self.fall_asleep(has_delay, timeout);
        if slept.is_err() {
            // The reason is the one above.
            let _ = self.resume();
        }
        slept
    }

    fn resume(&self) -> Result<(), PortError> {
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        match asleep.take() {
            Some(asleep) => self.wake_up(&asleep),
            None => Ok(()),
        }
    }

    /// usbcore resets such a device and selects its configuration (`usb_reset_and_verify_device`).
    fn configures_on_resume(&self) -> bool {
        true
    }
}

impl Drop for KernelPort {
    fn drop(&mut self) {
        if self.is_off.load(Ordering::Relaxed) {
            // An error cannot be told here; the port is as the last call that failed said.
            let _ = self.plug();
        }
        // A device that is gone has nothing to put back.
        let _ = self.resume();
        self.bind_drivers();
    }
}

fn read(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path).map_err(|error| at(path, &error))?;
    Ok(text.trim_end().to_owned())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
