//! Transfers in the ring of an endpoint file: their results, and what ends a wait for them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Result, ensure};
use dummy_hcd_tests::sys::mapped::{Mapping, RING_MOST, RING_OFFSET, Ring, batch};
use dummy_hcd_tests::sys::{self, Context};
use dummy_hcd_tests::{usbfs2, wait};

use crate::recovery;
use crate::runner::Test;
use crate::setup::{self, Plugged, expect_errno};

const PACKET: u32 = 512;
const ZERO_PACKET: u32 = 1;
const DEPTH: u16 = 16;
/// Microseconds: longer than any test.
const FOR_EVER: u32 = 1_000_000_000;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "ring::each_transfer_has_its_result_in_its_order",
            each_has_its_result,
        ),
        Test::new("ring::it_goes_round", it_goes_round),
        Test::new(
            "ring::a_short_read_ends_the_wait",
            a_short_read_ends_the_wait,
        ),
        Test::new("ring::patience_ends_the_wait", patience_ends_the_wait),
        Test::new("ring::a_timeout_ends_the_wait", a_timeout_ends_the_wait),
        Test::new(
            "ring::a_result_nobody_has_seen_ends_the_wait_before_it_begins",
            unseen_results,
        ),
        Test::new(
            "ring::a_transfer_in_the_middle_is_cancelled_alone",
            cancelled_alone,
        ),
        Test::new(
            "ring::io_cancel_ends_the_wait_and_no_transfer",
            io_cancel_ends_the_wait,
        ),
        Test::new("ring::a_second_waiter_gets_ebusy", a_second_waiter),
        Test::new("ring::a_stall_ends_those_behind_it", a_stall),
        Test::new(
            "ring::recovery_close_and_unplug_give_each_its_result",
            all_are_ended,
        ),
        Test::new(
            "ring::prepared_transfers_follow_without_a_call",
            prepared_follow,
        ),
        Test::new("ring::what_the_caller_writes_is_not_believed", hostile),
        Test::new("ring::memory_that_is_not_mapped_is_copied", ordinary_memory),
    ]
}

/// One endpoint of the loopback with a ring and memory for its transfers.
struct Side {
    file: Arc<File>,
    input: bool,
    memory: Mapping,
    ring: Ring,
}

impl Side {
    fn open(plugged: &Plugged, input: bool) -> io::Result<Self> {
        let file = plugged.interface.open_both(input)?;
        let ring = Ring::new(&file, 64)?;
        ring.set_times(FOR_EVER, 0);
        Ok(Self {
            memory: Mapping::new(&file, 0, 1 << 20)?,
            ring,
            file: Arc::new(file),
            input,
        })
    }

    /// Where transfer `number` has its memory.
    fn at(&self, number: u32) -> usize {
        (number & (self.ring.size() - 1)) as usize * 4096
    }

    fn put(&self, number: u32, length: u32) {
        let address = self.memory.address(self.at(number));
        self.ring.put(number, address, length, 0);
    }

    fn batch(&self, count: u16, target: u32) -> io::Result<usize> {
        self.ring.batch(&self.file, self.input, count, target)
    }

    /// Starts reads of `length` bytes, numbers 0 on, and does not wait.
    fn start(&self, count: u16, length: u32) -> Result<()> {
        for number in 0..count {
            self.put(number.into(), length);
        }
        ensure!(
            self.batch(count, 0)? == usize::from(count),
            "not all were started"
        );
        ensure!(
            usbfs2::live_requests()? == u64::from(count),
            "not all are in flight"
        );
        Ok(())
    }

    fn wait_done(&self, done: u32) -> Result<()> {
        Ok(wait::until("the transfers have their results", || {
            (self.ring.done() == done).then_some(())
        })?)
    }

    fn expect(&self, number: u32, result: (i32, i32)) -> Result<()> {
        let is = self.ring.result(number);
        ensure!(
            is == result,
            "transfer {number}: {is:?} instead of {result:?}"
        );
        Ok(())
    }
}

/// A loopback, the claim, and its IN endpoint; messages are written by `out`.
fn reader() -> Result<(Plugged, File, Side, File)> {
    let plugged = setup::loopback_with_driver()?;
    let claim = plugged.interface.claim()?;
    let side = Side::open(&plugged, true)?;
    let out = plugged.interface.open_out()?;
    Ok((plugged, claim, side, out))
}

