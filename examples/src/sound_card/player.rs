//! The program that plays to the card and listens.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use usbfs2_audio::{AudioDevice, AudioFormat, Decibel, Sample, Statistics, StreamOptions};
use usbfs2_host::Host;

use super::{PRODUCT, VENDOR};

/// What is played and recorded: interleaved frames of a 16-bit sample for the left and one for the right.
pub const FORMAT: AudioFormat = AudioFormat::new(48_000, 2, Sample::S16);

/// A chord: 440 Hz on the left, 550 Hz on the right.
#[must_use]
pub fn chord(frames: u32) -> Vec<u8> {
    let sample = |frame: u32, frequency: f64| {
        let seconds = f64::from(frame) / f64::from(FORMAT.rate);
        // The cosine starts at its top, so that the first frame is not silence.
        let wave = (seconds * frequency * std::f64::consts::TAU).cos();
        (wave * 8_000.0).round() as i16
    };
    (0..frames)
        .flat_map(|frame| [sample(frame, 440.0), sample(frame, 550.0)])
        .flat_map(i16::to_le_bytes)
        .collect()
}

/// Takes the card from the kernel's driver, if that has it.
///
/// # Errors
/// No such card is plugged in, or another program has it.
pub fn open(host: &Host) -> Result<AudioDevice> {
    let devices = host.devices()?;
    let ids = (Some(VENDOR), Some(PRODUCT));
    let info = devices
        .iter()
        .find(|info| (info.vendor_id(), info.product_id()) == ids)
        .context(
            "no such sound card is plugged in: start this example elsewhere with --gadgetfs",
        )?;
    let card = AudioDevice::open_blocking(&host.open(info.id())?)?;
    Ok(card)
}

/// Turns the card's speaker down, to about this volume. Returns what the card made of it.
///
/// # Errors
/// The card has no speaker with a volume, or does not answer.
pub fn turn_down(card: &AudioDevice, to: Decibel) -> Result<Decibel> {
    let speaker = card.playback_streams().next().context("no speaker")?;
    let volume = card.volume_blocking(speaker)?.context("no volume")?;
    Ok(volume.set_all_blocking(to)?)
}

/// Plays frames to the end.
///
/// # Errors
/// The card cannot play [`FORMAT`], or is unplugged.
pub fn play(card: &AudioDevice, frames: &[u8]) -> Result<Statistics> {
    let options = StreamOptions::default().latency(Duration::from_millis(500));
    let mut playback = card.play_blocking(FORMAT, options)?;
    playback.write_blocking(frames)?;
    playback.drain_blocking()?;
    Ok(playback.stop_blocking()?)
}

/// Records this many bytes from the first frame on that is not silence, within ten seconds.
///
/// # Errors
/// The card cannot record [`FORMAT`], has nothing to say, or is unplugged.
pub fn listen(card: &AudioDevice, bytes: usize) -> Result<Vec<u8>> {
    let options = StreamOptions::default().latency(Duration::from_millis(500));
    let mut capture = card.record_blocking(FORMAT, options)?;
    let mut heard = Vec::new();
    let mut block = vec![0; 480 * FORMAT.frame_bytes()];
    while heard.len() < bytes {
        let frames = capture.read_blocking(&mut block)?;
        let mut block = &block[..frames * FORMAT.frame_bytes()];
        while heard.is_empty() && block.starts_with(&[0; 4]) {
            block = &block[4..];
        }
        heard.extend_from_slice(block);
        let silence = capture.statistics().frames < 10 * u64::from(FORMAT.rate);
        ensure!(silence || !heard.is_empty(), "the card says nothing");
    }
    capture.stop_blocking()?;
    heard.truncate(bytes);
    Ok(heard)
}
