//! What a device's units have reported about themselves, kept for everyone who uses them.

use usbfs2_protocol::bot::CommandBlockWrapper;

/// As many as a command block wrapper can name.
const UNITS: usize = CommandBlockWrapper::MAX_LUN as usize + 1;

/// What is known of each unit beside its medium's contents.
///
/// A unit reports a condition once, to whoever happens to ask next; here it is kept for the others.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    /// How often each unit was seen with another medium, or without one.
    medium_changes: [u64; UNITS],
    /// Which units have yet to report the last reset recovery, a bit each.
    resets_to_report: u16,
}

impl Conditions {
    /// A number that changes whenever this unit's medium may have.
    pub(crate) fn medium_changes(&self, lun: u8) -> u64 {
        self.medium_changes[index(lun)]
    }

    pub(crate) fn count_medium_change(&mut self, lun: u8) {
        self.medium_changes[index(lun)] += 1;
    }

    /// The driver resets the device: each unit may report that, once.
    pub(crate) fn expect_reset(&mut self) {
        self.resets_to_report = u16::MAX;
    }

    /// This unit reports a reset. Whether that is the driver's own.
    pub(crate) fn take_reset(&mut self, lun: u8) -> bool {
        let bit = 1 << index(lun);
        let is_ours = self.resets_to_report & bit != 0;
        self.resets_to_report &= !bit;
        is_ours
    }
}

fn index(lun: u8) -> usize {
    usize::from(lun) % UNITS
}
