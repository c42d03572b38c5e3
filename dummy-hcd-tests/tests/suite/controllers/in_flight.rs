//! Transfers in flight that are cancelled, lose their process or lose their device.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys::{Completed, Context, Token};
use dummy_hcd_tests::{usbfs2, wait};

use super::bench::Plugged;
use super::{Bench, Case};
use crate::faults::HOLD;
use crate::held::{End, Held};
use crate::setup::expect_errno;

pub(super) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("in_flight::cancel_with_32_reads_in_flight", cancelled),
        ("in_flight::kill_with_32_reads_in_flight", killed),
        ("in_flight::unplug_with_32_reads_in_flight", unplugged),
    ]
}

const DEPTH: u32 = 32;
const CANCELS: u32 = 100;
const KILLS: u32 = 20;
const UNPLUGS: u32 = 40;

fn each_round(rounds: u32, mut run: impl FnMut(u32) -> Result<()>) -> Result<()> {
    for round in 0..rounds {
        run(round).with_context(|| format!("round {round} of {rounds}"))?;
    }
    Ok(())
}

/// Reads of a keyboard nobody types on: the device answers each poll with NAK, for ever.
fn start_reads(context: &mut Context, file: &Arc<File>) -> Result<Vec<Token>> {
    let reads = (0..DEPTH).map(|_| context.read(file, 0, 8));
    Ok(reads.collect::<std::io::Result<_>>()?)
}

/// One completion for each read; a second one of any is an error of [`Context::wait`].
fn take_all(context: &mut Context) -> Result<Vec<Completed>> {
    let completed = context.wait(DEPTH as usize, wait::DEADLINE)?;
    ensure!(
        context.in_flight() == 0,
        "{} of {DEPTH} reads never completed",
        context.in_flight()
    );
    Ok(completed)
}

fn expect_all(context: &mut Context, what: &str, errno: i32) -> Result<()> {
    for one in take_all(context)? {
        ensure!(
            !one.result.as_ref().is_ok_and(|length| *length > 0),
            "{what} gave {:02x?}",
            one.buffer
        );
        expect_errno(what, one.result, errno)?;
    }
    Ok(())
}

/// The next report says that one key is down, and the one after it that none is.
fn expect_a_key(bench: &Bench, file: &File) -> Result<()> {
    let mut report = [0; 8];
    bench.key("c", true)?;
    ensure!(file.read_at(&mut report, 0)? == 8, "a short report");
    ensure!(report == [0, 0, 6, 0, 0, 0, 0, 0], "{report:02x?} came");
    bench.key("c", false)?;
    ensure!(file.read_at(&mut report, 0)? == 8, "a short report");
    ensure!(report == [0; 8], "{report:02x?} came");
    Ok(())
}

fn cancelled(bench: &Bench) -> Result<()> {
    let keyboard = bench.plug("usb-kbd", "1")?;
    let interface = keyboard.interface()?;
    let _claim = interface.claim()?;
    let file = Arc::new(interface.open_in()?);
    let mut context = Context::new(DEPTH)?;
    each_round(CANCELS, |round| {
        let mut tokens = start_reads(&mut context, &file)?;
        // Another order each round: the one the controller is at first, or last.
        if round % 2 == 1 {
            tokens.reverse();
        }
        for token in tokens {
            ensure!(context.cancel(token)?, "too late for a read that waits");
        }
        expect_all(&mut context, "a cancelled read", libc::ECANCELED)
    })?;
    expect_a_key(bench, &file)
}

fn killed(bench: &Bench) -> Result<()> {
    let keyboard = bench.plug("usb-kbd", "1")?;
    keyboard.wait_driver("usbhid")?;
    each_round(KILLS, |_| {
        let held = Held::start(HOLD, &keyboard.interface()?, End::Kill)?;
        let live = usbfs2::live_requests();
        held.kill()?;
        ensure!(live? == u64::from(DEPTH), "the reads were not in flight");
        nothing_is_left(&keyboard)
    })?;
    let interface = keyboard.interface()?;
    let _claim = interface.claim()?;
    expect_a_key(bench, &interface.open_in()?)
}

fn unplugged(bench: &Bench) -> Result<()> {
    let mut keyboard = bench.plug("usb-kbd", "1")?;
    each_round(UNPLUGS, |_| {
        let interface = keyboard.interface()?;
        let claim = interface.claim()?;
        let file = Arc::new(interface.open_in()?);
        let mut context = Context::new(DEPTH)?;
        start_reads(&mut context, &file)?;
        keyboard.remove()?;
        // Whether or not the kernel has noticed when they end.
        expect_all(&mut context, "a read of what is unplugged", libc::ENODEV)?;
        let later = file.read_at(&mut [0; 8], 0);
        expect_errno("a read after the unplug", later, libc::ENODEV)?;
        drop((context, file, claim));
        usbfs2::wait_no_live_request()?;
        keyboard.pull()?;
        keyboard.plug_again()
    })?;
    let interface = keyboard.interface()?;
    let _claim = interface.claim()?;
    expect_a_key(bench, &interface.open_in()?)
}

/// The module holds nothing, and the interface is with its driver again.
fn nothing_is_left(keyboard: &Plugged<'_>) -> Result<()> {
    usbfs2::wait_no_live_request()?;
    keyboard.wait_driver("usbhid")
}
