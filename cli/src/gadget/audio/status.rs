//! What the host does with a sound card, as it does it.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use usbfs2_gadget::functions::audio::{Audio, AudioEvent, Stream, StreamFormat, StreamStatistics};

use crate::output::note;

/// What is shown of a sound card: events as lines, and counters below them where somebody watches.
pub(super) struct Status {
    card: Arc<Audio>,
    bar: ProgressBar,
}

impl Status {
    pub(super) fn new(card: Arc<Audio>) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self { card, bar }
    }

    /// Tells what is new.
    pub(super) fn step(&self) {
        while let Some(event) = self.card.next_event(Some(Duration::ZERO)) {
            if let Some(line) = self.in_words(event) {
                self.bar.suspend(|| note!("{line}"));
            }
        }
        let running = [Stream::Speaker, Stream::Microphone].map(|stream| {
            let format = self.card.format(stream)?;
            Some(self.counters(stream, format))
        });
        let running: Vec<String> = running.into_iter().flatten().collect();
        if running.is_empty() {
            self.bar.set_message("");
        } else {
            self.bar.set_message(running.join("\n"));
        }
    }

    /// Clears the counters away and says how it went in all.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
        for stream in [Stream::Speaker, Stream::Microphone] {
            let statistics = self.card.statistics(stream);
            if statistics.packets > 0 {
                note!("{}: {}", verb(stream), sums(stream, &statistics, None));
            }
        }
    }

    fn in_words(&self, event: AudioEvent) -> Option<String> {
        Some(match event {
            AudioEvent::Started { stream, format } => format!(
                "{} at {} Hz, {} channels, {} bits",
                verb(stream),
                format.rate,
                format.channels,
                format.size.bits()
            ),
            AudioEvent::Stopped { stream } => format!(
                "{} no more: {}",
                verb(stream),
                sums(
                    stream,
                    &self.card.statistics(stream),
                    Some(self.card.rate(stream))
                )
            ),
            AudioEvent::Rate { stream, rate } => format!("{} at {rate} Hz", verb(stream)),
            AudioEvent::Volume { stream, volume } => {
                format!("{}: volume {volume}", noun(stream))
            }
            AudioEvent::Mute { stream, mute: true } => format!("{}: muted", noun(stream)),
            AudioEvent::Mute { stream, .. } => format!("{}: not muted", noun(stream)),
            // Counted.
            _ => return None,
        })
    }

    fn counters(&self, stream: Stream, format: StreamFormat) -> String {
        let statistics = self.card.statistics(stream);
        let mut line = format!(
            "{}: {}",
            verb(stream),
            sums(stream, &statistics, Some(format.rate))
        );
        if stream == Stream::Speaker {
            let fill = self.card.fill() as f64 * 1000.0 / f64::from(format.rate);
            line += &format!(", buffer {fill:.1} ms");
        }
        line
    }
}

fn verb(stream: Stream) -> &'static str {
    match stream {
        Stream::Speaker => "the host plays",
        Stream::Microphone => "the host records",
    }
}

fn noun(stream: Stream) -> &'static str {
    match stream {
        Stream::Speaker => "speaker",
        Stream::Microphone => "microphone",
    }
}

fn sums(stream: Stream, statistics: &StreamStatistics, rate: Option<u32>) -> String {
    let mut parts = match rate {
        Some(rate) => vec![format!(
            "{:.1} s",
            statistics.frames as f64 / f64::from(rate)
        )],
        None => vec![format!("{} frames", statistics.frames)],
    };
    parts.push(match statistics.xruns {
        0 => "no xrun".into(),
        1 => "1 xrun".into(),
        n => format!("{n} xruns"),
    });
    for (count, what) in [
        (statistics.lost_packets, "packets lost"),
        (statistics.dropped_frames, "frames dropped"),
        (statistics.silent_frames, "frames of silence"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if let (Stream::Speaker, Some(feedback)) = (stream, statistics.feedback_microhertz) {
        parts.push(format!("feedback {:.2} Hz", feedback as f64 / 1e6));
    }
    parts.join(", ")
}
