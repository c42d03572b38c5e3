//! A stream of boot keyboard reports.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usbfs2_protocol::hid::{BootKeyboardReport, Keyboard, Leds, us_layout};

fuzz_target!(|bytes: &[u8]| {
    let mut keyboard = Keyboard::new();
    for bytes in bytes.chunks(BootKeyboardReport::LENGTH) {
        let Ok(report) = BootKeyboardReport::parse(bytes) else {
            continue;
        };
        for change in keyboard.update(&report) {
            let locks = Leds::from_bits_truncate(bytes[1]);
            let _ = us_layout::character(change.usage, keyboard.modifiers(), locks);
        }
        assert_eq!(keyboard.update(&report), []);
    }
});
