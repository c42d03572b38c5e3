//! What a class in wide use gets wrong, put right on the way.

use usbfs2_protocol::{Direction, Recipient, RequestKind, SetupPacket};

use super::description::Description;

/// Bulk-Only Mass Storage Reset (BOT 3.1), whose data stage is empty.
const BULK_ONLY_RESET: u8 = 0xff;

/// The interface that a Bulk-Only Mass Storage Reset is for, if the request is one and the interface has that transport.
///
/// `usbd-storage` (2.0.0 and 3.0.0) looks for it among the IN requests, of which it is none (BOT 3.1: bmRequestType is
/// 0x21), and so refuses what a host's recovery begins with. What the class does have is the reset of the bus. So that is
/// what the firmware is told of in place of the request it has refused, and that it is configured again; the host sees the
/// request accepted. Other classes of the same device are told of the reset too.
pub(super) fn storage_reset(setup: &SetupPacket, description: &Description) -> Option<u8> {
    let is_reset = setup.direction() == Direction::Out
        && setup.request_type.kind == RequestKind::Class
        && setup.request_type.recipient == Recipient::Interface
        && setup.request == BULK_ONLY_RESET
        && setup.length == 0;
    let interface = setup.interface().filter(|_| is_reset)?;
    description.is_bulk_only(interface).then_some(interface)
}
