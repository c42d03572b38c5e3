//! Command descriptor blocks: a command's bytes, whatever carries them.

use std::fmt;

use thiserror::Error;

/// A command's bytes, 1 to 16 of them (SAM-5 5.2).
#[doc(alias = "CDB")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandBlock {
    bytes: [u8; Self::MAX_LENGTH],
    length: u8,
}

/// A command block is 1 to 16 bytes, not this many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a command block is 1 to 16 bytes, this is {0}")]
pub struct InvalidCommandBlock(pub usize);

impl CommandBlock {
    /// The longest command block.
    pub const MAX_LENGTH: usize = 16;

    /// A command block of these bytes.
    ///
    /// # Errors
    /// When there are none or more than 16.
    pub fn new(command: &[u8]) -> Result<Self, InvalidCommandBlock> {
        let error = InvalidCommandBlock(command.len());
        if command.is_empty() {
            return Err(error);
        }
        let mut bytes = [0; Self::MAX_LENGTH];
        bytes
            .get_mut(..command.len())
            .ok_or(error)?
            .copy_from_slice(command);
        let length = u8::try_from(command.len()).map_err(|_| error)?;
        Ok(Self { bytes, length })
    }

    /// A block whose length, 6, 10, 12 or 16, its operation code implies.
    pub(super) fn fixed<const N: usize>(command: [u8; N]) -> Self {
        const { assert!(N > 0 && N <= Self::MAX_LENGTH) };
        let mut bytes = [0; Self::MAX_LENGTH];
        bytes[..N].copy_from_slice(&command);
        // At most 16, as asserted.
        let length = N as u8;
        Self { bytes, length }
    }

    /// The command's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// How many bytes the command has.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// The command's bytes with zeros after them, as transports of fixed size carry them.
    #[must_use]
    pub const fn padded(&self) -> &[u8; Self::MAX_LENGTH] {
        &self.bytes
    }

    /// The first byte, which says what the command is.
    #[must_use]
    pub const fn operation_code(&self) -> u8 {
        self.bytes[0]
    }
}

impl AsRef<[u8]> for CommandBlock {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for CommandBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandBlock({:02x?})", self.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_1_to_16_bytes_are_a_command() {
        assert_eq!(CommandBlock::new(&[]), Err(InvalidCommandBlock(0)));
        assert_eq!(CommandBlock::new(&[0; 17]), Err(InvalidCommandBlock(17)));
        let block = CommandBlock::new(&[0x12, 0, 0, 0, 36, 0]).unwrap();
        assert_eq!(block.as_bytes(), [0x12, 0, 0, 0, 36, 0]);
        assert_eq!(block.operation_code(), 0x12);
        assert_eq!(
            format!("{block:?}"),
            "CommandBlock([12, 00, 00, 00, 24, 00])"
        );
    }
}
