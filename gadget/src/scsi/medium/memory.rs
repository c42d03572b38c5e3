//! A medium in memory.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{PoisonError, RwLock},
};

use super::Medium;

/// Memory is taken in pieces of this size, when first written.
const PIECE_BYTES: u64 = 64 * 1024;

/// A medium in memory, all zeros at first, gone with the last reference to it.
///
/// Only pieces that were written take memory, so a large and mostly empty medium is cheap.
pub struct MemoryMedium {
    size_bytes: u64,
    pieces: RwLock<HashMap<u64, Box<[u8]>>>,
}

impl MemoryMedium {
    /// A medium of `size_bytes` zeros.
    #[must_use]
    pub fn new(size_bytes: u64) -> Self {
        Self {
            size_bytes,
            pieces: RwLock::default(),
        }
    }

    /// A medium that holds a copy of `contents`.
    #[must_use]
    pub fn with_contents(contents: &[u8]) -> Self {
        let pieces = (0..)
            .zip(contents.chunks(PIECE_BYTES as usize))
            .map(|(index, chunk)| {
                let mut piece = empty_piece();
                piece[..chunk.len()].copy_from_slice(chunk);
                (index, piece)
            })
            .collect();
        Self {
            size_bytes: contents.len() as u64,
            pieces: RwLock::new(pieces),
        }
    }

    fn check_range(&self, offset: u64, length: usize) -> io::Result<()> {
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.size_bytes => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "{length} bytes at {offset} reach past the {} bytes of the medium",
                    self.size_bytes
                ),
            )),
        }
    }
}

fn empty_piece() -> Box<[u8]> {
    vec![0; PIECE_BYTES as usize].into_boxed_slice()
}

/// Splits a range into the parts that lie in one piece: (piece, first byte in the piece, length).
fn parts(mut offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut left = length;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let start = (offset % PIECE_BYTES) as usize;
        let count = left.min(PIECE_BYTES as usize - start);
        let part = (offset / PIECE_BYTES, start, count);
        offset += count as u64;
        left -= count;
        Some(part)
    })
}

impl Medium for MemoryMedium {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.check_range(offset, buffer.len())?;
        let pieces = self.pieces.read().unwrap_or_else(PoisonError::into_inner);
        let mut rest = buffer;
        for (index, start, count) in parts(offset, rest.len()) {
            let (target, tail) = rest.split_at_mut(count);
            match pieces.get(&index) {
                Some(piece) => target.copy_from_slice(&piece[start..start + count]),
                None => target.fill(0),
            }
            rest = tail;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_range(offset, data.len())?;
        let mut pieces = self.pieces.write().unwrap_or_else(PoisonError::into_inner);
        let mut rest = data;
        for (index, start, count) in parts(offset, data.len()) {
            let (source, tail) = rest.split_at(count);
            pieces.entry(index).or_insert_with(empty_piece)[start..start + count]
                .copy_from_slice(source);
            rest = tail;
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for MemoryMedium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryMedium")
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_across_pieces_is_read_back_and_the_rest_is_zero() {
        let medium = MemoryMedium::new(1 << 40);
        let data: Vec<u8> = (0..200_000_u32).map(|index| (index % 251) as u8).collect();
        medium.write_at(PIECE_BYTES - 7, &data).unwrap();

        let mut back = vec![0xFF; data.len() + 20];
        medium.read_at(PIECE_BYTES - 17, &mut back).unwrap();
        assert_eq!(back[..10], [0; 10]);
        assert_eq!(back[10..10 + data.len()], data);
        assert_eq!(back[10 + data.len()..], [0; 10]);
        assert_eq!(
            medium.pieces.read().unwrap().len(),
            5,
            "only what was touched takes memory"
        );
    }

    #[test]
    fn the_end_of_the_medium_is_an_error() {
        let medium = MemoryMedium::with_contents(&[7; 1000]);
        assert_eq!(medium.size_bytes(), 1000);
        let mut byte = [0];
        medium.read_at(999, &mut byte).unwrap();
        assert_eq!(byte, [7]);
        assert!(medium.read_at(1000, &mut byte).is_err());
        assert!(medium.write_at(u64::MAX, &byte).is_err());
    }
}
