//! Places for transfers in a buffer mapped from an endpoint file.

use std::fs::File;
use std::io;

use dummy_hcd_tests::sys::mapped::Mapping;

use crate::stream::UNTOUCHED;

/// Bytes of a place.
pub(super) const ROOM: usize = 64 << 10;
const PLACES: usize = 40;

/// A buffer, and which of its places are in use.
#[derive(Debug)]
pub(super) struct Places {
    memory: Mapping,
    /// How many were mapped and unmapped before it.
    generation: u64,
    free: Vec<usize>,
}

/// A place of a buffer that may be unmapped meanwhile.
#[derive(Debug)]
pub(super) struct Place {
    generation: u64,
    index: usize,
    length: usize,
}

impl Place {
    pub(super) fn length(&self) -> usize {
        self.length
    }
}

impl Places {
    pub(super) fn map(file: &File) -> io::Result<Self> {
        Ok(Self {
            memory: Mapping::new(file, 0, PLACES * ROOM)?,
            generation: 0,
            free: (0..PLACES).collect(),
        })
    }

    /// A place of `length` bytes that hold what `bytes` gives, or nothing known. None where all are in use.
    pub(super) fn take(&mut self, length: usize, bytes: Option<&[u8]>) -> Option<Place> {
        let index = self.free.pop()?;
        match bytes {
            Some(bytes) => self.memory.put(index * ROOM, bytes),
            None => self.memory.put(index * ROOM, &vec![UNTOUCHED; length]),
        }
        Some(Place {
            generation: self.generation,
            index,
            length,
        })
    }

    /// The buffer, and where in it the place is.
    pub(super) fn memory(&self, place: &Place) -> (&Mapping, usize) {
        (&self.memory, place.index * ROOM)
    }

    /// What the place holds; it is free then. None if it was unmapped.
    pub(super) fn give_back(&mut self, place: &Place) -> Option<Vec<u8>> {
        if place.generation != self.generation {
            return None;
        }
        self.free.push(place.index);
        Some(self.memory.get(place.index * ROOM, place.length))
    }

    /// Unmaps it, whatever is in flight, and maps another.
    pub(super) fn replace(&mut self, file: &File) -> io::Result<()> {
        let generation = self.generation + 1;
        // The new one first: it must not get the address of the old one while transfers have that.
        let new = Self::map(file)?;
        *self = Self { generation, ..new };
        Ok(())
    }
}
