//! QEMU's monitor (QMP: one JSON object a line), spoken from inside the guest.
//!
//! The harness joins the monitor to a port of the guest's, `$USBFS2_QMP`, so that a test plugs and pulls
//! QEMU's devices, types on its keyboards and waits for its events.

use std::collections::VecDeque;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use serde_json::{Value, json};
use thiserror::Error;

use crate::wait::{self, TimedOut};

/// Why QEMU did not do what it was told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QmpError {
    /// There is no port to QEMU's monitor here.
    #[error("there is no monitor here: run this with `cargo xtask vm --controller KIND`")]
    NoMonitor,
    /// The port cannot be used; EBUSY while another process has it.
    #[error("the port to QEMU's monitor: {0}")]
    Port(#[from] io::Error),
    /// QEMU says nothing.
    #[error(transparent)]
    Silent(#[from] TimedOut),
    /// QEMU refused the command.
    #[error("QEMU refused {command}: {reason}")]
    Refused {
        /// The command.
        command: String,
        /// In QEMU's words.
        reason: String,
    },
}

/// The guest's end of the monitor; one process has it at a time.
#[derive(Debug)]
pub struct Monitor {
    port: File,
    /// What came and is no whole line yet.
    rest: Vec<u8>,
    events: VecDeque<Value>,
    commands: u64,
}

impl Monitor {
    /// Opens the port and makes sure that QEMU takes commands.
    ///
    /// # Errors
    /// [`QmpError::NoMonitor`] outside such a VM.
    pub fn open() -> Result<Self, QmpError> {
        let path = env::var_os("USBFS2_QMP").ok_or(QmpError::NoMonitor)?;
        let port = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        let mut monitor = Self {
            port,
            rest: Vec::new(),
            events: VecDeque::new(),
            commands: 0,
        };
        // Once a connection; a process before this one may have done it, and QEMU then knows no such command.
        match monitor.execute("qmp_capabilities", json!({})) {
            Ok(_) | Err(QmpError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        // What happened before is nobody's business now.
        monitor.events.clear();
        Ok(monitor)
    }

    /// Has QEMU execute `command`, and returns what it returns.
    ///
    /// # Errors
    /// [`QmpError::Refused`] with QEMU's reason.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        self.commands += 1;
        let id = format!("{}.{}", std::process::id(), self.commands);
        let line = json!({ "execute": command, "arguments": arguments, "id": id });
        self.send(format!("{line}\n").as_bytes())?;
        loop {
            let mut answer = self.receive(&format!("QEMU answers {command}"))?;
            if answer["event"].is_string() {
                self.events.push_back(answer);
            } else if answer["id"] == id {
                return match &answer["error"]["desc"] {
                    Value::Null => Ok(answer["return"].take()),
                    reason => Err(QmpError::Refused {
                        command: command.to_owned(),
                        reason: reason.as_str().unwrap_or_default().to_owned(),
                    }),
                };
            }
            // Anything else is the greeting, or answers a process that was killed.
        }
    }

    /// Waits until QEMU reports an event of this name whose data `is_it`, and returns the data.
    ///
    /// # Errors
    /// [`QmpError::Silent`] when none comes.
    pub fn wait_event(
        &mut self,
        name: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Value, QmpError> {
        let matches = |event: &Value| event["event"] == name && is_it(&event["data"]);
        loop {
            if let Some(index) = self.events.iter().position(matches) {
                let event = self.events.remove(index);
                return Ok(event
                    .map(|mut event| event["data"].take())
                    .unwrap_or_default());
            }
            let line = self.receive(&format!("QEMU reports {name}"))?;
            if line["event"].is_string() {
                self.events.push_back(line);
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), QmpError> {
        while !bytes.is_empty() {
            let port = &mut self.port;
            let sent = wait::until("QEMU takes a command", || retried(port.write(bytes)))??;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// The next line that is JSON: the first after an open may be the end of an old one.
    fn receive(&mut self, what: &str) -> Result<Value, QmpError> {
        loop {
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.drain(..=end).collect::<Vec<_>>();
                if let Ok(value) = serde_json::from_slice(&line) {
                    return Ok(value);
                }
            }
            let port = &mut self.port;
            let mut buffer = [0; 4096];
            let received = wait::until(what, || retried(port.read(&mut buffer)))??;
            self.rest.extend_from_slice(&buffer[..received]);
        }
    }
}

/// `None` while the port has nothing to give or no room; it also gives nothing while QEMU connects.
fn retried(result: io::Result<usize>) -> Option<io::Result<usize>> {
    match result {
        Ok(0) => None,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        other => Some(other),
    }
}
