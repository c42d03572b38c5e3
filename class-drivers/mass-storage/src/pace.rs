//! Whether the stages of a command may be in flight together.

use usbfs2_host::DeviceInfo;

/// When the stages of a command go to the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once: a device says NAK to what it is not ready for, and neither side waits for a round trip.
    Together,
    /// Each when the one before is over.
    ///
    /// QEMU's disk is told by its controller what the host has queued. Before QEMU 10.1 it stalls a data
    /// or status stage that is there before the command, and forgets a status that was asked for while
    /// data moved.
    InTurn,
}

/// "QEMU USB HARDDRIVE".
const QEMU_DISK: (u16, u16) = (0x46f4, 0x0001);

impl Pace {
    pub(crate) fn of(device: &DeviceInfo) -> Self {
        let ids = device.vendor_id().zip(device.product_id());
        if ids == Some(QEMU_DISK) {
            Self::InTurn
        } else {
            Self::Together
        }
    }
}
