//! The same of transfers in a ring.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys::Context;
use dummy_hcd_tests::sys::mapped::{Mapping, Ring, batch};
use dummy_hcd_tests::usbfs2::InterfaceFiles;
use dummy_hcd_tests::{usbfs2, wait};

use super::{ROUNDS, in_round};
use crate::held::{self, End, Held, nothing_is_left};
use crate::runner::Test;
use crate::setup::{self, Plugged};

/// The argument that makes this program the process that is killed with its ring full.
pub(crate) const HOLD_RING: &str = "--hold-ring";

const DEPTH: u16 = 64;
const LENGTH: u32 = 4096;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::long("faults::kill_with_a_full_ring", kill_with_a_full_ring),
        Test::long(
            "faults::ring_cancel_races_completion",
            ring_cancel_races_completion,
        ),
        Test::long(
            "faults::io_cancel_of_a_wait_races_completion",
            wait_cancel_races_completion,
        ),
    ]
}

/// A ring full of reads.
struct Full {
    file: Arc<std::fs::File>,
    memory: Mapping,
    ring: Ring,
}

impl Full {
    fn start(interface: &InterfaceFiles) -> Result<Self> {
        let file = interface.open_both(true)?;
        let ring = Ring::new(&file, DEPTH.into())?;
        let memory = Mapping::new(&file, 0, usize::from(DEPTH) * LENGTH as usize)?;
        for number in 0..u32::from(DEPTH) {
            let address = memory.address((number * LENGTH) as usize);
            ring.put(number, address, LENGTH, 0);
        }
        ring.set_times(1_000_000_000, 0);
        ring.batch(&file, true, DEPTH, 0)?;
        Ok(Self {
            file: Arc::new(file),
            memory,
            ring,
        })
    }

    /// Waits for all of them; how many were cancelled and how many finished.
    fn take_all(&self) -> Result<(u32, u32)> {
        wait::until("each transfer has its result", || {
            (self.ring.done() == u32::from(DEPTH)).then_some(())
        })?;
        let (mut cancelled, mut finished) = (0, 0);
        for number in 0..u32::from(DEPTH) {
            let (moved, status) = self.ring.result(number);
            if status == -libc::ECANCELED && moved == 0 {
                cancelled += 1;
                continue;
            }
            ensure!(
                status == 0 && moved > 0 && moved % 512 == 0,
                "transfer {number} has {moved} bytes and status {status}"
            );
            let at = (number * LENGTH) as usize;
            let bytes = self.memory.get(at, usize::try_from(moved)?);
            let mut offsets = 0_usize..;
            ensure!(
                bytes
                    .iter()
                    .all(|byte| usize::from(*byte) == offsets.next().unwrap_or(0) % 512 % 63),
                "transfer {number} has other bytes than the device sent"
            );
            finished += 1;
        }
        Ok((cancelled, finished))
    }
}

/// The process that is killed: fills the ring with reads that wait for the device.
pub(crate) fn hold_ring(arguments: &[String]) -> ExitCode {
    held::hold(arguments, |interface| {
        let claim = interface.claim()?;
        let full = Full::start(interface)?;
        let mut context = Context::new(1)?;
        context.read(&full.file, batch(0, DEPTH.into()), 0)?;
        Ok((claim, full, context))
    })
}

fn kill_with_a_full_ring() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    for round in 0..ROUNDS / 4 {
        in_round(round, kill_one(&plugged))?;
    }
    Ok(())
}

fn kill_one(plugged: &Plugged) -> Result<()> {
    let held = Held::start(HOLD_RING, &plugged.interface, End::Kill)?;
    let live = usbfs2::live_requests();
    held.kill()?;
    ensure!(
        live? == u64::from(DEPTH),
        "the module did not hold {DEPTH} requests before the kill"
    );
    nothing_is_left(plugged)
}

fn ring_cancel_races_completion() -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let (mut cancelled, mut finished) = (0, 0);
    for round in 0..ROUNDS {
        let outcome =
            cancel_racing(&plugged, round).with_context(|| format!("round {round} of {ROUNDS}"))?;
        cancelled += outcome.0;
        finished += outcome.1;
        usbfs2::wait_no_live_request()?;
    }
    ensure!(
        cancelled > 0 && finished > 0,
        "no race: {cancelled} cancelled, {finished} finished"
    );
    Ok(())
}

fn cancel_racing(plugged: &Plugged, round: u32) -> Result<(u32, u32)> {
    let full = Full::start(&plugged.interface)?;
    match round % 3 {
        0 => {
            full.ring.cancel(&full.file, true, DEPTH, 0)?;
        }
        // From the front, where reads are completing, or from the back.
        1 => {
            for number in 0..u32::from(DEPTH) {
                full.ring.cancel(&full.file, true, 1, number)?;
            }
        }
        _ => {
            for number in (0..u32::from(DEPTH)).rev() {
                full.ring.cancel(&full.file, true, 1, number)?;
            }
        }
    }
    full.take_all()
}

/// A waiter whose target is being reached is cancelled: it completes once, with what it started.
fn wait_cancel_races_completion() -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    let _claim = plugged.interface.claim()?;
    for round in 0..ROUNDS {
        in_round(round, wait_cancel(&plugged, round))?;
        usbfs2::wait_no_live_request()?;
    }
    Ok(())
}

fn wait_cancel(plugged: &Plugged, round: u32) -> Result<()> {
    let full = Full::start(&plugged.interface)?;
    let mut context = Context::new(1)?;
    let target = 1 + round % u32::from(DEPTH);
    let token = context.read(&full.file, batch(0, target), 0)?;
    if round.is_multiple_of(2) {
        thread::yield_now();
    }
    context.cancel(token)?;
    let completed = context.wait(1, wait::DEADLINE)?;
    ensure!(completed.len() == 1, "the wait never ended");
    for one in completed {
        ensure!(one.result? == 0, "it started transfers");
    }
    let (cancelled, finished) = full.take_all()?;
    ensure!(
        cancelled == 0 && finished == u32::from(DEPTH),
        "{cancelled} transfers were cancelled"
    );
    Ok(())
}
