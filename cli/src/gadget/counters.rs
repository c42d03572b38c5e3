//! What a gadget moves, as it moves it: a line that is rewritten where somebody watches, else a line a minute.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use usbfs2_gadget::{Counters, State};

use crate::output::note;

/// How often a log is told what has changed.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The line.
pub(super) struct CounterLine {
    bar: Option<ProgressBar>,
    logged: Cell<(Instant, Counters)>,
}

impl CounterLine {
    /// One that shows something, or, for gadgets with counters of their own, nothing.
    pub(super) fn new(shows: bool) -> Self {
        let bar = shows.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            logged: Cell::new((Instant::now(), Counters::default())),
        }
    }

    /// Has something printed that stays.
    pub(super) fn above(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Shows the counters as they are now.
    pub(super) fn show(&self, state: State, counters: &Counters) {
        let Some(bar) = &self.bar else { return };
        if !bar.is_hidden() {
            bar.set_message(format!("{state}: {}", in_words(counters)));
            return;
        }
        let (at, logged) = self.logged.get();
        if logged != *counters && at.elapsed() >= LOG_EVERY {
            note!("{state}: {}", in_words(counters));
            self.logged.set((Instant::now(), *counters));
        }
    }

    /// Clears the line away, and says what it was in all.
    pub(super) fn finish(&self, counters: &Counters) {
        let Some(bar) = &self.bar else { return };
        bar.finish_and_clear();
        if *counters != Counters::default() {
            note!("in all: {}", in_words(counters));
        }
    }
}

fn in_words(counters: &Counters) -> String {
    let moved = |direction, packets, bytes| {
        let unit = if packets == 1 { "packet" } else { "packets" };
        format!(
            "{direction} {} {unit}, {}",
            HumanCount(packets),
            HumanBytes(bytes)
        )
    };
    let mut parts = vec![
        moved("to the host", counters.packets_in, counters.bytes_in),
        moved("from it", counters.packets_out, counters.bytes_out),
    ];
    for (count, one, many) in [
        (counters.requests, "request", "requests"),
        (counters.stalled_requests, "refused", "refused"),
        (counters.halts, "halt", "halts"),
        (counters.resets, "reset", "resets"),
    ] {
        match count {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            count => parts.push(format!("{} {many}", HumanCount(count))),
        }
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_is_not_told() {
        let quiet = in_words(&Counters::default());
        assert_eq!(quiet, "to the host 0 packets, 0 B; from it 0 packets, 0 B");
    }
}
