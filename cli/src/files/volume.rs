//! The bytes of a disk, or of one partition of it, as the FAT library wants them: read, write and seek in
//! pieces of any size, through a cache that makes large commands of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::rc::Rc;

use thiserror::Error;
use usbfs2_mass_storage::BlockDevice;

/// What one command moves at most. A disk takes nearly as long for 4 KiB.
const CHUNK_BYTES: u64 = 64 * 1024;
/// Chunks kept: 4 MiB.
const CHUNKS: usize = 64;
/// Here a file system keeps its mark that it is in use, which must be on the disk before anything else.
const BOOT_SECTOR_BYTES: u64 = 512;

/// What a healthy file system never does; within an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Misled {
    /// It points past its own end.
    #[error("it points beyond the end of its partition")]
    BeyondEnd,
    /// It makes its reader go on and on.
    #[error("a chain of clusters does not end")]
    Endless,
}

impl From<Misled> for io::Error {
    fn from(misled: Misled) -> Self {
        Self::new(io::ErrorKind::InvalidData, misled)
    }
}

/// A handle; clones have the same position and cache.
#[derive(Debug, Clone)]
pub(crate) struct Volume(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    disk: BlockDevice,
    start: u64,
    length: u64,
    position: u64,
    chunks: HashMap<u64, Chunk>,
    /// Counts up; tells which chunk was used last.
    clock: u64,
    /// What may be read before the file system is taken to be misleading.
    budget: Option<u64>,
    /// Where the first read since [`Volume::limit`] was.
    first_read: Option<u64>,
}

/// A piece of the volume. `dirty` lies within `valid`.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    valid: Range<usize>,
    dirty: Option<Range<usize>>,
    used: u64,
}

impl Volume {
    /// The whole of a disk.
    pub(crate) fn new(disk: BlockDevice) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            start: 0,
            length: disk.size(),
            disk,
            position: 0,
            chunks: HashMap::new(),
            clock: 0,
            budget: None,
            first_read: None,
        })))
    }

    /// Makes the volume `length` bytes from byte `start` of the disk on, of which nothing was written yet.
    pub(crate) fn narrow(&self, start: u64, length: u64) {
        let mut inner = self.0.borrow_mut();
        inner.chunks.clear();
        (inner.start, inner.length, inner.position) = (start, length, 0);
    }

    /// Bytes of the volume.
    pub(crate) fn length(&self) -> u64 {
        self.0.borrow().length
    }

    /// Bytes of a block of the disk.
    pub(crate) fn block_size(&self) -> u32 {
        self.0.borrow().disk.block_size()
    }

    /// Whether the medium is write-protected.
    pub(crate) fn read_only(&self) -> bool {
        self.0.borrow().disk.read_only()
    }

    /// Makes reads fail with [`Misled::Endless`] once they have come to `budget` bytes; `None` lifts that.
    pub(crate) fn limit(&self, budget: Option<u64>) {
        let mut inner = self.0.borrow_mut();
        inner.budget = budget;
        inner.first_read = None;
    }

    /// Where the first read was since [`limit`](Self::limit).
    pub(crate) fn first_read(&self) -> Option<u64> {
        self.0.borrow().first_read
    }

    /// Returns when all that was written is safe on the medium.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.borrow_mut().sync()
    }
}

impl Inner {
    /// The part of the chunk at the position that the next `wanted` bytes lie in, and its chunk's number.
    fn part(&self, wanted: usize) -> (u64, Range<usize>) {
        let start = usize::try_from(self.position % CHUNK_BYTES).unwrap_or_default();
        let end = (start + wanted).min(self.chunk_length(self.position / CHUNK_BYTES));
        (self.position / CHUNK_BYTES, start..end)
    }

    fn chunk_length(&self, index: u64) -> usize {
        let left = self.length.saturating_sub(index * CHUNK_BYTES);
        usize::try_from(left.min(CHUNK_BYTES)).unwrap_or_default()
    }

    /// Takes a chunk out of the cache, or a new one, to be put back.
    fn take(&mut self, index: u64) -> io::Result<Chunk> {
        if let Some(chunk) = self.chunks.remove(&index) {
            return Ok(chunk);
        }
        if self.chunks.len() >= CHUNKS {
            let oldest = self.chunks.iter().min_by_key(|(_, chunk)| chunk.used);
            if let Some((&oldest, _)) = oldest {
                self.write_back(oldest)?;
                self.chunks.remove(&oldest);
            }
        }
        Ok(Chunk {
            bytes: vec![0; self.chunk_length(index)],
            valid: 0..0,
            dirty: None,
            used: 0,
        })
    }

