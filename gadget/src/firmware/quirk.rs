//! What a class in wide use gets wrong, put right on the way.

use usbfs2_protocol::{Direction, Recipient, RequestKind, SetupPacket};

use super::description::Description;

/// Bulk-Only Mass Storage Reset (BOT 3.1), whose data stage is empty.
const BULK_ONLY_RESET: u8 = 0xff;

/// The form in which a class acts on a request that it has refused, if there is one.
///
/// `usbd-storage` (3.0.0) looks for the Bulk-Only Mass Storage Reset among the IN requests, of which it is none
/// (BOT 3.1: bmRequestType is 0x21), and so refuses the one that a host's recovery begins with. Asked for it as an
/// IN request it resets itself.
pub(super) fn rephrased(setup: &SetupPacket, description: &Description) -> Option<SetupPacket> {
    let is_reset = setup.direction() == Direction::Out
        && setup.request_type.kind == RequestKind::Class
        && setup.request_type.recipient == Recipient::Interface
        && setup.request == BULK_ONLY_RESET
        && setup.length == 0;
    let is_for_storage = || {
        let interface = setup.interface();
        interface.is_some_and(|interface| description.is_bulk_only(interface))
    };
    (is_reset && is_for_storage()).then(|| {
        let interface = setup.interface().unwrap_or_default();
        SetupPacket::class_interface_in(BULK_ONLY_RESET, setup.value, interface, 0)
    })
}
