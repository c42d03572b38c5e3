//! The data that SourceSink sends and expects with pattern 1.

/// Of the bulk endpoints at high speed.
pub(crate) const PACKET: usize = 512;

/// What a read's buffer has before it: no byte of the pattern.
pub(crate) const UNTOUCHED: u8 = 0xee;

/// Each byte its offset in its packet modulo 63.
fn byte(offset: usize) -> u8 {
    (offset % PACKET % 63).to_le_bytes()[0]
}

pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(byte).collect()
}

/// The first place where `bytes` are not those of whole packets from the stream's beginning.
pub(crate) fn first_wrong(bytes: &[u8]) -> Option<usize> {
    first_wrong_from(0, bytes)
}

/// The same of bytes that begin `start` bytes into a packet.
pub(crate) fn first_wrong_from(start: usize, bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|&offset| bytes[offset] != byte(start + offset))
}

/// Of the isochronous endpoints.
pub(crate) const ISOCHRONOUS_PACKET: usize = 192;

/// Each byte of an isochronous packet.
pub(crate) fn isochronous_byte(offset: usize) -> u8 {
    (offset % 63).to_le_bytes()[0]
}
