//! The cargo that runs this program: what it builds and tests for us.

use std::env;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

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

/// Runs `cargo test`, shows its output as it comes, and returns it.
pub(crate) fn test(arguments: &[&str]) -> Result<(String, bool)> {
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
    let reader = thread::spawn(move || {
        let mut buffer = [0; 16384];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            // A terminal that has gone away is no reason to stop counting.
            let _ = tee.write_all(&buffer[..count]).and_then(|()| tee.flush());
        }
    });
    let status = child.wait().context("wait for cargo")?;
    let _ = reader.join();
    Ok((kept.text(), status.success()))
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
