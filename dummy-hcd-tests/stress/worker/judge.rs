//! Which results can be true.

use std::io;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use dummy_hcd_tests::stress::counts::Counts;

use super::excuses::Mark;
use super::shared::{Outside, Shared, name};
use crate::arguments::Kind;
use crate::stream::{self, PACKET, UNTOUCHED};

/// An operation, from before it is submitted.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) direction_in: bool,
    pub(crate) length: usize,
    /// The message it writes, on a Loopback.
    pub(crate) message: Option<u32>,
    /// io_cancel was called for it.
    pub(crate) cancelled: bool,
    /// Of the file.
    opened: Outside,
    since: Outside,
    cancels: Mark,
    restarts: Mark,
    halts: Mark,
}

/// What may have ended an operation early.
#[derive(Debug, Clone, Copy)]
struct Reasons {
    cancelled: bool,
    restarted: bool,
    halted: bool,
    disturbed: bool,
    /// Something has happened to the device since the file was opened.
    gone: bool,
}

impl Op {
    /// Of an endpoint that was opened after `opened`.
    pub(crate) fn new(
        shared: &Shared,
        direction_in: bool,
        opened: Outside,
        length: usize,
    ) -> Result<Self> {
        let excuses = &shared.excuses[usize::from(!direction_in)];
        Ok(Self {
            direction_in,
            length,
            message: None,
            cancelled: false,
            opened,
            since: shared.outside()?,
            cancels: excuses.cancels.mark(),
            restarts: excuses.restarts.mark(),
            halts: excuses.halts.mark(),
        })
    }

    fn reasons(&self, shared: &Shared) -> Result<Reasons> {
        let excuses = &shared.excuses[usize::from(!self.direction_in)];
        let disturbed = shared.disturbed(self.since)?;
        let restarted = excuses.restarts.holds(self.restarts);
        Ok(Reasons {
            cancelled: self.cancelled || restarted || excuses.cancels.holds(self.cancels),
            restarted,
            halted: excuses.halts.holds(self.halts),
            disturbed,
            gone: shared.disturbed(self.opened)?,
        })
    }

    /// Whether something was going on that makes its result say nothing of a message.
    pub(crate) fn is_excused(&self, shared: &Shared) -> Result<bool> {
        let reasons = self.reasons(shared)?;
        Ok(reasons.disturbed || reasons.halted || reasons.restarted)
    }

    /// Holds an error alone against what can be true.
    pub(crate) fn judge_error(&self, shared: &Shared, error: &io::Error) -> Result<()> {
        let reasons = self.reasons(shared)?;
        judge_error(error, reasons).with_context(|| format!("{error}, {reasons:?}"))
    }

    /// Holds the result against what can be true, and what its memory holds, unless that was unmapped. True when the
    /// endpoint is of no use any more.
    pub(crate) fn judge(
        &self,
        shared: &Shared,
        result: &io::Result<usize>,
        buffer: Option<&[u8]>,
        counts: &mut Counts,
    ) -> Result<bool> {
        let reasons = self.reasons(shared)?;
        let direction = name(self.direction_in);
        let verdict = match result {
            Ok(length) => self.judge_length(shared, *length, buffer, reasons),
            Err(error) => judge_error(error, reasons),
        };
        if let Err(error) = verdict {
            bail!("{error:#}: {self:?} gave {result:?}, {reasons:?}");
        }
        let errno = result.as_ref().err().and_then(io::Error::raw_os_error);
        self.count(direction, result, errno, counts);
        if let Some(number) = self.message {
            let excused = reasons.disturbed || reasons.halted || reasons.restarted;
            let told = shared.ledger()?.written(number, result.is_ok(), excused);
            told.map_err(|error| anyhow!("{error}: {self:?} gave {result:?}, {reasons:?}"))?;
        }
        // The packet that did not fit is lost.
        if errno == Some(libc::EOVERFLOW) {
            shared.ledger()?.blur();
        }
        Ok(errno == Some(libc::ENODEV))
    }

    fn count(
        &self,
        direction: &str,
        result: &io::Result<usize>,
        errno: Option<i32>,
        counts: &mut Counts,
    ) {
        let what = match (result, errno) {
            (Ok(length), _) if *length == self.length => "whole",
            (Ok(_), _) => "short",
            (_, Some(libc::ECANCELED)) => "ECANCELED",
            (_, Some(libc::EPIPE)) => "EPIPE",
            (_, Some(libc::EOVERFLOW)) => "EOVERFLOW",
            (_, Some(libc::ENODEV)) => "ENODEV",
            _ => "another error",
        };
        counts.count(&format!("result, {direction}: {what}"));
        if let Ok(length) = result {
            counts.add("bytes", *length as u64);
        }
    }

    fn judge_length(
        &self,
        shared: &Shared,
        length: usize,
        buffer: Option<&[u8]>,
        reasons: Reasons,
    ) -> Result<()> {
        ensure!(length <= self.length, "more than there was room for");
        let may_be_short = reasons.cancelled || reasons.halted || reasons.disturbed;
        if self.direction_in {
            ensure!(length > 0, "a packet of nothing came");
        }
        if let Some(buffer) = buffer.filter(|_| self.direction_in) {
            let untouched = buffer[length..].iter().all(|&byte| byte == UNTOUCHED);
            // What an early end left behind the bytes that count may have come as well.
            ensure!(
                untouched || may_be_short,
                "bytes behind the last one were altered"
            );
        }
        match (shared.kind, self.direction_in) {
            (Kind::SourceSink, true) => {
                let bytes = &buffer.unwrap_or_default();
                let bytes = &bytes[..length.min(bytes.len())];
                if let Some(offset) = stream::first_wrong(bytes) {
                    bail!("byte {offset} is {:#x}", bytes[offset]);
                }
            }
            (Kind::Loopback, true) => {
                let buffer = buffer.context("a message's memory was unmapped")?;
                let told = shared.ledger()?.came(&buffer[..length]);
                return told.map_err(|error| anyhow!(error));
            }
            // One packet.
            (Kind::Loopback, false) => ensure!(length == self.length, "a part of a packet"),
            (Kind::SourceSink, false) => {}
        }
        ensure!(
            length == self.length || may_be_short && length.is_multiple_of(PACKET),
            "cut short without a reason"
        );
        Ok(())
    }
}

fn judge_error(error: &io::Error, reasons: Reasons) -> Result<()> {
    let allowed = match error.raw_os_error() {
        Some(libc::ECANCELED) => reasons.cancelled || reasons.halted || reasons.disturbed,
        Some(libc::EPIPE | libc::EOVERFLOW) => reasons.halted,
        Some(libc::ENODEV) => reasons.gone,
        _ => false,
    };
    ensure!(allowed, "an error without a reason");
    Ok(())
}
