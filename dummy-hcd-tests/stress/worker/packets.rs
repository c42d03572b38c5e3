//! The isochronous endpoints of a SourceSink, where its setting has some: runs of packets both ways, and what became of
//! each packet.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::stress::plan::{Step, StreamAction};
use dummy_hcd_tests::sys::{self, Completed, Context, ISO_STATUS, Status, Token};
use dummy_hcd_tests::wait;

use super::Stepper;
use super::excuses::Mark;
use super::shared::{Outside, Shared, is_passing, name};
use crate::stream::{ISOCHRONOUS_PACKET as PACKET, isochronous_byte};

/// Operations in flight at most, each way.
const DEPTH: usize = 8;

pub(super) struct Packets<'shared> {
    shared: &'shared Shared,
    context: Context,
    /// Of the IN endpoint and of the OUT endpoint.
    files: [Option<Open>; 2],
    ops: BTreeMap<Token, Op>,
    /// A file has said that it is of no use any more.
    gone: [bool; 2],
}

/// A file, and how things stood before it was opened.
#[derive(Debug, Clone)]
struct Open {
    file: Arc<File>,
    outside: Outside,
    restarts: Mark,
}

#[derive(Debug)]
struct Op {
    direction_in: bool,
    lengths: Vec<usize>,
    cancelled: bool,
    opened: Open,
    since: Outside,
    restarts: Mark,
}

impl<'shared> Packets<'shared> {
    pub(super) fn new(shared: &'shared Shared) -> Result<Self> {
        Ok(Self {
            shared,
            context: Context::new(4 * u32::try_from(DEPTH)?)?,
            files: [None, None],
            ops: BTreeMap::new(),
            gone: [false; 2],
        })
    }

    /// The endpoint's file. None while there is no such endpoint: the setting that has one is selected then.
    fn file(&mut self, direction_in: bool, counts: &mut Counts) -> Result<Option<Open>> {
        let index = usize::from(!direction_in);
        if let Some(open) = &self.files[index] {
            return Ok(Some(open.clone()));
        }
        let restarts = self.shared.excuses[0].restarts.mark();
        let outside = self.shared.claim()?;
        let opened = self.shared.interface.isochronous(direction_in);
        let opened = opened.and_then(|path| {
            let mut options = OpenOptions::new();
            options.read(direction_in).write(!direction_in).open(path)
        });
        match opened {
            Ok(file) => {
                let open = Open {
                    file: Arc::new(file),
                    outside,
                    restarts,
                };
                self.files[index] = Some(open.clone());
                Ok(Some(open))
            }
            Err(error) if is_passing(&error) => {
                if self.shared.select("1.0/alternate", "1")? {
                    counts.count("setting with isochronous endpoints selected");
                }
                Ok(None)
            }
            Err(error) => Err(error).context("opening an isochronous endpoint"),
        }
    }

    fn submit(
        &mut self,
        direction_in: bool,
        step: Step<StreamAction>,
        counts: &mut Counts,
    ) -> Result<()> {
        let Some(opened) = self.file(direction_in, counts)? else {
            return Ok(());
        };
        let in_flight = self.ops.values();
        let in_flight = in_flight.filter(|op| op.direction_in == direction_in);
        if in_flight.count() >= DEPTH {
            return Ok(());
        }
        let packets = match step.b % 16 {
            0 => 200,
            few => few,
        };
        let length = |index: usize| match direction_in {
            true => PACKET,
            false => (step.a + 7 * index) % (PACKET + 1),
        };
        let lengths: Vec<usize> = (0..packets).map(length).collect();
        let file = Arc::clone(&opened.file);
        let op = Op {
            direction_in,
            cancelled: false,
            opened,
            since: self.shared.outside()?,
            restarts: self.shared.excuses[0].restarts.mark(),
            lengths,
        };
        let token = match direction_in {
            true => self.context.read_packets(&file, ISO_STATUS, &op.lengths),
            false => {
                let lengths = op.lengths.iter();
                let bytes = lengths.flat_map(|length| (0..*length).map(isochronous_byte));
                let bytes = bytes.collect();
                self.context
                    .write_packets(&file, ISO_STATUS, bytes, &op.lengths)
            }
        };
        let token = token.with_context(|| format!("submitting {op:?}"))?;
        counts.count(&format!(
            "packets submitted, {}, in runs",
            name(direction_in)
        ));
        self.ops.insert(token, op);
        Ok(())
    }

    fn wait(&mut self, least: usize, counts: &mut Counts) -> Result<()> {
        let completed = self.context.wait(least, wait::DEADLINE)?;
        ensure!(
            completed.len() >= least,
            "{} of {least} runs of packets completed; lost: {:?}",
            completed.len(),
            self.ops
        );
        for one in completed {
            let op = self.ops.remove(&one.token);
            let op = op.with_context(|| format!("{one:?} was never submitted"))?;
            let judged = self.judge(&op, &one, counts);
            let gone = judged
                .with_context(|| format!("{op:?} gave {:?}, {:?}", one.result, one.statuses))?;
            self.gone[usize::from(!op.direction_in)] |= gone;
        }
        Ok(())
    }

