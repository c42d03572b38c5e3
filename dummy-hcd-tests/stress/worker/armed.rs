//! An endpoint opened with O_NONBLOCK: what it gives and takes at once, and which of its late errors can be true.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, anyhow, ensure};
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::stress::plan::{LaneAction, Step};
use dummy_hcd_tests::wait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::endpoint::Endpoint;
use super::judge::Op;
use super::shared::{Shared, name};
use crate::arguments::Kind;
use crate::stream::{self, PACKET};

/// Transfers that the kernel queues at most (README.md of the module, Armed endpoints).
const QUEUED: usize = 64;

pub(super) struct Armed<'shared> {
    shared: &'shared Shared,
    direction_in: bool,
    endpoint: Endpoint,
    /// What has happened since the last error, or since it was opened.
    since: Op,
    /// Of a stream: bytes read of the packet that was cut.
    position: usize,
    /// Messages accepted of which nothing is known yet.
    pending: VecDeque<(u32, Op)>,
}

impl<'shared> Armed<'shared> {
    pub(super) fn new(
        shared: &'shared Shared,
        direction_in: bool,
        endpoint: Endpoint,
    ) -> Result<Self> {
        Ok(Self {
            shared,
            direction_in,
            since: Op::new(shared, direction_in, endpoint.opened, 0)?,
            endpoint,
            position: 0,
            pending: VecDeque::new(),
        })
    }

