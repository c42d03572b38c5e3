//! Pieces of mapped memory, handed out and taken back without a system call.
//!
//! A pool maps slabs and cuts each into pieces of one size. A piece belongs to one buffer from `take` until that buffer
//! is dropped, which puts its index back on the slab's free list; only an index from there becomes a piece again. So no
//! two living pieces overlap. A piece keeps its slab mapped, also when the pool is gone.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::SharedFile;
use crate::sys::{ForkMark, Mapping, Piece, page_size};

/// Pieces are at least this long, so that none shares a cache line with another: on some machines the controller's
/// writes are seen line by line.
const SMALLEST: usize = 512;
/// Up to this long they are powers of two, above multiples of it.
const LARGEST_POWER: usize = 64 << 10;
/// What the module maps at once.
const LARGEST: usize = 1 << 30;
/// A slab is not made longer than this for more than one piece.
const SLAB: usize = 1 << 20;
/// Unused memory that is kept, however little is in use.
const KEPT: usize = 1 << 20;

/// Where slabs come from.
#[derive(Debug)]
enum Source {
    File(SharedFile),
    #[cfg(test)]
    Anonymous,
}

/// The mapped memory of one open file.
#[derive(Debug)]
pub(crate) struct Pool {
    source: Source,
    mark: Arc<ForkMark>,
    slabs: Mutex<Slabs>,
}

#[derive(Debug, Default)]
struct Slabs {
    /// Those of one size together, in the order they were mapped.
    list: Vec<Slab>,
    used: usize,
    unused: usize,
}

#[derive(Debug)]
struct Slab {
    mapping: Arc<Mapping>,
    piece: usize,
    /// Indices of the pieces that nobody has.
    free: Vec<usize>,
}

impl Slab {
    fn count(&self) -> usize {
        self.mapping.len() / self.piece
    }

    fn is_unused(&self) -> bool {
        self.free.len() == self.count()
    }
}

/// How long the pieces are that have room for `bytes`; `None` when none can be.
fn piece_length(bytes: usize) -> Option<usize> {
    if bytes > LARGEST {
        None
    } else if bytes <= LARGEST_POWER {
        Some(bytes.max(SMALLEST).next_power_of_two())
    } else {
        bytes.checked_next_multiple_of(LARGEST_POWER)
    }
}

impl Pool {
    pub(crate) fn new(file: &SharedFile, mark: &Arc<ForkMark>) -> Arc<Self> {
        Self::of(Source::File(file.clone()), mark)
    }

    #[cfg(test)]
    pub(crate) fn anonymous(mark: &Arc<ForkMark>) -> Arc<Self> {
        Self::of(Source::Anonymous, mark)
    }

    fn of(source: Source, mark: &Arc<ForkMark>) -> Arc<Self> {
        Arc::new(Self {
            source,
            mark: Arc::clone(mark),
            slabs: Mutex::default(),
        })
    }

    fn slabs(&self) -> MutexGuard<'_, Slabs> {
        self.slabs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece with room for `bytes`, holding whatever its last owner left there.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> io::Result<PooledPiece> {
        let no_memory = || io::Error::from_raw_os_error(libc::ENOMEM);
        let length = piece_length(bytes).ok_or_else(no_memory)?;
        let mut slabs = self.slabs();
        let of_length = |slab: &&mut Slab| slab.piece == length;
        let free = |slab: &&mut Slab| !slab.free.is_empty();
        let at_hand = slabs
            .list
            .iter_mut()
            .filter(of_length)
            .find(free)
            .and_then(|slab| Some((Arc::clone(&slab.mapping), slab.free.pop()?)));
        let (mapping, index) = match at_hand {
            Some(taken) => {
                slabs.unused -= length;
                taken
            }
            None => slabs.grow(length, |bytes| self.map(bytes))?,
        };
        slabs.used += length;
        drop(slabs);
        // SAFETY: the index was on the free list of the mapping's slab, or was never handed out, and is in nobody
        // else's hands until PooledPiece's Drop puts it there again.
        let piece = unsafe { Piece::new(&mapping, index * length, bytes) };
        Ok(PooledPiece {
            piece,
            pool: Arc::downgrade(self),
        })
    }

    fn map(&self, bytes: usize) -> io::Result<Mapping> {
        match &self.source {
            Source::File(file) => Mapping::new(file, 0, bytes, &self.mark),
            #[cfg(test)]
            Source::Anonymous => Mapping::anonymous(bytes, &self.mark),
        }
    }

