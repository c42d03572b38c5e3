//! A worker process, and what it says.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context as _, Result, bail};
use dummy_hcd_tests::stress::counts::Report;
use dummy_hcd_tests::wait;

use crate::arguments::Worker;

/// A worker that says nothing for this long hangs; waiting for what must come takes it less.
const SILENCE: Duration = Duration::from_secs(4 * wait::DEADLINE.as_secs());

/// Killed when dropped.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    child: Child,
    reports: Receiver<Result<Report>>,
}

impl WorkerProcess {
    pub(super) fn start(worker: &Worker) -> Result<Self> {
        let numbers = |numbers: &[u64]| {
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            numbers.join(",")
        };
        let mut child = Command::new(env::current_exe()?)
            .arg("worker")
            .args(["--seed", &worker.seed.to_string()])
            .args(["--bus", &worker.bus.to_string()])
            .args(["--kind", &worker.kind.name()])
            .args(worker.is_ours.then_some("--is-ours"))
            .args(["--device", &worker.device])
            .args(["--nonce", &worker.nonce.to_string()])
            .args(["--from", &numbers(&worker.from)])
            .args(["--to", &numbers(&worker.to)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a worker")?;
        let stdout = child
            .stdout
            .take()
            .context("the child's output is a pipe")?;
        let (sender, reports) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let report = line.map_err(Into::into).and_then(|line| {
                    serde_json::from_str(&line).with_context(|| format!("a worker said `{line}`"))
                });
                // Nobody listens any more where the run has ended.
                if sender.send(report).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, reports })
    }

    /// The next report; none when the process has closed its output.
    pub(super) fn report(&self) -> Result<Option<Report>> {
        match self.reports.recv_timeout(SILENCE) {
            Ok(report) => report.map(Some),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!(
                "a worker made no step for {} s:\n{}",
                SILENCE.as_secs(),
                stacks(self.child.id())
            ),
        }
    }

    /// Waits until it has ended by itself, well.
    pub(super) fn end(mut self) -> Result<()> {
        let status = self.gone("a worker that is done has ended")?;
        if !status.success() {
            bail!("a worker ended with {status}");
        }
        Ok(())
    }

    /// Kills it. What it has said before is still to be had.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.gone("a worker that was killed is gone")?;
        Ok(())
    }

    fn gone(&mut self, what: &str) -> Result<std::process::ExitStatus> {
        let child = &mut self.child;
        let id = child.id();
        let gone = wait::until(what, || child.try_wait().transpose());
        Ok(gone.with_context(|| stacks(id))??)
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It is gone already where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the threads of a process are in the kernel.
fn stacks(process: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    tasks
        .map(|task| {
            let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            format!("{}{}", read("stat"), read("stack"))
        })
        .collect()
}
