//! Who owns what while the kernel works: the slots of a context here, the transfers of a ring in `ring.rs`, mapped
//! memory in `pool.rs`.
//!
//! An operation moves into a slot when it is prepared and out of it when its answer is taken. In between nobody
//! can reach its buffer or file. The iocbs never move. A slot, and with it an iocb's address and the
//! operation's name, is used again only after its answer has been taken. When the table is dropped with
//! operations in the kernel, io_destroy comes first; should it fail, their memory is leaked, never freed.

mod iocb;
mod pool;
mod ring;

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use crate::sys::{Answer, COMMAND, EventFd, FLAG_EVENT_FD, Iocb, Queue, Vector};
use crate::{CancelOutcome, Completion, Engine, Operation, OperationId, SetupError};
use iocb::{label, memory, opcode, unlabel};

pub(crate) use pool::{Pool, PooledPiece};
pub(crate) use ring::{Transfers, Waiting};

/// The operations of one context.
#[derive(Debug)]
pub(crate) struct Table {
    ring: Queue,
    slots: Vec<Slot>,
    /// One for each slot, at the same index. The kernel writes to them, hence the cells.
    iocbs: Box<[UnsafeCell<Iocb>]>,
    free: Vec<u32>,
    /// Slots the kernel has not seen yet, oldest first.
    prepared: VecDeque<u32>,
    /// Operations the kernel has and whose answers are still in the ring or to come.
    in_kernel: usize,
    /// Answers out of the ring, and refusals, to be taken.
    arrived: VecDeque<Answer>,
    /// Scratch for io_submit: the addresses of the iocbs.
    batch: Vec<usize>,
}

/// The place of one operation.
#[derive(Debug)]
struct Slot {
    /// How many operations this slot held before.
    generation: u32,
    operation: Option<Operation>,
    /// What a vectored operation's iocb points to.
    vectors: Vec<Vector>,
}

impl Table {
    /// `depth` operations at most; `ring_depth` of them in the kernel, which rounds that up.
    pub(crate) fn new(engine: Engine, depth: u32, ring_depth: u32) -> Result<Self, SetupError> {
        if depth == 0 {
            return Err(SetupError::ZeroDepth);
        }
        let ring = Queue::new(engine, ring_depth)?;
        let slot = |_| Slot {
            generation: 0,
            operation: None,
            vectors: Vec::new(),
        };
        Ok(Self {
            ring,
            slots: (0..depth).map(slot).collect(),
            iocbs: (0..depth).map(|_| UnsafeCell::default()).collect(),
            free: (0..depth).rev().collect(),
            prepared: VecDeque::new(),
            in_kernel: 0,
            arrived: VecDeque::new(),
            batch: Vec::new(),
        })
    }

    pub(crate) fn is_inherited(&self) -> bool {
        self.ring.is_inherited()
    }

    /// Makes the ring one that only the kernel can read.
    #[cfg(test)]
    pub(crate) fn obscure_ring(&mut self) {
        self.ring.obscure();
    }

    pub(crate) fn depth(&self) -> usize {
        self.slots.len()
    }

