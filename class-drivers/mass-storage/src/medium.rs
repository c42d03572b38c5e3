//! What there is to know of a unit and its medium before a block is moved.

use usbfs2_host::Waiting;
use usbfs2_protocol::scsi::{
    Capacity, Command, ModePage, ModePageControl, ModeParameters, SenseKey, StandardInquiry,
    VitalProductData, page_code,
};

use crate::error::{DiskError, InvalidAnswer};
use crate::transport::Data;
use crate::unit::Unit;

/// The version field of a unit that knows the vital product data pages for disks (SPC-3).
const VERSION_SPC_3: u8 = 5;
/// How often a medium is looked at that changes meanwhile.
const ATTEMPTS: u32 = 3;

/// The medium in a unit, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Medium {
    /// How many blocks, of what size.
    pub capacity: Capacity,
    /// It is write-protected.
    pub read_only: bool,
}

impl Medium {
    /// Waits until the unit is ready, and looks at its medium. Everything is of one medium: one that
    /// comes meanwhile is looked at from the start.
    pub(crate) async fn read(waiting: Waiting, unit: &mut Unit) -> Result<Self, DiskError> {
        let mut attempts = 1;
        loop {
            unit.meet_medium(waiting).await?;
            match Self::read_once(waiting, unit).await {
                Err(DiskError::MediumChanged) if attempts < ATTEMPTS => attempts += 1,
                result => return result,
            }
        }
    }

    async fn read_once(waiting: Waiting, unit: &mut Unit) -> Result<Self, DiskError> {
        let capacity = read_capacity(waiting, unit).await?;
        Ok(Self {
            capacity: without_absent_block(waiting, unit, capacity).await?,
            read_only: write_protected(waiting, unit).await?,
        })
    }
}

/// What the unit is. 36 bytes are asked for, the answer of the first standards: devices are known that
/// hang when asked for more.
pub(crate) async fn inquire(
    waiting: Waiting,
    unit: &mut Unit,
) -> Result<StandardInquiry, DiskError> {
    let command = Command::Inquiry {
        page: None,
        allocation_length: 36,
    };
    let mut bytes = [0; StandardInquiry::LENGTH];
    let length = unit.ask(waiting, &command, &mut bytes).await?;
    let inquiry =
        StandardInquiry::parse(&bytes[..length]).map_err(|error| wrong_answer(&command, error))?;
    unit.removable = inquiry.removable;
    Ok(inquiry)
}

async fn read_capacity(waiting: Waiting, unit: &Unit) -> Result<Capacity, DiskError> {
    let command = Command::ReadCapacity10;
    let mut bytes = [0; Capacity::LENGTH_10];
    unit.run_whole(waiting, &command, Data::In(&mut bytes))
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
    let length = unit.ask(waiting, &command, &mut bytes).await?;
    Capacity::parse_16(&bytes[..length]).map_err(|error| wrong_answer(&command, error))
}

/// The capacity without its last block, where that block is not there: some devices answer READ CAPACITY
/// with the number of blocks in place of the last block's address.
///
/// Disks have an even number of blocks as a rule, so one with an odd number is looked at: the last block
/// is read. Only a unit that refuses that one, and reads the one before, is taken for such a device.
async fn without_absent_block(
    waiting: Waiting,
    unit: &Unit,
    capacity: Capacity,
) -> Result<Capacity, DiskError> {
    let last = capacity.last_block();
    let Some(smaller) = Capacity::new(last, capacity.block_size()) else {
        return Ok(capacity);
    };
    if capacity.block_count().is_multiple_of(2) || can_read(waiting, unit, &capacity, last).await? {
        return Ok(capacity);
    }
    if !can_read(waiting, unit, &capacity, last - 1).await? {
        return Ok(capacity);
    }
    log::warn!("the device counts one block too many: block {last} is not there");
    Ok(smaller)
}

/// Whether the unit gives a block, or has a reason not to that is no denial of it.
async fn can_read(
    waiting: Waiting,
    unit: &Unit,
    capacity: &Capacity,
    lba: u64,
) -> Result<bool, DiskError> {
    let mut block = vec![0; capacity.block_size() as usize];
    let expected = block.len();
    let command = Command::read(lba, 1);
    match unit.ask_once(waiting, &command, &mut block, expected).await {
        Ok(_) => Ok(true),
        Err(DiskError::Sense { sense, .. }) => Ok(sense.key != SenseKey::IllegalRequest),
        Err(DiskError::Transport { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the mode parameter header has the write-protect bit. A device that does not know the
/// command protects nothing.
///
/// All pages with room for 192 bytes: what other systems ask, so what devices were tried with.
async fn write_protected(waiting: Waiting, unit: &mut Unit) -> Result<bool, DiskError> {
    let command = Command::ModeSense6 {
        disable_block_descriptors: false,
        page_control: ModePageControl::Current,
        page: ModePage::ALL,
        subpage: 0,
        allocation_length: 192,
    };
    let mut bytes = [0; 192];
    let length = unit.ask_optional(waiting, &command, &mut bytes).await?;
    Ok(length.is_some_and(|length| {
        ModeParameters::parse_6(&bytes[..length]).is_ok_and(|mode| mode.write_protected)
    }))
}

/// What one command may move, in blocks, where the unit says (SBC-3 6.6.4).
pub(crate) async fn most_blocks(
    waiting: Waiting,
    unit: &mut Unit,
    inquiry: &StandardInquiry,
) -> Result<Option<u32>, DiskError> {
    // Older devices are known to hang when asked for pages they never heard of.
    if inquiry.version < VERSION_SPC_3 {
        return Ok(None);
    }
    let page = page_code::BLOCK_LIMITS;
    let command = Command::Inquiry {
        page: Some(page),
        allocation_length: 64,
    };
    let mut bytes = [0; 64];
    let Some(length) = unit.ask_optional(waiting, &command, &mut bytes).await? else {
        return Ok(None);
    };
    Ok(match VitalProductData::parse(page, &bytes[..length]) {
        Ok(VitalProductData::BlockLimits(limits)) if limits.maximum_transfer_length > 0 => {
            Some(limits.maximum_transfer_length)
        }
        _ => None,
    })
}

fn wrong_answer(command: &Command, error: impl Into<InvalidAnswer>) -> DiskError {
    DiskError::Answer {
        command: command.name(),
        reason: error.into(),
    }
}
