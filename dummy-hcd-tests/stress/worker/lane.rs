//! One endpoint: its operations, and what its thread does.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::stress::ledger;
use dummy_hcd_tests::stress::plan::{LaneAction, Step};
use dummy_hcd_tests::sys::{self, Completed, Context, Token};
use dummy_hcd_tests::wait;

use super::Stepper;
use super::excuses::Excuses;
use super::judge::Op;
use super::shared::{Outside, Shared, name};
use crate::arguments::Kind;
use crate::stream::{self, PACKET, UNTOUCHED};

/// Operations in flight at most.
const DEPTH: usize = 32;
/// SET_FEATURE(ENDPOINT_HALT) to an endpoint (USB 2.0 9.4.9), as the offset of a control request.
const SET_HALT: u64 = 0x02 << 40 | 3 << 32;

pub(super) struct Lane<'shared> {
    shared: &'shared Shared,
    direction_in: bool,
    context: Context,
    ops: BTreeMap<Token, Op>,
    file: Option<Endpoint>,
    /// The file has said that it is of no use any more.
    gone: bool,
    /// Nothing is left of a process that used the endpoint before.
    fresh: bool,
}

#[derive(Debug, Clone)]
struct Endpoint {
    file: Arc<File>,
    address: u8,
    opened: Outside,
}

impl<'shared> Lane<'shared> {
    pub(super) fn new(shared: &'shared Shared, direction_in: bool) -> Result<Self> {
        Ok(Self {
            shared,
            direction_in,
            context: Context::new(2 * u32::try_from(DEPTH)?)?,
            ops: BTreeMap::new(),
            file: None,
            gone: false,
            fresh: false,
        })
    }

