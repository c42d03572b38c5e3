//! An input, read as a list of things to do.

use usbfs2_protocol::Direction;

/// Takes values from the front of an input. At its end everything is 0.
#[derive(Debug, Clone)]
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    pub(crate) fn word(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    pub(crate) fn direction(&mut self) -> Direction {
        if self.byte() & 1 == 0 {
            Direction::Out
        } else {
            Direction::In
        }
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let taken = self.some(N);
        bytes[..taken.len()].copy_from_slice(taken);
        bytes
    }

    /// As many bytes as there are, up to `count`.
    pub(crate) fn some(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes with their number in front.
    pub(crate) fn counted(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte());
        self.some(count)
    }
}
