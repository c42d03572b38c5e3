//! What a run that was killed has left in configfs: a gadget without a process, and its mount.
//!
//! On gadgetfs the kernel clears everything away with the process. A gadget in configfs stays, and so does its mount.
//! Each is named after the process that made it, with the time that process started, since numbers are used
//! again.

use std::fs;
use std::io;

use anyhow::{Context as _, Result};
use usb_gadget::RegGadget;

use crate::output::{note, say};

/// What the names of our gadgets begin with.
const PREFIX: &str = "usbfs2-run-";

/// A process, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pid: u32,
    /// In clock ticks since the machine started.
    started: u64,
}

impl Owner {
    pub(super) fn this_process() -> Result<Self> {
        let pid = std::process::id();
        let started = started(pid)?.context("/proc does not tell when this process started")?;
        Ok(Self { pid, started })
    }

    pub(super) fn gadget_name(&self) -> String {
        format!("{PREFIX}{}-{}", self.pid, self.started)
    }

    fn of_gadget(name: &str) -> Option<Self> {
        let (pid, started) = name.strip_prefix(PREFIX)?.split_once('-')?;
        Some(Self {
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        })
    }

    fn is_alive(&self) -> Result<bool> {
        Ok(started(self.pid)? == Some(self.started))
    }
}

/// When a process started; `None` where there is no such process.
fn started(pid: u32) -> Result<Option<u64>> {
    let path = format!("/proc/{pid}/stat");
    match fs::read_to_string(&path) {
        Ok(stat) => start_time(&stat)
            .map(Some)
            .with_context(|| format!("{path} is not what proc(5) says")),
        // ESRCH where it ends while being read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {path}")),
    }
}

/// The 22nd field; the second is the command in parentheses, which may hold blanks and parentheses.
fn start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// `usbfs2 gadget clean`.
pub(super) fn run() -> Result<()> {
    let removed = remove()?;
    for name in &removed {
        say!("removed {name}")?;
    }
    if removed.is_empty() {
        note!("nothing is left of earlier runs");
    }
    Ok(())
}

/// Removes our gadgets whose process is gone, and returns their names.
pub(super) fn remove() -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for gadget in without_process()? {
        let name = gadget.name().to_string_lossy().into_owned();
        // One that is on a controller has somebody who keeps it there.
        let controller = gadget
            .udc()
            .with_context(|| format!("cannot read the state of {name}"))?;
        if controller.is_none() {
            gadget.remove().with_context(|| {
                format!(
                    "cannot remove {name} from configfs: run as root, or see what holds its mount"
                )
            })?;
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Our gadgets in configfs whose process is gone.
pub(super) fn without_process() -> Result<Vec<RegGadget>> {
    let gadgets = match usb_gadget::registered() {
        Ok(gadgets) => gadgets,
        // Without configfs, or gadgets in it, nothing can be left there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("cannot list the gadgets in configfs"),
    };
    let mut left = Vec::new();
    for gadget in gadgets {
        let owner = Owner::of_gadget(&gadget.name().to_string_lossy());
        let is_left = owner.map_or(Ok(false), |owner| owner.is_alive().map(|alive| !alive))?;
        left.extend(is_left.then_some(gadget));
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_of_its_number_is_not() {
        let this = Owner::this_process().unwrap();
        assert!(this.is_alive().unwrap());
        let before = Owner {
            started: this.started - 1,
            ..this
        };
        assert!(!before.is_alive().unwrap());
        // Beyond the most that Linux has (PID_MAX_LIMIT).
        let none = Owner {
            pid: 1 << 23,
            ..this
        };
        assert!(!none.is_alive().unwrap());
    }

    #[test]
    fn only_our_names_are_ours() {
        let owner = Owner {
            pid: 42,
            started: 123_456,
        };
        assert_eq!(owner.gadget_name(), "usbfs2-run-42-123456");
        assert_eq!(Owner::of_gadget("usbfs2-run-42-123456"), Some(owner));
        for name in [
            "usb-gadget0",
            "usbfs2-test-0",
            "usbfs2-run-",
            "usbfs2-run-42",
            "usbfs2-run--1-2",
            "usbfs2-run-42-1 ",
            "g1",
        ] {
            assert_eq!(Owner::of_gadget(name), None, "{name}");
        }
    }

    #[test]
    fn a_command_may_be_named_like_anything() {
        let fields = (3..=40).map(|field| field.to_string());
        let rest: Vec<String> = fields.collect();
        let stat = format!("7 (a) 1 (b) {}", rest.join(" "));
        assert_eq!(start_time(&stat), Some(22));
        assert_eq!(start_time("7"), None);
    }
}
