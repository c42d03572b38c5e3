//! Isochronous packets that are refused, cancelled, or lose their process, their setting or their device.

use std::fs::File;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys::{
    Completed, Context, ISO_START, ISO_STATUS, Status, Token, recover, write_packets,
};
use dummy_hcd_tests::usbfs2::InterfaceFiles;
use dummy_hcd_tests::{usbfs2, wait};

use super::speaker::{PACKET, Speaker, expect_played, numbered, send};
use super::{Bench, Case};
use crate::faults::{Held, hold_until_killed};
use crate::setup::expect_errno;

pub(super) fn cases_of_files() -> Vec<(&'static str, Case)> {
    vec![
        ("isochronous::what_cannot_be_sent_is_refused", refused),
        ("isochronous::cancel_with_32_requests_in_flight", cancelled),
        ("isochronous::kill_with_32_requests_in_flight", killed),
        ("isochronous::unplug_with_32_requests_in_flight", unplugged),
        ("isochronous::setting_changed_with_32_in_flight", deselected),
    ]
}

/// The argument that makes this program the process that is killed.
pub(crate) const HOLD: &str = "--hold-packets";

const DEPTH: u32 = 32;
const ROUNDS: u32 = 40;
/// Packets of a request: [`DEPTH`] of these last 3.2 s.
const PACKETS: usize = 100;

fn refused(bench: &Bench) -> Result<()> {
    let mut speaker = Speaker::plug(bench)?;
    let file = speaker.start()?;
    let packet = [1; PACKET];
    for (what, flags, lengths, errno) in [
        ("an unknown flag", 1 << 3, vec![PACKET], libc::EINVAL),
        ("ZERO_PACKET", 1, vec![PACKET], libc::EINVAL),
        ("a frame alone", 1 << 32, vec![PACKET], libc::EINVAL),
        ("no packet", ISO_STATUS, vec![], libc::EINVAL),
        ("a long packet", 0, vec![PACKET + 1], libc::EMSGSIZE),
        (
            "a long packet behind others",
            ISO_STATUS,
            vec![4, 0, PACKET + 1],
            libc::EMSGSIZE,
        ),
    ] {
        let bytes = vec![0; lengths.iter().sum()];
        expect_errno(what, write_packets(&file, flags, &bytes, &lengths), errno)?;
    }
    // Linux's rule: a write of nothing is none.
    let (written, _) = write_packets(&file, 0, &[], &[0; 3])?;
    ensure!(written == 0, "{written} bytes of none were written");
    // With statuses it is one.
    let (written, statuses) = write_packets(&file, ISO_STATUS, &[], &[0; 3])?;
    ensure!(
        written == 0 && statuses[..3] == [Status::moved(0); 3],
        "zero-length packets: {written}, {statuses:?}"
    );
    let (written, statuses) = write_packets(&file, ISO_STATUS, &packet, &[PACKET])?;
    ensure!(
        written == PACKET && statuses[0] == Status::moved(PACKET),
        "{written}, {statuses:?}"
    );
    // A frame in the past: whatever becomes of the packet, the operation ends.
    let (_, statuses) = write_packets(&file, ISO_STATUS | ISO_START, &packet, &[PACKET])?;
    ensure!(
        statuses.iter().all(|status| *status != Status::UNTOUCHED),
        "{statuses:?}"
    );
    // Without statuses, and as one packet.
    let (written, _) = write_packets(&file, 0, &packet, &[PACKET / 2, PACKET / 2])?;
    ensure!(written == PACKET, "{written} bytes were written");
    let written = std::os::unix::fs::FileExt::write_at(&*file, &packet, 0)?;
    ensure!(written == PACKET, "{written} bytes were written");
    // The queue has nothing, and then something, to be rid of.
    recover(&file)?;
    let mut context = Context::new(DEPTH)?;
    start(&mut context, &file)?;
    recover(&file)?;
    ensure!(
        context
            .wait(DEPTH as usize, std::time::Duration::ZERO)?
            .len()
            == DEPTH as usize,
        "requests were in flight after POSIX_FADV_DONTNEED"
    );
    drop((context, file));
    plays_on(&mut speaker)
}

fn start(context: &mut Context, file: &Arc<File>) -> Result<Vec<Token>> {
    let bytes = numbered(0, PACKETS * PACKET);
    let requests = (0..DEPTH)
        .map(|_| context.write_packets(file, ISO_STATUS, bytes.clone(), &[PACKET; PACKETS]));
    Ok(requests.collect::<std::io::Result<_>>()?)
}

/// One completion for each request, in which packets were sent up to some point and ended with `errno` from
/// there on; those whose end came before their first packet failed with it. Returns how many packets were sent.
fn expect_ended(context: &mut Context, errno: i32) -> Result<usize> {
    let completed = context.wait(DEPTH as usize, wait::DEADLINE)?;
    ensure!(
        context.in_flight() == 0,
        "{} requests never completed",
        context.in_flight()
    );
    let mut sent = 0;
    for one in completed {
        sent += packets_sent(one, errno)?;
    }
    Ok(sent)
}

