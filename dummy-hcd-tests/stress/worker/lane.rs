//! One endpoint and its thread: which steps it makes with what is in flight.

use std::env;
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::stress::ledger;
use dummy_hcd_tests::stress::plan::{LaneAction, Step};
use dummy_hcd_tests::{sys, wait};

use super::Stepper;
use super::armed::Armed;
use super::endpoint::Endpoint;
use super::excuses::Excuses;
use super::judge::Op;
use super::queue::{Queue, Way};
use super::shared::Shared;
use crate::arguments::Kind;
use crate::stream::{self, PACKET};

/// Operations in flight at most.
const DEPTH: usize = 32;

pub(super) struct Lane<'shared> {
    shared: &'shared Shared,
    direction_in: bool,
    queue: Queue,
    endpoint: Option<Endpoint>,
    /// Instead of `endpoint`: the same, opened with O_NONBLOCK.
    armed: Option<Armed<'shared>>,
    /// The file has said that it is of no use any more.
    gone: bool,
    /// Nothing is left of a process that used the endpoint before.
    fresh: bool,
    /// An armed file reads on while anybody has it open, and a copy of a process has it open for a moment: its own, or
    /// that of a process that was killed. What it takes is lost.
    others_read: bool,
}

impl<'shared> Lane<'shared> {
    pub(super) fn new(shared: &'shared Shared, direction_in: bool) -> Result<Self> {
        Ok(Self {
            shared,
            direction_in,
            queue: Queue::new(direction_in, 2 * u32::try_from(DEPTH)?)?,
            endpoint: None,
            armed: None,
            gone: false,
            fresh: false,
            others_read: true,
        })
    }

