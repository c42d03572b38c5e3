//! Our audio driver on our sound card: every frame bears a number, and each arrives once and in order.

pub(crate) mod numbered;
mod streams;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use usbfs2_audio::{AudioDevice, AudioFormat, Sample, Statistics, StreamOptions};
use usbfs2_gadget::functions::audio::{Audio, AudioOptions};

use super::Scenario;
use crate::world::{Connected, World};
use numbered::{frames, sing};

/// What waits at the card.
const RING: Duration = Duration::from_secs(4);

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    streams::scenarios()
}

/// A sound card, and the host's driver of it.
struct Studio {
    // The driver lets go before the card goes.
    device: AudioDevice,
    card: Arc<Audio>,
    connected: Connected,
    latency: Duration,
}

impl Studio {
    fn new(world: &World, options: AudioOptions) -> Result<Self> {
        let card = Audio::new(AudioOptions {
            queue: Duration::from_secs(1),
            ring: RING,
            ..options
        })?;
        let gadget = World::gadget().function(card.clone()).build()?;
        let connected = world.connect(&gadget)?;
        world.wait_for_kernel_driver(0, "snd-usb-audio")?;
        let device = AudioDevice::open_blocking(&connected.device)?;
        let problems = device.problems();
        ensure!(problems.is_empty(), "the descriptors: {problems:?}");
        Ok(Self {
            device,
            card,
            connected,
            latency: match world {
                // Real time, which passes while other programs keep this one off the processor.
                World::Loopback(_) => Duration::from_millis(1_500),
                World::Kernel(_) | World::Composite(_) => Duration::from_millis(40),
            },
        })
    }

    fn format(&self, rate: u32) -> AudioFormat {
        AudioFormat::new(rate, 2, Sample::S16)
    }

    fn options(&self) -> StreamOptions {
        StreamOptions::default().latency(self.latency)
    }

    /// Has the card say frames 1 to `count`; some of them wait there when this returns.
    fn sing(&self, count: u32) -> Result<JoinHandle<Result<()>>> {
        let ahead = count.min(frames(48_000, RING / 2));
        sing(&self.card, 1..=ahead)?;
        let card = self.card.clone();
        Ok(thread::spawn(move || sing(&card, ahead + 1..=count)))
    }
}

/// Nothing broke the stream. Packets may be missed while it starts: that none was later, the numbers of the frames show.
fn ensure_whole(statistics: &Statistics) -> Result<()> {
    ensure!(statistics.xruns == 0, "{statistics:?}");
    Ok(())
}

/// The rate the device asked for last, in parts in a million off `rate`.
fn feedback_ppm(statistics: &Statistics, rate: u32) -> Result<f64> {
    let feedback = statistics.feedback.context("no feedback came")?;
    let rate = f64::from(rate);
    Ok((feedback.last - rate) / rate * 1e6)
}
