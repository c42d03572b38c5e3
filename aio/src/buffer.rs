//! The memory an operation reads into or writes from.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::aio::PooledPiece;
use crate::sys::Pages;

/// Owned bytes that travel with an operation and come back with its completion.
///
/// A buffer has a *filled part*, which it dereferences to, and a capacity. A write sends the filled
/// part. A read overwrites the buffer from its start, asks for [`requested_length`] bytes, and
/// the filled part is what arrived.
///
/// Buffers of a page and more start on a page boundary and share no page with other data, so that
/// files opened with `O_DIRECT`, and drivers that pin user memory, can use them in place.
/// Every byte up to the capacity is initialised at all times.
///
/// A buffer from a [`TransferRing`](crate::TransferRing) is memory of the driver, which the device's controller reads and
/// writes in place. A child of fork(2) does not have that memory: such a buffer is without bytes there.
///
/// [`requested_length`]: Buffer::requested_length
///
/// ```
/// let mut buffer = aio_rs::Buffer::from(b"one".as_slice());
/// buffer.extend_from_slice(b", two");
/// assert_eq!(&buffer[..], b"one, two");
/// ```
pub struct Buffer {
    storage: Storage,
    /// Length of the filled part; at most the storage's.
    len: usize,
    /// What a read asks for, when that is not the capacity; at most the capacity.
    requested: Option<usize>,
}

/// Where the bytes live. The address does not change while the buffer is moved.
enum Storage {
    /// A vector extended to its capacity.
    Vector(Vec<u8>),
    Pages(Pages),
    /// Memory of a driver, from a [`TransferRing`](crate::TransferRing).
    Mapped(PooledPiece),
}

