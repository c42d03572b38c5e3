//! The manual pages, before mandoc's eyes.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Fails on anything mandoc warns of in the pages that `program`, the command, writes.
pub(crate) fn check(program: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let written = Command::new(program)
        .arg("man")
        .arg(directory.path())
        .stdout(Stdio::null())
        .status()
        .context("run the command")?;
    ensure!(written.success(), "{program} man: {written}");
    let mut pages: Vec<PathBuf> = Vec::new();
    for section in fs::read_dir(directory.path())? {
        for page in fs::read_dir(section?.path())? {
            pages.push(page?.path());
        }
    }
    let output = Command::new("mandoc")
        .args(["-Tlint", "-Wwarning"])
        .args(&pages)
        .output()
        .context("run mandoc (Debian package mandoc)")?;
    let complaints = String::from_utf8_lossy(&output.stdout);
    ensure!(
        complaints.is_empty() && output.status.success(),
        "{complaints}"
    );
    Ok(())
}
