//! Endpoints that halt, and what it takes to go on.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys::{self, recover};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{Buffer, TransferError};
use usbfs2_protocol::SetupPacket;

use super::bulk::Pipes;
use super::{Bench, Case};
use crate::setup::expect_errno;

pub(super) fn cases() -> Vec<(&'static str, Case)> {
    vec![(
        "halts::a_stalled_pipe_goes_on_after_its_recovery",
        recovered,
    )]
}

/// Of the module's files, without a library between.
pub(super) fn cases_of_files() -> Vec<(&'static str, Case)> {
    vec![("halts::what_is_queued_behind_a_stall_ends", queued)]
}

fn recovered(bench: &Bench) -> Result<()> {
    let disk = bench.plug_disk("1", &[0; 64 << 10])?;
    let mut pipes = Pipes::open(&disk)?;
    for _ in 0..3 {
        // A descriptor that no device has.
        let setup = SetupPacket::get_descriptor(0x7f, 0, 0, 8);
        let answer = pipes.interface.control_in_blocking(setup, DEADLINE);
        ensure!(answer == Err(TransferError::Stall), "{answer:?}");
        // The control pipe needs no recovery (USB 2.0 8.5.3.4).
        let setup = SetupPacket::get_descriptor(1, 0, 0, 18);
        let answer = pipes.interface.control_in_blocking(setup, DEADLINE)?;
        ensure!(answer.len() == 18, "{answer:02x?}");

        // No command is as long (BOT 6.2.1).
        let nonsense = Buffer::from(vec![0x55; 30]);
        let sent = pipes.out.transfer_blocking(nonsense, DEADLINE);
        ensure!(sent.status == Err(TransferError::Stall), "{sent:?}");
        pipes.out.clear_halt()?;
        pipes.test_unit_ready()?;

        // Nothing was asked for.
        let room = Buffer::with_capacity(512);
        let received = pipes.input.transfer_blocking(room, DEADLINE);
        ensure!(received.status == Err(TransferError::Stall), "{received:?}");
        pipes.input.clear_halt()?;
        pipes.test_unit_ready()?;
    }
    Ok(())
}

fn queued(bench: &Bench) -> Result<()> {
    const DEPTH: u32 = 32;
    let disk = bench.plug_disk("1", &[0; 64 << 10])?;
    let interface = disk.interface()?;
    let claim = interface.claim()?;
    let file = Arc::new(interface.open_in()?);
    let mut context = sys::Context::new(DEPTH)?;
    for _ in 0..20 {
        for _ in 0..DEPTH {
            context.read(&file, 0, 512)?;
        }
        let mut completed = context.wait(DEPTH as usize, DEADLINE)?;
        ensure!(context.in_flight() == 0, "reads never completed");
        completed.sort_by_key(|one| one.token);
        let mut completed = completed.into_iter();
        let first = completed.next().context("no read")?;
        expect_errno("the read that met the stall", first.result, libc::EPIPE)?;
        // Those queued then are cancelled; those that came later are told of the halt.
        let mut came_later = false;
        for one in completed {
            let error = one.result.err().and_then(|error| error.raw_os_error());
            came_later |= error == Some(libc::EPIPE);
            let expected = if came_later {
                libc::EPIPE
            } else {
                libc::ECANCELED
            };
            ensure!(
                error == Some(expected),
                "a read behind a stall: {error:?} instead of {expected}"
            );
        }
        recover(&file)?;
    }
    drop((context, file, claim));
    Pipes::open(&disk)?.test_unit_ready()
}