    fn take_back(&self, piece: &Piece) {
        let mut slabs = self.slabs();
        let is_its = |slab: &Slab| Arc::ptr_eq(&slab.mapping, piece.mapping());
        let Some(at) = slabs.list.iter().position(is_its) else {
            return;
        };
        let slab = &mut slabs.list[at];
        let length = slab.piece;
        slab.free.push(piece.offset() / length);
        slabs.used -= length;
        slabs.unused += length;
        // As much as is in use may be wanted again soon; more than that goes back.
        while slabs.unused > slabs.used.max(KEPT)
            && let Some(at) = slabs.list.iter().position(Slab::is_unused)
        {
            let slab = slabs.list.swap_remove(at);
            slabs.unused -= slab.count() * slab.piece;
        }
    }
}

impl Slabs {
    /// Maps one more slab, as long as all of its kind together, and takes its first piece.
    fn grow(
        &mut self,
        length: usize,
        map: impl FnOnce(usize) -> io::Result<Mapping>,
    ) -> io::Result<(Arc<Mapping>, usize)> {
        let of_length = |slab: &&Slab| slab.piece == length;
        let have: usize = self.list.iter().filter(of_length).map(Slab::count).sum();
        let most = (SLAB / length).max(1);
        let count = have.clamp(4.min(most), most);
        let bytes = (count * length).next_multiple_of(page_size());
        let mapping = Arc::new(map(bytes)?);
        let slab = Slab {
            free: (1..bytes / length).rev().collect(),
            mapping: Arc::clone(&mapping),
            piece: length,
        };
        self.unused += slab.free.len() * length;
        self.list.push(slab);
        Ok((mapping, 0))
    }
}

/// A piece that goes back to its pool, or is unmapped with the last of its slab when that is gone.
#[derive(Debug)]
pub(crate) struct PooledPiece {
    piece: Piece,
    pool: Weak<Pool>,
}

impl PooledPiece {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.piece.as_slice()
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.piece.as_mut_slice()
    }

    /// Whether it is a part of this pool's memory.
    #[inline]
    pub(crate) fn is_of(&self, pool: &Arc<Pool>) -> bool {
        self.pool.as_ptr() == Arc::as_ptr(pool)
    }
}

impl Drop for PooledPiece {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.take_back(&self.piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Arc<Pool> {
        Pool::anonymous(&Arc::new(ForkMark::new().expect("a mark")))
    }

    #[test]
    fn pieces_never_overlap_and_are_used_again() {
        let pool = pool();
        let mut pieces = Vec::new();
        for round in 0..3 {
            for number in 0..200_u8 {
                let bytes = [13, 512, 700, 4096, 65536, 70_000][usize::from(number) % 6];
                let mut piece = pool.take(bytes).expect("memory");
                assert_eq!(piece.as_slice().len(), bytes);
                piece.as_mut_slice().fill(number);
                pieces.push((number, piece));
            }
            for (number, piece) in &pieces {
                assert!(piece.as_slice().iter().all(|byte| byte == number));
            }
            let mapped = pool.slabs().list.len();
            pieces.clear();
            if round > 0 {
                assert!(pool.slabs().list.len() <= mapped);
            }
            assert_eq!(pool.slabs().used, 0);
        }
    }

    #[test]
    fn unused_memory_is_bounded() {
        let pool = pool();
        let pieces: Vec<_> = (0..32)
            .map(|_| pool.take(1 << 20).expect("memory"))
            .collect();
        let mut left = 32 << 20;
        for piece in pieces {
            drop(piece);
            left -= 1 << 20;
            let slabs = pool.slabs();
            assert_eq!(slabs.used, left);
            assert!(slabs.unused <= slabs.used.max(KEPT), "{}", slabs.unused);
            let mapped: usize = slabs.list.iter().map(|slab| slab.mapping.len()).sum();
            assert_eq!(mapped, slabs.used + slabs.unused);
        }
    }

    #[test]
    fn a_piece_outlives_its_pool() {
        let pool = pool();
        let mut piece = pool.take(5000).expect("memory");
        piece.as_mut_slice().fill(7);
        drop(pool);
        assert!(piece.as_slice().iter().all(|&byte| byte == 7));
    }

    #[test]
    fn lengths_are_powers_of_two_or_multiples() {
        for (bytes, length) in [
            (1, 512),
            (513, 1024),
            (65_536, 65_536),
            (65_537, 131_072),
            (18 << 20, 18 << 20),
        ] {
            assert_eq!(piece_length(bytes), Some(length));
        }
        assert_eq!(piece_length(usize::MAX), None);
    }
}
