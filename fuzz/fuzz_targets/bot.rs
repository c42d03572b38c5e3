//! Bulk-Only wrappers, and the command inside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatusWrapper};
use usbfs2_protocol::scsi::Command;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(wrapper) = CommandBlockWrapper::parse(bytes) {
        assert_eq!(CommandBlockWrapper::parse(&wrapper.to_bytes()), Ok(wrapper));
        let _ = Command::decode(wrapper.command.as_bytes());
    }
    if let Ok(wrapper) = CommandStatusWrapper::parse(bytes) {
        assert_eq!(wrapper.to_bytes(), bytes);
    }
});