    fn excuses(&self) -> &'shared Excuses {
        &self.shared.excuses[usize::from(!self.direction_in)]
    }

    fn endpoint(&mut self) -> Result<Endpoint> {
        if let Some(endpoint) = &self.file {
            return Ok(endpoint.clone());
        }
        let (file, opened) = self.shared.open(self.direction_in)?;
        let endpoint = Endpoint {
            address: address_of(&file)?,
            file: Arc::new(file),
            opened,
        };
        if !self.fresh {
            // A process that was killed may have left it halted.
            let recovered = sys::recover(&endpoint.file);
            let recovered = self
                .shared
                .tolerate("the first recovery", opened, recovered)?;
            self.fresh = recovered.is_some();
        }
        self.file = Some(endpoint.clone());
        Ok(endpoint)
    }

    /// Starts an operation of `length` bytes.
    fn submit(&mut self, length: usize, counts: &mut Counts) -> Result<()> {
        let endpoint = self.endpoint()?;
        let mut op = Op::new(self.shared, self.direction_in, endpoint.opened, length)?;
        let submitted = if self.direction_in {
            let buffer = vec![UNTOUCHED; length];
            self.context.read_into(&endpoint.file, 0, buffer)
        } else {
            let bytes = self.to_write(&mut op)?;
            self.context.write(&endpoint.file, 0, bytes)
        };
        let token = submitted.with_context(|| format!("submitting {op:?}"))?;
        self.ops.insert(token, op);
        counts.count(&format!("submitted, {}", name(self.direction_in)));
        Ok(())
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

    /// Judges what is complete.
    fn take(&mut self, completed: Vec<Completed>, counts: &mut Counts) -> Result<()> {
        for one in completed {
            let op = self.ops.remove(&one.token);
            let op = op.with_context(|| format!("{one:?} was never submitted"))?;
            self.gone |= op.judge(self.shared, &one.result, &one.buffer, counts)?;
            counts.count("completed");
        }
        Ok(())
    }

    fn complete(&mut self, most: usize, counts: &mut Counts) -> Result<()> {
        // A Loopback may have nothing to say.
        let (least, time) = match self.shared.kind {
            Kind::SourceSink => (self.ops.len().min(most), wait::DEADLINE),
            Kind::Loopback => (self.ops.len().min(1), Duration::from_millis(1)),
        };
        let completed = self.context.wait(least, time)?;
        ensure!(
            completed.len() >= least || self.shared.kind == Kind::Loopback,
            "{} of {least} operations completed within {} s; lost: {:?}",
            completed.len(),
            time.as_secs(),
            self.ops
        );
        self.take(completed, counts)
    }

    fn cancel(&mut self, tokens: &[Token], counts: &mut Counts) -> Result<()> {
        for token in tokens {
            if let Some(op) = self.ops.get_mut(token) {
                op.cancelled = true;
            }
            match self.context.cancel(*token)? {
                true => counts.count("io_cancel"),
                false => counts.count("io_cancel, too late"),
            }
        }
        Ok(())
    }

    /// Takes the results of all, each of which comes.
    fn settle(&mut self, counts: &mut Counts) -> Result<()> {
        if self.shared.kind == Kind::Loopback {
            let all: Vec<Token> = self.ops.keys().copied().collect();
            self.cancel(&all, counts)?;
        }
        let completed = self.context.wait(self.ops.len(), wait::DEADLINE)?;
        self.take(completed, counts)?;
        ensure!(
            self.ops.is_empty(),
            "no completion within {} s; lost: {:?}",
            wait::DEADLINE.as_secs(),
            self.ops
        );
        ensure!(
            self.context.in_flight() == 0,
            "an operation nobody knows is in flight"
        );
        Ok(())
    }

    /// Has all of this process's operations cancelled by closing one of two descriptors: each is complete after.
    fn close_one(&mut self, counts: &mut Counts) -> Result<()> {
        let Some(endpoint) = self.file.clone() else {
            return Ok(());
        };
        self.excuses().cancels.begin();
        drop(endpoint.file.try_clone()?);
        let completed = self.context.wait(self.ops.len(), Duration::ZERO)?;
        self.excuses().cancels.end();
        self.take(completed, counts)?;
        ensure!(
            self.ops.is_empty(),
            "closing came back before these were complete: {:?}",
            self.ops
        );
        Ok(())
    }

    fn close(&mut self, counts: &mut Counts) -> Result<()> {
        self.close_one(counts)?;
        self.file = None;
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
            let mut buffer = vec![UNTOUCHED; length];
            (endpoint.file.read_at(&mut buffer, 0), buffer)
        } else {
            let bytes = stream::pattern(length);
            (endpoint.file.write_at(&bytes, 0), bytes)
        };
        counts.count("read or write that waits");
        self.gone |= op.judge(self.shared, &result, &buffer, counts)?;
        Ok(())
    }

    fn halt(&mut self, counts: &mut Counts) -> Result<()> {
        let address = self.endpoint()?.address;
        self.excuses().halts.begin();
        let setup = SET_HALT | u64::from(address);
        if let Some(result) = self.shared.control("1.0/ep00", setup, &mut [])? {
            result.context("halting the endpoint")?;
            counts.count("halt");
        }
        Ok(())
    }

    /// A read that is too short for the packet that comes.
    fn babble(&mut self, counts: &mut Counts) -> Result<()> {
        if !self.direction_in || self.ops.len() >= DEPTH {
            return Ok(());
        }
        self.excuses().halts.begin();
        counts.count("read too short for a packet");
        self.submit(ledger::SHORTEST - 1, counts)
    }

    fn recover(&mut self, counts: &mut Counts) -> Result<()> {
        let endpoint = self.endpoint()?;
        self.excuses().cancels.begin();
        let recovered = sys::recover(&endpoint.file);
        self.excuses().cancels.end();
        let gone = |error: &io::Error| error.raw_os_error() == Some(libc::ENODEV);
        self.gone |= recovered.as_ref().is_err_and(gone);
        if self
            .shared
            .tolerate("recovery", endpoint.opened, recovered)?
            .is_some()
        {
            counts.count("recovery");
            // What was submitted before is complete, or nearly: its results are still judged by their marks.
            self.excuses().halts.end_all();
        }
        Ok(())
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
        let completed = self.context.wait(self.ops.len(), Duration::ZERO)?;
        self.take(completed, counts)?;
        ensure!(
            self.ops.is_empty(),
            "fsync came back before these were complete: {:?}",
            self.ops
        );
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

/// The endpoint's address, from the name of its file.
fn address_of(file: &File) -> Result<u8> {
    use std::os::fd::AsRawFd as _;

    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let name = path.to_string_lossy();
    // "... (deleted)" where the device has left since.
    let digits = name
        .rsplit_once("/ep")
        .and_then(|(_, rest)| rest.get(..2))
        .with_context(|| format!("{name} is no endpoint"))?;
    Ok(u8::from_str_radix(digits, 16)?)
}

impl Stepper<LaneAction> for Lane<'_> {
    fn step(&mut self, step: Step<LaneAction>, counts: &mut Counts) -> Result<()> {
        if self.gone {
            // Everything it had in flight completes, and the next file is another.
            self.close(counts)?;
            counts.count("endpoint opened again after the device was gone");
        }
        match step.action {
            LaneAction::Submit => {
                for _ in 0..1 + step.a % 4 {
                    if self.ops.len() < DEPTH {
                        self.submit(self.length(step.b), counts)?;
                    }
                }
                Ok(())
            }
            LaneAction::Cancel if self.ops.is_empty() => Ok(()),
            LaneAction::Cancel => {
                let mut tokens: Vec<Token> = self.ops.keys().copied().collect();
                if !step.b.is_multiple_of(4) {
                    tokens = vec![tokens[step.a % tokens.len()]];
                }
                self.cancel(&tokens, counts)
            }
            LaneAction::Complete => self.complete(1 + step.a % 8, counts),
            LaneAction::Settle => self.settle(counts),
            LaneAction::Blocking => self.blocking(self.length(step.b), counts),
            LaneAction::Halt => self.halt(counts),
            LaneAction::Babble => self.babble(counts),
            LaneAction::Recover => self.recover(counts),
            LaneAction::CloseOne => self.close_one(counts),
            LaneAction::Reopen => {
                counts.count("close");
                self.close(counts)
            }
            LaneAction::Spawn => self.spawn(step, counts),
            LaneAction::Sync => self.sync(counts),
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
