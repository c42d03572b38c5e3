//! A stream of 48 kHz stereo, to and from the kernel's `f_uac2`: by the kernel's driver and by ours.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

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

/// Frames the gadget's end gives and takes at a time: little more than the least `f_uac2` allows.
const GADGET_PERIOD: u32 = 30;

/// What the gadget's end keeps of what came, and of what is to go: the least, since it is part of the latency there.
const GADGET_RECORDS: u32 = 480;
const GADGET_PLAYS: u32 = 4 * GADGET_PERIOD;

/// Frames before latencies count, so that the stream has settled: a quarter of a second.
const SETTLED: u32 = 12_000;

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
    match spec.direction {
        Direction::Out => {
            let stream = device.play_blocking(format, options)?;
            let stream = Plays { stream, xruns: 0 };
            Ok(Box::new(Sound::new(spec, stream)?))
        }
        Direction::In => {
            let stream = device.record_blocking(format, options)?;
            let stream = Records { stream, xruns: 0 };
            Ok(Box::new(Sound::new(spec, stream)?))
        }
    }
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
struct Plays {
    stream: Playback,
    xruns: u64,
}

impl Stream for Plays {
    fn start(&mut self) -> Result<()> {
        self.xruns = self.stream.statistics().xruns;
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        whole(self.xruns, self.stream.statistics().xruns)
    }

    fn pass(&mut self, frames: &mut [u8]) -> Result<()> {
        Ok(self.stream.write_blocking(frames)?)
    }
}

struct Records {
    stream: Capture,
    xruns: u64,
}

impl Stream for Records {
    fn start(&mut self) -> Result<()> {
        self.xruns = self.stream.statistics().xruns;
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        whole(self.xruns, self.stream.statistics().xruns)
    }

    fn pass(&mut self, frames: &mut [u8]) -> Result<()> {
        let mut left = frames;
        while !left.is_empty() {
            let count = self.stream.read_blocking(left)?;
            left = &mut left[count * FRAME_BYTES..];
        }
        Ok(())
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

/// When the frames were given, in pieces of as many.
struct Given {
    piece: u32,
    times: Mutex<Vec<Instant>>,
}

impl Given {
    fn new(piece: u32) -> Self {
        Self {
            piece,
            times: Mutex::default(),
        }
    }

    /// Numbers the frames of the next piece and notes the time.
    fn number(&self, piece: &mut [u8]) {
        let mut times = self.times.lock().unwrap_or_else(|error| error.into_inner());
        let first = u32::try_from(times.len()).unwrap_or(0) * self.piece + 1;
        for (frame, number) in piece.chunks_exact_mut(FRAME_BYTES).zip(first..) {
            frame.copy_from_slice(&number.to_le_bytes());
        }
        times.push(Instant::now());
    }

    /// Nanoseconds since frame `number` was given.
    fn since(&self, number: u32) -> Option<u64> {
        let now = Instant::now();
        let times = self.times.lock().unwrap_or_else(|error| error.into_inner());
        let place = usize::try_from((number - 1) / self.piece).ok()?;
        let latency = now.duration_since(*times.get(place)?);
        u64::try_from(latency.as_nanos()).ok()
    }
}

/// The numbers of the frames in `bytes` that have one: what was played before the first has none.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let frames = bytes.as_chunks::<FRAME_BYTES>().0.iter();
    frames
        .map(|&frame| u32::from_le_bytes(frame))
        .filter(|&number| number != 0)
}

/// Latencies of as many milliseconds, each once, from when the stream has settled.
struct Samples {
    wanted: usize,
    next: u32,
    taken: Vec<u64>,
}

impl Samples {
    fn new(wanted: usize) -> Self {
        Self {
            wanted,
            next: SETTLED,
            taken: Vec::with_capacity(wanted),
        }
    }

    fn is_complete(&self) -> bool {
        self.taken.len() >= self.wanted
    }

    /// Looks at what came just now.
    fn look(&mut self, bytes: &[u8], given: &Given) {
        let due = numbers(bytes).find(|&number| number >= self.next);
        if let Some(number) = due
            && let Some(latency) = given.since(number)
        {
            self.taken.push(latency);
            self.next = number + TRANSFER_FRAMES;
        }
    }
}

/// The gadget's end of the stream.
fn gadget(plays: bool) -> Result<Pcm> {
    let node = SoundCard::wait_gadget(BUS)?.node(plays);
    let frames = if plays { GADGET_PLAYS } else { GADGET_RECORDS };
    Pcm::open(&node, plays, frames, GADGET_PERIOD)
        .with_context(|| format!("{frames} frames in {}", node.display()))
}

fn period() -> Result<Vec<u8>> {
    Ok(vec![0; usize::try_from(GADGET_PERIOD)? * FRAME_BYTES])
}

impl<S: Stream> Sound<S> {
    /// From the program that plays to the gadget's.
    fn played(&mut self, count: usize) -> Result<Vec<u64>> {
        let mut recorder = gadget(false)?;
        let mut bytes = period()?;
        let given = Given::new(self.chunk);
        let is_complete = AtomicBool::new(false);
        thread::scope(|scope| {
            let listener = scope.spawn(|| -> Result<Vec<u64>> {
                let _complete = Completes(&is_complete);
                let mut samples = Samples::new(count);
                recorder.prepare()?;
                while !samples.is_complete() {
                    recorder.read(&mut bytes).context("the gadget's end")?;
                    samples.look(&bytes, &given);
                }
                Ok(samples.taken)
            });
            self.stream.start()?;
            while !is_complete.load(Ordering::Relaxed) {
                given.number(&mut self.buffer);
                self.stream.pass(&mut self.buffer)?;
            }
            self.stream.stop()?;
            joined(listener)
        })
    }

    /// From the gadget's program to the one that records.
    fn recorded(&mut self, count: usize) -> Result<Vec<u64>> {
        let mut player = gadget(true)?;
        let mut bytes = period()?;
        let given = Given::new(GADGET_PERIOD);
        let is_complete = AtomicBool::new(false);
        thread::scope(|scope| {
            let speaker = scope.spawn(|| -> Result<()> {
                player.prepare()?;
                while !is_complete.load(Ordering::Relaxed) {
                    given.number(&mut bytes);
                    player.write(&bytes).context("the gadget's end")?;
                }
                Ok(())
            });
            let complete = Completes(&is_complete);
            let mut samples = Samples::new(count);
            self.stream.start()?;
            while !samples.is_complete() {
                self.stream.pass(&mut self.buffer)?;
                samples.look(&self.buffer, &given);
            }
            drop(complete);
            // Its last packet goes only while the host takes packets.
            while !speaker.is_finished() {
                self.stream.pass(&mut self.buffer)?;
            }
            self.stream.stop()?;
            joined(speaker)?;
            Ok(samples.taken)
        })
    }
}

/// Says so when dropped, also on the way out of an error.
struct Completes<'flag>(&'flag AtomicBool);

impl Drop for Completes<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(result) => result,
        Err(_) => anyhow::bail!("the gadget's end panicked"),
    }
}
