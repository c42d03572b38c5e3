//! Setup packets, and the HID requests they carry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usbfs2_protocol::SetupPacket;
use usbfs2_protocol::hid::Request;

fuzz_target!(|bytes: [u8; 8]| {
    let setup = SetupPacket::from_bytes(bytes);
    assert_eq!(setup.to_bytes(), bytes);
    if let (Some(request), Some(interface)) = (Request::decode(&setup), setup.interface()) {
        assert_eq!(Request::decode(&request.setup(interface)), Some(request));
    }
});
