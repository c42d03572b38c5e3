//! A test signal that tells every frame from every other: 16-bit stereo, in which frame `n` is the number `n`,
//! its low half the left sample and its high half the right one. Numbers begin at 1; zero is silence.
//!
//! ```
//! use dummy_hcd_tests::numbered_frames::{self, Listener};
//!
//! let mut listener = Listener::default();
//! listener.hear(&[0; 12])?;
//! listener.hear(&numbered_frames::signal(5..=104))?;
//! let heard = listener.finish()?;
//! assert_eq!((heard.silent, heard.first, heard.frames), (3, 5, 100));
//! # Ok::<(), numbered_frames::Break>(())
//! ```

use std::ops::RangeInclusive;

/// Bytes of a frame.
pub const FRAME: usize = 4;

/// The frames of these numbers, as little-endian samples.
#[must_use]
pub fn signal(numbers: RangeInclusive<u32>) -> Vec<u8> {
    numbers.flat_map(u32::to_le_bytes).collect()
}

/// What is wrong with what was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Break {
    /// A frame was lost, doubled or mangled.
    #[error("frame {position} is {found} (0x{found:08x}) instead of {expected}")]
    Frame {
        /// Frames before it, silence included.
        position: u64,
        /// Its number.
        found: u32,
        /// The one it should have.
        expected: u32,
    },
    /// The signal went on after silence.
    #[error("frame {position} is {found} after silence from frame {silent_from} on")]
    Gap {
        /// Frames before it, silence included.
        position: u64,
        /// Its number.
        found: u32,
        /// Where the silence began.
        silent_from: u64,
    },
    /// No signal in any frame.
    #[error("{frames} frames of silence and no signal")]
    Silence {
        /// How many.
        frames: u64,
    },
    /// The bytes end inside a frame.
    #[error("{bytes} bytes of a frame at the end")]
    Torn {
        /// How many.
        bytes: usize,
    },
}

/// A signal without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Frames of silence before it.
    pub silent: u64,
    /// Its first frame's number.
    pub first: u32,
    /// How many frames it has.
    pub frames: u64,
}

/// Hears a signal piece by piece: silence, consecutive numbers from any on, and silence again.
#[derive(Debug, Clone, Default)]
pub struct Listener {
    position: u64,
    heard: Option<Heard>,
    silent_from: Option<u64>,
    torn: Vec<u8>,
}

impl Listener {
    /// The next bytes, cut anywhere.
    ///
    /// # Errors
    /// At the first frame that is not the one due.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<(), Break> {
        let mut bytes = bytes;
        if !self.torn.is_empty() {
            let missing = (FRAME - self.torn.len()).min(bytes.len());
            self.torn.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            let Ok(frame) = <[u8; FRAME]>::try_from(&self.torn[..]) else {
                return Ok(());
            };
            self.torn.clear();
            self.frame(u32::from_le_bytes(frame))?;
        }
        let (frames, rest) = bytes.as_chunks::<FRAME>();
        self.torn.extend_from_slice(rest);
        frames
            .iter()
            .try_for_each(|frame| self.frame(u32::from_le_bytes(*frame)))
    }

    /// What was heard so far, silence included.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.position
    }

    /// The end.
    ///
    /// # Errors
    /// When there was no signal at all, or the end is inside a frame.
    pub fn finish(self) -> Result<Heard, Break> {
        match self.torn.len() {
            0 => self.heard.ok_or(Break::Silence {
                frames: self.position,
            }),
            bytes => Err(Break::Torn { bytes }),
        }
    }

    fn frame(&mut self, found: u32) -> Result<(), Break> {
        let position = self.position;
        self.position += 1;
        let Some(heard) = &mut self.heard else {
            if found != 0 {
                self.heard = Some(Heard {
                    silent: position,
                    first: found,
                    frames: 1,
                });
            }
            return Ok(());
        };
        if found == 0 {
            self.silent_from.get_or_insert(position);
            return Ok(());
        }
        if let Some(silent_from) = self.silent_from {
            return Err(Break::Gap {
                position,
                found,
                silent_from,
            });
        }
        // A count of frames that does not fit has wrapped, as the numbers have.
        #[allow(clippy::cast_possible_truncation)]
        let expected = heard.first.wrapping_add(heard.frames as u32);
        heard.frames += 1;
        if found == expected {
            Ok(())
        } else {
            Err(Break::Frame {
                position,
                found,
                expected,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(pieces: &[&[u8]]) -> Result<Heard, Break> {
        let mut listener = Listener::default();
        for piece in pieces {
            listener.hear(piece)?;
        }
        listener.finish()
    }

    #[test]
    fn a_signal_cut_anywhere_is_whole() {
        let bytes = signal(1..=70_000);
        for cut in [0, 1, 2, 3, 4, 5, 30_001] {
            let heard = listen(&[&bytes[..cut], &bytes[cut..], &[0; 8]]).unwrap();
            let expected = Heard {
                silent: 0,
                first: 1,
                frames: 70_000,
            };
            assert_eq!(heard, expected);
        }
    }

    #[test]
    fn every_kind_of_break_is_found_where_it_is() {
        let lost = listen(&[&signal(1..=3), &signal(5..=6)]);
        let expected = Break::Frame {
            position: 3,
            found: 5,
            expected: 4,
        };
        assert_eq!(lost, Err(expected));
        let doubled = listen(&[&signal(1..=3), &signal(3..=6)]);
        assert!(matches!(doubled, Err(Break::Frame { found: 3, .. })));
        let gap = listen(&[&signal(1..=3), &[0; 4], &signal(4..=6)]);
        let expected = Break::Gap {
            position: 4,
            found: 4,
            silent_from: 3,
        };
        assert_eq!(gap, Err(expected));
        assert_eq!(listen(&[&[0; 8]]), Err(Break::Silence { frames: 2 }));
        assert_eq!(listen(&[&[1, 0, 0]]), Err(Break::Torn { bytes: 3 }));
    }

    #[test]
    fn swapped_channels_are_a_break() {
        let mut bytes = signal(70_000..=70_002);
        bytes[4..8].rotate_left(2);
        assert!(matches!(listen(&[&bytes]), Err(Break::Frame { .. })));
    }
}