fn packets_sent(one: Completed, errno: i32) -> Result<usize> {
    let Ok(length) = one.result else {
        expect_errno("a request that was ended", one.result, errno)?;
        ensure!(
            one.statuses
                .iter()
                .all(|status| *status == Status::UNTOUCHED),
            "statuses of a failed request: {:?}",
            one.statuses
        );
        return Ok(0);
    };
    let (of_all, packets) = one.statuses.split_last().context("no statuses")?;
    let sent = packets.iter().filter(|packet| packet.status == 0).count();
    ensure!(length == sent * PACKET, "{length} bytes of {sent} packets");
    ensure!(
        usize::try_from(of_all.status)? == PACKETS - sent,
        "{of_all:?} of {PACKETS} packets of which {sent} were sent"
    );
    // UHCI says of a packet the device was pulled at that it met an error.
    let ends = packets
        .iter()
        .rev()
        .take_while(|packet| packet.status == -errno);
    ensure!(
        packets.iter().take(PACKETS - ends.count()).all(|packet| {
            *packet == Status::moved(PACKET)
                || [-libc::EXDEV, -libc::EPROTO].contains(&packet.status)
        }),
        "the statuses are {packets:?}"
    );
    Ok(sent)
}

/// After all that a stream is heard from its first frame on.
fn plays_on(speaker: &mut Speaker<'_>) -> Result<()> {
    speaker.plug_again()?;
    let file = speaker.start()?;
    let sent = numbered(0, 100 * PACKET);
    let mut bytes = sent.clone();
    bytes.resize(sent.len() + 200 * PACKET, 0);
    send(&file, &bytes, &[PACKET; 10], 8)?;
    drop(file);
    expect_played(speaker, &sent)
}

fn each_round(mut run: impl FnMut(u32) -> Result<()>) -> Result<()> {
    for round in 0..ROUNDS {
        run(round).with_context(|| format!("round {round} of {ROUNDS}"))?;
    }
    Ok(())
}

fn cancelled(bench: &Bench) -> Result<()> {
    let mut speaker = Speaker::plug(bench)?;
    let file = speaker.start()?;
    let mut context = Context::new(DEPTH)?;
    each_round(|round| {
        let mut tokens = start(&mut context, &file)?;
        // Another order each round: the one the controller is at first, or last.
        if round % 2 == 1 {
            tokens.reverse();
        }
        for token in tokens {
            context.cancel(token)?;
        }
        let sent = expect_ended(&mut context, libc::ECANCELED)?;
        ensure!(
            sent < DEPTH as usize * PACKETS,
            "the cancels came too late for all of them"
        );
        Ok(())
    })?;
    drop((context, file));
    plays_on(&mut speaker)
}

fn killed(bench: &Bench) -> Result<()> {
    let mut speaker = Speaker::plug(bench)?;
    speaker.release();
    each_round(|_| {
        let held = Held::start_with(HOLD, &speaker.stream()?)?;
        let live = usbfs2::live_requests();
        held.kill()?;
        ensure!(live? > 0, "no request was in flight");
        usbfs2::wait_no_live_request()?;
        Ok(())
    })?;
    speaker.claim()?;
    plays_on(&mut speaker)
}

/// The process that is killed.
pub(crate) fn hold(arguments: &[String]) -> ExitCode {
    hold_until_killed(arguments, |interface| hold_packets(&interface))
}

fn hold_packets(interface: &InterfaceFiles) -> Result<()> {
    let _claim = interface.claim()?;
    std::fs::write(interface.path().join("alternate"), "1")?;
    let file = Arc::new(interface.open_out()?);
    let mut context = Context::new(DEPTH)?;
    start(&mut context, &file)?;
    println!("ready");
    expect_ended(&mut context, libc::ECANCELED)?;
    Ok(())
}

fn unplugged(bench: &Bench) -> Result<()> {
    let mut speaker = Speaker::plug(bench)?;
    each_round(|_| {
        let file = speaker.start()?;
        let mut context = Context::new(DEPTH)?;
        start(&mut context, &file)?;
        speaker.device.remove()?;
        let sent = expect_ended(&mut context, libc::ENODEV)?;
        ensure!(sent < DEPTH as usize * PACKETS, "all of them were sent");
        expect_errno(
            "a write after the unplug",
            write_packets(&file, ISO_STATUS, &[0; PACKET], &[PACKET]),
            libc::ENODEV,
        )?;
        drop((context, file));
        speaker.plug_again()
    })?;
    plays_on(&mut speaker)
}

fn deselected(bench: &Bench) -> Result<()> {
    let mut speaker = Speaker::plug(bench)?;
    each_round(|_| {
        let file = speaker.start()?;
        let mut context = Context::new(DEPTH)?;
        start(&mut context, &file)?;
        speaker.select(0)?;
        let sent = expect_ended(&mut context, libc::ECANCELED)?;
        ensure!(sent < DEPTH as usize * PACKETS, "all of them were sent");
        // The setting of the file is not the current one any more.
        expect_errno(
            "a write in another setting",
            write_packets(&file, ISO_STATUS, &[0; PACKET], &[PACKET]),
            libc::ENODEV,
        )
    })?;
    plays_on(&mut speaker)
}