fn each_has_its_result() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let (input, out) = (Side::open(&plugged, true)?, Side::open(&plugged, false)?);
    let length = |number: u32| number * 37 % 4097;
    for number in 0..u32::from(DEPTH) {
        let bytes = vec![number as u8; length(number) as usize];
        out.memory.put(out.at(number), &bytes);
        let flags = if length(number).is_multiple_of(PACKET) && number > 0 {
            ZERO_PACKET
        } else {
            0
        };
        let address = out.memory.address(out.at(number));
        out.ring.put(number, address, length(number), flags);
        input.put(number, 4096);
    }
    ensure!(
        out.batch(DEPTH, DEPTH.into())? == 16,
        "not all were started"
    );
    ensure!(
        out.ring.done() == 16 && out.ring.started() == 16,
        "not all are done"
    );
    // Every one is short, so that each ends a wait.
    ensure!(input.batch(DEPTH, 0)? == 16, "not all were started");
    let mut done = 0;
    while done < u32::from(DEPTH) {
        input.ring.set_seen(done);
        input.batch(0, DEPTH.into())?;
        ensure!(input.ring.done() > done, "woken for nothing");
        done = input.ring.done();
    }
    for number in 0..u32::from(DEPTH) {
        out.expect(number, (length(number).cast_signed(), 0))?;
        input.expect(number, (length(number).cast_signed(), 0))?;
        let bytes = input.memory.get(input.at(number), length(number) as usize);
        ensure!(
            bytes.iter().all(|byte| *byte == number as u8),
            "transfer {number} has the bytes of another"
        );
    }
    Ok(())
}

fn prepared_follow() -> Result<()> {
    /// Stands for all that are prepared.
    const PREPARED: u16 = 0xffff;
    let (_plugged, _claim, side, out) = reader()?;
    let send = || out.write_at(&[7; 100], 0);
    side.put(0, 4096);
    side.ring.set_prepared(1);
    ensure!(side.batch(PREPARED, 0)? == 1, "it was to start one");
    for number in 1..4 {
        side.put(number, 4096);
    }
    side.ring.set_prepared(4);
    ensure!(side.ring.started() == 1, "one is under way");
    send()?;
    wait::until("the others are started", || {
        (side.ring.started() == 4).then_some(())
    })?;
    for done in 2..=4 {
        send()?;
        side.wait_done(done)?;
    }
    for number in 0..4 {
        side.expect(number, (100, 0))?;
    }
    // Nobody's any more once the file is closed, whatever is prepared.
    side.put(4, 4096);
    side.ring.set_prepared(5);
    ensure!(side.batch(PREPARED, 0)? == 1, "it was to start one");
    for number in 5..9 {
        side.put(number, 4096);
    }
    side.ring.set_prepared(9);
    let Side { file, ring, .. } = side;
    drop(file);
    wait::until("the endpoint has no request", || {
        usbfs2::live_requests()
            .ok()
            .filter(|&requests| requests == 0)
    })?;
    ensure!(ring.started() == 5, "{} were started", ring.started());
    Ok(())
}

fn it_goes_round() -> Result<()> {
    const ROUNDS: u32 = 40;
    let plugged = setup::source_sink()?;
    let side = Side::open(&plugged, true)?;
    let size = side.ring.size();
    ensure!(size == 64, "a ring for 64 transfers has {size}");
    let (mut put, mut seen) = (0, 0);
    for _ in 0..ROUNDS {
        let count = size - (put - seen);
        for number in put..put + count {
            side.put(number, 1024);
        }
        put += count;
        side.ring.set_seen(seen);
        side.batch(u16::try_from(count)?, seen + 24)?;
        ensure!(side.ring.done() >= seen + 24, "woken too early");
        for number in seen..seen + 24 {
            side.expect(number, (1024, 0))?;
        }
        seen += 24;
    }
    ensure!(
        side.ring.started() == put,
        "{} of {put}",
        side.ring.started()
    );
    // The largest.
    drop(side);
    let file = plugged.interface.open_both(true)?;
    ensure!(
        Ring::new(&file, RING_MOST)?.size() == RING_MOST,
        "a small ring"
    );
    Ok(())
}

