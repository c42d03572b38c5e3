//! `usbfs2 audio record` and `usbfs2 audio meter`.

use std::io;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use usbfs2_audio::{AudioDevice, Capture, StreamOptions};

use super::choice::{self, Choice};
use super::device::{self, Use};
use super::level::{Level, decibels, in_words};
use super::meter::channel_name;
use super::observer::Observer;
use super::resample::Resampler;
use super::wav::{WavFormat, WavWriter};
use crate::args::{AudioFormatArgs, AudioMeterArgs, AudioRecordArgs, AudioStreamArgs};
use crate::interrupt;
use crate::output::{note, say};

/// How often Ctrl-C is looked for.
const GLANCE: Duration = Duration::from_millis(50);

/// Records into a file until Ctrl-C.
pub(super) fn record(args: &AudioRecordArgs) -> Result<()> {
    interrupt::catch()?;
    let device = device::open(args.stream.device.as_deref())?;
    record_from(&device, args)
}

/// Records from an open device.
pub(super) fn record_from(device: &AudioDevice, args: &AudioRecordArgs) -> Result<()> {
    let choice = choose(device, &args.stream, &args.format, args.resample)?;
    let format = choice.format;
    let rate = args
        .format
        .rate
        .filter(|_| args.resample)
        .unwrap_or(format.rate);
    // The file is not made where there is nothing to put in it.
    let mut capture = open(device, &args.stream, choice)?;
    let mut file = WavWriter::create(
        &args.file,
        WavFormat {
            rate,
            channels: u16::from(format.channels),
            // Whole bytes, with every bit that came.
            bits: u16::from(format.sample.bits()).next_multiple_of(8),
            float: false,
        },
    )?;
    if !args.quiet {
        let from = device::name(device);
        let converted = if rate == format.rate {
            String::new()
        } else {
            format!(", converted to {rate} Hz")
        };
        note!("Recording {from} at {format}{converted}; Ctrl-C ends it.");
    }
    let mut resampler = (rate != format.rate)
        .then(|| Resampler::new(format.rate, rate, usize::from(format.channels)))
        .transpose()?;
    let total = frames(&args.stream, format.rate);
    let mut observer = Observer::new("recorded", format, total, args.quiet);
    let mut converted = Vec::new();
    let recorded = follow(
        &mut capture,
        &mut observer,
        total,
        |samples, _| match &mut resampler {
            None => file.write(samples),
            Some(resampler) => {
                converted.clear();
                resampler.convert(samples, &mut converted)?;
                file.write(&converted)
            }
        },
    );
    // What was recorded before something went wrong is kept.
    let finished = resampler
        .map_or(Ok(()), |mut resampler| {
            let mut rest = Vec::new();
            resampler.finish(&mut rest)?;
            file.write(&rest)
        })
        .and_then(|()| file.finish());
    end(capture, observer, recorded, &args.stream, args.quiet)?;
    finished
}

/// Shows levels until Ctrl-C.
pub(super) fn meter(args: &AudioMeterArgs) -> Result<()> {
    interrupt::catch()?;
    let device = device::open(args.stream.device.as_deref())?;
    meter_of(&device, args)
}

/// Shows the levels of an open device.
pub(super) fn meter_of(device: &AudioDevice, args: &AudioMeterArgs) -> Result<()> {
    /// Moments of a line, where nobody watches.
    const MOMENTS_OF_A_LINE: u32 = 10;
    let choice = choose(device, &args.stream, &args.format, false)?;
    let mut capture = open(device, &args.stream, choice)?;
    let json = args.output.json;
    let total = frames(&args.stream, choice.format.rate);
    let mut observer = Observer::new("metered", choice.format, total, json);
    let prints = !observer.is_seen();
    if !json {
        let from = device::name(device);
        note!("Metering {from} at {}; Ctrl-C ends it.", choice.format);
    }
    let mut line = Line::default();
    let metered = follow(&mut capture, &mut observer, total, |_, moment| {
        let Some((levels, frames)) = moment else {
            return Ok(());
        };
        line.add(levels);
        if prints && line.moments == MOMENTS_OF_A_LINE {
            let seconds = frames as f64 / f64::from(choice.format.rate);
            line.print(seconds, json)?;
            line = Line::default();
        }
        Ok(())
    });
    end(capture, observer, metered, &args.stream, json)
}

