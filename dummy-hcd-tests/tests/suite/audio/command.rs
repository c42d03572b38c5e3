//! `usbfs2 audio` on `usbfs2 gadget audio`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::numbered_frames::{Heard, Listener, signal};

use crate::command::{Running, path, succeed};
use crate::runner::Test;

const RATE: u32 = 48_000;
/// Frames of the file: three seconds.
const FRAMES: u32 = 3 * RATE;
/// Bytes before the samples, of the file made here and of those the command makes.
const HEADER: usize = 44;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new(
        "audio::command_plays_and_records_a_file_to_the_frame",
        plays_and_records,
    )]
}

/// A WAV file of numbered frames, in stereo of 16 bits, from its very beginning.
fn wav() -> Vec<u8> {
    let data = signal(1..=FRAMES);
    let length = 4 * FRAMES;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    file.extend(RATE.to_le_bytes());
    file.extend((4 * RATE).to_le_bytes());
    file.extend(b"\x04\0\x10\0data");
    file.extend(length.to_le_bytes());
    file.extend(data);
    file
}

fn heard(file: &Path) -> Result<Heard> {
    let bytes = fs::read(file)?;
    let samples = bytes.get(HEADER..).context("the file has no samples")?;
    let mut listener = Listener::default();
    listener.hear(samples)?;
    Ok(listener.finish()?)
}

fn plays_and_records() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let [song, played, take, plot] =
        ["song.wav", "played.wav", "take.wav", "plot.svg"].map(|name| directory.path().join(name));
    fs::write(&song, wav())?;
    let song = path(&song)?;
    let gadget = Running::start(&[
        "gadget",
        "audio",
        "--output",
        path(&played)?,
        "--input",
        song,
    ])?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(1, "snd-usb-audio")?;
    let name = device.name();

    let info = succeed(&["audio", "info", name, "--json"])?;
    let info: serde_json::Value = serde_json::from_slice(&info.stdout)?;
    ensure!(info["streams"][0]["settings"][0]["bits"] == 16, "{info}");

    let outcome = succeed(&["audio", "play", song, name, "--plot", path(&plot)?])?;
    let report = String::from_utf8(outcome.stderr)?;
    ensure!(report.contains("breaks    no xrun"), "{report}");
    ensure!(report.contains("feedback  480"), "{report}");
    ensure!(fs::read_to_string(&plot)?.contains("</svg>"), "no plot");

    let arguments = ["audio", "record", path(&take)?, name, "--duration", "2"];
    let outcome = succeed(&arguments)?;
    let report = String::from_utf8(outcome.stderr)?;
    ensure!(report.contains("breaks    no xrun"), "{report}");
    gadget.end()?;

    let played = heard(&played)?;
    let whole = (played.first, played.frames) == (1, u64::from(FRAMES));
    ensure!(whole, "of {FRAMES} frames {played:?}");
    let recorded = heard(&take)?;
    let all = recorded.silent + recorded.frames == u64::from(2 * RATE);
    // The file begins before the host records.
    ensure!(all && recorded.silent < u64::from(RATE) / 2, "{recorded:?}");
    Ok(())
}
