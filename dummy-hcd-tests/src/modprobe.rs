//! The kernel's own modules, loaded when they are needed: in the VM there is no udev to do it.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Loads a module, and what it needs, unless it is loaded.
///
/// # Errors
/// As [`run`].
pub fn load(module: &str) -> Result<()> {
    run(&[module])
}

/// Runs modprobe with these arguments: a module and its parameters, or `-r` and a module.
///
/// # Errors
/// There is no modprobe, or it fails; the message is what it said.
pub fn run(arguments: &[&str]) -> Result<()> {
    let output = Command::new("modprobe").args(arguments).output();
    let output = output.context("run modprobe (package kmod)")?;
    ensure!(
        output.status.success(),
        "modprobe {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
