//! Processes killed, cables pulled and operations cancelled, two hundred times each.

mod packets;
mod ring;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::sys::{Completed, Context, Token};
use dummy_hcd_tests::{usbfs2, wait};

use crate::held::{self, End, Held, nothing_is_left};
use crate::runner::Test;
use crate::setup::{self, Plugged};

const ROUNDS: u32 = 200;
const DEPTH: u32 = 32;

pub(crate) use ring::{HOLD_RING, hold_ring};

/// The argument that makes this program the process that is killed.
pub(crate) const HOLD: &str = "--hold-transfers";

pub(crate) fn tests() -> Vec<Test> {
    let transfers = vec![
        Test::long(
            "faults::kill_with_32_transfers_in_flight",
            kill_with_transfers_in_flight,
        ),
        Test::long(
            "faults::cable_pulled_with_32_transfers_in_flight",
            cable_pulled_with_transfers_in_flight,
        ),
        Test::long(
            "faults::io_cancel_races_completion",
            io_cancel_races_completion,
        ),
    ];
    [transfers, packets::tests(), ring::tests()].concat()
}

fn in_round(round: u32, result: Result<()>) -> Result<()> {
    result.with_context(|| format!("round {round} of {ROUNDS}"))
}

fn kill_with_transfers_in_flight() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    for round in 0..ROUNDS {
        in_round(round, kill_one(&plugged))?;
    }
    // The last word: an open after all that gives a working pipe.
    let _claim = plugged.interface.claim()?;
    let (input, out) = (plugged.interface.open_in()?, plugged.interface.open_out()?);
    out.write_at(b"still here", 0)?;
    let mut buffer = [0; 512];
    let received = input.read_at(&mut buffer, 0)?;
    ensure!(
        &buffer[..received] == b"still here",
        "{:?} came back",
        &buffer[..received]
    );
    Ok(())
}

fn kill_one(plugged: &Plugged) -> Result<()> {
    let held = Held::start(HOLD, &plugged.interface, End::Kill)?;
    let live = usbfs2::live_requests();
    held.kill()?;
    ensure!(
        live? == u64::from(DEPTH),
        "the module did not hold {DEPTH} requests before the kill"
    );
    nothing_is_left(plugged)
}

/// The process that is killed: claims the interface and starts reads that wait for the device.
pub(crate) fn hold(arguments: &[String]) -> ExitCode {
    held::hold(arguments, |interface| {
        let claim = interface.claim()?;
        let file = Arc::new(interface.open_in()?);
        let mut context = Context::new(DEPTH)?;
        for _ in 0..DEPTH {
            context.read(&file, 0, 4096)?;
        }
        Ok((claim, context))
    })
}

fn cable_pulled_with_transfers_in_flight() -> Result<()> {
    let mut plugged = setup::loopback_with_driver()?;
    for round in 0..ROUNDS {
        in_round(round, pull_once(&mut plugged))?;
    }
    Ok(())
}

fn pull_once(plugged: &mut Plugged) -> Result<()> {
    let claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let mut context = Context::new(DEPTH)?;
    let tokens = submit_reads(&mut context, &file)?;
    plugged.pull()?;
    let completed = take_each_once(&mut context, &tokens)?;
    for one in completed {
        setup::expect_errno(
            "a read of a device that was unplugged",
            one.result,
            libc::ENODEV,
        )?;
    }
    ensure!(
        context.in_flight() == 0,
        "{} reads never completed",
        context.in_flight()
    );
    setup::expect_errno(
        "a read after the unplug",
        file.read_at(&mut [0; 512], 0),
        libc::ENODEV,
    )?;
    drop((context, file, claim));
    plugged.plug_again()?;
    nothing_is_left(plugged)
}

fn io_cancel_races_completion() -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    let mut cancelled = 0;
    let mut finished = 0;
    for round in 0..ROUNDS {
        let outcome =
            cancel_racing(&plugged, round).with_context(|| format!("round {round} of {ROUNDS}"))?;
        cancelled += outcome.0;
        finished += outcome.1;
        in_round(round, nothing_is_left(&plugged))?;
    }
    ensure!(
        cancelled > 0 && finished > 0,
        "no race: {cancelled} cancelled, {finished} finished"
    );
    Ok(())
}

/// Cancels reads of a stream that flows; how many were cancelled and how many finished.
fn cancel_racing(plugged: &Plugged, round: u32) -> Result<(u32, u32)> {
    let _claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let mut context = Context::new(DEPTH)?;
    let tokens = submit_reads(&mut context, &file)?;
    // Another order each round: from the front, where reads are completing, or from the back.
    let order: Vec<Token> = if round.is_multiple_of(2) {
        tokens.clone()
    } else {
        tokens.iter().rev().copied().collect()
    };
    for token in order {
        context.cancel(token)?;
    }
    let (mut cancelled, mut finished) = (0, 0);
    for one in take_each_once(&mut context, &tokens)? {
        match one.result {
            Ok(4096) => finished += 1,
            // The bytes that came before the cancel are delivered first.
            Ok(length) if length % 512 == 0 && length > 0 => finished += 1,
            Ok(length) => {
                bail!("a cancelled read gave {length} bytes, which is no number of whole packets")
            }
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => cancelled += 1,
            Err(error) => return Err(error).context("a cancelled read"),
        }
    }
    ensure!(
        file.read_at(&mut [0; 512], 0)? == 512,
        "a read after the cancels was cut short"
    );
    Ok((cancelled, finished))
}

fn submit_reads(context: &mut Context, file: &Arc<File>) -> io::Result<Vec<Token>> {
    (0..DEPTH).map(|_| context.read(file, 0, 4096)).collect()
}

/// One completion for each of `tokens`; a second one of any is an error of [`Context::wait`].
fn take_each_once(context: &mut Context, tokens: &[Token]) -> Result<Vec<Completed>> {
    let completed = context.wait(tokens.len(), wait::DEADLINE)?;
    ensure!(
        completed.len() == tokens.len(),
        "{} of {} operations completed",
        completed.len(),
        tokens.len()
    );
    Ok(completed)
}