fn a_short_read_ends_the_wait() -> Result<()> {
    let (_plugged, _claim, side, out) = reader()?;
    side.start(DEPTH, PACKET)?;
    let writer = thread::spawn(move || -> io::Result<File> {
        // One whole, which nobody is told of, and a short one.
        out.write_all_at(&[1; PACKET as usize], 0)?;
        thread::sleep(Duration::from_millis(50));
        out.write_all_at(b"short", 0)?;
        Ok(out)
    });
    ensure!(side.batch(0, DEPTH.into())? == 0, "transfers were started");
    ensure!(
        side.ring.done() == 2,
        "woken when {} were done",
        side.ring.done()
    );
    side.expect(0, (512, 0))?;
    side.expect(1, (5, 0))?;
    ensure!(
        writer.join().is_ok_and(|out| out.is_ok()),
        "the writer failed"
    );
    Ok(())
}

fn patience_ends_the_wait() -> Result<()> {
    // The loopback's buffer full, a message is whole to it and to its reader.
    const WHOLE: u32 = 4096;
    let (_plugged, _claim, side, out) = reader()?;
    side.start(DEPTH, WHOLE)?;
    // None at all: the first result is told.
    for (patience, seen) in [(0, 0), (20_000, 1)] {
        side.ring.set_times(patience, 0);
        side.ring.set_seen(seen);
        let other = out.try_clone()?;
        let writer = thread::spawn(move || other.write_all_at(&[1; WHOLE as usize], 0));
        side.batch(0, DEPTH.into())?;
        ensure!(
            side.ring.done() == seen + 1,
            "woken when {} were done",
            side.ring.done()
        );
        ensure!(
            writer.join().is_ok_and(|wrote| wrote.is_ok()),
            "the writer failed"
        );
    }
    Ok(())
}

fn a_timeout_ends_the_wait() -> Result<()> {
    const TIMEOUT: Duration = Duration::from_millis(50);
    let (_plugged, _claim, side, _out) = reader()?;
    side.ring
        .set_times(FOR_EVER, u32::try_from(TIMEOUT.as_micros())?);
    for number in 0..2 {
        side.put(number, PACKET);
    }
    let began = Instant::now();
    ensure!(side.batch(2, 2)? == 2, "not all were started");
    ensure!(began.elapsed() >= TIMEOUT, "the wait was too short");
    ensure!(usbfs2::live_requests()? == 2, "a transfer was cancelled");
    let mut context = Context::new(1)?;
    context.read(&side.file, batch(0, 2), 0)?;
    for one in context.wait(1, wait::DEADLINE)? {
        ensure!(one.result? == 0, "transfers were started");
    }
    ensure!(context.in_flight() == 0, "the wait never ended");
    Ok(())
}

fn unseen_results() -> Result<()> {
    let (_plugged, _claim, side, out) = reader()?;
    side.start(DEPTH, PACKET)?;
    out.write_all_at(b"short", 0)?;
    side.wait_done(1)?;
    side.batch(0, DEPTH.into())?;
    ensure!(side.ring.done() == 1, "it was waited for more");
    // Seen, it is not told again.
    side.ring.set_seen(1);
    side.ring.set_times(FOR_EVER, 20_000);
    let began = Instant::now();
    side.batch(0, DEPTH.into())?;
    ensure!(
        began.elapsed() >= Duration::from_millis(20),
        "the wait ended for what was seen"
    );
    Ok(())
}

fn cancelled_alone() -> Result<()> {
    let (_plugged, _claim, side, out) = reader()?;
    side.start(DEPTH, PACKET)?;
    let ring = &side.ring;
    ensure!(
        ring.cancel(&side.file, true, 1, 8)? == 1,
        "too late to cancel a waiting read"
    );
    ensure!(
        ring.cancel(&side.file, true, 64, 16)? == 0,
        "what was not started was cancelled"
    );
    wait::until("the cancelled one is back", || {
        (usbfs2::live_requests().ok()? == 15).then_some(())
    })?;
    ensure!(ring.done() == 0, "a gap counts as done");
    side.expect(8, (0, -libc::ECANCELED))?;
    for number in 0..DEPTH - 1 {
        out.write_all_at(&[number as u8; 7], 0)?;
    }
    side.wait_done(DEPTH.into())?;
    let others = (0..u32::from(DEPTH)).filter(|number| *number != 8);
    for (message, number) in (0_u8..).zip(others) {
        side.expect(number, (7, 0))?;
        ensure!(
            side.memory.get(side.at(number), 7) == [message; 7],
            "transfer {number} got another message"
        );
    }
    ensure!(
        ring.cancel(&side.file, true, 16, 0)? == 0,
        "what is done was cancelled"
    );
    Ok(())
}

