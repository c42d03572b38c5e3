//! What completes, by whichever way, each once.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, mem};

use anyhow::{Context as _, Result, ensure};

use super::{Ended, Memory, Queue};
use crate::worker::judge::Op;

impl Queue {
    /// Waits until at least `least` have completed, or `time` is over; how many have.
    pub(in crate::worker) fn wait(
        &mut self,
        file: &Arc<File>,
        least: usize,
        time: Duration,
    ) -> Result<usize> {
        let until = Instant::now() + time;
        let mut completed = self.collect(0, Duration::ZERO)?;
        while completed < least {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            completed += self.wait_once(file, least - completed, left)?;
        }
        Ok(completed)
    }

    fn wait_once(&mut self, file: &Arc<File>, least: usize, time: Duration) -> Result<usize> {
        let of_aio = self.tokens.len();
        let in_ring = self
            .mapped
            .as_ref()
            .map_or(0, |mapped| mapped.transfers.len());
        let waits = self
            .mapped
            .as_ref()
            .is_some_and(|mapped| mapped.waiter.is_some());
        if in_ring > 0 && !waits {
            let transfers = &mut self.mapped()?.transfers;
            let timeout = time.max(Duration::from_micros(1));
            if of_aio == 0 {
                transfers.set_times(Duration::from_millis(1), timeout);
                let batch = transfers.batch(&[], least)?;
                transfers.make(file, batch)?;
                return self.collect(0, Duration::ZERO);
            }
            transfers.set_times(Duration::ZERO, timeout);
            let batch = transfers.batch(&[], least)?;
            self.wait_in_aio(file, batch)?;
        }
        self.collect(1, time)
    }

    /// Takes what is complete; `least` events of the AIO context are waited for.
    fn collect(&mut self, least: usize, time: Duration) -> Result<usize> {
        let mut completed = 0;
        for one in self.context.wait(least, time)? {
            let waiter = self.mapped.as_mut().and_then(|mapped| {
                let is_waiter = mapped.waiter.is_some_and(|(token, _)| token == one.token);
                is_waiter.then(|| mapped.waiter.take()).flatten()
            });
            if let Some((_, count)) = waiter {
                ensure!(
                    one.result.as_ref().is_ok_and(|started| *started == count),
                    "a batch of {count} gave {:?}",
                    one.result
                );
                continue;
            }
            let id = self.tokens.remove(&one.token);
            let id = id.with_context(|| format!("{one:?} was never submitted"))?;
            self.ended(id, one.result, Some(one.buffer))?;
            completed += 1;
        }
        let Some(mapped) = &mut self.mapped else {
            return Ok(completed);
        };
        for one in mapped.transfers.take()? {
            self.ended(one.id, one.result, None)?;
            completed += 1;
        }
        Ok(completed)
    }

    fn ended(&mut self, id: u64, result: io::Result<usize>, buffer: Option<Vec<u8>>) -> Result<()> {
        let flight = self
            .flights
            .get_mut(&id)
            .context("completed after it was judged")?;
        ensure!(
            flight.ended.is_none(),
            "{flight:?} completed once more, with {result:?}"
        );
        let bytes = match mem::replace(&mut flight.memory, Memory::Context) {
            Memory::Context => buffer,
            Memory::Own(bytes) => Some(bytes),
            Memory::Place(place) => match &mut self.mapped {
                Some(mapped) => mapped.places.give_back(&place),
                None => None,
            },
        };
        flight.ended = Some(Ended { result, bytes });
        Ok(())
    }

    /// The first in the order of submission, if it has completed.
    pub(in crate::worker) fn next_ended(&mut self) -> Option<(Op, Ended)> {
        let first = self.flights.first_entry()?;
        first.get().ended.as_ref()?;
        let flight = first.remove();
        Some((flight.op, flight.ended?))
    }

    /// Whether a batch waits in the kernel; it does not for long once its transfers are complete.
    pub(in crate::worker) fn finish_waiter(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while self
            .mapped
            .as_ref()
            .is_some_and(|mapped| mapped.waiter.is_some())
        {
            let left = until.saturating_duration_since(Instant::now());
            ensure!(
                !left.is_zero(),
                "a batch waits though its transfers are complete"
            );
            self.collect(1, left)?;
        }
        Ok(())
    }
}
