//! Watches a stream go by: for the screen, the report and the plot.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use usbfs2_audio::{AudioFormat, Statistics};

use super::level::{Level, Levels};
use super::plot::Plot;
use super::report;
use super::screen::Screen;
use super::trace::{Moment, Trace};

/// How often the screen changes, and the plot has a point.
pub(super) const STEP: Duration = Duration::from_millis(50);

/// What is said of a stream while it flows.
pub(super) struct Observer {
    /// `played` or `recorded`.
    verb: &'static str,
    format: AudioFormat,
    /// Frames there will be, where that is known.
    total: Option<u64>,
    levels: Levels,
    screen: Screen,
    trace: Trace,
    began: Instant,
    next: Instant,
}

impl Observer {
    pub(super) fn new(
        verb: &'static str,
        format: AudioFormat,
        total: Option<u64>,
        quiet: bool,
    ) -> Self {
        let channels = usize::from(format.channels);
        let began = Instant::now();
        Self {
            verb,
            format,
            total,
            levels: Levels::new(channels),
            screen: Screen::new(channels, quiet),
            trace: Trace::new(),
            began,
            next: began + STEP,
        }
    }

    /// Takes note of frames that were moved. Every now and then `ask` is asked how the stream is, and how many
    /// frames wait in it; the levels of that while are returned.
    pub(super) fn saw(
        &mut self,
        samples: &[i32],
        ask: impl FnOnce() -> (Statistics, usize),
    ) -> Option<Vec<Level>> {
        self.levels.add(samples, self.format.sample.bits());
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.next = now + STEP;
        let (statistics, fill) = ask();
        let levels = self.levels.take();
        let at = now - self.began;
        let fill_ms = fill as f64 * 1000.0 / f64::from(self.format.rate);
        self.trace.add(Moment {
            rate: statistics.feedback.map(|feedback| feedback.last),
            xruns: statistics.xruns,
            ..Moment::new(at, &levels, fill_ms)
        });
        if self.screen.is_seen() {
            let rate = self.format.rate;
            let line = report::line(&statistics, rate, self.total, fill_ms);
            self.screen.show(&line, &levels);
        }
        Some(levels)
    }

    /// Whether somebody looks at the meter.
    pub(super) fn is_seen(&self) -> bool {
        self.screen.is_seen()
    }

    /// Says how it went, and how the recording did that set its pace, and draws the plot.
    pub(super) fn finish(
        self,
        statistics: &Statistics,
        recording: Option<&Statistics>,
        quiet: bool,
        plot: Option<&Path>,
    ) -> Result<()> {
        self.screen.clear();
        if !quiet {
            report::print(self.verb, &self.format, statistics, recording);
        }
        if let Some(path) = plot {
            let plot = Plot {
                title: &format!(
                    "{} {:.1} s at {}",
                    self.verb,
                    statistics.frames as f64 / f64::from(self.format.rate),
                    self.format
                ),
                nominal_rate: self.format.rate,
                trace: &self.trace,
            };
            plot.write(path)?;
        }
        Ok(())
    }
}