impl Buffer {
    /// An empty buffer without capacity; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            storage: Storage::Vector(Vec::new()),
            len: 0,
            requested: None,
        }
    }

    /// An empty buffer with room for exactly `capacity` bytes.
    ///
    /// # Panics
    /// As `Vec` does, when `capacity` exceeds `isize::MAX`.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let storage = if capacity >= crate::sys::page_size() {
            Storage::Pages(Pages::zeroed(capacity))
        } else {
            Storage::Vector(vec![0; capacity])
        };
        Self {
            storage,
            len: 0,
            requested: None,
        }
    }

    /// Bytes in the filled part.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the filled part has no bytes.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes a read can store without a new allocation.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.whole().len()
    }

    /// Bytes a read asks for: the capacity, unless [`set_requested_length`](Self::set_requested_length) said less.
    #[inline]
    #[must_use]
    pub fn requested_length(&self) -> usize {
        self.requested.unwrap_or_else(|| self.capacity())
    }

    /// Makes reads ask for `bytes` instead of the whole capacity.
    ///
    /// # Panics
    /// When `bytes` exceeds the capacity.
    pub fn set_requested_length(&mut self, bytes: usize) {
        let capacity = self.capacity();
        assert!(
            bytes <= capacity,
            "a read of {bytes} bytes does not fit a buffer of {capacity}"
        );
        self.requested = Some(bytes);
    }

    /// Makes the first `len` bytes the filled part, whatever they hold.
    ///
    /// # Panics
    /// When `len` exceeds the capacity.
    #[inline]
    pub fn set_len(&mut self, len: usize) {
        let capacity = self.capacity();
        assert!(
            len <= capacity,
            "{len} bytes do not fit a buffer of {capacity}"
        );
        self.len = len;
    }

    /// The bytes that a read is to fill.
    #[inline]
    pub(crate) fn room_for_read(&mut self) -> &mut [u8] {
        let requested = self.requested;
        let whole = self.whole_mut();
        let wanted = requested.unwrap_or(whole.len());
        whole.get_mut(..wanted).unwrap_or_default()
    }

    /// What a read of at most the requested length brought.
    #[inline]
    pub(crate) fn set_read(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.requested_length());
        self.len = bytes;
    }

    /// Empties the filled part; the capacity stays.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends `bytes` to the filled part, moving to a larger allocation when they do not fit.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let len = self.len + bytes.len();
        if len > self.capacity() {
            let mut larger = Self::with_capacity(len.max(self.capacity().saturating_mul(2)));
            larger.whole_mut()[..self.len].copy_from_slice(self);
            self.storage = larger.storage;
        }
        let start = self.len;
        self.whole_mut()[start..len].copy_from_slice(bytes);
        self.len = len;
    }

    /// All bytes up to the capacity, the filled part first.
    #[inline]
    #[must_use]
    pub fn whole(&self) -> &[u8] {
        match &self.storage {
            Storage::Vector(vector) => vector,
            Storage::Pages(pages) => pages.as_slice(),
            Storage::Mapped(piece) => piece.as_slice(),
        }
    }

    /// All bytes up to the capacity, to be filled in place and followed by [`set_len`](Self::set_len).
    #[inline]
    pub fn whole_mut(&mut self) -> &mut [u8] {
        match &mut self.storage {
            Storage::Vector(vector) => vector,
            Storage::Pages(pages) => pages.as_mut_slice(),
            Storage::Mapped(piece) => piece.as_mut_slice(),
        }
    }

    /// The filled part as a vector; copies when the buffer is page-aligned.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        match self.storage {
            Storage::Vector(mut vector) => {
                vector.truncate(self.len);
                vector
            }
            _ => self.to_vec(),
        }
    }

    /// An empty buffer with room for `capacity` bytes, which are a part of this memory.
    pub(crate) fn mapped(piece: PooledPiece) -> Self {
        Self {
            storage: Storage::Mapped(piece),
            len: 0,
            requested: None,
        }
    }

    /// The driver's memory that this lies in, if it does.
    #[inline]
    pub(crate) fn mapped_piece(&self) -> Option<&PooledPiece> {
        match &self.storage {
            Storage::Mapped(piece) => Some(piece),
            _ => None,
        }
    }

    /// Whether the bytes are whole pages of their own, but for the last.
    #[inline]
    #[must_use]
    pub fn is_page_aligned(&self) -> bool {
        matches!(self.storage, Storage::Pages(_))
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes the vector's allocation over; its spare capacity becomes the buffer's.
impl From<Vec<u8>> for Buffer {
    fn from(mut vector: Vec<u8>) -> Self {
        let len = vector.len();
        vector.resize(vector.capacity(), 0);
        Self {
            storage: Storage::Vector(vector),
            len,
            requested: None,
        }
    }
}

impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        let mut buffer = Self::with_capacity(bytes.len());
        buffer.extend_from_slice(bytes);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.whole().get(..self.len).unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let len = self.len;
        self.whole_mut().get_mut(..len).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .field("requested_length", &self.requested_length())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;

    #[test]
    fn a_vector_goes_in_and_out_without_a_copy() {
        let mut vector = Vec::with_capacity(100);
        vector.extend_from_slice(b"abc");
        let (address, capacity) = (vector.as_ptr(), vector.capacity());
        let buffer = Buffer::from(vector);
        assert_eq!((buffer.len(), buffer.capacity()), (3, capacity));
        let vector = buffer.into_vec();
        assert_eq!((vector.as_ptr(), &vector[..]), (address, b"abc".as_slice()));
    }

    #[test]
    fn large_buffers_start_on_a_page() {
        let page = crate::sys::page_size();
        for capacity in [page, page + 1, 5 * page] {
            let buffer = Buffer::with_capacity(capacity);
            assert_eq!(buffer.capacity(), capacity);
            assert!(buffer.whole().as_ptr().addr().is_multiple_of(page));
            assert!(buffer.whole().iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn growing_keeps_the_filled_part_and_the_requested_length() {
        let mut buffer = Buffer::with_capacity(10);
        buffer.set_requested_length(4);
        let text: Vec<u8> = (0..=255).cycle().take(20_000).collect();
        for piece in text.chunks(333) {
            buffer.extend_from_slice(piece);
        }
        assert_eq!(buffer.requested_length(), 4);
        assert_eq!(buffer.into_vec(), text);
    }

    #[test]
    #[should_panic(expected = "does not fit a buffer of 8")]
    fn a_read_larger_than_the_buffer_is_a_programming_error() {
        Buffer::with_capacity(8).set_requested_length(9);
    }
}
