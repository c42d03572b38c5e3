//! An example of firmware, as users run it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait;

use crate::{command, setup};

/// Its process, and the device the kernel has found; killed if a test fails before it ends it.
pub(super) struct Board {
    pub(super) device: SysfsDevice,
    child: Child,
    knobs: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Board {
    /// Starts the example of this name.
    pub(super) fn start(name: &str) -> Result<Self> {
        Self::start_at(&setup::example(name)?)
    }

    /// Starts the example of this name below `usbfs2 gadget hold`.
    pub(super) fn start_held(name: &str) -> Result<Self> {
        let mut command = command::usbfs2()?;
        command.args(["gadget", "hold"]).arg(setup::example(name)?);
        Self::spawn(command)
    }

    /// Starts the program at `path`.
    pub(super) fn start_at(path: &Path) -> Result<Self> {
        Self::spawn(Command::new(path))
    }

    fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("run {command:?}"))?;
        let knobs = child.stdin.take();
        let output = child.stdout.take().context("the output is a pipe")?;
        let device = SysfsDevice::wait(0).inspect_err(|_| {
            // It has ended, if it had a reason not to go on the bus.
            let _ = child.kill();
            let _ = child.wait();
        })?;
        Ok(Self {
            device,
            child,
            knobs,
            output: BufReader::new(output),
        })
    }

    /// Its process, or that of what it was started below.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Turns a knob.
    pub(super) fn turn(&mut self, line: &str) -> Result<()> {
        let mut knobs = self.knobs.as_ref().context("the knobs are gone")?;
        Ok(writeln!(knobs, "{line}")?)
    }

    /// Reads what it prints until it prints this; the test's own deadline ends one that waits in vain.
    pub(super) fn wait_line(&mut self, wanted: &str) -> Result<()> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != wanted) {
            let mut line = String::new();
            let length = self.output.read_line(&mut line)?;
            ensure!(length > 0, "it ended, and had said {lines:?}");
            lines.push(line.trim_end().to_owned());
        }
        Ok(())
    }

    /// Unplugs it, and returns how many requests of the host's it says it has stalled, which it counts last.
    pub(super) fn end_with_stalled(self) -> Result<u32> {
        let lines = self.end()?;
        let last = lines.last().context("it counts nothing")?;
        let stalled = last.strip_suffix(" requests stalled");
        Ok(stalled.with_context(|| format!("{lines:?}"))?.parse()?)
    }

    /// Unplugs it, and returns what else it printed. Nothing of it is left.
    pub(super) fn end(mut self) -> Result<Vec<String>> {
        drop(self.knobs.take());
        let status = wait::until("the firmware ends", || self.child.try_wait().ok().flatten())?;
        ensure!(status.success(), "the firmware: {status}");
        self.device.wait_unplugged()?;
        let lines = self.output.by_ref().lines();
        Ok(lines.collect::<Result<_, _>>()?)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // It has ended, where the test has succeeded.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
