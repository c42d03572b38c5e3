//! A stream of 48 kHz stereo, to and from the kernel's `f_uac2`: by the kernel's driver and by ours.

mod latency;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::bench_row::{Direction, Spec};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::sound::SoundCard;
use usbfs2_audio::{AudioDevice, AudioFormat, Capture, Playback, Sample, StreamOptions};

use super::{Transfers, host};
use crate::gadgets::BUS;
use crate::sys::{FRAME_BYTES, Pcm};
use crate::target::Target;

/// Frames in a millisecond, which is a transfer here.
const TRANSFER_FRAMES: u32 = 48;

/// The host's end of a stream, which begins anew with each start.
pub(super) trait Stream {
    fn start(&mut self) -> Result<()>;
    fn stop(&mut self) -> Result<()>;
    /// Plays whole frames, or fills the buffer with recorded ones.
    fn pass(&mut self, frames: &mut [u8]) -> Result<()>;
}

pub(super) fn kernel(spec: &Spec) -> Result<Box<dyn Transfers>> {
    let device = SysfsDevice::wait(BUS)?;
    let plays = spec.direction == Direction::Out;
    let node = SoundCard::wait_host(&device)?.node(plays);
    let frames = frames(spec)?;
    let pcm = Pcm::open(&node, plays, frames, frames / 2)
        .with_context(|| format!("{frames} frames in {}", node.display()))?;
    Ok(Box::new(Sound::new(spec, KernelStream { pcm, plays })?))
}

struct KernelStream {
    pcm: Pcm,
    plays: bool,
}

impl Stream for KernelStream {
    fn start(&mut self) -> Result<()> {
        self.pcm.prepare().context("prepare the host's PCM")
    }

    fn stop(&mut self) -> Result<()> {
        self.pcm.stop().context("stop the host's PCM")
    }

    fn pass(&mut self, frames: &mut [u8]) -> Result<()> {
        if self.plays {
            self.pcm.write(frames).context("play")
        } else {
            self.pcm.read(frames).context("record")
        }
    }
}

pub(super) fn ours(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let format = AudioFormat {
        rate: 48_000,
        channels: 2,
        sample: Sample::S16,
    };
    let options = StreamOptions::default().latency(latency(spec)?);
    let device = AudioDevice::open_blocking(&host::device(target)?)?;
    let way = match spec.direction {
        Direction::Out => Way::Out(Box::new(device.play_blocking(format, options)?)),
        Direction::In => Way::In(Box::new(device.record_blocking(format, options)?)),
    };
    Ok(Box::new(Sound::new(spec, OurStream { way, xruns: 0 })?))
}

/// Fails where a stream had gaps besides the pause before it, of which a run has one.
fn whole(before: u64, now: u64) -> Result<()> {
    let gaps = now - before;
    ensure!(
        gaps <= 1,
        "the stream had {gaps} gaps, not only the pause before it"
    );
    Ok(())
}

/// Starts by itself and goes on where it stopped: what it lacked meanwhile was silence.
struct OurStream {
    way: Way,
    xruns: u64,
}

enum Way {
    Out(Box<Playback>),
    In(Box<Capture>),
}

impl OurStream {
    fn xruns(&self) -> u64 {
        match &self.way {
            Way::Out(playback) => playback.statistics().xruns,
            Way::In(capture) => capture.statistics().xruns,
        }
    }
}

impl Stream for OurStream {
    fn start(&mut self) -> Result<()> {
        self.xruns = self.xruns();
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        whole(self.xruns, self.xruns())
    }

    fn pass(&mut self, frames: &mut [u8]) -> Result<()> {
        match &mut self.way {
            Way::Out(playback) => Ok(playback.write_blocking(frames)?),
            Way::In(capture) => {
                let mut left = frames;
                while !left.is_empty() {
                    let count = capture.read_blocking(left)?;
                    left = &mut left[count * FRAME_BYTES..];
                }
                Ok(())
            }
        }
    }
}

/// What the host's end may keep, as time.
fn latency(spec: &Spec) -> Result<Duration> {
    let milliseconds = frames(spec)? / TRANSFER_FRAMES;
    Ok(Duration::from_millis(milliseconds.into()))
}

/// Frames the host's end may keep.
fn frames(spec: &Spec) -> Result<u32> {
    let frame = u32::try_from(FRAME_BYTES)?;
    Ok(spec.bytes / frame)
}

/// A stream whose frames are numbered from 1.
struct Sound<S> {
    stream: S,
    direction: Direction,
    /// Frames the host's program gives or takes at a time: half of what is kept.
    chunk: u32,
    buffer: Vec<u8>,
}

impl<S: Stream> Sound<S> {
    fn new(spec: &Spec, stream: S) -> Result<Self> {
        let chunk = frames(spec)? / 2;
        Ok(Self {
            stream,
            direction: spec.direction,
            chunk,
            buffer: vec![0; usize::try_from(chunk)? * FRAME_BYTES],
        })
    }
}

impl<S: Stream> Transfers for Sound<S> {
    fn run(&mut self, count: u64) -> Result<()> {
        self.stream.start()?;
        for _ in 0..count * u64::from(TRANSFER_FRAMES) / u64::from(self.chunk) {
            self.stream.pass(&mut self.buffer)?;
        }
        self.stream.stop()
    }

    fn latencies(&mut self, count: usize) -> Result<Vec<u64>> {
        match self.direction {
            Direction::Out => self.played(count),
            Direction::In => self.recorded(count),
        }
    }
}
