//! What is shown while sound flows.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::level::Level;
use super::meter::Meter;

/// The meter below a line of text, drawn again and again in a terminal; nothing where there is none.
pub(crate) struct Screen {
    bar: ProgressBar,
    meter: Meter,
    began: Instant,
}

impl Screen {
    /// A screen on standard error.
    pub(crate) fn new(channels: usize, quiet: bool) -> Self {
        let bar = if quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            meter: Meter::new(channels),
            began: Instant::now(),
        }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_seen(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Shows the levels of the last moment below `line`.
    pub(crate) fn show(&mut self, line: &str, levels: &[Level]) {
        let meter = self.meter.draw(levels, self.began.elapsed());
        self.bar.set_message(format!("{line}\n{meter}"));
    }

    /// Clears it away, for what is printed next.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
