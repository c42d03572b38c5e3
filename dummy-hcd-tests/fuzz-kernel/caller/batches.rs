//! Batches: transfers put into the ring, well half of the time, and the operations that start, await and cancel them.

use super::Caller;
use super::aim::{Aimed, file};
use super::arguments::{ANYTHING, CONTEXT_PLACE, IOCBS, POINTERS};
use crate::sys::Value;

const BATCH: u64 = 1 << 62;
const CANCEL: u64 = 1 << 61;
/// USBFS2_BATCH_PREPARED.
const PREPARED: u64 = 0xffff;
/// Of struct usbfs2_ring.
const STARTED: usize = 4;
const SEEN: usize = 12;
const HEADER: usize = 64;
const TRANSFER: usize = 32;

impl Caller {
    /// Something with the ring of an endpoint.
    pub(super) fn batches(&mut self, aimed: Aimed) {
        let Some(ring) = aimed.ring else {
            return self.batch(aimed, 0);
        };
        // Another thread writes garbage there, now and then while this one makes batches.
        let is_spoilt = self.random.below(3) == 0;
        self.arena.spoil(is_spoilt.then_some(ring));
        let started = self.arena.mapped_word(ring, STARTED).unwrap_or(0);
        match self.random.below(8) {
            0 => self.cancel(aimed, started),
            1..6 => {
                let count = 1 + self.random.below(8);
                self.fill(aimed, ring, started, count);
                self.batch_of(aimed, started, count);
            }
            _ => self.batch(aimed, started),
        }
    }

    /// Puts transfers into the next places.
    fn fill(&mut self, aimed: Aimed, ring: u64, started: u32, count: usize) {
        let size = self.arena.places(ring, HEADER, TRANSFER);
        for index in 0..count {
            let place = (started as usize + index) % size.max(1);
            let is_good = self.random.below(2) == 0;
            let address = match aimed.buffers {
                Some(buffers) if is_good || self.random.below(2) == 0 => {
                    Value::Number(buffers + 512 * self.random.below(8) as u64)
                }
                _ => self.memory(),
            };
            let length = match is_good {
                true => 512 * (1 + self.random.below(8) as u64),
                false => self.length() & 0xffff_ffff,
            };
            let flags = match self.random.below(8) {
                0 => self.random.below(1 << 16) as u64,
                1 => u64::from(!aimed.is_in),
                _ => 0,
            };
            let reserved = u64::from(self.random.below(16) == 0);
            let words = [
                address,
                Value::Number(flags << 32 | length),
                Value::Number(u64::MAX),
                Value::Number(reserved),
            ];
            self.arena
                .put_mapped(ring, HEADER + place * TRANSFER, &words);
        }
        // Seen, the patience, the timeout, and how many are prepared.
        let patience = self.random.below(2000) as u64;
        let timeout = self.random.below(5000) as u64;
        let seen = u64::from(started) << 32;
        let words = [Value::Number(seen), Value::Number(timeout << 32 | patience)];
        if self.random.below(4) > 0 {
            self.arena.put_mapped(ring, SEEN - 4, &words);
        }
    }

    fn batch_of(&mut self, aimed: Aimed, started: u32, count: usize) {
        let wanted = u32::try_from(self.random.below(count + 1)).unwrap_or(0);
        let target = started.wrapping_add(wanted);
        let (name, count) = match self.random.below(3) {
            0 => ("batch of those prepared", PREPARED),
            _ => ("batch", count as u64),
        };
        let offset = BATCH | count << 32 | u64::from(target);
        self.operation(name, aimed, offset);
    }

    /// Of numbers that may mean nothing.
    fn batch(&mut self, aimed: Aimed, started: u32) {
        let count = match self.random.below(4) {
            0 => self.random.below(1 << 16) as u64,
            _ => self.random.below(4) as u64,
        };
        let target = match self.random.below(2) {
            0 => u64::from(started),
            _ => self.random.below(1 << 30) as u64 * 4,
        };
        let offset = BATCH | count << 32 | target;
        self.operation("batch with any numbers", aimed, offset);
    }

    fn cancel(&mut self, aimed: Aimed, started: u32) {
        let count = self.random.below(16) as u64;
        let first = started.wrapping_sub(u32::try_from(count).unwrap_or(0));
        let offset = BATCH | CANCEL | count << 32 | u64::from(first);
        self.operation("cancelling of a batch", aimed, offset);
    }

    /// A read or write of nothing, which waits, or as Linux AIO.
    fn operation(&mut self, name: &str, aimed: Aimed, offset: u64) {
        if self.random.below(2) == 0 {
            let number = match aimed.is_in {
                true => libc::SYS_pread64,
                false => libc::SYS_pwrite64,
            };
            let nothing = Value::Number(0);
            let values = [file(aimed), nothing, nothing, Value::Number(offset)];
            let _ = self.made(name, number, &values);
            return;
        }
        let nothing = (Value::Number(0), 0);
        self.submit(&format!("{name}, as AIO"), aimed, nothing, offset);
    }

    /// One AIO operation, which is cancelled at once now and then.
    pub(super) fn submit(
        &mut self,
        name: &str,
        aimed: Aimed,
        (memory, length): (Value, u64),
        offset: u64,
    ) {
        if self.context == 0 {
            self.set_context();
        }
        let opcode = u64::from(!aimed.is_in);
        let descriptor = u64::from(aimed.file.cast_unsigned());
        let mut words =
            [0, 0, descriptor << 32 | opcode, 0, length, offset, 0, 0].map(Value::Number);
        words[3] = memory;
        self.arena.put_words(IOCBS, &words);
        self.arena.put_words(POINTERS, &[Value::Inside(IOCBS)]);
        let values = [
            Value::Number(self.context),
            Value::Number(1),
            Value::Inside(POINTERS),
        ];
        let submitted = self.made(name, libc::SYS_io_submit, &values);
        if submitted.is_ok() && self.random.below(2) == 0 {
            let values = [
                Value::Number(self.context),
                Value::Inside(IOCBS),
                Value::Inside(ANYTHING),
            ];
            let _ = self.made("io_cancel", libc::SYS_io_cancel, &values);
        }
    }

    fn set_context(&mut self) {
        self.arena.put(CONTEXT_PLACE, &0_u64.to_ne_bytes());
        let values = [Value::Number(64), Value::Inside(CONTEXT_PLACE)];
        if self.made("io_setup", libc::SYS_io_setup, &values).is_ok() {
            self.context = self.arena.word(CONTEXT_PLACE);
        }
    }
}