    /// One step; true when the file is of no use any more.
    pub(super) fn step(
        &mut self,
        step: Step<LaneAction>,
        length: usize,
        counts: &mut Counts,
    ) -> Result<bool> {
        match step.action {
            LaneAction::Halt => self.endpoint.halt(self.shared, counts).map(|()| false),
            LaneAction::Recover => {
                // It cancels what is queued, and no error tells of that.
                self.forget()?;
                self.endpoint.recover(self.shared, counts)
            }
            LaneAction::Sync | LaneAction::Settle => self.sync(counts),
            LaneAction::Complete | LaneAction::Blocking => {
                self.poll()?;
                counts.count("poll of an armed endpoint");
                self.transfer(length, counts).map(|(_, gone)| gone)
            }
            _ => {
                for _ in 0..1 + step.a % 8 {
                    let (went, gone) = self.transfer(length, counts)?;
                    if gone || !went {
                        return Ok(gone);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Until there is something to do; of a stream there soon is.
    fn poll(&self) -> Result<()> {
        let flags = match self.direction_in {
            true => PollFlags::IN,
            false => PollFlags::OUT,
        };
        let is_stream = self.shared.kind == Kind::SourceSink;
        let time = match is_stream {
            true => Timespec {
                tv_sec: wait::DEADLINE.as_secs().cast_signed(),
                tv_nsec: 0,
            },
            false => Timespec {
                tv_sec: 0,
                tv_nsec: 1_000_000,
            },
        };
        let mut fds = [PollFd::new(&*self.endpoint.file, flags)];
        let ready = poll(&mut fds, Some(&time))?;
        ensure!(
            ready > 0 || !is_stream,
            "an armed {} endpoint was not ready for {} s",
            name(self.direction_in),
            time.tv_sec
        );
        Ok(())
    }

    /// A read or a write: whether something moved, and whether the file is of no use any more.
    fn transfer(&mut self, length: usize, counts: &mut Counts) -> Result<(bool, bool)> {
        let before = self.now()?;
        let result = match self.direction_in {
            true => self.read(length, counts)?,
            false => self.write(length, counts)?,
        };
        match result {
            Ok(()) => Ok((true, false)),
            Err(error) => Ok((false, self.failed(&error, before, counts)?)),
        }
    }

    fn read(&mut self, length: usize, counts: &mut Counts) -> Result<io::Result<()>> {
        let mut bytes = vec![stream::UNTOUCHED; length];
        let moved = match self.endpoint.file.read_at(&mut bytes, 0) {
            Ok(moved) => moved,
            Err(error) => return Ok(Err(error)),
        };
        ensure!(moved > 0, "a packet of nothing came");
        counts.count("read of an armed endpoint");
        counts.add("bytes", moved as u64);
        let bytes = &bytes[..moved];
        match self.shared.kind {
            Kind::Loopback => {
                let told = self.shared.ledger()?.came(bytes);
                told.map_err(|error| anyhow!("armed: {error}"))?;
            }
            Kind::SourceSink => {
                let wrong = stream::first_wrong_from(self.position, bytes);
                ensure!(wrong.is_none(), "armed: byte {wrong:?} of {moved} is wrong");
                self.position = (self.position + moved) % PACKET;
            }
        }
        Ok(Ok(()))
    }

    fn write(&mut self, length: usize, counts: &mut Counts) -> Result<io::Result<()>> {
        let op = Op::new(self.shared, false, self.endpoint.opened, length)?;
        let (message, bytes) = match self.shared.kind {
            Kind::SourceSink => (None, stream::pattern(length)),
            Kind::Loopback => {
                let (number, bytes) = self.shared.ledger()?.write(length);
                (Some(number), bytes)
            }
        };
        let written = self.endpoint.file.write_at(&bytes, 0);
        match (&written, message) {
            (Ok(_), Some(number)) => self.pending.push_back((number, op)),
            (Err(_), Some(number)) => self.tell(number, false, &op, false)?,
            (_, None) => {}
        }
        let moved = match written {
            Ok(moved) => moved,
            Err(error) => return Ok(Err(error)),
        };
        counts.count("write to an armed endpoint");
        counts.add("bytes", moved as u64);
        let is_whole = moved == bytes.len();
        let is_cut = moved > 0 && moved < bytes.len() && moved.is_multiple_of(PACKET);
        ensure!(
            is_whole || is_cut && message.is_none(),
            "armed: {moved} of {} bytes were taken",
            bytes.len()
        );
        // There is room for so many: what was before them is with the device, and went well, for no error was told.
        while self.pending.len() > QUEUED {
            if let Some((number, op)) = self.pending.pop_front() {
                self.tell(number, true, &op, false)?;
            }
        }
        Ok(Ok(()))
    }

    fn tell(&self, number: u32, sent: bool, op: &Op, excused: bool) -> Result<()> {
        let excused = excused || op.is_excused(self.shared)?;
        let told = self.shared.ledger()?.written(number, sent, excused);
        told.map_err(|error| anyhow!("armed: {error}"))
    }

    /// Nothing is known of what was accepted.
    fn forget(&mut self) -> Result<()> {
        for (number, op) in std::mem::take(&mut self.pending) {
            self.tell(number, true, &op, true)?;
        }
        Ok(())
    }

    /// How things stand.
    fn now(&self) -> Result<Op> {
        Op::new(self.shared, self.direction_in, self.endpoint.opened, 0)
    }

    /// A call that was made after `before` gave this. True when the file is of no use any more.
    fn failed(&mut self, error: &io::Error, before: Op, counts: &mut Counts) -> Result<bool> {
        let errno = error.raw_os_error();
        if errno == Some(libc::EAGAIN) {
            counts.count("armed endpoint: EAGAIN");
            return Ok(false);
        }
        let judged = self.since.judge_error(self.shared, error);
        judged.with_context(|| format!("armed {}", name(self.direction_in)))?;
        ensure!(
            self.position == 0,
            "armed: {error} came {} bytes into a packet",
            self.position
        );
        counts.count("armed endpoint: an error, late");
        self.forget()?;
        // Behind it, an error of what came after the call was made.
        self.since = before;
        Ok(errno == Some(libc::ENODEV))
    }

    fn sync(&mut self, counts: &mut Counts) -> Result<bool> {
        // A Loopback takes what is read from it, perhaps never.
        if self.direction_in || self.shared.kind == Kind::Loopback {
            return Ok(false);
        }
        counts.count("fsync of an armed endpoint");
        let before = self.now()?;
        match self.endpoint.file.sync_all() {
            Ok(()) => Ok(false),
            Err(error) => self.failed(&error, before, counts),
        }
    }

    pub(super) fn close(mut self, counts: &mut Counts) -> Result<()> {
        counts.count("armed endpoint closed");
        self.forget()?;
        let Self {
            shared,
            direction_in,
            endpoint,
            ..
        } = self;
        drop(endpoint);
        if direction_in {
            // What waited to be read is lost.
            shared.ledger()?.blur();
        }
        Ok(())
    }
}
