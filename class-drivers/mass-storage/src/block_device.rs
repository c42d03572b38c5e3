//! A disk as bytes: read, write, flush.

use std::ops::Range;

use usbfs2_host::{Waiting, block_on};
use usbfs2_protocol::scsi::{Command, Sense, SenseKey, StandardInquiry};

use crate::error::DiskError;
use crate::medium::{self, Medium};
use crate::transport::Data;
use crate::unit::Unit;

/// A logical unit with a medium, as bytes from 0 to its size.
///
/// Offsets and lengths are in bytes and need no alignment; whole blocks move without a detour,
/// and a write of a part of a block reads the block first. Large transfers are split to what the
/// device takes.
///
/// # Errors of its methods
/// Transport failures are retried with reset recovery in between (BOT 5.3.4), so an error is final
/// and names the command and the stage; [`DiskError::Disconnected`] ends the device's use.
///
/// A drive whose medium was taken out says [`DiskError::NoMedium`] once. From then on, and from the first
/// sign of a new medium, everything but [`refresh`](Self::refresh) is refused with
/// [`DiskError::MediumChanged`], whichever handle to the unit was told of it: nothing is read or written
/// in the belief that it is the medium before, and no size outlives its medium.
///
/// # Cancellation
/// A dropped future leaves the blocks it was to write in either state, and the device usable: the
/// next command begins with reset recovery.
#[derive(Debug)]
pub struct BlockDevice {
    unit: Unit,
    inquiry: StandardInquiry,
    medium: Medium,
    /// What one command may move by the device's speed and the caller's wish.
    most_bytes: usize,
    /// What one command may move by the unit's own word.
    most_blocks: Option<u32>,
    /// One block, for the parts of blocks at the ends of a transfer.
    block: Vec<u8>,
}

impl BlockDevice {
    pub(crate) async fn open(
        waiting: Waiting,
        mut unit: Unit,
        most_bytes: usize,
    ) -> Result<Self, DiskError> {
        let inquiry = medium::inquire(waiting, &mut unit).await?;
        let most_blocks = medium::most_blocks(waiting, &mut unit, &inquiry).await?;
        let medium = Medium::read(waiting, &mut unit).await?;
        Ok(Self {
            unit,
            inquiry,
            most_bytes,
            most_blocks,
            block: vec![0; medium.capacity.block_size() as usize],
            medium,
        })
    }

    /// What the unit says of itself: vendor, product, whether the medium is removable.
    #[must_use]
    pub fn inquiry(&self) -> &StandardInquiry {
        &self.inquiry
    }

