//! The cargo that runs this program: what it builds and tests for us.
//!
//! Which features a library has depends on what else cargo is told to build: whatever is built for a guest is built
//! as a member of the whole workspace, with its tests, so that no library is compiled a second time for it.

use std::env;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dummy_hcd_tests::descendants;

use crate::hung;
use crate::tally::Tee;

/// The command of users.
pub(crate) const COMMAND: Program = Program::Binary("usbfs2");
/// The guest's side of the benchmark.
pub(crate) const BENCH: Program = Program::Binary("usbfs2-bench");
/// What moves a great many transfers in a guest. It is what makes cargo choose the features that tests have.
pub(crate) const SOAK: Program = Program::Example("soak");

/// A program that is built with optimization, as users have it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Program {
    Binary(&'static str),
    Example(&'static str),
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Binary(name) | Self::Example(name) => name,
        }
    }

    fn arguments(self) -> [&'static str; 2] {
        match self {
            Self::Binary(name) => ["--bin", name],
            Self::Example(name) => ["--example", name],
        }
    }
}

/// Builds these programs as users have them, at once.
pub(crate) fn build_optimized(programs: &[Program]) -> Result<()> {
    optimized(programs).map(drop)
}

/// Builds this program as users have it, and returns it.
pub(crate) fn optimized_program(program: Program) -> Result<String> {
    named(&optimized(&[program])?, program.name())
}

fn optimized(programs: &[Program]) -> Result<Vec<serde_json::Value>> {
    let mut arguments = vec!["build", "--release", "--workspace"];
    arguments.extend(SOAK.arguments());
    arguments.extend(programs.iter().flat_map(|program| program.arguments()));
    messages(&arguments)
}

/// Builds this file of tests without optimization, and the programs of its package, and returns one of them all.
pub(crate) fn test_program(tests: &str, program: &str) -> Result<String> {
    let arguments = ["test", "--workspace", "--no-run", "--test", tests];
    named(&messages(&arguments)?, program)
}

/// Builds this example without optimization and returns it.
pub(crate) fn example(name: &str) -> Result<String> {
    let arguments = ["build", "--workspace", "--example", name];
    named(&messages(&arguments)?, name)
}

/// What cargo says of its work.
fn messages(arguments: &[&str]) -> Result<Vec<serde_json::Value>> {
    let output = cargo()
        .args(arguments)
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo")?;
    ensure!(
        output.status.success(),
        "cargo {} fails",
        arguments.join(" ")
    );
    let output = String::from_utf8_lossy(&output.stdout);
    let messages = output.lines().map(serde_json::from_str);
    let messages = messages.collect::<Result<_, _>>();
    messages.context("read cargo's messages")
}

/// The program that cargo made of this target.
fn named(messages: &[serde_json::Value], target: &str) -> Result<String> {
    let ours = messages
        .iter()
        .filter(|message| message["target"]["name"] == target);
    let mut programs = ours.filter_map(|message| message["executable"].as_str());
    let program = programs.next();
    Ok(program
        .with_context(|| format!("cargo named no program for {target}"))?
        .to_owned())
}

/// How long tests may be silent: the slowest take a minute and a half.
const SILENCE: Duration = Duration::from_secs(300);

/// What tests have printed, and how they ended.
#[derive(Debug)]
pub(crate) struct Tested {
    pub(crate) output: String,
    pub(crate) succeeded: bool,
    /// Tests that were killed, since nothing came from their program for [`SILENCE`].
    pub(crate) hung: Vec<String>,
}

/// Builds what [`test()`] runs, so that it is not silent for compiling.
pub(crate) fn build_tests() -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-run"]);
    let built = command.status().context("run cargo")?;
    ensure!(built.success(), "the tests do not compile");
    Ok(())
}

/// Runs all tests that [`build_tests`] has built, and shows their output as it comes.
pub(crate) fn test() -> Result<Tested> {
    let mut child = cargo()
        .args(["test", "--workspace", "--no-fail-fast"])
        .stdout(Stdio::piped())
        .spawn()
        .context("run cargo")?;
    let mut stdout = child
        .stdout
        .take()
        .context("the child's output is a pipe")?;
    let mut tee = Tee::default();
    let kept = tee.clone();
    let spoke = Arc::new(Mutex::new(Instant::now()));
    let last_spoke = Arc::clone(&spoke);
    let reader = thread::spawn(move || {
        let mut buffer = [0; 16384];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            // A terminal that has gone away is no reason to stop counting.
            let _ = tee.write_all(&buffer[..count]).and_then(|()| tee.flush());
            *spoke.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    });
    let mut hung = Vec::new();
    let status = loop {
        if let Some(status) = child.try_wait().context("wait for cargo")? {
            break status;
        }
        let mut last_spoke = last_spoke.lock().unwrap_or_else(PoisonError::into_inner);
        if last_spoke.elapsed() > SILENCE {
            *last_spoke = Instant::now();
            hung.extend(hung::still_running(&kept.text()));
            descendants::kill(child.id());
        }
        drop(last_spoke);
        thread::sleep(Duration::from_millis(50));
    };
    let _ = reader.join();
    hung.sort();
    hung.dedup();
    Ok(Tested {
        output: kept.text(),
        succeeded: status.success(),
        hung,
    })
}

/// The cargo that runs this program.
fn cargo() -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(workspace()).stdin(Stdio::null());
    command
}

/// The project's directory.
pub(crate) fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
