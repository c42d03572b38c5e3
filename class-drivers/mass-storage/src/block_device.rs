//! A disk as bytes: read, write, flush.

use std::ops::Range;

use usbfs2_host::{Waiting, block_on};
use usbfs2_protocol::scsi::{
    Capacity, Command, ModePage, ModePageControl, ModeParameters, StandardInquiry,
    VitalProductData, page_code,
};

use crate::error::{DiskError, InvalidAnswer};
use crate::transport::Data;
use crate::unit::{OnMediumChange, Unit};

/// The version field of a unit that knows the vital product data pages for disks (SPC-3).
const VERSION_SPC_3: u8 = 5;

/// A logical unit with a medium, as bytes from 0 to its size.
///
/// Offsets and lengths are in bytes and need no alignment; whole blocks move without a detour,
/// and a write of a part of a block reads the block first. Large transfers are split to what the
/// device takes.
///
/// # Errors of its methods
/// Transport failures are retried with reset recovery in between (BOT 5.3.4), so an error is final
/// and names the command and the stage; [`DiskError::Disconnected`] ends the device's use.
/// [`DiskError::MediumChanged`] lasts until [`refresh`](Self::refresh).
///
/// # Cancellation
/// A dropped future leaves the blocks it was to write in either state, and the device usable: the
/// next command begins with reset recovery.
#[derive(Debug)]
pub struct BlockDevice {
    unit: Unit,
    inquiry: StandardInquiry,
    capacity: Capacity,
    read_only: bool,
    medium_changed: bool,
    /// A multiple of the block size.
    max_transfer_bytes: usize,
    /// One block, for the parts of blocks at the ends of a transfer.
    block: Vec<u8>,
}

