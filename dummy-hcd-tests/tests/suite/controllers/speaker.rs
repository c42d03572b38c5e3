//! QEMU's sound card, USB Audio Class 1 at full speed: what is sent to it in isochronous packets is in a WAV
//! file afterwards.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::qmp::QmpError;
use dummy_hcd_tests::sys::{Completed, Context, ISO_STATUS, Status};
use dummy_hcd_tests::usbfs2::{DeviceFiles, InterfaceFiles};
use dummy_hcd_tests::wait;
use serde_json::json;

use super::Bench;
use super::bench::Plugged;
use crate::packets;

/// Bytes of a millisecond: 48 frames of two 16-bit samples. Also the endpoint's packet size.
pub(super) const PACKET: usize = 192;
const FRAME: usize = 4;

/// USBFS2_SETUP: bmRequestType, bRequest, wValue, wIndex.
fn setup(request_type: u64, request: u64, value: u64, index: u64) -> u64 {
    request_type << 40 | request << 32 | value << 16 | index
}

/// The sound card, plugged in, claimed and at full volume, which leaves samples as they are.
pub(super) struct Speaker<'a> {
    pub(super) device: Plugged<'a>,
    claims: Option<[File; 2]>,
}

impl<'a> Speaker<'a> {
    pub(super) fn plug(bench: &'a Bench) -> Result<Self> {
        // QEMU drops what does not fit its buffer: here everything does that a test sends.
        let properties = json!({ "audiodev": "usbfs2", "buffer": 4 << 20 });
        let device = bench.plug_with("usb-audio", "1", properties)?;
        let mut speaker = Self {
            device,
            claims: None,
        };
        speaker.claim()?;
        Ok(speaker)
    }

    /// Pulls it out and plugs it in again: QEMU starts a new recording.
    pub(super) fn plug_again(&mut self) -> Result<()> {
        self.claims = None;
        self.device.pull()?;
        self.device.plug_again()?;
        self.claim()
    }

    /// Lets go of it, so that another process can have it.
    pub(super) fn release(&mut self) {
        self.claims = None;
    }

    fn files(&self) -> Result<DeviceFiles> {
        Ok(DeviceFiles::wait(self.device.sysfs()?.name())?)
    }

    /// The interface of the stream.
    pub(super) fn stream(&self) -> Result<InterfaceFiles> {
        Ok(self.files()?.interface(1))
    }

    pub(super) fn claim(&mut self) -> Result<()> {
        let control = self.files()?.interface(0);
        self.claims = Some([control.claim()?, self.stream()?.claim()?]);
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open(control.path().join("ep00"))?;
        for channel in [1, 2] {
            // SET_CUR of the volume, of feature unit 2 (UAC1 5.2.2.4.3.2): QEMU's highest, which is 1:1.
            let request = setup(0x21, 0x01, 0x0200 | channel, 0x0200);
            control.write_all_at(&0x0800_u16.to_le_bytes(), request)?;
        }
        Ok(())
    }

    /// Selects the setting with the endpoint and opens that.
    pub(super) fn start(&self) -> Result<Arc<File>> {
        let stream = self.stream()?;
        stream.select(1)?;
        Ok(packets::open(&stream, false)?)
    }

    /// Pulls it out, and returns the samples it has played, without the silence before them.
    pub(super) fn played(&mut self) -> Result<Vec<u8>> {
        self.claims = None;
        self.device.pull()?;
        let media = env::var_os("USBFS2_MEDIA").ok_or(QmpError::NoMonitor)?;
        let path = PathBuf::from(media).join("played.wav");
        let recorded = wait::until("QEMU has closed its recording", || {
            let recorded = fs::read(&path).ok()?;
            // The length of the data is written last.
            let length = u32::from_le_bytes(recorded.get(40..44)?.try_into().ok()?);
            (length as usize == recorded.len() - 44 && length > 0).then_some(recorded)
        })?;
        let format = &recorded[20..36];
        ensure!(
            format == [1, 0, 2, 0, 0x80, 0xbb, 0, 0, 0, 0xee, 2, 0, 4, 0, 16, 0],
            "the recording's format is {format:02x?}"
        );
        let frames = recorded[44..].chunks_exact(FRAME);
        Ok(frames
            .skip_while(|frame| frame.iter().all(|byte| *byte == 0))
            .flatten()
            .copied()
            .collect())
    }
}

/// `sent` is what was played first.
pub(super) fn expect_played(speaker: &mut Speaker<'_>, sent: &[u8]) -> Result<()> {
    let played = speaker.played()?;
    let same = sent.iter().zip(&played).take_while(|(a, b)| a == b).count();
    ensure!(
        same == sent.len(),
        "of {} bytes {same} arrived and then others; {} were played",
        sent.len(),
        played.len()
    );
    Ok(())
}

/// Frames by their numbers from `first` on, none of them silent.
pub(super) fn numbered(first: usize, bytes: usize) -> Vec<u8> {
    let frames = first..first + bytes.div_ceil(FRAME);
    let frames = frames.flat_map(|number| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        // Odd, and no two within minutes alike.
        (number.wrapping_mul(0x9e37_79b1) | 1).to_le_bytes()
    });
    frames.take(bytes).collect()
}

/// Sends `bytes` in requests of packets whose lengths `shape` gives, `depth` of them in flight, and expects
/// of each packet that all of it was sent. Returns the start frames of the requests.
pub(super) fn send(
    file: &Arc<File>,
    bytes: &[u8],
    shape: &[usize],
    depth: u32,
) -> Result<Vec<i32>> {
    let mut context = Context::new(depth)?;
    let mut requests = bytes.chunks(shape.iter().sum());
    let mut frames = Vec::new();
    let mut is_done = false;
    loop {
        while !is_done && context.in_flight() < depth as usize {
            match requests.next() {
                Some(part) => {
                    let lengths = shape_of(part.len(), shape);
                    context.write_packets(file, ISO_STATUS, part.to_vec(), &lengths)?;
                }
                None => is_done = true,
            }
        }
        if context.in_flight() == 0 {
            return Ok(frames);
        }
        let completed = context.wait(1, wait::DEADLINE)?;
        ensure!(!completed.is_empty(), "nothing is sent");
        for one in completed {
            let request = frames.len();
            let frame = all_moved(one, shape);
            frames.push(frame.with_context(|| format!("request {request}"))?);
        }
    }
}

/// `shape`, or as much of it as `length` bytes fill.
fn shape_of(length: usize, shape: &[usize]) -> Vec<usize> {
    let mut left = length;
    let lengths = shape.iter().map(|packet| {
        let packet = left.min(*packet);
        left -= packet;
        packet
    });
    lengths.collect()
}

/// Every packet was sent whole; where the first one was.
fn all_moved(one: Completed, shape: &[usize]) -> Result<i32> {
    let length = one.result?;
    ensure!(
        length == one.buffer.len(),
        "{length} bytes of {} were sent",
        one.buffer.len()
    );
    let (of_all, packets) = one.statuses.split_last().context("no statuses")?;
    let expected = shape_of(length, shape);
    let expected = expected.into_iter().map(Status::moved);
    ensure!(
        packets.iter().copied().eq(expected),
        "the statuses are {packets:?}"
    );
    ensure!(of_all.status == 0, "{} packets failed", of_all.status);
    Ok(of_all.length)
}
