//! The level meter: a bar a channel, with the highest peak held for a while.

use std::time::Duration;

use console::Style;

use super::level::{Level, decibels, in_words};

/// The quietest that the bars show, in dBFS.
const FLOOR: f64 = -60.0;
/// Cells of a bar: one for every 1.2 dB.
const WIDTH: usize = 50;
/// From one mark of the scale to the next, in dB.
const SCALE_STEP: f64 = 12.0;
/// How long a peak stays marked.
const HOLD: Duration = Duration::from_millis(1500);
/// Channels there is room for on a screen of 24 lines.
const MOST_CHANNELS: usize = 16;

/// Where colours change, in dBFS: what is left of it is usual, what is right of it is loud.
const ZONES: [(f64, fn() -> Style); 3] = [
    (-18.0, || Style::new().green()),
    (-6.0, || Style::new().yellow()),
    (0.0, || Style::new().red()),
];

/// The meter of a stream.
#[derive(Debug)]
pub(crate) struct Meter {
    held: Vec<Held>,
}

/// A peak, and when it was.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    peak: f64,
    at: Duration,
    /// Whether full scale was reached at any time.
    clipped: bool,
}

impl Meter {
    pub(crate) fn new(channels: usize) -> Self {
        Self {
            held: vec![Held::default(); channels],
        }
    }

    /// The meter's lines for the levels of the last moment, `now` after the beginning.
    pub(crate) fn draw(&mut self, levels: &[Level], now: Duration) -> String {
        let mut lines = vec![scale()];
        let channels = self.held.len();
        for (channel, (held, level)) in self.held.iter_mut().zip(levels).enumerate() {
            if level.peak >= held.peak || now.saturating_sub(held.at) > HOLD {
                (held.peak, held.at) = (level.peak, now);
            }
            held.clipped |= level.clipped > 0;
            if channel < MOST_CHANNELS {
                lines.push(format!(
                    "{:>4} {} {:>6} {:>6}{}",
                    channel_name(channel, channels),
                    bar(level, held.peak),
                    in_words(level.rms),
                    in_words(held.peak),
                    if held.clipped { " CLIP" } else { "" },
                ));
            }
        }
        if channels > MOST_CHANNELS {
            lines.push(format!(
                "     and {} channels more",
                channels - MOST_CHANNELS
            ));
        }
        lines.join("\n")
    }
}

/// `L` and `R`, or numbers from 1.
pub(crate) fn channel_name(channel: usize, channels: usize) -> String {
    match (channels, channel) {
        (2, 0) => "L".into(),
        (2, 1) => "R".into(),
        _ => (channel + 1).to_string(),
    }
}

/// The line above the bars that says where how many dBFS are.
fn scale() -> String {
    let step = cells(FLOOR + SCALE_STEP);
    let marks = [-60, -48, -36, -24, -12].map(|mark| format!("{:<step$}", format!("╷{mark}")));
    format!("     {}╷0 dBFS RMS   peak", marks.concat())
}

/// How many cells are left of so many dBFS.
fn cells(decibels: f64) -> usize {
    let part = (decibels - FLOOR) / -FLOOR;
    // Silence is minus infinity, and a cast of less than nothing is 0.
    ((part * WIDTH as f64).round() as usize).min(WIDTH)
}

/// Full up to the root of the mean square, shaded up to the peak, with a mark at the peak that is held.
fn bar(level: &Level, held: f64) -> String {
    let (full, shaded) = (cells(decibels(level.rms)), cells(decibels(level.peak)));
    let mark = cells(decibels(held)).checked_sub(1);
    let mut bar = String::new();
    let mut cell = 0;
    for (end, colour) in ZONES {
        let end = cells(end);
        let zone: String = (cell..end)
            .map(|cell| match cell {
                cell if Some(cell) == mark => '┃',
                cell if cell < full => '█',
                cell if cell < shaded => '▒',
                _ => '·',
            })
            .collect();
        bar += &colour().for_stderr().apply_to(zone).to_string();
        cell = end;
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(peak: f64, rms: f64) -> Level {
        Level {
            peak,
            rms,
            clipped: u64::from(peak == 1.0),
        }
    }

    /// What is drawn, without colours, which a test has not anyway.
    fn lines(meter: &mut Meter, levels: &[Level], milliseconds: u64) -> Vec<String> {
        let drawn = meter.draw(levels, Duration::from_millis(milliseconds));
        let plain = console::strip_ansi_codes(&drawn).into_owned();
        plain.lines().map(Into::into).collect()
    }

    #[test]
    fn bars_grow_with_the_level_below_their_scale() {
        let mut meter = Meter::new(2);
        let lines = lines(&mut meter, &[level(0.5, 0.25), level(0.0, 0.0)], 0);
        assert_eq!(
            lines,
            [
                "     ╷-60      ╷-48      ╷-36      ╷-24      ╷-12      ╷0 dBFS RMS   peak",
                "   L ████████████████████████████████████████▒▒▒▒┃·····  -12.0   -6.0",
                "   R ··················································   -inf   -inf",
            ]
        );
        assert!(lines.iter().all(|line| line.chars().count() < 80));
    }

    #[test]
    fn a_peak_is_held_for_a_while_and_clipping_for_ever() {
        let mut meter = Meter::new(1);
        let quiet = [level(0.1, 0.1)];
        assert!(lines(&mut meter, &[level(1.0, 0.5)], 0)[1].ends_with("0.0 CLIP"));
        let held = &lines(&mut meter, &quiet, 1400)[1];
        assert!(held.contains('┃') && held.ends_with("0.0 CLIP"), "{held}");
        let gone = &lines(&mut meter, &quiet, 1600)[1];
        assert!(gone.ends_with("-20.0 CLIP"), "{gone}");
    }

    #[test]
    fn many_channels_do_not_fill_the_screen() {
        let mut meter = Meter::new(40);
        let lines = lines(&mut meter, &[level(0.1, 0.1); 40], 0);
        assert_eq!(lines.len(), 1 + MOST_CHANNELS + 1);
        assert_eq!(lines.last().unwrap().trim(), "and 24 channels more");
        assert!(lines[16].starts_with("  16 "));
    }
}