impl BlockDevice {
    pub(crate) async fn open(
        waiting: Waiting,
        unit: Unit,
        max_transfer_bytes: usize,
    ) -> Result<Self, DiskError> {
        let inquiry = inquire(waiting, &unit).await?;
        let medium = Medium::read(waiting, &unit).await?;
        let limit = max_transfer(
            waiting,
            &unit,
            &inquiry,
            &medium.capacity,
            max_transfer_bytes,
        )
        .await?;
        Ok(Self {
            unit,
            inquiry,
            capacity: medium.capacity,
            read_only: medium.read_only,
            medium_changed: false,
            max_transfer_bytes: limit,
            block: vec![0; medium.capacity.block_size() as usize],
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
        self.capacity.block_size()
    }

    /// Logical blocks on the medium.
    #[must_use]
    pub fn block_count(&self) -> u64 {
        self.capacity.block_count()
    }

    /// Bytes on the medium.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.capacity.byte_length()
    }

    /// Whether the medium is write-protected.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// The most bytes one command moves.
    #[must_use]
    pub fn max_transfer_bytes(&self) -> usize {
        self.max_transfer_bytes
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
        let medium = Medium::read(waiting, &self.unit).await?;
        let block_size = medium.capacity.block_size() as usize;
        self.max_transfer_bytes = whole_blocks(self.max_transfer_bytes, block_size);
        self.block.resize(block_size, 0);
        self.capacity = medium.capacity;
        self.read_only = medium.read_only;
        self.medium_changed = false;
        Ok(())
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
                self.run(waiting, &command, Data::In(now)).await?;
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
        if self.read_only {
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
                let written = self.run(waiting, &command, Data::Out(&block)).await;
                self.block = block;
                written?;
            } else {
                self.run(waiting, &command, Data::Out(now)).await?;
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
        match self.run(waiting, &command, Data::None).await {
            Err(DiskError::Sense { sense, .. }) if refuses_command(&sense) => Ok(()),
            result => result,
        }
    }

    async fn read_block(&mut self, waiting: Waiting, lba: u64) -> Result<(), DiskError> {
        let mut block = std::mem::take(&mut self.block);
        let result = self
            .run(waiting, &Command::read(lba, 1), Data::In(&mut block))
            .await;
        self.block = block;
        result
    }

    async fn run(
        &mut self,
        waiting: Waiting,
        command: &Command,
        data: Data<'_>,
    ) -> Result<(), DiskError> {
        if self.medium_changed {
            return Err(DiskError::MediumChanged);
        }
        let result = self
            .unit
            .run_whole(waiting, command, data, OnMediumChange::Report)
            .await;
        self.medium_changed = result == Err(DiskError::MediumChanged);
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
        let length = whole_blocks(length.min(self.max_transfer_bytes), block_size);
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

/// What depends on the medium.
struct Medium {
    capacity: Capacity,
    read_only: bool,
}

impl Medium {
    async fn read(waiting: Waiting, unit: &Unit) -> Result<Self, DiskError> {
        unit.run(
            waiting,
            &Command::TestUnitReady,
            Data::None,
            OnMediumChange::Ignore,
        )
        .await?;
        Ok(Self {
            capacity: read_capacity(waiting, unit).await?,
            read_only: write_protected(waiting, unit).await?,
        })
    }
}

async fn inquire(waiting: Waiting, unit: &Unit) -> Result<StandardInquiry, DiskError> {
    let command = Command::Inquiry {
        page: None,
        allocation_length: 36,
    };
    let mut bytes = [0; StandardInquiry::LENGTH];
    let length = unit
        .run(
            waiting,
            &command,
            Data::In(&mut bytes),
            OnMediumChange::Ignore,
        )
        .await?;
    StandardInquiry::parse(&bytes[..length]).map_err(|error| wrong_answer(&command, error))
}

async fn read_capacity(waiting: Waiting, unit: &Unit) -> Result<Capacity, DiskError> {
    let command = Command::ReadCapacity10;
    let mut bytes = [0; Capacity::LENGTH_10];
    unit.run_whole(
        waiting,
        &command,
        Data::In(&mut bytes),
        OnMediumChange::Ignore,
    )
    .await?;
    let capacity = match Capacity::parse_10(&bytes) {
        Ok(Some(capacity)) => capacity,
        // More blocks than 32 bits count.
        Ok(None) => read_capacity_16(waiting, unit).await?,
        Err(error) => return Err(wrong_answer(&command, error)),
    };
    let block_size = capacity.block_size();
    if !block_size.is_power_of_two() || !(512..=65_536).contains(&block_size) {
        let reason = InvalidAnswer::BlockSize(block_size);
        return Err(DiskError::Answer {
            command: command.name(),
            reason,
        });
    }
    Ok(capacity)
}

async fn read_capacity_16(waiting: Waiting, unit: &Unit) -> Result<Capacity, DiskError> {
    let command = Command::ReadCapacity16 {
        allocation_length: 32,
    };
    let mut bytes = [0; Capacity::LENGTH_16];
    let length = unit
        .run(
            waiting,
            &command,
            Data::In(&mut bytes),
            OnMediumChange::Ignore,
        )
        .await?;
    Capacity::parse_16(&bytes[..length]).map_err(|error| wrong_answer(&command, error))
}

/// Whether the mode parameter header has the write-protect bit. A device that does not know the
/// command protects nothing.
async fn write_protected(waiting: Waiting, unit: &Unit) -> Result<bool, DiskError> {
    let command = Command::ModeSense6 {
        disable_block_descriptors: false,
        page_control: ModePageControl::Current,
        page: ModePage::ALL,
        subpage: 0,
        allocation_length: 192,
    };
    let mut bytes = [0; 192];
    let answer = unit
        .run(
            waiting,
            &command,
            Data::In(&mut bytes),
            OnMediumChange::Ignore,
        )
        .await;
    match answer {
        Ok(length) => Ok(ModeParameters::parse_6(&bytes[..length])
            .is_ok_and(|parameters| parameters.write_protected)),
        Err(DiskError::Sense { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What one command may move: `limit`, or less when the unit says so (SBC-3 6.6.4).
async fn max_transfer(
    waiting: Waiting,
    unit: &Unit,
    inquiry: &StandardInquiry,
    capacity: &Capacity,
    limit: usize,
) -> Result<usize, DiskError> {
    let block_size = capacity.block_size() as usize;
    let limit = whole_blocks(limit, block_size);
    // Older devices are known to hang when asked for pages they never heard of.
    if inquiry.version < VERSION_SPC_3 {
        return Ok(limit);
    }
    let page = page_code::BLOCK_LIMITS;
    let command = Command::Inquiry {
        page: Some(page),
        allocation_length: 64,
    };
    let mut bytes = [0; 64];
    let answer = unit
        .run(
            waiting,
            &command,
            Data::In(&mut bytes),
            OnMediumChange::Ignore,
        )
        .await;
    let length = match answer {
        Ok(length) => length,
        Err(DiskError::Sense { .. }) => return Ok(limit),
        Err(error) => return Err(error),
    };
    Ok(match VitalProductData::parse(page, &bytes[..length]) {
        Ok(VitalProductData::BlockLimits(limits)) if limits.maximum_transfer_length > 0 => {
            limit.min((limits.maximum_transfer_length as usize).saturating_mul(block_size))
        }
        _ => limit,
    })
}

fn wrong_answer(command: &Command, error: impl Into<InvalidAnswer>) -> DiskError {
    DiskError::Answer {
        command: command.name(),
        reason: error.into(),
    }
}

/// `length` rounded down to whole blocks, but one block at least.
fn whole_blocks(length: usize, block_size: usize) -> usize {
    (length / block_size).max(1) * block_size
}

/// Whether a unit does not know a command at all.
fn refuses_command(sense: &usbfs2_protocol::scsi::Sense) -> bool {
    *sense == usbfs2_protocol::scsi::Sense::INVALID_COMMAND_OPERATION_CODE
}
