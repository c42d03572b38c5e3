//! Sample frames that wait between the caller and the bus.

use std::collections::VecDeque;

use usbfs2_host::Buffer;

/// A queue of whole sample frames with a bound.
///
/// What goes in and out are whole frames, so whatever is missing or too much, channels never change places.
#[derive(Debug)]
pub(crate) struct FrameRing {
    bytes: VecDeque<u8>,
    frame_bytes: usize,
    capacity: usize,
}

impl FrameRing {
    /// Room for `capacity` frames of `frame_bytes` each.
    pub(crate) fn new(frame_bytes: usize, capacity: usize) -> Self {
        let frame_bytes = frame_bytes.max(1);
        Self {
            bytes: VecDeque::with_capacity(frame_bytes * capacity),
            frame_bytes,
            capacity,
        }
    }

    /// Frames in the ring.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() / self.frame_bytes
    }

    /// Frames there is room for.
    pub(crate) fn room(&self) -> usize {
        self.capacity - self.len()
    }

    /// Takes as many whole frames of `bytes` as there is room for, `limit` at most. Returns how many frames.
    pub(crate) fn push(&mut self, bytes: &[u8], limit: usize) -> usize {
        let frames = (bytes.len() / self.frame_bytes).min(self.room()).min(limit);
        self.bytes.extend(&bytes[..frames * self.frame_bytes]);
        frames
    }

    /// Appends up to `frames` frames to `to`. Returns how many.
    pub(crate) fn pop_to_buffer(&mut self, to: &mut Buffer, frames: usize) -> usize {
        self.pop(frames, |bytes| to.extend_from_slice(bytes))
    }

    /// Fills `to` with as many whole frames as there are and fit. Returns how many.
    pub(crate) fn pop_to_slice(&mut self, to: &mut [u8]) -> usize {
        let mut at = 0;
        self.pop(to.len() / self.frame_bytes, |bytes| {
            to[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        })
    }

    fn pop(&mut self, frames: usize, mut take: impl FnMut(&[u8])) -> usize {
        let frames = frames.min(self.len());
        let length = frames * self.frame_bytes;
        let (first, second) = self.bytes.as_slices();
        let split = length.min(first.len());
        take(&first[..split]);
        take(&second[..length - split]);
        self.bytes.drain(..length);
        frames
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_that_is_not_whole_stays_outside() {
        let mut ring = FrameRing::new(4, 10);
        assert_eq!(ring.push(&[1, 2, 3, 4, 5, 6, 7], 10), 1);
        let mut to = [0; 7];
        assert_eq!(ring.pop_to_slice(&mut to), 1);
        assert_eq!(to, [1, 2, 3, 4, 0, 0, 0]);
    }

    #[test]
    fn the_bound_holds() {
        let mut ring = FrameRing::new(2, 3);
        assert_eq!(ring.push(&[0; 100], 2), 2);
        assert_eq!(ring.push(&[0; 100], 100), 1);
        assert_eq!((ring.len(), ring.room()), (3, 0));
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(
            frame_bytes in 1..9_usize, capacity in 0..40_usize,
            steps in prop::collection::vec((any::<bool>(), 0..100_usize), 1..100),
        ) {
            let mut ring = FrameRing::new(frame_bytes, capacity);
            let (mut next_in, mut next_out) = (0_usize, 0_usize);
            for (is_push, length) in steps {
                if is_push {
                    let bytes: Vec<u8> = (0..length).map(|i| (next_in + i) as u8).collect();
                    next_in += ring.push(&bytes, usize::MAX) * frame_bytes;
                } else {
                    let mut buffer = Buffer::new();
                    let frames = ring.pop_to_buffer(&mut buffer, length);
                    prop_assert_eq!(buffer.len(), frames * frame_bytes);
                    for &byte in &buffer[..] {
                        prop_assert_eq!(byte, next_out as u8);
                        next_out += 1;
                    }
                }
                prop_assert!(ring.len() + ring.room() == capacity);
                prop_assert_eq!(ring.len() * frame_bytes, next_in - next_out);
            }
        }
    }
}
