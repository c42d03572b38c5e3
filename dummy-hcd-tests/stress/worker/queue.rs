//! What is in flight on one open endpoint, whichever way it got there: Linux AIO or the ring, with memory of this
//! process or of the file.

mod completions;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use std::{io, mem};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::sys::{Context, Token};

use super::judge::Op;
use super::places::{Place, Places, ROOM};
use super::transfers::Transfers;
use crate::stream::UNTOUCHED;

/// How an operation gets to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Aio,
    AioMapped,
    Ring,
    RingMapped,
}

impl Way {
    pub(super) fn of(number: usize) -> Self {
        [Self::Aio, Self::AioMapped, Self::Ring, Self::RingMapped][number % 4]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Aio => "AIO",
            Self::AioMapped => "AIO, mapped buffer",
            Self::Ring => "ring",
            Self::RingMapped => "ring, mapped buffer",
        }
    }

    fn is_of_ring(self) -> bool {
        matches!(self, Self::Ring | Self::RingMapped)
    }

    fn is_mapped(self) -> bool {
        matches!(self, Self::AioMapped | Self::RingMapped)
    }
}

/// Where an operation's bytes are.
#[derive(Debug)]
enum Memory {
    /// With the AIO context.
    Context,
    Place(Place),
    Own(Vec<u8>),
}

/// An operation, until it is judged.
#[derive(Debug)]
struct Flight {
    op: Op,
    memory: Memory,
    ended: Option<Ended>,
}

/// What became of one, and what its memory holds: none where that was unmapped.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) result: io::Result<usize>,
    pub(super) bytes: Option<Vec<u8>>,
}

/// What was mapped of the file.
#[derive(Debug)]
struct Mapped {
    places: Places,
    transfers: Transfers,
    /// A batch that waits, as an AIO operation, and how many it started.
    waiter: Option<(Token, usize)>,
}

pub(super) struct Queue {
    direction_in: bool,
    context: Context,
    tokens: BTreeMap<Token, u64>,
    /// By the order of submission.
    flights: BTreeMap<u64, Flight>,
    next: u64,
    mapped: Option<Mapped>,
}

impl Queue {
    pub(super) fn new(direction_in: bool, depth: u32) -> Result<Self> {
        Ok(Self {
            direction_in,
            // One for the batch that waits.
            context: Context::new(depth + 1)?,
            tokens: BTreeMap::new(),
            flights: BTreeMap::new(),
            next: 0,
            mapped: None,
        })
    }

    /// Maps what a newly opened file has.
    pub(super) fn map(&mut self, file: &File) -> Result<()> {
        self.mapped = Some(Mapped {
            places: Places::map(file).context("mapping buffers")?,
            transfers: Transfers::map(file, self.direction_in).context("mapping the ring")?,
            waiter: None,
        });
        Ok(())
    }

    /// Unmaps everything, of a file that is closed.
    pub(super) fn unmap(&mut self) {
        self.mapped = None;
    }

    fn mapped(&mut self) -> Result<&mut Mapped> {
        self.mapped.as_mut().context("the file is not mapped")
    }

    /// Unmaps the buffers under transfers in flight, and maps others.
    pub(super) fn replace_buffers(&mut self, file: &File) -> Result<()> {
        let replaced = self.mapped()?.places.replace(file);
        replaced.context("mapping buffers again")
    }

    /// Those that are not judged.
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Those that have not completed.
    pub(super) fn in_flight(&self) -> usize {
        let flights = self.flights.values();
        flights.filter(|flight| flight.ended.is_none()).count()
    }

    /// Whether something is left that nobody knows.
    pub(super) fn must_be_empty(&self) -> Result<()> {
        ensure!(
            self.flights.is_empty(),
            "these did not complete: {:?}",
            self.flights
        );
        ensure!(
            self.context.in_flight() == 0,
            "an operation nobody knows is in flight"
        );
        let left = self
            .mapped
            .as_ref()
            .map_or(0, |mapped| mapped.transfers.len());
        ensure!(left == 0, "{left} transfers nobody knows are in the ring");
        Ok(())
    }

    /// Starts operations; of an OUT endpoint with these bytes each. Which way each was started is counted.
    pub(super) fn submit(
        &mut self,
        file: &Arc<File>,
        way: Way,
        ops: Vec<(Op, Vec<u8>)>,
        counts: &mut Counts,
    ) -> Result<()> {
        let mut batch = Vec::new();
        for (op, bytes) in ops {
            // What is too long for a place, or finds none, goes the other way.
            let is_mapped = way.is_mapped() && op.length <= ROOM;
            let place = match is_mapped {
                true => {
                    let bytes = (!self.direction_in).then_some(bytes.as_slice());
                    self.mapped()?.places.take(op.length, bytes)
                }
                false => None,
            };
            let in_ring = way.is_of_ring() && self.mapped()?.transfers.has_room();
            let (id, what) = (self.next, format!("submitting {op:?}"));
            self.next += 1;
            let memory = match (in_ring, place) {
                (true, place) => {
                    batch.push(id);
                    self.put(place, bytes)
                }
                (false, place) => self.submit_aio(file, id, place, bytes),
            };
            let memory = memory.context(what)?;
            let taken = match (in_ring, &memory) {
                (true, Memory::Place(_)) => Way::RingMapped,
                (true, _) => Way::Ring,
                (false, Memory::Place(_)) => Way::AioMapped,
                (false, _) => Way::Aio,
            };
            counts.count(&format!(
                "submitted, {}",
                super::shared::name(self.direction_in)
            ));
            counts.count(&format!("submitted by {}", taken.name()));
            let ended = None;
            self.flights.insert(id, Flight { op, memory, ended });
        }
        match batch.is_empty() {
            true => Ok(()),
            false => self.start(file, &batch, counts),
        }
    }