fn io_cancel_ends_the_wait() -> Result<()> {
    let (_plugged, _claim, side, out) = reader()?;
    let mut context = Context::new(2)?;
    for round in 0..50 {
        side.put(round, PACKET);
        side.ring.set_seen(round);
        let token = context.read(&side.file, batch(1, round + 1), 0)?;
        ensure!(context.cancel(token)?, "it was too late to cancel a wait");
        let one = context.wait(1, wait::DEADLINE)?.pop();
        ensure!(
            one.is_some_and(|one| one.result.is_ok_and(|started| started == 1)),
            "the wait did not end with what it started"
        );
        ensure!(
            usbfs2::live_requests()? == 1,
            "the transfer was cancelled, too"
        );
        out.write_all_at(b"message", 0)?;
        side.wait_done(round + 1)?;
        side.expect(round, (7, 0))?;
    }
    // The context goes, and with it the wait alone.
    side.put(50, PACKET);
    side.ring.set_seen(50);
    context.read(&side.file, batch(1, 51), 0)?;
    drop(context);
    ensure!(
        usbfs2::live_requests()? == 1,
        "the transfer was cancelled, too"
    );
    out.write_all_at(b"message", 0)?;
    side.wait_done(51)
}

fn a_second_waiter() -> Result<()> {
    let (_plugged, _claim, side, out) = reader()?;
    let mut context = Context::new(2)?;
    side.put(0, PACKET);
    side.put(1, PACKET);
    context.read(&side.file, batch(1, 1), 0)?;
    expect_errno("a second waiter", side.batch(1, 2), libc::EBUSY)?;
    ensure!(
        side.ring.started() == 1,
        "it started a transfer all the same"
    );
    // Who does not wait may come.
    ensure!(side.batch(1, 0)? == 1, "a transfer was not started");
    out.write_all_at(b"message", 0)?;
    for one in context.wait(1, wait::DEADLINE)? {
        ensure!(one.result? == 1, "another number of transfers was started");
    }
    ensure!(context.in_flight() == 0, "the wait never ended");
    side.ring.set_seen(1);
    out.write_all_at(b"message", 0)?;
    side.batch(0, 2)?;
    side.expect(1, (7, 0))
}

fn a_stall() -> Result<()> {
    let (plugged, _claim, side, out) = reader()?;
    side.start(DEPTH, PACKET)?;
    for number in 0..3 {
        out.write_all_at(&[7; 7], 0)?;
        side.wait_done(number + 1)?;
    }
    recovery::halt(&plugged)?;
    side.wait_done(DEPTH.into())?;
    for number in 0..3 {
        side.expect(number, (7, 0))?;
    }
    side.expect(3, (0, -libc::EPIPE))?;
    for number in 4..u32::from(DEPTH) {
        side.expect(number, (0, -libc::ECANCELED))?;
    }
    // And those that come after it, until it is recovered from.
    side.put(16, PACKET);
    side.ring.set_seen(16);
    side.batch(1, 17)?;
    side.expect(16, (0, -libc::EPIPE))?;
    sys::recover(&side.file)?;
    side.put(17, PACKET);
    side.ring.set_seen(17);
    out.write_all_at(b"again", 0)?;
    side.batch(1, 18)?;
    side.expect(17, (5, 0))
}

