//! READ and WRITE by io_uring, whose workers run them to completion.

#[allow(unsafe_code)]
pub(crate) mod sys;

use std::os::unix::fs::FileExt as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::sys::Context;
use dummy_hcd_tests::{usbfs2, wait};

use crate::held::{self, End, nothing_is_left};
use crate::runner::Test;
use crate::setup::{self, Plugged};
use sys::Ring;

/// Reads that wait at once, each in a worker of its own.
const DEPTH: u32 = 8;

/// The argument that makes this program a process that ends with reads waiting.
pub(crate) const HOLD: &str = "--hold-io-uring-reads";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "io_uring::reads_and_writes_move_data",
            reads_and_writes_move_data,
        ),
        Test::new(
            "io_uring::a_read_that_waits_can_be_cancelled",
            a_read_that_waits_can_be_cancelled,
        ),
        Test::new(
            "io_uring::a_read_that_waits_gets_enodev_when_the_cable_is_pulled",
            a_read_that_waits_gets_enodev,
        ),
        Test::new("io_uring::kill_9_with_reads_waiting_leaves_nothing", || {
            leaves_nothing(End::Kill)
        }),
        Test::new("io_uring::exit_with_reads_waiting_leaves_nothing", || {
            leaves_nothing(End::Exit)
        }),
        Test::new(
            "io_uring::an_open_without_o_nonblock_is_a_blocking_one",
            an_open_is_a_blocking_one,
        ),
        Test::new(
            "io_uring::reads_of_an_armed_endpoint_wait_by_poll",
            reads_of_an_armed_endpoint,
        ),
        Test::new("io_uring::exec_with_reads_waiting_leaves_nothing", || {
            leaves_nothing(End::Exec)
        }),
    ]
}

/// Workers take up what was submitted in their own time.
pub(crate) fn wait_live(requests: u32) -> Result<()> {
    wait::until(&format!("the module holds {requests} requests"), || {
        (usbfs2::live_requests().ok()? == u64::from(requests)).then_some(())
    })?;
    Ok(())
}

/// Sends `message` to the loopback and fails unless it comes back.
pub(crate) fn expect_echo(plugged: &Plugged, message: &[u8]) -> Result<()> {
    let _claim = plugged.interface.claim()?;
    let (input, out) = (plugged.interface.open_in()?, plugged.interface.open_out()?);
    let mut ring = Ring::new(4)?;
    let write = ring.write(&Arc::new(out), message)?;
    let written = ring.wait()?;
    ensure!(
        written.token == write && written.result? == message.len(),
        "a write of {} bytes was cut short",
        message.len()
    );
    ring.read(&Arc::new(input), 4096)?;
    let read = ring.wait()?;
    let length = read.result?;
    ensure!(
        &read.buffer[..length] == message,
        "{} bytes sent, others came back, {length} of them",
        message.len()
    );
    Ok(())
}

fn reads_and_writes_move_data() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    for length in [1, 511, 700, 4000] {
        let message = (0..length)
            .map(|index| u8::try_from(index % 251))
            .collect::<Result<Vec<_>, _>>()?;
        expect_echo(&plugged, &message)?;
    }
    Ok(())
}

fn a_read_that_waits_can_be_cancelled() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let mut ring = Ring::new(4)?;
    for _ in 0..20 {
        let read = ring.read(&file, 512)?;
        wait_live(1)?;
        ring.cancel(read)?;
        let completed = ring.wait()?;
        // io_uring says EINTR of an operation whose worker it had to interrupt.
        match completed.result.map_err(|error| error.raw_os_error()) {
            Err(Some(libc::ECANCELED | libc::EINTR)) => {}
            other => bail!("{other:?} of a cancelled read"),
        }
    }
    usbfs2::wait_no_live_request()?;
    drop((ring, file, claim));
    expect_echo(&plugged, b"after the cancels")
}

fn a_read_that_waits_gets_enodev() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let mut ring = Ring::new(4)?;
    ring.read(&file, 512)?;
    wait_live(1)?;
    plugged.pull()?;
    setup::expect_errno(
        "a read of a device that was unplugged",
        ring.wait()?.result,
        libc::ENODEV,
    )
}

/// io_uring tries such an open with `O_NONBLOCK` first, and takes the flag away when that succeeded.
fn an_open_is_a_blocking_one() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let mut ring = Ring::new(4)?;
    let file = Arc::new(ring.open(&plugged.interface.endpoint(true)?, libc::O_RDONLY)?);
    let out = plugged.interface.open_out()?;
    for round in 0..10_u8 {
        let read = ring.read(&file, 1024)?;
        // One transfer, of the length asked for: nothing is read ahead.
        wait_live(1)?;
        if round % 2 == 0 {
            ring.cancel(read)?;
            setup::expect_errno(
                "a read that was cancelled",
                ring.wait()?
                    .result
                    .map_err(|error| match error.raw_os_error() {
                        Some(libc::EINTR) => std::io::Error::from_raw_os_error(libc::ECANCELED),
                        _ => error,
                    }),
                libc::ECANCELED,
            )?;
            usbfs2::wait_no_live_request()?;
            continue;
        }
        out.write_at(&[round; 700], 0)?;
        let completed = ring.wait()?;
        ensure!(
            completed.result? == 700 && completed.buffer[..700] == [round; 700],
            "a transfer of 700 bytes came as others"
        );
    }
    // Linux AIO, which armed files refuse.
    let mut context = Context::new(1)?;
    context.read(&file, 0, 1024)?;
    out.write_at(b"by AIO", 0)?;
    let one = context.wait(1, wait::DEADLINE)?.pop().context("no read")?;
    ensure!(one.result? == 6, "a read by AIO was cut short");
    drop(file);
    usbfs2::wait_no_live_request()?;
    Ok(())
}

fn reads_of_an_armed_endpoint() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let claim = plugged.interface.claim()?;
    let path = plugged.interface.endpoint(true)?;
    let mut ring = Ring::new(4)?;
    // io_uring waits by poll where a read says EAGAIN, whatever the flag.
    let file = Arc::new(ring.open(&path, libc::O_RDONLY | libc::O_NONBLOCK)?);
    let out = plugged.interface.open_out()?;
    for round in 0..10_u8 {
        let read = ring.read(&file, 64)?;
        if round % 2 == 0 {
            ring.cancel(read)?;
            let result = ring.wait()?.result;
            ensure!(result.is_err(), "{result:?} of a read that was cancelled");
            continue;
        }
        out.write_at(&[round; 7], 0)?;
        let completed = ring.wait()?;
        ensure!(
            completed.result? == 7 && completed.buffer[..7] == [round; 7],
            "a transfer of 7 bytes came as others"
        );
    }
    // Nothing but the armed endpoint's own transfers is left behind by an end of the ring with a read waiting.
    ring.read(&file, 64)?;
    drop(ring);
    drop((file, out, claim));
    nothing_is_left(&plugged)
}

fn leaves_nothing(end: End) -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    end.leaves_nothing(HOLD, &plugged, 10, |plugged| {
        expect_echo(plugged, b"of the next one")
    })
}

/// The process: claims the interface and starts reads that wait for the device.
pub(crate) fn hold(arguments: &[String]) -> ExitCode {
    held::hold(arguments, |interface| {
        let claim = interface.claim()?;
        let file = Arc::new(interface.open_in()?);
        let mut ring = Ring::new(DEPTH)?;
        for _ in 0..DEPTH {
            ring.read(&file, 512)?;
        }
        wait_live(DEPTH)?;
        Ok((claim, ring))
    })
}
