//! What a gadget counts.

use usbfs2_gadget::{RequestKind, SetupPacket, Speed};
use usbfs2_loopback::BusError;

use crate::echo::{PATIENCE, Setting, exchange, gadget};

#[test]
fn packets_bytes_requests_and_resets_are_counted() {
    let (_, builder) = gadget();
    let setting = Setting::new(builder, Speed::High);
    let before = setting.running.counters();
    assert_eq!((before.packets_in, before.packets_out), (0, 0));
    assert!(before.requests > 0 && before.resets == 1, "{before:?}");

    // Two packets and a half, then one that is a zero-length packet.
    exchange(&setting.host, &[7; 1280]);
    exchange(&setting.host, &[]);
    // The function has written before it reads again; the host has the bytes before the function knows.
    exchange(&setting.host, &[1]);
    let after = setting.running.counters();
    assert_eq!((after.packets_out, after.bytes_out), (5, 1281));
    assert!(after.packets_in >= 4 && after.bytes_in >= 1280, "{after:?}");
    assert_eq!(after.stalled_requests, before.stalled_requests);

    // A vendor request that the echo does not know.
    let unknown = SetupPacket::device_in(RequestKind::Vendor, 0x99, 0, 0, 8);
    let answer = setting.host.control(unknown, &[], PATIENCE);
    assert_eq!(answer, Err(BusError::Stall));
    let last = setting.running.counters();
    assert_eq!(last.requests, after.requests + 1);
    assert_eq!(last.stalled_requests, after.stalled_requests + 1);
}