    /// Holds a result against what can be true. True when the endpoint is of no use any more.
    fn judge(&self, op: &Op, one: &Completed, counts: &mut Counts) -> Result<bool> {
        let disturbed = self.shared.disturbed(op.since)?;
        let restarted = self.shared.excuses[0].restarts.holds(op.restarts);
        let is_ended = op.cancelled || restarted || disturbed;
        // Another setting may have no such endpoint.
        let is_gone = self.shared.excuses[0].restarts.holds(op.opened.restarts)
            || self.shared.disturbed(op.opened.outside)?;
        let may_be = |errno: i32| match errno {
            libc::EXDEV => true,
            libc::ECANCELED => is_ended,
            libc::ENODEV => is_gone,
            _ => false,
        };
        let direction = name(op.direction_in);
        let length = match &one.result {
            Ok(length) => *length,
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(0);
                ensure!(
                    errno != libc::EXDEV && may_be(errno),
                    "an error without a reason"
                );
                counts.count(&format!("packets, {direction}: a run without any"));
                return Ok(errno == libc::ENODEV);
            }
        };
        let (packets, all) = one.statuses.split_at(op.lengths.len());
        let mut start = 0;
        let (mut sum, mut failed) = (0, 0);
        for (packet, asked) in packets.iter().zip(&op.lengths) {
            if packet.status == 0 {
                let moved = usize::try_from(packet.length)?;
                ensure!(
                    moved == *asked,
                    "a packet of {moved} bytes instead of {asked}"
                );
                let bytes = &one.buffer[start..start + moved];
                let right = (0..).map(isochronous_byte).take(moved);
                ensure!(bytes.iter().copied().eq(right), "a packet with other bytes");
                counts.count(&format!("packet, {direction}: whole"));
                sum += moved;
            } else {
                ensure!(
                    may_be(-packet.status),
                    "packet status {} without a reason",
                    packet.status
                );
                ensure!(
                    packet.length == 0,
                    "a failed packet moved {} bytes",
                    packet.length
                );
                counts.count(&format!("packet, {direction}: {}", word(-packet.status)));
                failed += 1;
            }
            start += asked;
        }
        ensure!(sum == length, "{length} bytes, but the packets have {sum}");
        let told = all
            .first()
            .map_or(Status::UNTOUCHED.status, |all| all.status);
        ensure!(
            told == failed,
            "{failed} packets failed, and {told} were told"
        );
        Ok(false)
    }

    /// Marks what is in flight on an endpoint as cancelled.
    fn cancelling(&mut self, direction_in: bool) -> usize {
        let ops = self.ops.values_mut();
        let ops = ops.filter(|op| op.direction_in == direction_in);
        ops.map(|op| op.cancelled = true).count()
    }

    fn cancel(&mut self, step: Step<StreamAction>, counts: &mut Counts) -> Result<()> {
        let chosen = step.a.checked_rem(self.ops.len());
        let chosen = chosen.and_then(|index| self.ops.iter_mut().nth(index));
        let Some((token, op)) = chosen else {
            return Ok(());
        };
        op.cancelled = true;
        let token = *token;
        if self.context.cancel(token)? {
            counts.count("io_cancel of packets");
        }
        Ok(())
    }

    fn recover(&mut self, direction_in: bool, counts: &mut Counts) -> Result<()> {
        let Some(open) = self.files[usize::from(!direction_in)].clone() else {
            return Ok(());
        };
        self.cancelling(direction_in);
        match sys::recover(&open.file) {
            Err(error)
                if error.raw_os_error() == Some(libc::ENODEV)
                    && self.shared.excuses[0].restarts.holds(open.restarts) =>
            {
                self.gone[usize::from(!direction_in)] = true;
            }
            result => {
                let what = "recovery of packets";
                if self.shared.tolerate(what, open.outside, result)?.is_some() {
                    counts.count(what);
                }
            }
        }
        Ok(())
    }

    /// Closes an endpoint: what is in flight is complete after.
    fn close(&mut self, direction_in: bool, counts: &mut Counts) -> Result<()> {
        let index = usize::from(!direction_in);
        let Some(Open { file, .. }) = self.files[index].take() else {
            return Ok(());
        };
        let count = self.cancelling(direction_in);
        self.gone[index] = false;
        drop(file.try_clone()?);
        drop(file);
        let completed = self.context.wait(count, Duration::ZERO)?;
        let others = self.ops.len() - count;
        for one in completed {
            let op = self.ops.remove(&one.token);
            let op = op.with_context(|| format!("{one:?} was never submitted"))?;
            self.judge(&op, &one, counts)
                .with_context(|| format!("{op:?} gave {:?}, {:?}", one.result, one.statuses))?;
        }
        let left = self
            .ops
            .values()
            .filter(|op| op.direction_in == direction_in);
        ensure!(
            left.count() == 0 && self.ops.len() <= others,
            "closing came back before these were complete: {:?}",
            self.ops
        );
        Ok(())
    }
}

fn word(errno: i32) -> String {
    match errno {
        libc::EXDEV => "missed".to_owned(),
        libc::ECANCELED => "cancelled".to_owned(),
        libc::ENODEV => "gone".to_owned(),
        other => other.to_string(),
    }
}

impl Stepper<StreamAction> for Packets<'_> {
    fn step(&mut self, step: Step<StreamAction>, counts: &mut Counts) -> Result<()> {
        for direction_in in [true, false] {
            if self.gone[usize::from(!direction_in)] {
                self.close(direction_in, counts)?;
            }
        }
        let direction_in = step.a.is_multiple_of(2);
        match step.action {
            StreamAction::Submit => self.submit(direction_in, step, counts),
            StreamAction::Complete => self.wait(self.ops.len().min(1 + step.b % 4), counts),
            StreamAction::Settle => self.wait(self.ops.len(), counts),
            StreamAction::Cancel => self.cancel(step, counts),
            StreamAction::Recover => self.recover(direction_in, counts),
            StreamAction::Reopen => self.close(direction_in, counts),
        }
    }

    fn finish(&mut self, counts: &mut Counts) -> Result<()> {
        self.wait(self.ops.len(), counts)?;
        self.close(true, counts)?;
        self.close(false, counts)?;
        ensure!(
            self.context.in_flight() == 0,
            "packets nobody knows are in flight"
        );
        Ok(())
    }

    fn must_stop(&self) -> bool {
        self.shared.has_failed()
    }
}