    /// Bytes of a logical block.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        self.medium.capacity.block_size()
    }

    /// Logical blocks on the medium.
    #[must_use]
    pub fn block_count(&self) -> u64 {
        self.medium.capacity.block_count()
    }

    /// Bytes on the medium.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.medium.capacity.byte_length()
    }

    /// Whether the medium is write-protected.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.medium.read_only
    }

    /// The most bytes one command moves.
    #[must_use]
    pub fn max_transfer_bytes(&self) -> usize {
        let block_size = self.block.len();
        let blocks = (self.most_bytes / block_size).max(1);
        let most = self.most_blocks.map_or(usize::MAX, |most| most as usize);
        blocks.min(most) * block_size
    }

    /// Looks at the medium again, which may be another one.
    ///
    /// # Errors
    /// [`DiskError::NoMedium`], and those of any command.
    pub async fn refresh(&mut self) -> Result<(), DiskError> {
        self.refresh_waiting(Waiting::Async).await
    }

    /// [`refresh`](Self::refresh), blocking.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub fn refresh_blocking(&mut self) -> Result<(), DiskError> {
        block_on(self.refresh_waiting(Waiting::Blocking))
    }

    async fn refresh_waiting(&mut self, waiting: Waiting) -> Result<(), DiskError> {
        self.medium = Medium::read(waiting, &mut self.unit).await?;
        self.block
            .resize(self.medium.capacity.block_size() as usize, 0);
        Ok(())
    }

    /// Locks the medium in, or lets it go again (PREVENT ALLOW MEDIUM REMOVAL, SPC-3 6.13).
    ///
    /// The lock holds until it is taken back, the device is reset or unplugged; it outlives this handle.
    ///
    /// # Errors
    /// [`DiskError::Sense`] with an illegal request where the unit knows no lock, as fixed disks do not;
    /// see [`BlockDevice`].
    pub async fn prevent_removal(&mut self, prevent: bool) -> Result<(), DiskError> {
        self.prevent_waiting(Waiting::Async, prevent).await
    }

    /// [`prevent_removal`](Self::prevent_removal), blocking.
    ///
    /// # Errors
    /// As [`prevent_removal`](Self::prevent_removal).
    pub fn prevent_removal_blocking(&mut self, prevent: bool) -> Result<(), DiskError> {
        block_on(self.prevent_waiting(Waiting::Blocking, prevent))
    }

    async fn prevent_waiting(&mut self, waiting: Waiting, prevent: bool) -> Result<(), DiskError> {
        let command = Command::PreventAllowMediumRemoval { prevent };
        self.unit.order(waiting, &command).await
    }

    /// Flushes the medium and has the unit eject it (START STOP UNIT, SBC-2 5.17).
    ///
    /// # Errors
    /// [`DiskError::RemovalPrevented`] while the medium is locked in; [`DiskError::Sense`] with an illegal
    /// request where it is fixed; see [`BlockDevice`].
    pub async fn eject(&mut self) -> Result<(), DiskError> {
        self.eject_waiting(Waiting::Async).await
    }

    /// [`eject`](Self::eject), blocking.
    ///
    /// # Errors
    /// As [`eject`](Self::eject).
    pub fn eject_blocking(&mut self) -> Result<(), DiskError> {
        block_on(self.eject_waiting(Waiting::Blocking))
    }

    async fn eject_waiting(&mut self, waiting: Waiting) -> Result<(), DiskError> {
        self.flush_waiting(waiting).await?;
        let command = Command::StartStopUnit {
            immediate: false,
            load_eject: true,
            start: false,
            power_condition: 0,
        };
        self.unit.order(waiting, &command).await
    }

    /// Fills `bytes` from the medium, starting at byte `offset`.
    ///
    /// # Errors
    /// See [`BlockDevice`]. After an error part of `bytes` may be filled.
    pub async fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.read_waiting(Waiting::Async, offset, bytes).await
    }

    /// [`read_at`](Self::read_at), blocking.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn read_at_blocking(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        block_on(self.read_waiting(Waiting::Blocking, offset, bytes))
    }

    async fn read_waiting(
        &mut self,
        waiting: Waiting,
        offset: u64,
        mut bytes: &mut [u8],
    ) -> Result<(), DiskError> {
        self.check_range(offset, bytes.len())?;
        let mut offset = offset;
        while !bytes.is_empty() {
            let piece = self.piece(offset, bytes.len());
            let (now, later) = std::mem::take(&mut bytes).split_at_mut(piece.length);
            if let Some(within) = piece.within_block {
                self.read_block(waiting, piece.lba).await?;
                now.copy_from_slice(&self.block[within]);
            } else {
                let command = Command::read(piece.lba, piece.blocks);
                let data = Data::In(now);
                self.unit.run_whole(waiting, &command, data).await?;
            }
            offset += piece.length as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Writes `bytes` to the medium, starting at byte `offset`. The device may cache them:
    /// [`flush`](Self::flush) says when they are safe.
    ///
    /// # Errors
    /// [`DiskError::ReadOnly`] before anything is sent; see [`BlockDevice`]. After an error part of
    /// the range may be written.
    pub async fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.write_waiting(Waiting::Async, offset, bytes).await
    }

    /// [`write_at`](Self::write_at), blocking.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub fn write_at_blocking(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        block_on(self.write_waiting(Waiting::Blocking, offset, bytes))
    }

    async fn write_waiting(
        &mut self,
        waiting: Waiting,
        offset: u64,
        mut bytes: &[u8],
    ) -> Result<(), DiskError> {
        if self.medium.read_only {
            return Err(DiskError::ReadOnly);
        }
        self.check_range(offset, bytes.len())?;
        let mut offset = offset;
        while !bytes.is_empty() {
            let piece = self.piece(offset, bytes.len());
            let (now, later) = bytes.split_at(piece.length);
            let command = Command::write(piece.lba, piece.blocks);
            if let Some(within) = piece.within_block {
                self.read_block(waiting, piece.lba).await?;
                let mut block = std::mem::take(&mut self.block);
                block[within].copy_from_slice(now);
                let data = Data::Out(&block);
                let written = self.unit.run_whole(waiting, &command, data).await;
                self.block = block;
                written?;
            } else {
                let data = Data::Out(now);
                self.unit.run_whole(waiting, &command, data).await?;
            }
            offset += piece.length as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Waits until everything written is on the medium (SYNCHRONIZE CACHE, SBC-2 5.18).
    ///
    /// A device without a cache may not know the command, and has nothing to write.
    ///
    /// # Errors
    /// See [`BlockDevice`].
    pub async fn flush(&mut self) -> Result<(), DiskError> {
        self.flush_waiting(Waiting::Async).await
    }

    /// [`flush`](Self::flush), blocking.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn flush_blocking(&mut self) -> Result<(), DiskError> {
        block_on(self.flush_waiting(Waiting::Blocking))
    }

    async fn flush_waiting(&mut self, waiting: Waiting) -> Result<(), DiskError> {
        let command = Command::SynchronizeCache10 {
            lba: 0,
            blocks: 0,
            immediate: false,
        };
        match self.unit.order(waiting, &command).await {
            Err(DiskError::Sense { sense, .. }) if refuses_command(&sense) => Ok(()),
            result => result,
        }
    }

    async fn read_block(&mut self, waiting: Waiting, lba: u64) -> Result<(), DiskError> {
        let mut block = std::mem::take(&mut self.block);
        let data = Data::In(&mut block);
        let command = Command::read(lba, 1);
        let result = self.unit.run_whole(waiting, &command, data).await;
        self.block = block;
        result
    }

    fn check_range(&self, offset: u64, length: usize) -> Result<(), DiskError> {
        let size = self.size();
        let end = offset.saturating_add(length as u64);
        if end > size {
            return Err(DiskError::OutOfRange { offset, end, size });
        }
        Ok(())
    }

    /// The first command of a transfer: whole blocks, or a part of one block.
    fn piece(&self, offset: u64, length: usize) -> Piece {
        let block_size = self.block.len();
        let lba = offset / block_size as u64;
        let start = usize::try_from(offset % block_size as u64).unwrap_or(0);
        if start != 0 || length < block_size {
            let end = (start + length).min(block_size);
            return Piece {
                lba,
                blocks: 1,
                length: end - start,
                within_block: Some(start..end),
            };
        }
        let length = length.min(self.max_transfer_bytes());
        let length = length - length % block_size;
        let blocks = u32::try_from(length / block_size).unwrap_or(u32::MAX);
        Piece {
            lba,
            blocks,
            length,
            within_block: None,
        }
    }
}

/// What one command of a transfer covers.
struct Piece {
    lba: u64,
    blocks: u32,
    /// Bytes of the transfer.
    length: usize,
    /// Which bytes of the block those are, when they are a part of one.
    within_block: Option<Range<usize>>,
}

/// Whether a unit does not know a command, or not with these parameters.
fn refuses_command(sense: &Sense) -> bool {
    let refusals = [
        Sense::INVALID_COMMAND_OPERATION_CODE,
        Sense::INVALID_FIELD_IN_COMMAND,
    ];
    sense.key == SenseKey::IllegalRequest
        && refusals
            .iter()
            .any(|refusal| (sense.code, sense.qualifier) == (refusal.code, refusal.qualifier))
}
