//! What a logical unit stores its blocks on.

mod file;
mod memory;

use std::{fmt, io, sync::Arc};

pub use self::{
    file::{FileMedium, MediumError},
    memory::MemoryMedium,
};

/// A store of bytes that a logical unit presents as blocks.
///
/// Methods take `&self` and may be called from several threads: a unit moves one command at a time,
/// but the program that owns the medium may look at it meanwhile.
pub trait Medium: Send + Sync + fmt::Debug {
    /// The size in bytes, which must not change while the medium is in a unit.
    fn size_bytes(&self) -> u64;

    /// Whether writes are refused.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Anything short of the whole buffer is an error; the host is told of a medium error.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Stores all of `data` at `offset`.
    ///
    /// # Errors
    /// Anything short of all the data is an error (a full file system, for instance); the host is
    /// told of a medium error.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Returns when everything written so far would survive a loss of power.
    ///
    /// # Errors
    /// When it cannot be told that it would; the host is told of a medium error.
    fn flush(&self) -> io::Result<()>;
}

impl<M: Medium + ?Sized> Medium for Arc<M> {
    fn size_bytes(&self) -> u64 {
        (**self).size_bytes()
    }

    fn is_read_only(&self) -> bool {
        (**self).is_read_only()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        (**self).flush()
    }
}