fn all_are_ended() -> Result<()> {
    let (plugged, mut claim, mut side, mut out) = reader()?;
    for (how, errno) in [
        ("recovery", libc::ECANCELED),
        ("close", libc::ECANCELED),
        ("unplug", libc::ENODEV),
    ] {
        side.start(DEPTH, PACKET)?;
        let mut context = Context::new(1)?;
        context.read(&side.file, batch(0, DEPTH.into()), 0)?;
        match how {
            "recovery" => sys::recover(&side.file)?,
            "close" => drop(side.file.try_clone()?),
            _ => plugged.pull()?,
        }
        side.wait_done(DEPTH.into())?;
        for number in 0..DEPTH {
            side.expect(number.into(), (0, -errno))?;
        }
        let one = context.wait(1, wait::DEADLINE)?.pop();
        ensure!(
            one.is_some_and(|one| one.result.is_ok()),
            "{how}: the wait did not end"
        );
        if how == "unplug" {
            side.put(16, PACKET);
            side.batch(1, 0)?;
            side.expect(16, (0, -libc::ENODEV))?;
            drop((context, side, out, claim));
            break;
        }
        // The ring goes on where it was: a new one.
        drop((context, side, out, claim));
        usbfs2::wait_no_live_request()?;
        claim = plugged.interface.claim()?;
        side = Side::open(&plugged, true)?;
        out = plugged.interface.open_out()?;
    }
    usbfs2::wait_no_live_request()?;
    Ok(())
}

fn hostile() -> Result<()> {
    let plugged = setup::source_sink()?;
    let file = plugged.interface.open_both(true)?;
    expect_errno(
        "a batch without a ring",
        file.read_at(&mut [], batch(1, 0)),
        libc::EINVAL,
    )?;
    drop(file);
    let side = Side::open(&plugged, true)?;
    let good = side.memory.address(0);
    let bad = [
        (good, 0, 0, libc::EINVAL),
        (good, u32::MAX, 0, libc::EINVAL),
        (good, (64 << 20) + 1, 0, libc::EINVAL),
        (good, PACKET, ZERO_PACKET, libc::EINVAL),
        (good, PACKET, u32::MAX, libc::EINVAL),
        (0, PACKET, 0, libc::EFAULT),
        (u64::MAX, PACKET, 0, libc::EFAULT),
        (0xffff_8880_0000_0000, PACKET, 0, libc::EFAULT),
        (u64::MAX - 4095, 8192, 0, libc::EFAULT),
    ];
    let count = u32::try_from(bad.len())?;
    for (number, (address, length, flags, _)) in (0..).zip(bad) {
        side.ring.put(2 * number, address, length, flags);
        side.put(2 * number + 1, 1024);
    }
    side.batch(u16::try_from(2 * count)?, 0)?;
    side.wait_done(2 * count)?;
    for (number, (.., errno)) in (0..).zip(bad) {
        side.expect(2 * number, (0, -errno))?;
        side.expect(2 * number + 1, (1024, 0))?;
    }
    // Its own words are not read back.
    let next = 2 * count;
    for (word, value) in [(0, 1 << 30), (1, 77), (2, 1_000_000)] {
        side.ring.spoil(word, value);
    }
    for (what, offset) in [
        ("a target that is not started", batch(0, next + 1)),
        ("more than there is room for", batch(65, next)),
        ("unknown bits", batch(0, next) | 1 << 48),
        ("unknown bits", batch(0, next) | 1 << 60),
    ] {
        expect_errno(what, side.file.read_at(&mut [], offset), libc::EINVAL)?;
        expect_errno(
            "with memory",
            side.file.read_at(&mut [0], offset),
            libc::EINVAL,
        )?;
    }
    for number in next..next + 64 {
        side.put(number, 512);
    }
    side.ring.set_seen(next);
    side.batch(64, next + 64)?;
    for number in next..next + 64 {
        side.expect(number, (512, 0))?;
    }
    side.wait_done(next + 64)?;
    // Seen before it was: nobody's loss but the caller's.
    side.ring.set_seen(next + 1000);
    side.put(next + 64, 512);
    side.batch(1, next + 65)?;
    side.expect(next + 64, (512, 0))
}

fn ordinary_memory() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let (input, out) = (Side::open(&plugged, true)?, Side::open(&plugged, false)?);
    // Another mapping's memory is ordinary to this file.
    input.memory.put(4096 + 3, b"a message");
    let from = input.memory.address(4096 + 3);
    out.ring.put(0, from, 9, 0);
    out.batch(1, 1)?;
    out.expect(0, (9, 0))?;
    let to = out.memory.address(2 * 4096 - 4);
    input.ring.put(0, to, 4096, 0);
    input.batch(1, 1)?;
    input.expect(0, (9, 0))?;
    ensure!(
        out.memory.get(2 * 4096 - 4, 9) == b"a message",
        "another message came back"
    );
    expect_errno(
        "a second ring",
        Mapping::new(&input.file, RING_OFFSET, 4096),
        libc::EBUSY,
    )
}
