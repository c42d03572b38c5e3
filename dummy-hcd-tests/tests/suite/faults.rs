//! Processes killed, cables pulled and operations cancelled, two hundred times each.

mod packets;
mod ring;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::{env, io};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::sys::{Completed, Context, Token};
use dummy_hcd_tests::usbfs2::InterfaceFiles;
use dummy_hcd_tests::{usbfs2, wait};

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

/// Nothing is left of a round: no request, and the former driver is back.
fn nothing_is_left(plugged: &Plugged) -> Result<()> {
    usbfs2::wait_no_live_request()?;
    plugged.device.wait_driver(0, "usbtest")?;
    Ok(())
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
    let held = Held::start(&plugged.interface)?;
    let live = usbfs2::live_requests();
    held.kill()?;
    ensure!(
        live? == u64::from(DEPTH),
        "the module did not hold {DEPTH} requests before the kill"
    );
    nothing_is_left(plugged)
}

/// A process that has claimed an interface and waits for [`DEPTH`] reads of its IN endpoint.
pub(crate) struct Held(Child);

impl Held {
    /// Starts it and waits until its reads are in flight.
    pub(crate) fn start(interface: &InterfaceFiles) -> Result<Self> {
        Self::start_with(HOLD, interface)
    }

    /// The same with another `role` of this program's than [`HOLD`].
    pub(crate) fn start_with(role: &str, interface: &InterfaceFiles) -> Result<Self> {
        let child = Command::new(env::current_exe()?)
            .arg(role)
            .arg(interface.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the process to kill")?;
        let mut held = Self(child);
        let ready = held.wait_ready();
        if ready.is_err() {
            held.0.kill()?;
            held.0.wait()?;
        }
        ready.map(|()| held)
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    fn wait_ready(&mut self) -> Result<()> {
        let stdout = self.0.stdout.take();
        let stdout = stdout.context("the child's output is a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line == "ready\n", "the process to kill said {line:?}");
        Ok(())
    }
}

/// The process that is killed: claims the interface, starts reads that wait for the device, says so, waits.
pub(crate) fn hold(arguments: &[String]) -> ExitCode {
    hold_until_killed(arguments, |interface| hold_transfers(&interface))
}

/// A process that uses the interface its arguments name and says what went wrong instead of being killed.
pub(crate) fn hold_until_killed(
    arguments: &[String],
    run: impl FnOnce(InterfaceFiles) -> Result<()>,
) -> ExitCode {
    let result = arguments
        .first()
        .context("no interface directory")
        .and_then(|path| run(InterfaceFiles::at(path)));
    if let Err(error) = result {
        println!("{error:#}");
    }
    ExitCode::FAILURE
}

fn hold_transfers(interface: &InterfaceFiles) -> Result<()> {
    let _claim = interface.claim()?;
    let file = Arc::new(interface.open_in()?);
    let mut context = Context::new(DEPTH)?;
    for _ in 0..DEPTH {
        context.read(&file, 0, 4096)?;
    }
    be_killed(&mut context)
}

/// Says that it may be killed, and waits for that; one operation at least is in flight.
pub(crate) fn be_killed(context: &mut Context) -> Result<()> {
    println!("ready");
    let completed = context.wait(1, wait::DEADLINE)?;
    bail!(
        "not killed within {} s: {completed:?}",
        wait::DEADLINE.as_secs()
    )
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
