//! The host's end of a stream of numbered packets.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{
    Direction, In, IsochronousCompletion, IsochronousEndpoint, PacketError, TransferError,
};

use super::tally::Tally;
use super::{DEPTH, Rig};

/// The host's end of the IN stream, which the gadget keeps ahead of what is asked for.
///
/// QEMU holds packets of 60 ms back before it lets the first one out, for which it answers with empty ones, and
/// would throw packets of more than 120 ms away; so it is never given more than it may have.
pub(super) struct Listener<'a> {
    rig: &'a Rig<'a>,
    pub(super) input: IsochronousEndpoint<In>,
    address: u8,
    /// Packets that QEMU shall hold.
    pub(super) ahead: u64,
    /// Of the stream's, those that have come.
    pub(super) come: u64,
    pub(super) tally: Tally,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// QEMU has not let a packet out.
    Before,
    Streaming,
    /// Nobody keeps the gadget ahead any more, so what QEMU holds comes to its end.
    RunsDry,
    /// And has; there are empty packets instead.
    Dry,
}

impl<'a> Listener<'a> {
    pub(super) fn new(rig: &'a Rig<'a>) -> Result<Self> {
        // QEMU takes bInterval for a number of microframes.
        let held_back = 8_000 / u64::from(rig.shape.interval) * 60 / 1000;
        Ok(Self {
            input: rig.input()?,
            address: rig.address(Direction::In)?,
            rig,
            ahead: held_back * 3 / 2,
            come: 0,
            tally: Tally::new(),
            state: State::Before,
        })
    }

    /// Lets the gadget send so much that QEMU holds what it shall.
    fn fill(&self) -> Result<()> {
        let every = 1 << (self.rig.shape.interval - 1);
        let since = Instant::now();
        while let Some(sent) = self.rig.redirected.sent(self.address)
            && sent < self.come + self.ahead
        {
            ensure!(
                since.elapsed() < DEADLINE,
                "the gadget has sent {sent} packets"
            );
            let missing = u32::try_from(self.come + self.ahead - sent)?;
            let readied = self.rig.streams.readied.load(Ordering::SeqCst);
            // No interval without a packet.
            let possible = readied.saturating_sub(u32::try_from(sent)?);
            let redirected = &self.rig.redirected;
            redirected.let_pass(missing.min(possible) * every)?;
            if possible < missing {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.rig.redirected.check()
    }

    /// The next request, whose packets of the stream are what `expected` says; not for ever.
    pub(super) fn next(
        &mut self,
        expected: impl Fn(u64) -> Result<Vec<u8>, PacketError>,
    ) -> Result<IsochronousCompletion> {
        self.tally.check_time()?;
        self.fill()?;
        let done = self.input.wait(Some(DEADLINE)).context("silence")?;
        done.status?;
        self.check(&done, expected)?;
        Ok(done)
    }

    fn check(
        &mut self,
        done: &IsochronousCompletion,
        expected: impl Fn(u64) -> Result<Vec<u8>, PacketError>,
    ) -> Result<()> {
        for (place, payload) in done.payloads().enumerate() {
            if let Err(PacketError::Cancelled | PacketError::Disconnected) = payload {
                break;
            }
            self.tally.packets += 1;
            match payload {
                Err(PacketError::Missed) => {
                    self.tally.missed += 1;
                    continue;
                }
                Ok([]) if self.state == State::Before => {
                    self.tally.before += 1;
                    continue;
                }
                Ok(_) if self.state == State::Before => self.state = State::Streaming,
                _ => {}
            }
            let should = expected(self.come);
            if self.state == State::RunsDry && payload == Ok(&[]) && should != Ok(vec![]) {
                self.state = State::Dry;
            }
            if self.state == State::Dry {
                ensure!(payload == Ok(&[]), "{payload:?} behind the end");
                continue;
            }
            ensure!(
                payload.map(<[u8]>::to_vec) == should,
                "packet {} is {payload:02x?} in place {place}",
                self.come
            );
            self.come += 1;
        }
        Ok(())
    }

    /// Every request in flight ends, those whose turn was still to come with `error`.
    ///
    /// EHCI serves what is on its schedule, and so may end that last.
    pub(super) fn expect_ended(&mut self, error: TransferError) -> Result<()> {
        let shape = self.rig.shape;
        self.state = match self.state {
            State::Streaming => State::RunsDry,
            state => state,
        };
        let mut failed = 0;
        for request in 1..=DEPTH {
            let done = self.input.wait(Some(DEADLINE)).context("silence")?;
            match done.status {
                Ok(()) => self.check(&done, |number| Ok(shape.packet(number as u32)))?,
                Err(status) if status == error => failed += 1,
                Err(status) => bail!("request {request}: {status}"),
            }
        }
        // Of their 6 s not even EHCI has more than one on its schedule.
        ensure!(failed > DEPTH / 2, "only {failed} requests failed");
        ensure!(self.input.pending() == 0, "one request too many");
        Ok(())
    }
}
