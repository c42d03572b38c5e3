//! What became of a stream, in words.

use usbfs2_audio::{AudioFormat, FeedbackStatistics, Statistics};

use crate::output::note;

/// How a stream is while it flows: `12.4 of 60.0 s   buffer 38.0 ms   feedback +500.0 ppm   no xrun`.
pub(super) fn line(statistics: &Statistics, rate: u32, total: Option<u64>, fill_ms: f64) -> String {
    let seconds = |frames: u64| frames as f64 / f64::from(rate);
    let mut parts = vec![match total {
        Some(total) => format!(
            "{:.1} of {:.1} s",
            seconds(statistics.frames.min(total)),
            seconds(total)
        ),
        None => format!("{:.1} s", seconds(statistics.frames)),
    }];
    parts.push(format!("buffer {fill_ms:.1} ms"));
    if let Some(feedback) = &statistics.feedback {
        parts.push(format!("feedback {:+.1} ppm", ppm(feedback.last, rate)));
    }
    parts.push(count(statistics.xruns, "xrun"));
    if statistics.missed_packets > 0 {
        parts.push(format!(
            "{} missed",
            count(statistics.missed_packets, "packet")
        ));
    }
    parts.join("   ")
}

/// The report at the end of a stream, on standard error; `recording` is what became of the recording that set its pace.
pub(super) fn print(
    verb: &str,
    format: &AudioFormat,
    statistics: &Statistics,
    recording: Option<&Statistics>,
) {
    for line in lines(verb, format, statistics, recording) {
        note!("{line}");
    }
}

fn lines(
    verb: &str,
    format: &AudioFormat,
    statistics: &Statistics,
    recording: Option<&Statistics>,
) -> Vec<String> {
    let milliseconds = |frames: u64| frames as f64 * 1000.0 / f64::from(format.rate);
    let seconds = milliseconds(statistics.frames) / 1000.0;
    let mut lines = vec![format!(
        "{verb:<9} {seconds:.2} s, {} frames at {format}",
        statistics.frames
    )];
    let mut xruns = count(statistics.xruns, "xrun");
    for (frames, what) in [
        (statistics.silence_frames, "of silence instead"),
        (statistics.lost_frames, "lost"),
    ] {
        if frames > 0 {
            xruns += &format!(", {frames} frames ({:.1} ms) {what}", milliseconds(frames));
        }
    }
    lines.push(format!("breaks    {xruns}"));
    lines.push(format!("packets   {}", packets(statistics)));
    lines.push(format!("feedback  {}", feedback(statistics, format.rate)));
    if let Some(recording) = recording {
        lines.push(format!(
            "paced by  a recording of {} frames, {}; packets: {}",
            recording.frames,
            count(recording.xruns, "xrun"),
            packets(recording)
        ));
    }
    if let Some((least, most)) = statistics.fill {
        lines.push(format!(
            "buffer    {:.1} to {:.1} ms",
            milliseconds(least),
            milliseconds(most)
        ));
    }
    lines
}

fn packets(statistics: &Statistics) -> String {
    let mut said = match statistics.missed_packets {
        0 => "none missed".to_owned(),
        n => format!("{n} missed, or not whole"),
    };
    if statistics.ragged_packets > 0 {
        said += &format!(", {} ended within a frame", statistics.ragged_packets);
    }
    said
}

fn feedback(statistics: &Statistics, rate: u32) -> String {
    let mut said = match &statistics.feedback {
        None => "none".to_owned(),
        Some(FeedbackStatistics {
            last,
            least,
            most,
            count,
            ..
        }) => format!(
            "{last:.2} Hz, {:+.1} ppm ({:+.1} to {:+.1} ppm in {count} values)",
            ppm(*last, rate),
            ppm(*least, rate),
            ppm(*most, rate)
        ),
    };
    if statistics.feedback_ignored > 0 {
        said += &format!(", {} out of range and ignored", statistics.feedback_ignored);
    }
    said
}

/// How far a rate is off, in parts per million; never "-0.0".
fn ppm(rate: f64, nominal: u32) -> f64 {
    let off = (rate / f64::from(nominal) - 1.0) * 1e6;
    (off * 10.0).round() / 10.0 + 0.0
}

/// `no xrun`, `1 xrun`, `3 xruns`.
fn count(number: u64, what: &str) -> String {
    match number {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use usbfs2_audio::Sample;

    use super::*;

    fn counts(frames: u64, xruns: u64, missed_packets: u64) -> Statistics {
        let mut statistics = Statistics::default();
        statistics.frames = frames;
        statistics.xruns = xruns;
        statistics.missed_packets = missed_packets;
        statistics
    }

    #[test]
    fn a_recording_that_sets_the_pace_has_a_line() {
        let format = AudioFormat::new(48_000, 2, Sample::S16);
        let played = counts(96_000, 0, 0);
        let recorded = counts(96_012, 1, 3);
        let with = lines("played", &format, &played, Some(&recorded));
        let line = "paced by  a recording of 96012 frames, 1 xrun; packets: 3 missed, or not whole";
        assert!(with.iter().any(|said| said == line), "{with:?}");
        let without = lines("played", &format, &played, None);
        assert_eq!(without.len() + 1, with.len());
    }
}