    fn excuses(&self) -> &'shared Excuses {
        &self.shared.excuses[usize::from(!self.direction_in)]
    }

    fn open(&mut self, is_armed: bool) -> Result<Endpoint> {
        let endpoint = Endpoint::open(self.shared, self.direction_in, is_armed)?;
        // There is one opener: they are over.
        if self.direction_in && self.others_read {
            self.shared.ledger()?.blur();
        }
        self.others_read = is_armed;
        if !self.fresh {
            // A process that was killed may have left it halted.
            let recovered = sys::recover(&endpoint.file);
            let recovered =
                self.shared
                    .tolerate("the first recovery", endpoint.opened, recovered)?;
            self.fresh = recovered.is_some();
        }
        Ok(endpoint)
    }

    fn endpoint(&mut self) -> Result<Endpoint> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        let endpoint = self.open(false)?;
        self.queue.map(&endpoint.file)?;
        self.endpoint = Some(endpoint.clone());
        Ok(endpoint)
    }

    /// Starts operations of `length` bytes, as many as `number` and the depth allow.
    fn submit(
        &mut self,
        way: Way,
        number: usize,
        length: usize,
        counts: &mut Counts,
    ) -> Result<()> {
        let endpoint = self.endpoint()?;
        let mut ops = Vec::new();
        for _ in 0..number.min(DEPTH.saturating_sub(self.queue.len())) {
            let mut op = Op::new(self.shared, self.direction_in, endpoint.opened, length)?;
            let bytes = match self.direction_in {
                true => Queue::untouched(length),
                false => self.to_write(&mut op)?,
            };
            ops.push((op, bytes));
        }
        self.queue.submit(&endpoint.file, way, ops, counts)
    }

    /// What `op` is to write; on a Loopback its length is a message's.
    fn to_write(&self, op: &mut Op) -> Result<Vec<u8>> {
        if self.shared.kind == Kind::SourceSink {
            return Ok(stream::pattern(op.length));
        }
        let (number, bytes) = self.shared.ledger()?.write(op.length);
        op.length = bytes.len();
        op.message = Some(number);
        Ok(bytes)
    }

    /// Judges what is complete, in the order of submission, which is that of the data.
    fn judge(&mut self, counts: &mut Counts) -> Result<()> {
        while let Some((op, ended)) = self.queue.next_ended() {
            self.gone |= op.judge(self.shared, &ended.result, ended.bytes.as_deref(), counts)?;
            counts.count("completed");
        }
        Ok(())
    }

    fn complete(&mut self, most: usize, counts: &mut Counts) -> Result<()> {
        let Some(endpoint) = self.endpoint.clone() else {
            return Ok(());
        };
        // A Loopback may have nothing to say.
        let in_flight = self.queue.in_flight();
        let (least, time) = match self.shared.kind {
            Kind::SourceSink => (in_flight.min(most), wait::DEADLINE),
            Kind::Loopback => (in_flight.min(1), Duration::from_millis(1)),
        };
        let completed = self.queue.wait(&endpoint.file, least, time)?;
        ensure!(
            completed >= least || self.shared.kind == Kind::Loopback,
            "{completed} of {least} operations completed within {} s",
            time.as_secs(),
        );
        self.judge(counts)
    }

    /// Takes the results of all, each of which comes.
    fn settle(&mut self, counts: &mut Counts) -> Result<()> {
        let Some(endpoint) = self.endpoint.clone() else {
            return self.queue.must_be_empty();
        };
        if self.shared.kind == Kind::Loopback {
            self.queue.cancel(&endpoint.file, None, counts)?;
        }
        let in_flight = self.queue.in_flight();
        self.queue.wait(&endpoint.file, in_flight, wait::DEADLINE)?;
        self.all_are_complete(counts)
    }

    fn all_are_complete(&mut self, counts: &mut Counts) -> Result<()> {
        self.judge(counts)?;
        self.queue.finish_waiter(wait::DEADLINE)?;
        self.queue.must_be_empty()
    }

    /// Has all of this process's operations cancelled by closing one of two descriptors: each is complete after.
    fn close_one(&mut self, counts: &mut Counts) -> Result<()> {
        let Some(endpoint) = self.endpoint.clone() else {
            return Ok(());
        };
        self.excuses().cancels.begin();
        drop(endpoint.file.try_clone()?);
        self.queue.wait(&endpoint.file, 0, Duration::ZERO)?;
        self.excuses().cancels.end();
        let closed = self.all_are_complete(counts);
        closed.context("closing came back")
    }

    fn close(&mut self, counts: &mut Counts) -> Result<()> {
        if let Some(armed) = self.armed.take() {
            armed.close(counts)?;
        }
        self.close_one(counts)?;
        // The mappings outlive the file, for a moment.
        self.endpoint = None;
        self.queue.unmap();
        self.gone = false;
        Ok(())
    }

    fn blocking(&mut self, length: usize, counts: &mut Counts) -> Result<()> {
        // Its reads may wait for writes for ever, and the other way round.
        if self.shared.kind == Kind::Loopback {
            return Ok(());
        }
        let endpoint = self.endpoint()?;
        let op = Op::new(self.shared, self.direction_in, endpoint.opened, length)?;
        let (result, buffer) = if self.direction_in {
            let mut buffer = Queue::untouched(length);
            (endpoint.file.read_at(&mut buffer, 0), buffer)
        } else {
            let bytes = stream::pattern(length);
            (endpoint.file.write_at(&bytes, 0), bytes)
        };
        counts.count("read or write that waits");
        self.gone |= op.judge(self.shared, &result, Some(&buffer), counts)?;
        Ok(())
    }

    /// A read that is too short for the packet that comes.
    fn babble(&mut self, way: Way, counts: &mut Counts) -> Result<()> {
        if !self.direction_in || self.queue.len() >= DEPTH {
            return Ok(());
        }
        self.excuses().halts.begin();
        counts.count("read too short for a packet");
        self.submit(way, 1, ledger::SHORTEST - 1, counts)
    }

    /// Unmaps the buffers while transfers are under way in them.
    fn unmap(&mut self, counts: &mut Counts) -> Result<()> {
        // The messages in them would be lost.
        if self.shared.kind == Kind::Loopback {
            return Ok(());
        }
        let endpoint = self.endpoint()?;
        counts.count("buffers unmapped");
        self.queue.replace_buffers(&endpoint.file)
    }

    fn spawn(&mut self, step: Step<LaneAction>, counts: &mut Counts) -> Result<()> {
        let endpoint = self.endpoint()?;
        // Only of a stream may another process take or add a part.
        let what = match (self.shared.kind, self.direction_in, step.a % 3) {
            (Kind::Loopback, ..) | (_, _, 0) => "hold",
            (_, true, 1) => "read",
            (_, true, _) => "read-exec",
            (_, false, 1) => "write",
            (_, false, _) => "write-exec",
        };
        let input = endpoint.file.try_clone()?;
        // This process closes its copy when the child has one.
        self.excuses().cancels.begin();
        let child = Command::new(env::current_exe()?)
            .args(["companion", what, "--milliseconds"])
            .arg((step.b % 20).to_string())
            .stdin(Stdio::from(input))
            .stdout(Stdio::null())
            .spawn();
        self.excuses().cancels.end();
        self.shared
            .has_companion(child.context("start a companion")?);
        counts.count(&format!("program with an endpoint for its input: {what}"));
        Ok(())
    }

    fn sync(&mut self, counts: &mut Counts) -> Result<()> {
        // A Loopback takes what is read from it, perhaps never.
        if self.direction_in || self.shared.kind == Kind::Loopback {
            return Ok(());
        }
        let endpoint = self.endpoint()?;
        endpoint.file.sync_all().context("fsync")?;
        counts.count("fsync");
        self.queue.wait(&endpoint.file, 0, Duration::ZERO)?;
        let drained = self.all_are_complete(counts);
        drained.context("fsync came back")
    }

    fn reopen(&mut self, is_armed: bool, counts: &mut Counts) -> Result<()> {
        counts.count("close");
        self.close(counts)?;
        if is_armed {
            let endpoint = self.open(true)?;
            self.armed = Some(Armed::new(self.shared, self.direction_in, endpoint)?);
            counts.count("endpoint armed");
        }
        Ok(())
    }

    fn length(&self, b: usize) -> usize {
        match (self.shared.kind, self.direction_in) {
            (Kind::Loopback, true) => PACKET * (1 + b % 8),
            (Kind::Loopback, false) => {
                ledger::SHORTEST + b % (ledger::LONGEST + 1 - ledger::SHORTEST)
            }
            (Kind::SourceSink, true) => PACKET * packets(b),
            (Kind::SourceSink, false) => (PACKET * packets(b)).saturating_sub(b / 64 % PACKET),
        }
    }
}

