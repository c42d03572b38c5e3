//! Transfers that are prepared in a ring and not started yet, when what they need goes away.
//!
//! Nobody says when they start: a work item does, once those under way have ended. So each test has one under way
//! and others behind it, or a process that prepares transfers without end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::process::ExitCode;
use std::sync::atomic::{Ordering, fence};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys;
use dummy_hcd_tests::sys::mapped::{Mapping, Ring};
use dummy_hcd_tests::usbfs2::{self, InterfaceFiles};
use dummy_hcd_tests::wait;

use crate::held::{self, End, nothing_is_left};
use crate::runner::Test;
use crate::setup::{self, Plugged};

/// Stands for all that are prepared.
const PREPARED: u16 = 0xffff;
const LENGTH: u32 = 4096;
/// Room in the ring, and the transfers prepared behind the one under way.
const ROOM: u32 = 64;
const BEHIND: u32 = 8;

/// The argument that makes this program a process that prepares transfers until its end.
pub(crate) const STREAM: &str = "--prepare-without-end";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("follow::kill_9_amid_prepared_transfers", || {
            ends_amid_them(End::Kill)
        }),
        Test::new("follow::exit_amid_prepared_transfers", || {
            ends_amid_them(End::Exit)
        }),
        Test::new("follow::exec_amid_prepared_transfers", || {
            ends_amid_them(End::Exec)
        }),
        Test::new(
            "follow::a_pulled_cable_ends_each_that_started_once",
            cable_pulled,
        ),
        Test::new(
            "follow::unmapped_memory_is_left_to_the_next_batch",
            memory_unmapped,
        ),
        Test::new("follow::an_unmapped_ring_goes_on", ring_unmapped),
        Test::new("follow::a_child_that_closes_stops_nothing", forked),
        Test::new(
            "follow::closing_amid_prepared_transfers_starts_no_more",
            closed,
        ),
    ]
}

/// An IN endpoint with a ring, and memory for a read in each of its places.
struct Reads {
    file: File,
    memory: Mapping,
    ring: Ring,
}

impl Reads {
    fn open(interface: &InterfaceFiles) -> io::Result<Self> {
        let file = interface.open_both(true)?;
        let ring = Ring::new(&file, ROOM)?;
        ring.set_times(1_000_000_000, 0);
        let memory = Mapping::new(&file, 0, (ROOM * LENGTH) as usize)?;
        Ok(Self { file, memory, ring })
    }

    /// Prepares reads up to this number.
    fn prepare(&self, from: u32, to: u32) {
        for number in from..to {
            let at = (number % self.ring.size() * LENGTH) as usize;
            self.ring.put(number, self.memory.address(at), LENGTH, 0);
        }
        self.ring.set_prepared(to);
    }

    /// Has one under way, which waits for the device, and some behind it.
    fn start(&self) -> Result<()> {
        self.prepare(0, 1);
        let started = self.ring.batch(&self.file, true, PREPARED, 0)?;
        ensure!(started == 1, "{started} were started");
        self.prepare(1, 1 + BEHIND);
        ensure!(self.ring.started() == 1, "one is under way");
        Ok(())
    }

    /// Reads what comes without end, with a call only where none was under way, until `end` says so of how many are
    /// done.
    fn stream(&self, mut end: impl FnMut(u32) -> bool) -> io::Result<()> {
        let mut prepared = 0;
        loop {
            let done = self.ring.done();
            if end(done) {
                return Ok(());
            }
            self.ring.set_seen(done);
            // Half a ring at most, so that they follow in several goes.
            let to = done.wrapping_add(ROOM / 2);
            self.prepare(prepared, to);
            prepared = to;
            // What was prepared after the last had ended nobody has seen; it was stored before this is looked at.
            fence(Ordering::SeqCst);
            if self.ring.done() == self.ring.started() {
                self.ring.batch(&self.file, true, PREPARED, 0)?;
            }
            thread::yield_now();
        }
    }
}

/// The endpoint works for the next one.
fn works(plugged: &Plugged) -> Result<()> {
    let _claim = plugged.interface.claim()?;
    let length = plugged.interface.open_in()?.read_at(&mut [0; 512], 0)?;
    ensure!(length == 512, "the next read gave {length} bytes");
    Ok(())
}

/// The process that prepares transfers: another thread goes on with it until the end.
pub(crate) fn stream(arguments: &[String]) -> ExitCode {
    held::hold(arguments, |interface| {
        let claim = interface.claim()?;
        let reads = Reads::open(interface)?;
        let (follow, they_follow) = mpsc::channel();
        let since = Instant::now();
        let streaming = thread::spawn(move || {
            reads.stream(|done| {
                if done > ROOM {
                    // Once is enough, and nobody listens any more.
                    let _ = follow.send(());
                }
                since.elapsed() > wait::DEADLINE * wait::patience()
            })
        });
        let heard = they_follow.recv_timeout(wait::DEADLINE * wait::patience());
        heard.context("no transfers follow each other")?;
        Ok((claim, streaming))
    })
}

fn ends_amid_them(end: End) -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    end.leaves_nothing(STREAM, &plugged, 3, works)
}

