//! Isochronous packets through controllers that reach memory by themselves.

use anyhow::{Result, ensure};

use super::speaker::{PACKET, Speaker, expect_played, numbered, send};
use super::{Bench, Case, Controller};

pub(super) fn cases_of_files() -> Vec<(&'static str, Case)> {
    vec![
        ("isochronous::packets_of_any_length_in_a_deep_queue", deep),
        ("isochronous::a_thousand_packets_in_a_request", large),
        ("isochronous::five_seconds_in_flight", beyond),
    ]
}

/// What QEMU plays behind the samples, so that it has played those.
const SILENCE: usize = 200 * PACKET;

/// Sends numbered frames for that many whole packets in requests of this shape and compares what was played.
fn plays(bench: &Bench, packets: usize, shape: &[usize], depth: u32) -> Result<()> {
    let mut speaker = Speaker::plug(bench)?;
    let sent = numbered(0, packets * PACKET);
    let heard = heard(&sent, shape);
    let mut bytes = sent;
    bytes.resize(bytes.len() + SILENCE, 0);
    let file = speaker.start()?;
    let frames = send(&file, &bytes, shape, depth)?;
    drop(file);
    expect_played(&mut speaker, &heard)?;
    if bench.controller == Controller::Uhci {
        expect_no_gap(&frames, shape.len())?;
    }
    Ok(())
}

/// What QEMU's sound card takes of `sent`: whole packets alone, others count as empty.
fn heard(sent: &[u8], shape: &[usize]) -> Vec<u8> {
    let mut rest = sent;
    let mut heard = Vec::new();
    for length in shape.iter().cycle() {
        let (packet, after) = rest.split_at(rest.len().min(*length));
        if packet.len() == PACKET {
            heard.extend_from_slice(packet);
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    heard
}

/// Each request began where the one before it ended. QEMU's xHCI counts by its clock and not by what it was given.
fn expect_no_gap(frames: &[i32], packets: usize) -> Result<()> {
    for (request, pair) in frames.windows(2).enumerate() {
        let gap = usize::try_from(pair[1] - pair[0])?;
        ensure!(
            gap == packets,
            "request {request} of {packets} packets began in frame {}, the next in {}",
            pair[0],
            pair[1]
        );
    }
    Ok(())
}

fn deep(bench: &Bench) -> Result<()> {
    // A zero-length packet too.
    plays(
        bench,
        1200,
        &[PACKET, PACKET - 4, 4, 0, PACKET, 100, PACKET, PACKET],
        64,
    )
}

fn large(bench: &Bench) -> Result<()> {
    // As many as there are iovecs, less the one for the statuses.
    plays(bench, 3000, &[PACKET; 1023], 3)
}

/// More than any controller plans ahead.
fn beyond(bench: &Bench) -> Result<()> {
    plays(bench, 6000, &[PACKET; 40], 128)
}
