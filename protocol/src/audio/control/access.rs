//! What may be done with a control.

/// What a host may do with a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// There is no such control.
    None,
    /// Read it.
    ReadOnly,
    /// Read and write it.
    ReadWrite,
}

impl Access {
    /// The access of the control this far from the lowest bits: two bits each (UAC2 4.7). What the
    /// specification does not allow, 0b10, counts as read-only.
    #[must_use]
    pub const fn of(controls: u64, index: u32) -> Self {
        match controls.checked_shr(2 * index) {
            None => Self::None,
            Some(controls) => match controls & 0b11 {
                0b00 => Self::None,
                0b11 => Self::ReadWrite,
                _ => Self::ReadOnly,
            },
        }
    }

    /// Whether the control can be read.
    #[must_use]
    pub const fn can_read(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether the control can be written.
    #[must_use]
    pub const fn can_write(self) -> bool {
        matches!(self, Self::ReadWrite)
    }
}