    /// Puts a transfer into the ring.
    fn put(&mut self, place: Option<Place>, bytes: Vec<u8>) -> Result<Memory> {
        let mapped = self.mapped()?;
        let (address, length, memory) = match place {
            Some(place) => {
                let (memory, at) = mapped.places.memory(&place);
                (memory.address(at), place.length(), Memory::Place(place))
            }
            // The bytes of a vector stay where they are when it is moved.
            None => (bytes.as_ptr() as u64, bytes.len(), Memory::Own(bytes)),
        };
        mapped.transfers.put(address, length)?;
        Ok(memory)
    }

    fn submit_aio(
        &mut self,
        file: &Arc<File>,
        id: u64,
        place: Option<Place>,
        bytes: Vec<u8>,
    ) -> Result<Memory> {
        let (token, memory) = match place {
            Some(place) => {
                let mapped = self.mapped.as_ref().context("the file is not mapped")?;
                let (memory, at) = mapped.places.memory(&place);
                let length = place.length();
                let token = match self.direction_in {
                    true => self.context.read_mapped(file, memory, at, length)?,
                    false => self.context.write_mapped(file, memory, at, length)?,
                };
                (token, Memory::Place(place))
            }
            None => {
                let token = match self.direction_in {
                    true => self.context.read_into(file, 0, bytes)?,
                    false => self.context.write(file, 0, bytes)?,
                };
                (token, Memory::Context)
            }
        };
        self.tokens.insert(token, id);
        Ok(memory)
    }

    /// Starts what was put into the ring: every other time with an operation that then waits.
    fn start(&mut self, file: &Arc<File>, ids: &[u64], counts: &mut Counts) -> Result<()> {
        let waits = self.mapped()?.waiter.is_none() && self.next.is_multiple_of(2);
        let transfers = &mut self.mapped()?.transfers;
        transfers.set_times(Duration::from_micros(500), Duration::ZERO);
        let more = if waits { ids.len() } else { 0 };
        let batch = transfers.batch(ids, more)?;
        match waits {
            true => {
                counts.count("batch that starts and waits");
                self.wait_in_aio(file, batch)
            }
            false => {
                counts.count("batch that starts");
                transfers.make(file, batch)
            }
        }
    }

    fn wait_in_aio(&mut self, file: &Arc<File>, (offset, count): (u64, usize)) -> Result<()> {
        let token = match self.direction_in {
            true => self.context.read(file, offset, 0),
            false => self.context.write(file, offset, Vec::new()),
        };
        let token = token.with_context(|| format!("batch {offset:#x} as an operation"))?;
        self.mapped()?.waiter = Some((token, count));
        Ok(())
    }

    /// Cancels one, or all.
    pub(super) fn cancel(
        &mut self,
        file: &File,
        which: Option<usize>,
        counts: &mut Counts,
    ) -> Result<()> {
        let chosen = which.and_then(|which| {
            let count = self.flights.len();
            self.flights.keys().nth(which.checked_rem(count)?).copied()
        });
        for (id, flight) in &mut self.flights {
            flight.op.cancelled |= chosen.is_none_or(|chosen| chosen == *id);
        }
        let tokens = self.tokens.iter();
        let tokens = tokens.filter(|(_, id)| chosen.is_none_or(|chosen| chosen == **id));
        for token in tokens.map(|(token, _)| *token).collect::<Vec<_>>() {
            match self.context.cancel(token)? {
                true => counts.count("io_cancel"),
                false => counts.count("io_cancel, too late"),
            }
        }
        let Some(mapped) = &mut self.mapped else {
            return Ok(());
        };
        if mapped.transfers.len() > 0 {
            let cancelled = mapped.transfers.cancel(file, chosen)?;
            counts.add("transfer of the ring cancelled", cancelled as u64);
        }
        // Now and then the wait alone.
        if let Some((token, _)) = mapped
            .waiter
            .filter(|_| chosen.is_some_and(|id| id % 4 == 0))
            && self.context.cancel(token)?
        {
            counts.count("batch's wait cancelled");
        }
        Ok(())
    }

    /// Memory for an operation of `length` bytes of an IN endpoint.
    pub(super) fn untouched(length: usize) -> Vec<u8> {
        vec![UNTOUCHED; length]
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Transfers of the ring may still be under way where a run ends early: the kernel keeps their memory.
        for (_, flight) in mem::take(&mut self.flights) {
            mem::forget(flight.memory);
        }
    }
}
