//! The packets of an isochronous transfer, as usbmon puts them before its data (`struct mon_bin_isodesc` of
//! drivers/usb/mon/mon_bin.c).

/// What an isochronous transfer's header counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IsochronousCounts {
    /// Packets that ended with an error.
    pub errors: u32,
    /// [`IsochronousDescriptor`]s before the data.
    pub descriptors: u32,
}

/// One packet of an isochronous transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsochronousDescriptor {
    /// 0, or an errno as a negative number: -EXDEV for a packet that was missed, and for all on submission.
    pub status: i32,
    /// Where its bytes begin in the transfer's data.
    pub offset: u32,
    /// Bytes asked for on submission, bytes that moved on completion.
    pub length: u32,
}

impl IsochronousDescriptor {
    /// Bytes of a descriptor.
    pub const LENGTH: usize = 16;

    /// usbmon shows no more packets of a transfer than these (ISODESC_MAX).
    pub const MOST: u32 = 128;

    /// The descriptor in this machine's byte order.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..4].copy_from_slice(&self.status.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.offset.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_ne_bytes());
        bytes
    }

    /// Reads a descriptor in this machine's byte order.
    fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Self {
            status: i32::from_ne_bytes(word(0)),
            offset: u32::from_ne_bytes(word(4)),
            length: u32::from_ne_bytes(word(8)),
        }
    }

    /// Takes what follows the header of an isochronous transfer apart: its descriptors, and its data. Where a
    /// snap length cut it off there are fewer.
    #[must_use]
    pub fn split(counts: IsochronousCounts, bytes: &[u8]) -> (Vec<Self>, &[u8]) {
        let count = usize::try_from(counts.descriptors).unwrap_or(usize::MAX);
        let (all, _) = bytes.as_chunks::<{ Self::LENGTH }>();
        let descriptors = &all[..count.min(all.len())];
        let data = if descriptors.len() == count {
            &bytes[count * Self::LENGTH..]
        } else {
            &[]
        };
        (descriptors.iter().map(Self::from_bytes).collect(), data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_left_out() {
        let one = IsochronousDescriptor {
            status: -18,
            offset: 192,
            length: 180,
        };
        let bytes = [&one.to_bytes()[..], &one.to_bytes(), b"data"].concat();
        let split = |descriptors, length: usize| {
            let counts = IsochronousCounts {
                errors: 0,
                descriptors,
            };
            IsochronousDescriptor::split(counts, &bytes[..length])
        };
        assert_eq!(split(2, 36), (vec![one; 2], &b"data"[..]));
        assert_eq!(split(2, 32), (vec![one; 2], &b""[..]));
        assert_eq!(split(2, 31), (vec![one], &b""[..]));
        assert_eq!(split(u32::MAX, 36), (vec![one; 2], &b""[..]));
        assert_eq!(split(0, 4), (vec![], &bytes[..4]));
    }
}
