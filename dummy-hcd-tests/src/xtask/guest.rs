//! The job's directory: what the guest is told to do, and what it leaves behind.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dummy_hcd_tests::{kernel_log, kmemleak};

use crate::args::{BusSpeed, VmOptions};
use crate::kernel::Kernel;

const SCRIPT: &str = include_str!("guest/guest.sh");

/// How much of a report is shown.
const LINES_OF_A_REPORT: usize = 60;

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
        ("PATIENCE", kernel.patience().to_string()),
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
    kernel_log: String,
    /// kmemleak's report and lockdep's state, of a kernel that has them.
    leaks: String,
    lockdep: String,
}

/// Files of the job's directory with what the kernel said: its log, and what [`Outcome`] has of a debug kernel's.
pub(crate) const KERNEL_LOG: &str = "dmesg";
pub(crate) const LEAKS: &str = "kmemleak";
pub(crate) const LOCKDEP: &str = "lockdep_stats";

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
            kernel_log: text(KERNEL_LOG).unwrap_or_default(),
            leaks: text(LEAKS).unwrap_or_default(),
            lockdep: text(LOCKDEP).unwrap_or_default(),
        }
    }

    /// What the kernel reported, the first of it at length.
    pub(crate) fn trouble(&self) -> Vec<String> {
        let mut reports = Vec::new();
        let lines = kernel_log::trouble(&self.kernel_log);
        if let Some(first) = lines.first() {
            let from = self.kernel_log.find(first).unwrap_or_default();
            let report = self.kernel_log[from..].lines().take(LINES_OF_A_REPORT);
            reports.push(report.collect::<Vec<_>>().join("\n"));
            reports.extend(lines[1..].iter().map(|line| (*line).to_owned()));
        }
        reports.extend(kmemleak::leaks(&self.leaks).into_iter().map(str::to_owned));
        if lockdep_has_stopped(&self.lockdep) {
            reports.push(
                "lockdep has stopped: it found something, or has run out of something".to_owned(),
            );
        }
        reports
    }
}

/// Whether lockdep, whose `/proc/lockdep_stats` this is, looks no more.
pub(crate) fn lockdep_has_stopped(stats: &str) -> bool {
    let state = stats
        .lines()
        .find_map(|line| line.trim().strip_prefix("debug_locks:"));
    state.is_some_and(|state| state.trim() == "0")
}

/// Copies the results and the kernel's log to where the user wants them.
pub(crate) fn keep_results(job: &Path, console: &[u8], target: &Path) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("create {}", target.display()))?;
    let mut copies = [KERNEL_LOG, LEAKS, LOCKDEP]
        .map(|name| (job.join(name), target.join(name)))
        .to_vec();
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
    fn a_lockdep_that_has_stopped_is_noticed() {
        let stats = |state| {
            format!(
                " lock-classes:                         1203 [max: 8192]\n debug_locks:{state:>31}\n"
            )
        };
        assert!(lockdep_has_stopped(&stats("0")));
        assert!(!lockdep_has_stopped(&stats("1")));
        assert!(!lockdep_has_stopped(""));
    }

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
