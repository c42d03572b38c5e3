//! How late frames are at the other end of a stream.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::sound::SoundCard;

use super::{Sound, Stream, TRANSFER_FRAMES};
use crate::gadgets::BUS;
use crate::sys::{FRAME_BYTES, Pcm};

/// Frames the gadget's end gives and takes at a time: little more than the least `f_uac2` allows.
const GADGET_PERIOD: u32 = 30;

/// What the gadget's end keeps of what came, and of what is to go: the least, since it is part of the latency there.
const GADGET_RECORDS: u32 = 480;
const GADGET_PLAYS: u32 = 4 * GADGET_PERIOD;

/// Frames before latencies count, so that the stream has settled: a quarter of a second.
const SETTLED: u32 = 12_000;

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
    pub(super) fn played(&mut self, count: usize) -> Result<Vec<u64>> {
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
    pub(super) fn recorded(&mut self, count: usize) -> Result<Vec<u64>> {
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
