//! The cargo that runs this program: what it builds and tests for us.

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

/// Runs cargo and returns the program it made of this target.
pub(crate) fn build(arguments: &[&str], target: &str) -> Result<String> {
    let output = cargo()
        .args(arguments)
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo")?;
    ensure!(output.status.success(), "{target} does not compile");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value =
            serde_json::from_str(line).context("read cargo's messages")?;
        if message["target"]["name"] == target
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.to_owned());
        }
    }
    anyhow::bail!("cargo named no program for {target}")
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

/// Runs `cargo test`, and shows its output as it comes.
pub(crate) fn test(arguments: &[&str]) -> Result<Tested> {
    // Compiling is silent, too, and may take as long as it likes.
    let built = cargo()
        .args(["test", "--no-run"])
        .args(arguments)
        .status()
        .context("run cargo")?;
    ensure!(built.success(), "the tests do not compile");
    let mut child = cargo()
        .arg("test")
        .args(arguments)
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