    /// Operations whose answers have not been taken.
    pub(crate) fn outstanding(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn prepared(&self) -> usize {
        self.prepared.len()
    }

    /// Takes an operation; gives it back when every slot is in use.
    pub(crate) fn prepare(
        &mut self,
        operation: Operation,
        event_fd: &EventFd,
    ) -> Result<OperationId, Operation> {
        let Some(index) = self.free.pop() else {
            return Err(operation);
        };
        let slot = &mut self.slots[index as usize];
        let id = OperationId {
            slot: index,
            generation: slot.generation,
        };
        // The addresses taken from here on stay good: the bytes of buffers and vectors do not move with them.
        let operation = slot.operation.insert(operation);
        let (address, length) = memory(operation, &mut slot.vectors);
        let iocb = self.iocbs[index as usize].get_mut();
        *iocb = Iocb::default();
        iocb.data = label(id);
        iocb.opcode = opcode(operation.command) as u16;
        if self.ring.has_commands() && operation.moves_bytes() && operation.file.is_endpoint() {
            iocb.opcode |= COMMAND;
        }
        iocb.fd = operation.raw_fd().cast_unsigned();
        iocb.buffer = address as u64;
        iocb.length = length as u64;
        iocb.offset = operation.offset.cast_signed();
        iocb.flags = FLAG_EVENT_FD;
        iocb.event_fd = event_fd.as_raw_fd().cast_unsigned();
        self.prepared.push_back(index);
        Ok(id)
    }

    /// Gives the kernel what is prepared; what it refuses is answered with that errno.
    ///
    /// Returns how many the kernel took. The rest of the prepared stay so while the kernel is full.
    pub(crate) fn submit(&mut self) -> Submitted {
        let mut submitted = Submitted {
            taken: 0,
            refused: 0,
        };
        while !self.prepared.is_empty() {
            self.batch.clear();
            let iocbs = &self.iocbs;
            let address = |&index: &u32| iocbs[index as usize].get().expose_provenance();
            self.batch.extend(self.prepared.iter().map(address));
            // SAFETY: the iocbs are boxed and not reallocated before the table's Drop. Each slot in `prepared` owns
            // its operation, thereby file and memory, and nothing reaches into an occupied slot: `finish` empties
            // it once the ring has returned its answer, `refuse` and `cancel` while the kernel does not have it.
            // Drop destroys the ring first and leaks the slots if that fails.
            let errno = match unsafe { self.ring.submit(&self.batch) } {
                Ok(count @ 1..) => {
                    let count = count.min(self.prepared.len());
                    self.prepared.drain(..count);
                    self.in_kernel += count;
                    submitted.taken += count;
                    continue;
                }
                Ok(0) => libc::EIO,
                Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
            };
            // The kernel is full. It has room again when answers have been taken.
            if errno == libc::EAGAIN && self.in_kernel > 0 {
                break;
            }
            // An error is about the first of the batch; those behind it are tried again.
            if let Some(index) = self.prepared.pop_front() {
                self.refuse(index, errno);
                submitted.refused += 1;
            }
        }
        submitted
    }

    /// Takes the next completion that is here, without a system call.
    pub(crate) fn next(&mut self) -> Option<Completion> {
        loop {
            let answer = self.arrived.pop_front().or_else(|| self.pop())?;
            if let Some(completion) = self.finish(answer) {
                return Some(completion);
            }
        }
    }

    fn pop(&mut self) -> Option<Answer> {
        if self.ring.is_readable() {
            let answer = self.ring.pop()?;
            self.in_kernel = self.in_kernel.saturating_sub(1);
            return Some(answer);
        }
        // A ring of an unknown make: the kernel has to look. An interrupted look finds nothing, like an early one.
        self.collect(0, Some(Duration::ZERO)).ok()?;
        self.arrived.pop_front()
    }

    /// Sleeps until `minimum` answers are there and collects them for [`next`](Self::next); false when `timeout` came first.
    pub(crate) fn collect(
        &mut self,
        minimum: usize,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        // More than the kernel has will not come, and more than a batch is for the next call.
        let minimum = minimum.min(self.in_kernel).min(Queue::LARGEST_BATCH);
        let count = self.ring.get_events(minimum, timeout, &mut self.arrived)?;
        self.in_kernel = self.in_kernel.saturating_sub(count);
        Ok(count >= minimum)
    }

    pub(crate) fn cancel(&mut self, id: OperationId) -> CancelOutcome {
        let slot = self.slots.get(id.slot as usize);
        if slot.is_none_or(|slot| slot.generation != id.generation || slot.operation.is_none()) {
            return CancelOutcome::Unknown;
        }
        if let Some(place) = self.prepared.iter().position(|&index| index == id.slot) {
            self.prepared.remove(place);
            self.refuse(id.slot, libc::ECANCELED);
            return CancelOutcome::Withdrawn;
        }
        if self.ring.cancel(&self.iocbs[id.slot as usize]) {
            CancelOutcome::Requested
        } else {
            CancelOutcome::NotCancellable
        }
    }

    /// The operations whose answers have not been taken.
    pub(crate) fn ids(&self) -> Vec<OperationId> {
        let occupied = self
            .slots
            .iter()
            .zip(0..)
            .filter(|(slot, _)| slot.operation.is_some());
        occupied
            .map(|(slot, index)| OperationId {
                slot: index,
                generation: slot.generation,
            })
            .collect()
    }

    /// Answers for the kernel, which does not have the operation.
    fn refuse(&mut self, index: u32, errno: i32) {
        let id = OperationId {
            slot: index,
            generation: self.slots[index as usize].generation,
        };
        self.arrived.push_back(Answer {
            data: label(id),
            result: -i64::from(errno),
        });
    }

    /// Empties the slot an answer is for. An answer that is for none is no reason to free anything.
    fn finish(&mut self, answer: Answer) -> Option<Completion> {
        let id = unlabel(answer.data);
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let operation = slot.operation.take()?;
        slot.vectors.clear();
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(operation.complete(id, answer.result))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // A child's memory is its own, the kernel writes to the parent's; and the context is the parent's.
        if self.ring.is_inherited() {
            return;
        }
        // Of an operation that is over already, the kernel finds nothing to cancel.
        let slots = self.slots.iter().zip(&self.iocbs);
        let left = slots.filter(|(slot, _)| slot.operation.is_some());
        if self.ring.destroy(left.map(|(_, iocb)| iocb)).is_err() && self.in_kernel > 0 {
            mem::forget((mem::take(&mut self.slots), mem::take(&mut self.iocbs)));
        }
    }
}

/// What one call of [`Table::submit`] did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Submitted {
    /// Operations the kernel has now.
    pub(crate) taken: usize,
    /// Operations that were answered at once with an error.
    pub(crate) refused: usize,
}
