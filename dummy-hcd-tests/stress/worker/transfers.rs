//! Transfers in the ring of an endpoint file: each has one result, in its place, in the order of the places.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys::mapped::Ring;

/// Of the ring. Less than fit into a page, so that its places are used again soon.
const SIZE: u32 = 64;

/// The ring, and which operation each transfer of it is.
#[derive(Debug)]
pub(super) struct Transfers {
    ring: Ring,
    direction_in: bool,
    /// The number of the next one to be started.
    next: u32,
    /// Those started whose result was not taken, the first first.
    order: VecDeque<u64>,
    /// Put into the ring and not started.
    ready: u16,
}

/// What became of a transfer.
pub(super) struct Ended {
    pub(super) id: u64,
    pub(super) result: io::Result<usize>,
}

impl Transfers {
    pub(super) fn map(file: &File, direction_in: bool) -> io::Result<Self> {
        let ring = Ring::new(file, SIZE)?;
        Ok(Self {
            ring,
            direction_in,
            next: 0,
            order: VecDeque::new(),
            ready: 0,
        })
    }

    /// Those without a result that was taken.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The number of the first of those.
    fn seen(&self) -> u32 {
        let started = self.next.wrapping_sub(self.ready.into());
        started.wrapping_sub(u32::try_from(self.order.len()).unwrap_or(0))
    }

    /// Whether there is a place left.
    pub(super) fn has_room(&self) -> bool {
        self.order.len() + usize::from(self.ready) < self.ring.size() as usize
    }

    /// Puts one into its place. It is started with the next batch.
    pub(super) fn put(&mut self, address: u64, length: usize) -> Result<()> {
        ensure!(self.has_room(), "the ring is full");
        let size = self.ring.size();
        if let Some(before) = self.next.checked_sub(size) {
            ensure!(
                self.ring.is_taken(before),
                "transfer {before} got a second result: {:?}",
                self.ring.result(before)
            );
        }
        self.ring.put(self.next, address, u32::try_from(length)?, 0);
        self.next = self.next.wrapping_add(1);
        self.ready += 1;
        Ok(())
    }

    /// The offset of the batch that starts what is ready, which are these operations, and waits for `more` results at
    /// most, and how many it starts.
    pub(super) fn batch(&mut self, ids: &[u64], more: usize) -> Result<(u64, usize)> {
        let count = std::mem::take(&mut self.ready);
        ensure!(ids.len() == usize::from(count), "not what is ready");
        self.order.extend(ids);
        let more = u32::try_from(more.min(self.order.len()))?;
        let target = self.seen().wrapping_add(more);
        let offset = dummy_hcd_tests::sys::mapped::batch(count, target);
        self.ring.set_seen(self.seen());
        Ok((offset, usize::from(count)))
    }

    /// The longest that the next batches wait, and how long after the first result.
    pub(super) fn set_times(&self, patience: Duration, timeout: Duration) {
        let microseconds = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.ring
            .set_times(microseconds(patience), microseconds(timeout));
    }

    /// Makes it, without AIO.
    pub(super) fn make(&self, file: &File, batch: (u64, usize)) -> Result<()> {
        use std::os::unix::fs::FileExt as _;

        let (offset, count) = batch;
        let started = match self.direction_in {
            true => file.read_at(&mut [], offset),
            false => file.write_at(&[], offset),
        };
        let started = started.with_context(|| format!("batch {offset:#x}"))?;
        ensure!(started == count, "a batch of {count} started {started}");
        Ok(())
    }

    /// Cancels this operation, or all; how many there were to cancel.
    pub(super) fn cancel(&self, file: &File, id: Option<u64>) -> Result<usize> {
        let (first, count) = match id {
            Some(id) => match self.order.iter().position(|other| *other == id) {
                Some(index) => (self.seen().wrapping_add(u32::try_from(index)?), 1),
                None => return Ok(0),
            },
            None => (self.seen(), u16::try_from(self.order.len())?),
        };
        let cancelled = self.ring.cancel(file, self.direction_in, count, first);
        let cancelled = cancelled.context("cancelling transfers of the ring")?;
        ensure!(
            cancelled <= usize::from(count),
            "{cancelled} of {count} transfers were cancelled"
        );
        Ok(cancelled)
    }

    /// The results there are, each once.
    pub(super) fn take(&mut self) -> Result<Vec<Ended>> {
        let done = self.ring.done();
        let started = self.next.wrapping_sub(self.ready.into());
        ensure!(
            self.ring.started() == started,
            "the ring says {} of {started} were started",
            self.ring.started()
        );
        let mut ended = Vec::new();
        while self.seen() != done {
            let number = self.seen();
            let id = self.order.pop_front();
            let id = id.with_context(|| format!("{done} done of {started}"))?;
            let (moved, status) = self.ring.take(number);
            ensure!(
                moved >= 0 && status <= 0 && (moved == 0 || status == 0),
                "transfer {number} moved {moved} bytes with status {status}"
            );
            let result = match status {
                0 => Ok(usize::try_from(moved)?),
                error => Err(io::Error::from_raw_os_error(-error)),
            };
            ended.push(Ended { id, result });
        }
        Ok(ended)
    }
}
