//! `cargo xtask fuzz`: the fuzz targets under libFuzzer, each for a while.

mod figures;
mod page;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::args::FuzzOptions;
use crate::cargo::workspace;
use crate::progress::{self, Step};
use crate::{apt, cache};
use figures::Figures;

/// libFuzzer is C++, compiled where it is used.
const PACKAGES: &[&str] = &["g++", "libc6-dev"];
/// Longer than any input of a healthy target takes, on a machine with other work.
const SLOWEST_INPUT: Duration = Duration::from_secs(120);

/// Runs the targets one after the other and returns the exit status: 1 when one has a finding.
pub(crate) fn run(options: &FuzzOptions) -> Result<u8> {
    let fuzzer = Fuzzer::obtain()?;
    let targets = fuzzer.targets(&options.target)?;
    fuzzer.build()?;
    let mut all = Vec::new();
    for target in &targets {
        let figures = fuzzer.fuzz(target, options.seconds)?;
        if let Some(finding) = &figures.finding {
            progress::say(&format!("{target}: FINDING: {finding}"));
        } else if options.keep {
            fuzzer.keep(target)?;
        }
        all.push((target.clone(), figures));
        if options.record {
            page::record(&workspace().join("docs/fuzzing.md"), &all)?;
        }
    }
    print!("{}", page::table(&all));
    Ok(u8::from(
        all.iter().any(|(_, figures)| figures.finding.is_some()),
    ))
}

/// cargo-fuzz, and where it works.
struct Fuzzer {
    program: PathBuf,
    directory: PathBuf,
    /// Inputs found so far, which outlive the run.
    corpora: PathBuf,
}

impl Fuzzer {
    /// Finds cargo-fuzz, or installs it into the cache.
    fn obtain() -> Result<Self> {
        apt::ensure_installed(PACKAGES)?;
        let cache = cache::directory()?;
        let root = cache.join("cargo-fuzz");
        let fuzzer = Self {
            program: root.join("bin/cargo-fuzz"),
            directory: workspace().join("fuzz"),
            corpora: cache.join("fuzz-corpora"),
        };
        if !fuzzer.program.exists() {
            let _lock = cache::CacheLock::take(&cache)?;
            let step = Step::begin("installing cargo-fuzz");
            let output = Command::new("cargo")
                .args(["install", "--quiet", "--locked", "cargo-fuzz", "--root"])
                .arg(&root)
                .stdin(Stdio::null())
                .output()
                .context("run cargo install")?;
            ensure!(
                output.status.success(),
                "cargo install cargo-fuzz: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            step.done();
        }
        Ok(fuzzer)
    }

    fn command(&self, action: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(action)
            .arg("--fuzz-dir")
            .arg(&self.directory)
            .current_dir(&self.directory)
            // The sanitizer and coverage options are not stable, but the stable compiler has them.
            .env("RUSTC_BOOTSTRAP", "1")
            .stdin(Stdio::null());
        command
    }

    /// The targets asked for; all when none is.
    fn targets(&self, wanted: &[String]) -> Result<Vec<String>> {
        let output = self.command("list").output().context("run cargo-fuzz")?;
        ensure!(
            output.status.success(),
            "cargo-fuzz list: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let list = String::from_utf8_lossy(&output.stdout);
        let known: Vec<String> = list.lines().map(str::to_owned).collect();
        if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
            bail!(
                "there is no target {unknown}: there are {}",
                known.join(", ")
            );
        }
        Ok(if wanted.is_empty() {
            known
        } else {
            wanted.to_vec()
        })
    }

    fn build(&self) -> Result<()> {
        let step = Step::begin("building the fuzz targets");
        let output = self.command("build").output().context("run cargo-fuzz")?;
        ensure!(
            output.status.success(),
            "the fuzz targets do not compile:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        step.done();
        Ok(())
    }

    fn committed(&self, target: &str) -> PathBuf {
        self.directory.join("corpus").join(target)
    }

    /// Fuzzes one target, beginning with its corpora, and says how far it is.
    fn fuzz(&self, target: &str, seconds: u64) -> Result<Figures> {
        let found = self.corpora.join(target);
        fs::create_dir_all(&found)?;
        let mut child = self
            .command("run")
            .arg(target)
            // What it finds goes to the first; the second is only read.
            .arg(&found)
            .arg(self.committed(target))
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={}", SLOWEST_INPUT.as_secs()))
            .args([
                "-max_len=1024",
                "-print_final_stats=1",
                "-report_slow_units=60",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("run cargo-fuzz")?;
        let stderr = child
            .stderr
            .take()
            .context("the child's output is a pipe")?;
        let step = Step::begin(target);
        let since = Instant::now();
        let mut figures = Figures::default();
        for line in BufReader::new(stderr).split(b'\n') {
            figures.line(&String::from_utf8_lossy(&line?));
            step.say(&format!(
                "{target}: {} of {seconds} s, {figures}",
                since.elapsed().as_secs()
            ));
        }
        let status = child.wait().context("wait for cargo-fuzz")?;
        step.done();
        figures.seconds = since.elapsed().as_secs();
        if !status.success() && figures.finding.is_none() {
            figures.finding = Some(format!("libFuzzer ended with {status}"));
        }
        Ok(figures)
    }

    /// Adds to the committed corpus what reaches more than it does, and no more than that.
    fn keep(&self, target: &str) -> Result<()> {
        let output = self
            .command("run")
            .arg(target)
            .arg(self.committed(target))
            .arg(self.corpora.join(target))
            .args(["--", "-merge=1", "-max_len=1024"])
            .output()
            .context("run cargo-fuzz")?;
        ensure!(
            output.status.success(),
            "merging the corpora of {target}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}