fn cable_pulled() -> Result<()> {
    let mut plugged = setup::loopback_with_driver()?;
    for _ in 0..3 {
        let claim = plugged.interface.claim()?;
        let reads = Reads::open(&plugged.interface)?;
        reads.start()?;
        plugged.pull()?;
        // The end of the first has the others tried, which fail as any other would: none is left without a result.
        wait::until("each transfer has its result", || {
            (reads.ring.done() == 1 + BEHIND).then_some(())
        })?;
        for number in 0..=BEHIND {
            let result = reads.ring.result(number);
            ensure!(
                result == (0, -libc::ENODEV),
                "transfer {number}: {result:?}"
            );
        }
        ensure!(reads.ring.started() == 1 + BEHIND, "more were started");
        drop((reads, claim));
        plugged.plug_again()?;
        nothing_is_left(&plugged)?;
    }
    Ok(())
}

/// A loopback, the claim, and reads of its IN endpoint; messages are written to the last.
fn loopback() -> Result<(Plugged, File, Reads, File)> {
    let plugged = setup::loopback_with_driver()?;
    let claim = plugged.interface.claim()?;
    let reads = Reads::open(&plugged.interface)?;
    let out = plugged.interface.open_out()?;
    reads.start()?;
    Ok((plugged, claim, reads, out))
}

fn wait_done(ring: &Ring, done: u32) -> Result<()> {
    Ok(wait::until("the transfers have their results", || {
        (ring.done() == done).then_some(())
    })?)
}

fn memory_unmapped() -> Result<()> {
    let (_plugged, _claim, reads, out) = loopback()?;
    let Reads { file, memory, ring } = reads;
    drop(memory);
    // The one under way keeps its pages.
    out.write_all_at(&[1; 9], 0)?;
    wait_done(&ring, 1)?;
    ensure!(ring.result(0) == (9, 0), "{:?}", ring.result(0));
    // A batch has a process, whose addresses these are: there is nothing, or by now something else, which is mapped
    // again here so that it is nobody else's.
    let again = Mapping::new(&file, 0, (ROOM * LENGTH) as usize)?;
    for number in 1..=BEHIND {
        let at = (number * LENGTH) as usize;
        ring.put(number, again.address(at), LENGTH, 0);
    }
    ring.batch(&file, true, PREPARED, 0)?;
    wait::until("the others are started", || {
        (ring.started() == 1 + BEHIND).then_some(())
    })?;
    for number in 1..=BEHIND {
        out.write_all_at(&[2; 7], 0)?;
        wait_done(&ring, 1 + number)?;
        ensure!(ring.result(number) == (7, 0), "transfer {number}");
    }
    Ok(())
}

fn ring_unmapped() -> Result<()> {
    let (_plugged, _claim, reads, out) = loopback()?;
    let Reads { file, memory, ring } = reads;
    drop(ring);
    out.write_all_at(&[1; 9], 0)?;
    wait::until("the others are started", || {
        (usbfs2::live_requests().ok()? == u64::from(BEHIND)).then_some(())
    })?;
    for number in 1..=BEHIND {
        let message = [u8::try_from(number)?; 9];
        out.write_all_at(&message, 0)?;
        wait::until("the transfer is done", || {
            let left = usbfs2::live_requests().ok()?;
            (left == u64::from(BEHIND - number)).then_some(())
        })?;
        let bytes = memory.get((number * LENGTH) as usize, 9);
        ensure!(bytes == message, "transfer {number} has {bytes:?}");
    }
    drop(file);
    Ok(())
}

fn forked() -> Result<()> {
    let (_plugged, _claim, reads, out) = loopback()?;
    let status = sys::in_forked_child(|| {
        sys::close_all_files();
        7
    })?;
    ensure!(status == 7, "the child ended with {status}");
    for done in 1..=1 + BEHIND {
        out.write_all_at(&[3; 11], 0)?;
        wait_done(&reads.ring, done)?;
        let result = reads.ring.result(done - 1);
        ensure!(result == (11, 0), "transfer {}: {result:?}", done - 1);
    }
    Ok(())
}

/// The close meets transfers that end, and the work item that starts others.
fn closed() -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    for round in 0..10 {
        let _claim = plugged.interface.claim()?;
        let Reads { file, memory, ring } = {
            let reads = Reads::open(&plugged.interface)?;
            reads.stream(|done| done > ROOM + round * 5)?;
            reads
        };
        drop(file);
        usbfs2::wait_no_live_request()?;
        let (started, done) = (ring.started(), ring.done());
        ensure!(started == done, "{done} of {started} have a result");
        for number in started.saturating_sub(ROOM / 2)..started {
            let result = ring.result(number);
            ensure!(
                result == (LENGTH.cast_signed(), 0)
                    || result.1 == -libc::ECANCELED
                    || (result.1 == 0 && result.0 > 0 && result.0 % 512 == 0),
                "transfer {number}: {result:?}"
            );
        }
        drop(memory);
        ensure!(ring.started() == started, "one was started after the close");
    }
    Ok(())
}
