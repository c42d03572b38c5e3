//! What a device's units are, for whoever must choose one.

use usbfs2_host::Waiting;
use usbfs2_protocol::scsi::{Sense, SenseKey, StandardInquiry};

use crate::error::DiskError;
use crate::medium::{self, Medium};
use crate::unit::Unit;

/// A logical unit as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitInfo {
    /// Its number.
    pub lun: u8,
    /// What it says of itself: vendor, product, whether the medium is removable.
    pub inquiry: StandardInquiry,
    /// Its medium, or why it cannot be used: [`DiskError::NoMedium`] in an empty drive.
    pub medium: Result<Medium, DiskError>,
}

impl UnitInfo {
    /// Looks at a unit; `None` when the device says that it is not there.
    pub(crate) async fn read(waiting: Waiting, mut unit: Unit) -> Result<Option<Self>, DiskError> {
        let inquiry = match medium::inquire(waiting, &mut unit).await {
            Ok(inquiry) if inquiry.peripheral_qualifier == 0 => inquiry,
            Ok(_) => return Ok(None),
            Err(DiskError::Sense { sense, .. }) if is_absent(&sense) => return Ok(None),
            Err(error) => return Err(error),
        };
        let medium = match Medium::read(waiting, &mut unit).await {
            Ok(medium) => Ok(medium),
            Err(error @ (DiskError::Disconnected | DiskError::Transport { .. })) => {
                return Err(error);
            }
            Err(error) => Err(error),
        };
        Ok(Some(Self {
            lun: unit.lun,
            inquiry,
            medium,
        }))
    }
}

fn is_absent(sense: &Sense) -> bool {
    let absent = Sense::LOGICAL_UNIT_NOT_SUPPORTED;
    sense.key == SenseKey::IllegalRequest
        && (sense.code, sense.qualifier) == (absent.code, absent.qualifier)
}