/// Mostly few, seldom a great many.
fn packets(b: usize) -> usize {
    match b {
        0..64 => 512,
        64..2048 => 1 + b % 128,
        _ => 1 + b % 8,
    }
}

impl Stepper<LaneAction> for Lane<'_> {
    fn step(&mut self, step: Step<LaneAction>, counts: &mut Counts) -> Result<()> {
        self.shared.settle()?;
        if self.gone {
            // Everything it had in flight completes, and the next file is another.
            self.close(counts)?;
            counts.count("endpoint opened again after the device was gone");
        }
        let length = self.length(step.b);
        if let Some(armed) = &mut self.armed
            && step.action != LaneAction::Reopen
        {
            self.gone = armed.step(step, length, counts)?;
            return Ok(());
        }
        let way = Way::of(step.a / 8);
        match step.action {
            LaneAction::Submit => self.submit(way, 1 + step.a % 4, length, counts),
            LaneAction::Cancel => match self.endpoint.clone() {
                Some(endpoint) if self.queue.len() > 0 => {
                    let one = (!step.b.is_multiple_of(4)).then_some(step.a);
                    self.queue.cancel(&endpoint.file, one, counts)
                }
                _ => Ok(()),
            },
            LaneAction::Complete => self.complete(1 + step.a % 8, counts),
            LaneAction::Settle => self.settle(counts),
            LaneAction::Blocking => self.blocking(length, counts),
            LaneAction::Halt => self.endpoint()?.halt(self.shared, counts),
            LaneAction::Babble => self.babble(way, counts),
            LaneAction::Recover => {
                let endpoint = self.endpoint()?;
                self.gone |= endpoint.recover(self.shared, counts)?;
                Ok(())
            }
            LaneAction::CloseOne => self.close_one(counts),
            LaneAction::Reopen => self.reopen(step.b.is_multiple_of(3), counts),
            LaneAction::Spawn => self.spawn(step, counts),
            LaneAction::Sync => self.sync(counts),
            LaneAction::Unmap => self.unmap(counts),
        }
    }

    fn finish(&mut self, counts: &mut Counts) -> Result<()> {
        self.settle(counts)?;
        self.close(counts)
    }

    fn must_stop(&self) -> bool {
        self.shared.has_failed()
    }
}
