//! A run of blocks that a command reads, writes or verifies.

use std::{io, ops::Range, sync::Arc};

use usbfs2_protocol::scsi::Sense;

use super::{
    medium::Medium,
    unit::{Loaded, LogicalUnit},
};

/// What is left of a run of blocks on the medium that was there when the command came.
#[derive(Debug)]
pub(super) struct Extent {
    unit: Arc<LogicalUnit>,
    loaded: Loaded,
    /// The next byte of the medium.
    position: u64,
    end: u64,
}

/// How much was moved, and why not all of it.
type Moved = (usize, Result<(), Sense>);

impl Extent {
    /// The `blocks` blocks from `lba` on, which must be there.
    pub(super) fn new(
        unit: Arc<LogicalUnit>,
        loaded: Loaded,
        lba: u64,
        blocks: u64,
    ) -> Result<Self, Sense> {
        if !loaded.capacity.contains(lba, blocks) {
            return Err(Sense::LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE);
        }
        // No overflow: both ends are on the medium, whose size in bytes is a u64.
        let block_size = u64::from(loaded.capacity.block_size());
        Ok(Self {
            unit,
            position: lba * block_size,
            end: (lba + blocks) * block_size,
            loaded,
        })
    }

    /// Bytes not moved yet.
    pub(super) fn left(&self) -> u64 {
        self.end - self.position
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Moved {
        let length = self.clamp(buffer.len());
        self.transfer(
            length,
            Sense::UNRECOVERED_READ_ERROR,
            |medium, offset, range| medium.read_at(offset, &mut buffer[range]),
        )
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Moved {
        let length = self.whole_blocks(data.len());
        self.transfer(length, Sense::WRITE_ERROR, |medium, offset, range| {
            medium.write_at(offset, &data[range])
        })
    }

    pub(super) fn compare(&mut self, data: &[u8]) -> Moved {
        let length = self.whole_blocks(data.len());
        let mut stored = vec![0; length];
        let start = self.position;
        let (count, result) = self.transfer(
            length,
            Sense::UNRECOVERED_READ_ERROR,
            |medium, offset, range| medium.read_at(offset, &mut stored[range]),
        );
        match stored[..count]
            .iter()
            .zip(data)
            .position(|(stored, given)| stored != given)
        {
            Some(difference) => {
                let lba = (start + difference as u64) / self.block_size();
                (
                    difference,
                    Err(Sense::MISCOMPARE_DURING_VERIFY.with_information(lba)),
                )
            }
            None => (count, result),
        }
    }

    /// Reads up to `length` bytes and drops them.
    pub(super) fn check(&mut self, length: usize) -> Result<(), Sense> {
        let length = self.clamp(length);
        let mut dropped = vec![0; length];
        self.read(&mut dropped).1
    }

    pub(super) fn flush(&self) -> Result<(), Sense> {
        self.unit.flush(&self.loaded)
    }

    fn block_size(&self) -> u64 {
        self.loaded.capacity.block_size().into()
    }

    fn clamp(&self, length: usize) -> usize {
        usize::try_from(self.left()).map_or(length, |left| left.min(length))
    }

    fn whole_blocks(&self, length: usize) -> usize {
        let length = self.clamp(length);
        length - length % self.block_size() as usize
    }

    /// Accesses the next `length` bytes, unless the medium has been taken out meanwhile.
    fn transfer(
        &mut self,
        length: usize,
        failure: Sense,
        mut access: impl FnMut(&dyn Medium, u64, Range<usize>) -> io::Result<()>,
    ) -> Moved {
        let position = self.position;
        let block_size = self.block_size() as usize;
        let moved = self.unit.with_medium_in(&self.loaded, |medium| {
            let Err(error) = access(medium, position, 0..length) else {
                return (length, Ok(()));
            };
            log::warn!("medium, {length} bytes at {position}: {error}");
            // Once more block by block: what is good is moved, and what is bad has an address.
            for start in (0..length).step_by(block_size) {
                let offset = position + start as u64;
                if access(medium, offset, start..length.min(start + block_size)).is_err() {
                    return (
                        start,
                        Err(failure.with_information(offset / block_size as u64)),
                    );
                }
            }
            (length, Ok(()))
        });
        let (count, result) = moved.unwrap_or_else(|sense| (0, Err(sense)));
        self.position += count as u64;
        (count, result)
    }
}
