//! The job's directory: what the guest is told to do, and what it leaves behind.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::args::{BusSpeed, VmOptions};
use crate::kernel::Kernel;

const SCRIPT: &str = include_str!("guest/guest.sh");

/// Variables of this environment that mean something else in the guest.
const NOT_PASSED_ON: &[&str] = &["_", "OLDPWD", "SHLVL", "TMPDIR", "XDG_RUNTIME_DIR"];

/// The modules that are built for the guest; those that are left out are not loaded.
#[derive(Debug)]
pub(crate) struct Modules<'path> {
    pub(crate) usbfs2: Option<&'path Path>,
    /// In place of the kernel's own.
    pub(crate) dummy_hcd: Option<&'path Path>,
}

/// Fills `job` for one run.
pub(crate) fn write_job(
    job: &Path,
    options: &VmOptions,
    kernel: &Kernel,
    modules: &Modules<'_>,
) -> Result<()> {
    let path = |module: Option<&Path>| {
        module
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    };
    let flag = |set: bool| if set { "1" } else { "0" }.to_owned();
    let variables = [
        ("RELEASE", kernel.release().to_owned()),
        ("MODULES", kernel.modules().display().to_string()),
        ("MODULE", path(modules.usbfs2)),
        ("DUMMY_HCD", path(modules.dummy_hcd)),
        ("BUSES", options.buses.to_string()),
        (
            "CONTROLLERS",
            options
                .controllers
                .iter()
                .map(|controller| controller.name())
                .collect::<Vec<_>>()
                .join(" "),
        ),
        ("SUPER_SPEED", flag(options.speed == BusSpeed::Super)),
        ("HIGH_SPEED", flag(options.speed != BusSpeed::Full)),
        (
            "DIRECTORY",
            env::current_dir()
                .context("find the current directory")?
                .display()
                .to_string(),
        ),
    ];
    let assignments = variables
        .map(|(name, value)| format!("{name}={}\n", quoted(&value)))
        .concat();
    fs::write(job.join("job.env"), assignments)?;
    fs::write(job.join("guest.sh"), SCRIPT)?;
    fs::create_dir_all(job.join("results"))?;
    fs::create_dir_all(job.join("media"))?;
    fs::write(job.join("command.sh"), command_script(&options.command))?;
    Ok(())
}

/// What the guest left behind, as far as it came.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The command was reached.
    pub(crate) started: bool,
    /// The command's exit status, `None` if the guest ended before the command did.
    pub(crate) status: Option<u8>,
    /// Why the command could not be started.
    pub(crate) failure: Option<String>,
    pub(crate) kernel_log: String,
}

impl Outcome {
    pub(crate) fn read(job: &Path) -> Self {
        let text = |name: &str| {
            fs::read(job.join(name))
                .ok()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        Self {
            started: job.join("started").exists(),
            status: text("status").and_then(|status| status.trim().parse().ok()),
            failure: text("failure").map(|failure| failure.trim().to_owned()),
            kernel_log: text("dmesg").unwrap_or_default(),
        }
    }
}

/// Copies the results and the kernel's log to where the user wants them.
pub(crate) fn keep_results(job: &Path, console: &[u8], target: &Path) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("create {}", target.display()))?;
    let mut copies = vec![(job.join("dmesg"), target.join("dmesg"))];
    for entry in fs::read_dir(job.join("results"))? {
        let entry = entry?;
        copies.push((entry.path(), target.join(entry.file_name())));
    }
    for (from, to) in copies.into_iter().filter(|(from, _)| from.is_file()) {
        fs::copy(&from, &to).with_context(|| format!("write {}", to.display()))?;
    }
    let path: PathBuf = target.join("console");
    fs::write(&path, console).with_context(|| format!("write {}", path.display()))
}

fn command_script(command: &[String]) -> String {
    let mut script = String::new();
    for (name, value) in env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            continue;
        };
        let is_name = name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_')
            && !name.starts_with(|character: char| character.is_ascii_digit());
        if is_name && !NOT_PASSED_ON.contains(&name) {
            script.push_str(&format!("export {name}={}\n", quoted(value)));
        }
    }
    // An ordinary user's path leaves out where insmod, modprobe and mkfs are.
    script.push_str(
        "export PATH=\"$PATH:/usr/sbin:/sbin\" USBFS2_VM_RESULTS=/run/usbfs2-vm/results\n",
    );
    let words = command.iter().map(|word| quoted(word)).collect::<Vec<_>>();
    let command = if words.is_empty() {
        "bash".to_owned()
    } else {
        words.join(" ")
    };
    script.push_str(&format!("exec {command}\n"));
    script
}

/// One word of the shell's language.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_reach_the_guest_unchanged() {
        let command = ["printf", "%s|", "it's", "a b", "$HOME", ""].map(str::to_owned);
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(command_script(&command))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's|a b|$HOME||");
    }
}
