//! The bytes that are sent and expected, by the numbers of usbtest's parameter `pattern`.

/// What bytes are sent, and expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pattern {
    /// 0: zeros.
    #[default]
    Zeros,
    /// 1: each byte is its offset in its packet, modulo 63. It tells where packets were lost or came twice.
    Mod63,
    /// 2: zeros are sent, and anything is taken.
    Unchecked,
}

impl Pattern {
    /// A packet of as many bytes.
    pub(super) fn packet(self, length: usize) -> Vec<u8> {
        match self {
            Self::Zeros | Self::Unchecked => vec![0; length],
            // Below 63, so nothing is cut off.
            Self::Mod63 => (0..length).map(|offset| (offset % 63) as u8).collect(),
        }
    }

    /// Where the first byte is that does not belong in a transfer of packets like this one, each as long as it but the
    /// last, and which it is.
    pub(super) fn mismatch(self, packet: &[u8], bytes: &[u8]) -> Option<(usize, u8)> {
        if self == Self::Unchecked {
            return None;
        }
        let expected = packet.iter().cycle();
        // Whole packets are compared at once, since almost all of them are right.
        let is_right = |one: &[u8]| packet.get(..one.len()) == Some(one);
        if !packet.is_empty() && bytes.chunks(packet.len()).all(is_right) {
            return None;
        }
        let mut pairs = bytes.iter().zip(expected).enumerate();
        pairs.find_map(|(offset, (byte, wanted))| (byte != wanted).then_some((offset, *byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As usbtest has it (`simple_check_buf`).
    fn transfer(length: usize, packet: usize) -> Vec<u8> {
        (0..length)
            .map(|offset| (offset % packet % 63) as u8)
            .collect()
    }

    #[test]
    fn it_begins_anew_with_each_packet() {
        for size in [64, 512, 1024] {
            let packet = Pattern::Mod63.packet(size);
            for length in [0, 1, 62, 63, 64, 65, 511, 512, 513, 4096, 5000] {
                let bytes = transfer(length, size);
                assert_eq!(Pattern::Mod63.mismatch(&packet, &bytes), None, "{length}");
            }
        }
    }

    #[test]
    fn a_byte_too_few_and_a_wrong_one_are_found() {
        let packet = Pattern::Mod63.packet(512);
        let mut bytes = transfer(4096, 512);
        bytes.remove(1500);
        assert_eq!(
            Pattern::Mod63.mismatch(&packet, &bytes),
            Some((1500, ((1501 % 512) % 63) as u8))
        );
        let mut zeros = vec![0; 700];
        assert_eq!(Pattern::Zeros.mismatch(&[0; 64], &zeros), None);
        zeros[699] = 0x55;
        assert_eq!(Pattern::Zeros.mismatch(&[0; 64], &zeros), Some((699, 0x55)));
        assert_eq!(Pattern::Unchecked.mismatch(&[0; 64], &zeros), None);
    }

    #[test]
    fn zeros_are_not_the_pattern() {
        let packet = Pattern::Mod63.packet(64);
        assert_eq!(Pattern::Mod63.mismatch(&packet, &[0]), None);
        assert_eq!(Pattern::Mod63.mismatch(&packet, &[0, 0]), Some((1, 0)));
    }
}