fn choose(
    device: &AudioDevice,
    stream: &AudioStreamArgs,
    format: &AudioFormatArgs,
    may_resample: bool,
) -> Result<Choice> {
    let offers = device::offers(device, Use::Record, stream.interface)?;
    let choice = choice::to_record(&offers, format, may_resample)?;
    Ok(choice)
}

fn open(device: &AudioDevice, args: &AudioStreamArgs, choice: Choice) -> Result<Capture> {
    let stream = device::stream(device, Use::Record, choice.interface)?;
    device::set_volume(device, stream, args.volume)?;
    let options = StreamOptions::default().latency(args.latency);
    Ok(device.record_on_blocking(stream, choice.format, options)?)
}

fn frames(args: &AudioStreamArgs, rate: u32) -> Option<u64> {
    let duration = args.duration?;
    Some((duration.as_secs_f64() * f64::from(rate)).round() as u64)
}

/// Hands on what comes until Ctrl-C, or until it is `total` frames; and now and then the levels, with the frames
/// until then.
fn follow(
    capture: &mut Capture,
    observer: &mut Observer,
    total: Option<u64>,
    mut take: impl FnMut(&[i32], Option<(&[Level], u64)>) -> Result<()>,
) -> Result<()> {
    let format = capture.format();
    let mut bytes = vec![0; format.frame_bytes() * (format.rate as usize / 50).max(1)];
    let mut samples = Vec::new();
    let mut done = 0;
    while !interrupt::requested() && total.is_none_or(|total| done < total) {
        let frames = capture.read_timeout(&mut bytes, GLANCE)?;
        let left = total.map_or(u64::MAX, |total| total - done);
        let frames = usize::try_from(left).map_or(frames, |left| left.min(frames));
        done += frames as u64;
        samples.clear();
        format
            .sample
            .decode(&bytes[..frames * format.frame_bytes()], &mut samples);
        let moment = observer.saw(&samples, || {
            (capture.statistics(), capture.latency_frames())
        });
        take(&samples, moment.as_deref().map(|levels| (levels, done)))?;
    }
    Ok(())
}

fn end(
    capture: Capture,
    observer: Observer,
    outcome: Result<()>,
    args: &AudioStreamArgs,
    quiet: bool,
) -> Result<()> {
    let statistics = capture.statistics();
    let stopped = match &outcome {
        Ok(()) => capture.stop_blocking().map(drop),
        // What went wrong says more than that stopping did too.
        Err(_) => Ok(()),
    };
    observer.finish(&statistics, None, quiet, args.plot.as_deref())?;
    outcome?;
    Ok(stopped?)
}

/// The levels of a line.
#[derive(Default)]
struct Line {
    levels: Vec<Level>,
    moments: u32,
}

impl Line {
    fn add(&mut self, levels: &[Level]) {
        self.levels.resize(levels.len(), Level::default());
        let before = f64::from(self.moments);
        for (sum, level) in self.levels.iter_mut().zip(levels) {
            sum.peak = sum.peak.max(level.peak);
            let squares = sum.rms.powi(2) * before + level.rms.powi(2);
            sum.rms = (squares / (before + 1.0)).sqrt();
            sum.clipped += level.clipped;
        }
        self.moments += 1;
    }

    fn print(&self, seconds: f64, json: bool) -> io::Result<()> {
        let channels = self.levels.len();
        if json {
            // Silence is minus infinity, which JSON has no number for.
            let number = |part| Some(decibels(part)).filter(|level| level.is_finite());
            let levels = self.levels.iter().map(|level| {
                json!({
                    "peak_dbfs": number(level.peak),
                    "rms_dbfs": number(level.rms),
                    "clipped": level.clipped,
                })
            });
            return say!(
                "{}",
                json!({ "seconds": seconds, "channels": levels.collect::<Vec<_>>() })
            );
        }
        let levels = self.levels.iter().enumerate().map(|(channel, level)| {
            format!(
                "{} {:>5} dBFS RMS, {:>5} peak{}",
                channel_name(channel, channels),
                in_words(level.rms),
                in_words(level.peak),
                if level.clipped > 0 { ", CLIP" } else { "" }
            )
        });
        let levels: Vec<String> = levels.collect();
        say!("{seconds:>8.1} s   {}", levels.join("   "))
    }
}
