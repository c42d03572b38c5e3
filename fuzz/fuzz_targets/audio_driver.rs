#![no_main]
#![doc = "See `usbfs2_fuzz_targets`."]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| usbfs2_fuzz_targets::run("audio_driver", bytes));