    fn put_back(&mut self, index: u64, mut chunk: Chunk) {
        self.clock += 1;
        chunk.used = self.clock;
        self.chunks.insert(index, chunk);
    }

    /// Reads what the chunk does not have yet.
    fn fill(&mut self, index: u64, chunk: &mut Chunk) -> io::Result<()> {
        let mut bytes = vec![0; chunk.bytes.len()];
        self.disk
            .read_at_blocking(self.start + index * CHUNK_BYTES, &mut bytes)?;
        bytes[chunk.valid.clone()].copy_from_slice(&chunk.bytes[chunk.valid.clone()]);
        chunk.valid = 0..bytes.len();
        chunk.bytes = bytes;
        Ok(())
    }

    fn write_back(&mut self, index: u64) -> io::Result<()> {
        let offset = self.start + index * CHUNK_BYTES;
        if let Some(chunk) = self.chunks.get_mut(&index)
            && let Some(dirty) = chunk.dirty.clone()
        {
            self.disk
                .write_at_blocking(offset + dirty.start as u64, &chunk.bytes[dirty])?;
            // Not before: what could not be written is tried again.
            chunk.dirty = None;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let dirty = self
            .chunks
            .iter()
            .filter(|(_, chunk)| chunk.dirty.is_some());
        let mut dirty: Vec<u64> = dirty.map(|(&index, _)| index).collect();
        // Tables come before what they describe on every FAT file system: so they are written after it.
        dirty.sort_unstable_by(|one, other| other.cmp(one));
        for index in dirty {
            self.write_back(index)?;
        }
        Ok(self.disk.flush_blocking()?)
    }

    /// Moves the position, which is where the next access is checked against the end.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(Misled::BeyondEnd)?;
        Ok(self.position)
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.position >= self.length {
            return Err(Misled::BeyondEnd.into());
        }
        let (index, part) = self.part(bytes.len());
        let count = part.len();
        if let Some(budget) = &mut self.budget {
            *budget = budget.checked_sub(count as u64).ok_or(Misled::Endless)?;
        }
        self.first_read.get_or_insert(self.position);
        if let Some(chunk) = self.chunks.get_mut(&index)
            && chunk.valid.start <= part.start
            && part.end <= chunk.valid.end
        {
            bytes[..count].copy_from_slice(&chunk.bytes[part]);
            self.clock += 1;
            chunk.used = self.clock;
            self.position += count as u64;
            return Ok(count);
        }
        let mut chunk = self.take(index)?;
        let filled = self.fill(index, &mut chunk);
        if filled.is_ok() {
            bytes[..count].copy_from_slice(&chunk.bytes[part]);
            self.position += count as u64;
        }
        self.put_back(index, chunk);
        filled.map(|()| count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.position >= self.length {
            return Err(Misled::BeyondEnd.into());
        }
        let (index, part) = self.part(bytes.len());
        let count = part.len();
        let through = self.position < BOOT_SECTOR_BYTES;
        let mut chunk = self.take(index)?;
        // What continues what was written needs nothing from the disk.
        let apart = part.end < chunk.valid.start || chunk.valid.end < part.start;
        let filled = match apart && !chunk.valid.is_empty() {
            true => self.fill(index, &mut chunk),
            false => Ok(()),
        };
        if filled.is_ok() {
            chunk.bytes[part.clone()].copy_from_slice(&bytes[..count]);
            chunk.valid = union(&chunk.valid, &part);
            chunk.dirty = Some(match &chunk.dirty {
                Some(dirty) => union(dirty, &part),
                None => part,
            });
            self.position += count as u64;
        }
        self.put_back(index, chunk);
        filled?;
        if through {
            self.write_back(index)?;
        }
        Ok(count)
    }
}

/// The smallest range around both; an empty one counts for nothing.
fn union(one: &Range<usize>, other: &Range<usize>) -> Range<usize> {
    match one.is_empty() {
        true => other.clone(),
        false => one.start.min(other.start)..one.end.max(other.end),
    }
}

impl Read for Volume {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(bytes)
    }
}

impl Write for Volume {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    /// Nothing: the library flushes after every look at a directory. [`Volume::sync`] does.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Volume {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.borrow_mut().seek(to)
    }
}
