//! The one guest of a benchmark, and the rows it reports while it runs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::bench_row::{Case, Event, Row, Spec};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::{BusSpeed, VmOptions};
use crate::{cargo, progress, vm};

/// The program goes to memory before it starts: a page fault served over 9p waits for this machine, which moves the
/// guest's clock.
const IN_MEMORY: &str = r#"cp "$0" /dev/shm/usbfs2-bench && exec /dev/shm/usbfs2-bench "$@""#;

/// What came out of a run.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// The guest's kernel.
    pub(crate) kernel: String,
    /// Each row with its measurements' nanoseconds for one transfer.
    pub(crate) rows: Vec<(Row, Vec<f64>)>,
    /// The profile's windows, instead of rows.
    pub(crate) windows: Vec<Window>,
}

impl Measured {
    fn done(&self) -> usize {
        self.rows.len() + self.windows.len()
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        self.rows.iter().map(|(row, _)| *row).collect()
    }
}

/// A row's part of a profile.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) spec: Spec,
    /// The plugin's number for it.
    pub(crate) number: usize,
    pub(crate) transfers: u64,
    /// The process's `/proc/self/maps`.
    pub(crate) maps: String,
}

/// Has guests measure the rows that `filters` select: one those on the kernel's own `dummy_hcd`, another streams of
/// sound, which need ours.
pub(crate) fn measure(kernel: &str, filters: &[String]) -> Result<Measured> {
    let (sound, others) = filters
        .iter()
        .cloned()
        .partition::<Vec<_>, _>(|filter| is_about_sound(filter));
    let mut measured = Measured::default();
    if filters.is_empty() || !others.is_empty() {
        measured = run(kernel, &others, false, None)?;
    }
    if filters.is_empty() || !sound.is_empty() {
        let streams = run(kernel, &sound, true, None)?;
        measured.kernel = streams.kernel;
        measured.rows.extend(streams.rows);
    }
    Ok(measured)
}

/// Whether a filter has the word of the case.
fn is_about_sound(filter: &str) -> bool {
    filter
        .split(['/', ','])
        .any(|word| word == Case::Audio.word())
}

/// Has one guest run the rows that `filters` select, all of them about sound or none, under the plugin that QEMU is told to load. What the guest wants
/// kept goes to `results`.
pub(crate) fn profile(
    kernel: &str,
    filters: &[String],
    plugin: &str,
    results: &Path,
) -> Result<Measured> {
    let sound = filters
        .iter()
        .filter(|filter| is_about_sound(filter))
        .count();
    ensure!(
        sound == 0 || sound == filters.len(),
        "a profile is of one guest: either of audio or of other rows"
    );
    run(kernel, filters, sound > 0, Some((plugin, results)))
}

/// The guest's program on this machine.
pub(crate) fn program() -> Result<PathBuf> {
    Ok(cargo::optimized_program(cargo::BENCH)?.into())
}

fn run(
    kernel: &str,
    filters: &[String],
    isochronous: bool,
    profile: Option<(&str, &Path)>,
) -> Result<Measured> {
    let program = program()?.display().to_string();
    let mut command = ["bash", "-c", IN_MEMORY, &program, "run"]
        .map(str::to_owned)
        .to_vec();
    for filter in filters {
        command.extend(["--case".to_owned(), filter.clone()]);
    }
    if profile.is_some() {
        command.push("--profile".to_owned());
    }
    if isochronous {
        command.push("--isochronous".to_owned());
    }
    // High speed is a limit of the gadget's: one boot serves both.
    let options = VmOptions {
        kernel: kernel.to_owned(),
        icount: true,
        isochronous,
        speed: BusSpeed::Super,
        buses: 1,
        plugin: profile.map(|(plugin, _)| plugin.to_owned()),
        results: profile.map(|(_, results)| results.to_owned()),
        command,
        ..VmOptions::default()
    };
    let events = Events::default();
    let status = vm::run_with(&options, events.clone())?;
    let measured = events.finish()?;
    ensure!(status == 0, "the guest ended with status {status}");
    Ok(measured)
}

/// The guest's standard output: an event a line.
#[derive(Debug, Clone, Default)]
struct Events(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    bar: Option<ProgressBar>,
    planned: usize,
    measured: Measured,
    error: Option<anyhow::Error>,
}

impl Events {
    fn finish(&self) -> Result<Measured> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        let measured = std::mem::take(&mut state.measured);
        let (done, planned) = (measured.done(), state.planned);
        ensure!(
            planned > 0 && done == planned,
            "the guest measured {done} of {planned} rows"
        );
        Ok(measured)
    }
}

impl Write for Events {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.line.extend_from_slice(bytes);
        while let Some(end) = state.line.iter().position(|&byte| byte == b'\n') {
            let line = state.line.drain(..=end).collect::<Vec<_>>();
            if let Err(error) = state.take(&line) {
                state.error.get_or_insert(error);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    fn take(&mut self, line: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(line);
        match serde_json::from_str(&text).with_context(|| format!("the guest said {text:?}"))? {
            Event::Plan { rows, kernel } => {
                self.measured.kernel = kernel;
                self.planned = rows;
                let bar = ProgressBar::new(rows.try_into()?);
                bar.set_draw_target(if progress::is_labelled() {
                    ProgressDrawTarget::hidden()
                } else {
                    ProgressDrawTarget::stderr()
                });
                bar.set_style(ProgressStyle::with_template(
                    "{bar:30} {pos}/{len} rows, {elapsed} {msg}",
                )?);
                self.bar = Some(bar);
            }
            Event::Row { row, runs } => {
                let (spec, instructions) = (row.spec, row.ns_per_transfer);
                self.measured.rows.push((row, runs));
                self.show(&format!("{spec}: {instructions:.0} instructions"));
            }
            Event::Window {
                spec,
                number,
                transfers,
                maps,
            } => {
                self.measured.windows.push(Window {
                    spec,
                    number,
                    transfers,
                    maps,
                });
                self.show(&format!("{spec}: {transfers} transfers counted"));
            }
        }
        Ok(())
    }

    /// Shows that one more row is done.
    fn show(&self, message: &str) {
        let done = self.measured.done();
        match &self.bar {
            Some(bar) if !bar.is_hidden() => {
                bar.inc(1);
                bar.set_message(message.to_owned());
            }
            _ => progress::say(&format!("{done}/{} {message}", self.planned)),
        }
    }
}
