//! Operations in flight: what ends them, and who is told.

use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Result, bail, ensure};
use dummy_hcd_tests::sys::{Completed, Context, Token};
use dummy_hcd_tests::{usbfs2, wait};
use rustix::event::{EventfdFlags, eventfd};

use crate::runner::Test;
use crate::setup::{self, Plugged, expect_errno};

const DEPTH: u32 = 32;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "in_flight::fsync_waits_for_the_writes_before_it",
            fsync_waits_for_the_writes,
        ),
        Test::new(
            "in_flight::an_eventfd_counts_the_completions",
            an_eventfd_counts,
        ),
        Test::new(
            "in_flight::closing_any_descriptor_cancels_all_of_the_process",
            closing_cancels,
        ),
        Test::new(
            "in_flight::io_cancel_in_the_middle_ends_that_one_alone",
            io_cancel_in_the_middle,
        ),
    ]
}

fn fsync_waits_for_the_writes() -> Result<()> {
    // The loopback has 32 buffers of this length: the writes beyond wait for reads.
    const LENGTH: usize = 4096;
    const WRITES: usize = 40;
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let (input, out) = (plugged.interface.open_in()?, plugged.interface.open_out()?);
    let out = Arc::new(out);
    let mut context = Context::new(64)?;
    for _ in 0..WRITES {
        context.write(&out, 0, vec![0; LENGTH])?;
    }
    let syncing = Arc::clone(&out);
    let syncing = thread::spawn(move || syncing.sync_all());
    wait::until("fsync waits", || {
        waits_in_the_module().unwrap_or(false).then_some(())
    })?;
    for _ in 0..WRITES {
        let length = input.read_at(&mut [0; LENGTH], 0)?;
        ensure!(length == LENGTH, "{length} bytes came back");
    }
    match syncing.join() {
        Ok(synced) => synced?,
        Err(_) => bail!("the thread that syncs panicked"),
    }
    let completed = context.wait(WRITES, Duration::ZERO)?;
    ensure!(
        completed.len() == WRITES,
        "{} of {WRITES} writes were done when fsync was",
        completed.len()
    );
    for one in completed {
        ensure!(one.result? == LENGTH, "a write was cut short");
    }
    Ok(())
}

/// True when a thread of this process sleeps in the module.
fn waits_in_the_module() -> io::Result<bool> {
    for task in fs::read_dir("/proc/self/task")? {
        if fs::read_to_string(task?.path().join("stack"))?.contains("[usbfs2]") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn an_eventfd_counts() -> Result<()> {
    let plugged = setup::source_sink()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let mut context = Context::new(DEPTH)?;
    context.signal(event.try_clone()?);
    for _ in 0..DEPTH {
        context.read(&file, 0, 4096)?;
    }
    let completed = context.wait(DEPTH as usize, wait::DEADLINE)?;
    ensure!(
        completed.len() == DEPTH as usize,
        "{} of {DEPTH} reads completed",
        completed.len()
    );
    // The kernel counts after it has put the completion where it can be taken.
    let mut counted = 0;
    wait::until("the eventfd has counted them all", || {
        let mut count = [0; 8];
        if rustix::io::read(&event, &mut count).is_ok() {
            counted += u64::from_ne_bytes(count);
        }
        (counted >= u64::from(DEPTH)).then_some(())
    })?;
    ensure!(
        counted == u64::from(DEPTH),
        "the eventfd counted {counted} completions of {DEPTH}"
    );
    Ok(())
}

/// Reads that wait, since the device has nothing to send.
fn start_reads(plugged: &Plugged) -> Result<(Context, Arc<fs::File>, Vec<Token>)> {
    let file = Arc::new(plugged.interface.open_in()?);
    let mut context = Context::new(DEPTH)?;
    let tokens = (0..DEPTH)
        .map(|_| context.read(&file, 0, 512))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((context, file, tokens))
}

fn expect_message(one: Completed, message: &[u8]) -> Result<()> {
    let length = one.result?;
    ensure!(
        &one.buffer[..length] == message,
        "{:?} instead of {message:?}",
        &one.buffer[..length]
    );
    Ok(())
}

fn closing_cancels() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let (mut context, file, tokens) = start_reads(&plugged)?;
    let other = file.try_clone()?;
    ensure!(
        usbfs2::live_requests()? == u64::from(DEPTH),
        "the reads are not in flight"
    );
    drop(other);
    let completed = context.wait(tokens.len(), Duration::ZERO)?;
    ensure!(
        completed.len() == tokens.len(),
        "{} of {DEPTH} reads were done when close was",
        completed.len()
    );
    for one in completed {
        expect_errno("a read that was in flight", one.result, libc::ECANCELED)?;
    }
    // The open is not over: another descriptor is there.
    plugged.interface.open_out()?.write_all(b"more")?;
    context.read(&file, 0, 512)?;
    for one in context.wait(1, wait::DEADLINE)? {
        expect_message(one, b"more")?;
    }
    ensure!(context.in_flight() == 0, "the read never completed");
    Ok(())
}

fn io_cancel_in_the_middle() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let (mut context, _file, mut tokens) = start_reads(&plugged)?;
    let middle = tokens.remove(tokens.len() / 2);
    ensure!(
        context.cancel(middle)?,
        "it was too late to cancel a waiting read"
    );
    for one in context.wait(1, wait::DEADLINE)? {
        ensure!(one.token == middle, "another read completed");
        expect_errno("the cancelled read", one.result, libc::ECANCELED)?;
    }
    ensure!(
        context.in_flight() == tokens.len(),
        "the cancelled read did not complete alone"
    );
    // The others take what comes, each one message, in their order.
    let mut out = plugged.interface.open_out()?;
    for (number, token) in (0_u8..).zip(tokens) {
        out.write_all(&[number; 7])?;
        let one = context.wait(1, wait::DEADLINE)?.pop();
        let one = one.ok_or_else(|| anyhow::anyhow!("read {number} did not complete"))?;
        ensure!(one.token == token, "read {number} was overtaken");
        expect_message(one, &[number; 7])?;
    }
    Ok(())
}
