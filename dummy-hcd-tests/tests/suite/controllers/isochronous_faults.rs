//! Isochronous packets that are refused, cancelled, or lose their process, their setting or their device.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys::{Context, ISO_START, ISO_STATUS, Status, recover, write_packets};
use dummy_hcd_tests::usbfs2;

use super::speaker::{PACKET, Speaker, expect_played, numbered, send};
use super::{Bench, Case};
use crate::held::{End, Held};
use crate::packets::{HOLD, Load};
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

const ROUNDS: u32 = 40;
/// 3.2 s.
const LOAD: Load = Load {
    is_in: false,
    length: PACKET,
    packets: 100,
    depth: 32,
};

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
    let mut context = Context::new(LOAD.depth)?;
    LOAD.start(&mut context, &file)?;
    recover(&file)?;
    ensure!(
        context
            .wait(LOAD.depth as usize, std::time::Duration::ZERO)?
            .len()
            == LOAD.depth as usize,
        "requests were in flight after POSIX_FADV_DONTNEED"
    );
    drop((context, file));
    plays_on(&mut speaker)
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
    let mut context = Context::new(LOAD.depth)?;
    each_round(|round| {
        let mut tokens = LOAD.start(&mut context, &file)?;
        // Another order each round: the one the controller is at first, or last.
        if round % 2 == 1 {
            tokens.reverse();
        }
        for token in tokens {
            context.cancel(token)?;
        }
        let sent = LOAD.expect_ended(&mut context, libc::ECANCELED)?;
        ensure!(
            sent < LOAD.total(),
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
        let held = Held::start(HOLD, &speaker.stream()?, End::Kill)?;
        let live = usbfs2::live_requests();
        held.kill()?;
        ensure!(live? > 0, "no request was in flight");
        usbfs2::wait_no_live_request()?;
        Ok(())
    })?;
    speaker.claim()?;
    plays_on(&mut speaker)
}

fn unplugged(bench: &Bench) -> Result<()> {
    let mut speaker = Speaker::plug(bench)?;
    each_round(|_| {
        let file = speaker.start()?;
        let mut context = Context::new(LOAD.depth)?;
        LOAD.start(&mut context, &file)?;
        speaker.device.remove()?;
        let sent = LOAD.expect_ended(&mut context, libc::ENODEV)?;
        ensure!(sent < LOAD.total(), "all of them were sent");
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
        let mut context = Context::new(LOAD.depth)?;
        LOAD.start(&mut context, &file)?;
        speaker.stream()?.select(0)?;
        let sent = LOAD.expect_ended(&mut context, libc::ECANCELED)?;
        ensure!(sent < LOAD.total(), "all of them were sent");
        // The setting of the file is not the current one any more.
        expect_errno(
            "a write in another setting",
            write_packets(&file, ISO_STATUS, &[0; PACKET], &[PACKET]),
            libc::ENODEV,
        )
    })?;
    plays_on(&mut speaker)
}
