//! SCSI commands, as a device receives them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usbfs2_protocol::scsi::Command;

fuzz_target!(|bytes: &[u8]| {
    match Command::decode(bytes) {
        Ok(command) => {
            assert_eq!(Command::decode(command.encode().as_bytes()), Ok(command));
            let _ = command.transfer(u32::MAX);
        }
        Err(error) => assert!(!error.sense().to_string().is_empty()),
    }
});
