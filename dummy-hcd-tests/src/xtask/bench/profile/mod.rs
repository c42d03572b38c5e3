//! `--profile`: which functions the instructions went to, in the kernel and in the program.
//!
//! A QEMU plugin counts what ran between two marks in the guest, by address; `kallsyms` and the program's symbols
//! give the addresses names. `symbols.rs` has the names, `plugin.c` the counting.

mod symbols;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::bench::guest_run::Window;
use symbols::Symbols;

const SOURCE: &str = include_str!("plugin.c");

/// Functions shown for a row.
const SHOWN: usize = 24;

/// Compiles the plugin for the QEMU of this machine and returns QEMU's argument that loads it.
pub(crate) fn plugin(directory: &Path) -> Result<String> {
    let source = directory.join("plugin.c");
    let library = directory.join("plugin.so");
    fs::write(&source, SOURCE)?;
    let output = Command::new("gcc")
        .args(["-O2", "-shared", "-fPIC", "-fvisibility=hidden"])
        .arg(format!("-DAPI_VERSION={}", api_version()?))
        .arg("-o")
        .arg(&library)
        .arg(&source)
        .output()
        .context("run gcc")?;
    ensure!(
        output.status.success(),
        "compile the plugin: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(format!(
        "{},out={}",
        library.display(),
        counts(directory).display()
    ))
}

/// Where the plugin writes its windows: this and the window's number.
fn counts(directory: &Path) -> PathBuf {
    directory.join("counts")
}

/// The plugin interface's version to ask this machine's QEMU for.
fn api_version() -> Result<u8> {
    let output = Command::new("qemu-system-x86_64")
        .arg("--version")
        .output()
        .context("run QEMU")?;
    let text = String::from_utf8_lossy(&output.stdout);
    version_for(&text).with_context(|| format!("QEMU's version is {text:?}"))
}

fn version_for(text: &str) -> Option<u8> {
    let mut numbers = text.split("version ").nth(1)?.split('.');
    let mut number = || numbers.next()?.parse::<u32>().ok();
    Some(match (number()?, number()?) {
        (..=7, _) | (8, ..=1) => 1,
        (8, _) | (9, 0) => 2,
        _ => 3,
    })
}

/// The profile of each window, as text.
pub(crate) fn report(
    directory: &Path,
    kallsyms: &str,
    program: &Path,
    windows: &[Window],
) -> Result<String> {
    let kernel = Symbols::kernel(kallsyms)?;
    let mut text = String::new();
    for window in windows {
        let path = PathBuf::from(format!("{}.{}", counts(directory).display(), window.number));
        let counts = fs::read_to_string(&path).with_context(|| {
            format!(
                "the plugin left no {} (is this QEMU built with plugins?)",
                path.display()
            )
        })?;
        let user = Symbols::user(&window.maps, program)?;
        let profile = Profile::new(&counts, |address| {
            kernel.find(address).or_else(|| user.find(address))
        })?;
        text.push_str(&profile.text(window));
    }
    Ok(text)
}

/// A function, and what it is part of: "usbcore", "vmlinux", "usbfs2-bench".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Function {
    pub(crate) part: String,
    pub(crate) name: String,
}

/// Instructions by function.
#[derive(Debug)]
struct Profile {
    functions: BTreeMap<Function, u64>,
}

impl Profile {
    /// Sums up the plugin's lines: address, instructions in the block, how often it ran.
    fn new(counts: &str, find: impl Fn(u64) -> Option<Function>) -> Result<Self> {
        let mut functions = BTreeMap::new();
        for line in counts.lines() {
            let fields = line.split(' ').collect::<Vec<_>>();
            let &[address, instructions, runs] = &fields[..] else {
                bail!("the plugin wrote {line:?}");
            };
            let function = find(u64::from_str_radix(address, 16)?).unwrap_or_else(|| Function {
                part: "unknown".to_owned(),
                name: "unknown".to_owned(),
            });
            *functions.entry(function).or_insert(0) +=
                instructions.parse::<u64>()? * runs.parse::<u64>()?;
        }
        Ok(Self { functions })
    }

    fn text(&self, window: &Window) -> String {
        #[expect(clippy::cast_precision_loss, reason = "some million instructions")]
        let each = |count: u64| count as f64 / window.transfers as f64;
        let total = each(self.functions.values().sum());
        let mut parts = BTreeMap::new();
        for (function, count) in &self.functions {
            *parts.entry(&function.part).or_insert(0) += count;
        }
        let mut text = format!("\n{}: {total:.0} instructions a transfer\n", window.spec);
        let line = |count: u64, name: &str| {
            format!(
                "{:>10.0} {:>5.1} %  {name}\n",
                each(count),
                each(count) / total * 100.0
            )
        };
        for (part, count) in largest(parts) {
            text.push_str(&line(count, part));
        }
        text.push_str("  of these:\n");
        for (function, count) in
            largest(self.functions.iter().map(|(name, &count)| (name, count))).take(SHOWN)
        {
            text.push_str(&line(
                count,
                &format!("{} [{}]", function.name, function.part),
            ));
        }
        // Writing to a string cannot fail.
        let rest = self.functions.len().saturating_sub(SHOWN);
        let _ = writeln!(text, "  and {rest} functions with less");
        text
    }
}

fn largest<K>(counts: impl IntoIterator<Item = (K, u64)>) -> impl Iterator<Item = (K, u64)> {
    let mut counts = counts.into_iter().collect::<Vec<_>>();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_qemu_is_asked_for_an_interface_it_has() {
        let version = |text| version_for(text);
        assert_eq!(
            version("QEMU emulator version 7.2.22 (Debian 1:7.2)"),
            Some(1)
        );
        assert_eq!(version("QEMU emulator version 8.2.0"), Some(2));
        assert_eq!(version("QEMU emulator version 10.0.2 (Debian)"), Some(3));
        assert_eq!(version("bash 5"), None);
    }

    #[test]
    fn blocks_are_summed_by_function() {
        let find = |address| {
            (address < 0x200).then(|| Function {
                part: "usbcore".to_owned(),
                name: "usb_submit_urb".to_owned(),
            })
        };
        let profile = Profile::new("100 5 10\n110 1 10\n200 7 1\n", find).expect("three blocks");
        assert_eq!(
            profile.functions.values().copied().collect::<Vec<_>>(),
            [7, 60]
        );
        assert!(Profile::new("100 5\n", find).is_err());
    }
}
