//! The command line of `usbfs2 audio` and `usbfs2 gadget audio`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{JsonArgs, parse_seconds};

#[derive(Debug, Subcommand)]
pub(crate) enum AudioCommand {
    /// Print what an audio device has: its streams with their formats, its clocks, volumes and switches.
    Info(AudioInfoArgs),
    /// Play a WAV file.
    ///
    /// The device is set to the file's rate; one it does not have is an error that lists those it has, unless
    /// --resample is given. Samples of the device's width, or narrower ones, arrive as they are in the file;
    /// wider ones are rounded. Mono is played on both channels.
    #[command(after_help = PLAY_EXAMPLES)]
    Play(AudioPlayArgs),
    /// Record into a WAV file, until Ctrl-C or for --duration.
    ///
    /// The file is whole at every second, whatever happens.
    #[command(after_help = RECORD_EXAMPLES)]
    Record(AudioRecordArgs),
    /// Show how loud what a device records is, until Ctrl-C: a bar for each channel, or a line every half second
    /// where the output is no terminal.
    Meter(AudioMeterArgs),
}

const PLAY_EXAMPLES: &str = "\
Examples:
  usbfs2 audio play song.wav                          on the first audio device
  usbfs2 audio play song.wav 1-1 --volume -12dB       on the one at 1-1, not so loud
  ffmpeg -v error -i song.mp3 -f wav - | usbfs2 audio play - --resample";

const RECORD_EXAMPLES: &str = "\
Examples:
  usbfs2 audio record take.wav --duration 60          a minute of the first audio device
  usbfs2 audio record - -q | ffmpeg -i - take.flac    through a pipe";

#[derive(Debug, Args)]
pub(crate) struct AudioInfoArgs {
    /// Where the device is (`1-1`), or its vendor and product (`046d:0825`); by default the first audio device.
    pub(crate) device: Option<String>,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Which stream, and how.
#[derive(Debug, Args)]
pub(crate) struct AudioStreamArgs {
    /// Where the device is (`1-1`), or its vendor and product (`046d:0825`); by default the first audio device.
    pub(crate) device: Option<String>,
    /// Which stream, by its interface, where a device has several; by default the first that fits.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) interface: Option<u8>,
    /// How much sound waits between this program and the device, in milliseconds: with less it is heard sooner,
    /// with more it survives a busier machine.
    #[arg(long, value_name = "MS", default_value = "40", value_parser = parse_latency)]
    pub(crate) latency: Duration,
    /// Set the device's volume before, in dB such as -6 or -6dB, and unmute it; `info` shows the range.
    #[arg(long, value_name = "DB", allow_hyphen_values = true, value_parser = parse_decibels)]
    pub(crate) volume: Option<f64>,
    /// Stop after this many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) duration: Option<Duration>,
    /// Draw level, buffer and feedback over time, as SVG.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AudioPlayArgs {
    /// The file to play (`-` for standard input).
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) stream: AudioStreamArgs,
    /// Convert to the nearest rate that the device has, where it does not have the file's.
    #[arg(long)]
    pub(crate) resample: bool,
    /// Say nothing but errors.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What to record; what is not said is as the device has it.
#[derive(Debug, Args)]
pub(crate) struct AudioFormatArgs {
    /// Frames in a second; by default 48000, or what is nearest of what the device has.
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Channels; by default 2, or what is nearest of what the device has.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) channels: Option<u8>,
    /// Bits of a sample; by default as many as the device has.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) bits: Option<u8>,
}

#[derive(Debug, Args)]
pub(crate) struct AudioRecordArgs {
    /// The file to write (`-` for standard output).
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) stream: AudioStreamArgs,
    #[command(flatten)]
    pub(crate) format: AudioFormatArgs,
    /// Record at the nearest rate that the device has and convert, where it does not have --rate.
    #[arg(long, requires = "rate")]
    pub(crate) resample: bool,
    /// Say nothing but errors.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AudioMeterArgs {
    #[command(flatten)]
    pub(crate) stream: AudioStreamArgs,
    #[command(flatten)]
    pub(crate) format: AudioFormatArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GadgetAudioArgs {
    /// Write what the host plays into a WAV file.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Let the host record a WAV file, again and again.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Let the host record what it plays.
    #[arg(long = "loop", conflicts_with = "input")]
    pub(crate) echo: bool,
    /// Frames in a second; by default those of the --input, or 48000.
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Channels of each direction, 1 to 32.
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    pub(crate) channels: u8,
    /// Bits of a sample.
    #[arg(long, value_name = "BITS", default_value_t = AudioBits::Sixteen)]
    pub(crate) bits: AudioBits,
    /// Be an Audio 1.0 device, for old hosts, instead of 2.0.
    #[arg(long)]
    pub(crate) uac1: bool,
    /// Whose clock sets the pace of what the host plays.
    #[arg(long, value_name = "CLOCK", default_value_t = AudioClock::Feedback)]
    pub(crate) clock: AudioClock,
    /// How far this device's own clock is off, in parts per million from -1000 to 1000.
    #[arg(long, value_name = "PPM", default_value_t = 0, allow_negative_numbers = true,
          value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub(crate) ppm: i32,
}

/// The widths of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AudioBits {
    #[value(name = "16")]
    Sixteen,
    #[value(name = "24")]
    TwentyFour,
    #[value(name = "32")]
    ThirtyTwo,
}

/// Whose clock a sink goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AudioClock {
    /// This device's; a feedback endpoint tells the host.
    Feedback,
    /// This device's; the host learns it from what it records.
    Implicit,
    /// The host's: whatever comes is played.
    Adaptive,
    /// The bus's.
    Synchronous,
}

impl fmt::Display for AudioBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(self, f)
    }
}

impl fmt::Display for AudioClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(self, f)
    }
}

/// Writes a value as users give it.
fn named(value: &impl ValueEnum, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let named = value.to_possible_value();
    f.write_str(named.as_ref().map_or("", |value| value.get_name()))
}

/// Milliseconds, which may have a fraction.
fn parse_latency(text: &str) -> Result<Duration, String> {
    let milliseconds: Option<f64> = text.parse().ok();
    let latency = milliseconds
        .filter(|milliseconds| (1.0..=2000.0).contains(milliseconds))
        .map(|milliseconds| Duration::from_secs_f64(milliseconds / 1000.0));
    latency.ok_or_else(|| format!("`{text}` is not a number of milliseconds from 1 to 2000"))
}

/// Decibels, with or without their unit.
fn parse_decibels(text: &str) -> Result<f64, String> {
    let number = text
        .strip_suffix("dB")
        .or_else(|| text.strip_suffix("db"))
        .unwrap_or(text);
    let decibels: Option<f64> = number.trim().parse().ok();
    decibels
        .filter(|decibels| decibels.abs() < 128.0)
        .ok_or_else(|| format!("`{text}` is not a number of decibels such as -6 or -6dB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_may_have_their_unit() {
        assert_eq!(parse_decibels("-6"), Ok(-6.0));
        assert_eq!(parse_decibels("-6.5dB"), Ok(-6.5));
        assert_eq!(parse_decibels("+3 dB"), Ok(3.0));
        for wrong in ["", "dB", "loud", "50%", "NaN", "inf", "-200"] {
            assert!(parse_decibels(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_latency_is_one_that_can_be_kept() {
        assert_eq!(parse_latency("2.5"), Ok(Duration::from_micros(2500)));
        for wrong in ["0", "-1", "2001", "NaN", "10ms"] {
            assert!(parse_latency(wrong).is_err(), "{wrong}");
        }
    }
}
