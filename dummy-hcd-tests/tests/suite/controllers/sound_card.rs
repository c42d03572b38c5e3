//! Our audio driver on our sound card, which is at the other end of a redirection.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use usbfs2_audio::{AudioDevice, AudioFormat, Sample, StreamOptions};
use usbfs2_gadget::Gadget;
use usbfs2_gadget::functions::audio::{Audio, AudioOptions};

use super::redirection::Redirected;
use super::{Bench, Case};
use crate::scenarios::audio::numbered::{frames, listen, play};
use crate::world::IDS;

pub(super) fn cases_of_files() -> Vec<(&'static str, Case)> {
    vec![("sound_card::every_frame_that_is_played_is_heard", plays)]
}

/// Time on the card's bus passes with the packets it is played, so its clock and its feedback are the same however
/// busy the machine is; the host's end has a buffer for that.
fn plays(bench: &Bench) -> Result<()> {
    const RATE: u32 = 48_000;
    let card = Audio::new(AudioOptions {
        queue: Duration::from_secs(1),
        ring: Duration::from_secs(4),
        ..AudioOptions::default()
    })?;
    let gadget = Gadget::builder(IDS).serial_number(bench.serial("1"));
    let gadget = gadget.function(card.clone()).build()?;
    let redirected = Redirected::plug(bench, &gadget)?;
    let device = AudioDevice::open_blocking(&redirected.plugged.open()?)?;
    let count = frames(RATE, Duration::from_secs(3));
    let options = StreamOptions::default().latency(Duration::from_millis(1_500));
    let mut playback = device.play_blocking(AudioFormat::new(RATE, 2, Sample::S16), options)?;
    let heard = thread::spawn(move || listen(&card, count));
    let played = play(&mut playback, count);
    let Ok(heard) = heard.join() else {
        bail!("a thread panicked");
    };
    redirected.check()?;
    heard.with_context(|| playback.statistics().to_string())?;
    played?;
    let statistics = playback.stop_blocking()?;
    ensure!(statistics.xruns == 0, "{statistics}");
    ensure!(statistics.feedback.is_some(), "no feedback: {statistics}");
    Ok(())
}
