//! A disk where `std::io` wants a file: for file systems, archives, copies.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::block_device::BlockDevice;

/// A [`BlockDevice`] with a position. Blocking.
///
/// ```no_run
/// # fn first_sector(disk: usbfs2_mass_storage::BlockDevice) -> std::io::Result<[u8; 512]> {
/// use std::io::Read;
/// use usbfs2_mass_storage::DiskCursor;
///
/// let mut sector = [0; 512];
/// DiskCursor::new(disk).read_exact(&mut sector)?;
/// # Ok(sector) }
/// ```
#[derive(Debug)]
pub struct DiskCursor {
    disk: BlockDevice,
    position: u64,
}

impl DiskCursor {
    /// A cursor at the first byte.
    #[must_use]
    pub fn new(disk: BlockDevice) -> Self {
        Self { disk, position: 0 }
    }

    /// The disk.
    #[must_use]
    pub fn get_ref(&self) -> &BlockDevice {
        &self.disk
    }

    /// The disk, without its position.
    #[must_use]
    pub fn into_inner(self) -> BlockDevice {
        self.disk
    }

    /// How much of `length` bytes lies between here and the end.
    fn available(&self, length: usize) -> usize {
        let left = self.disk.size().saturating_sub(self.position);
        usize::try_from(left).unwrap_or(usize::MAX).min(length)
    }
}

impl Read for DiskCursor {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.available(bytes.len());
        self.disk
            .read_at_blocking(self.position, &mut bytes[..length])?;
        self.position += length as u64;
        Ok(length)
    }
}

impl Write for DiskCursor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.available(bytes.len());
        self.disk
            .write_at_blocking(self.position, &bytes[..length])?;
        self.position += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.disk.flush_blocking()?)
    }
}

impl Seek for DiskCursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.disk.size().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "seek to before the first byte of the disk",
            )
        })?;
        Ok(self.position)
    }
}
