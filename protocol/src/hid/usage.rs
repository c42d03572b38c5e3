//! The keyboard page: which usage is which key (HID Usage Tables 1.5, 10).
//!
//! Names are those of a US keyboard's keys, unshifted; a key has its usage whatever is printed on it.

/// In a boot report: too many keys are down to say which.
pub const ERROR_ROLL_OVER: u8 = 0x01;
/// In a boot report: the keyboard's self-test failed.
pub const POST_FAIL: u8 = 0x02;
/// In a boot report: another fault of the keyboard.
pub const ERROR_UNDEFINED: u8 = 0x03;
/// The A key; the letters follow in order.
pub const A: u8 = 0x04;
/// Enter, above the right shift key.
pub const ENTER: u8 = 0x28;
/// Escape.
pub const ESCAPE: u8 = 0x29;
/// Backspace.
pub const BACKSPACE: u8 = 0x2a;
/// Tab.
pub const TAB: u8 = 0x2b;
/// The space bar.
pub const SPACE: u8 = 0x2c;
/// Caps lock.
pub const CAPS_LOCK: u8 = 0x39;
/// Scroll lock.
pub const SCROLL_LOCK: u8 = 0x47;
/// Num lock.
pub const NUM_LOCK: u8 = 0x53;
/// Left control, the first of the eight modifiers.
pub const LEFT_CONTROL: u8 = 0xe0;
/// Right GUI, the last of the eight modifiers.
pub const RIGHT_GUI: u8 = 0xe7;

/// Usages and their keys' names, by usage.
const NAMES: [(u8, &str); 153] = [
    (0x04, "a"),
    (0x05, "b"),
    (0x06, "c"),
    (0x07, "d"),
    (0x08, "e"),
    (0x09, "f"),
    (0x0a, "g"),
    (0x0b, "h"),
    (0x0c, "i"),
    (0x0d, "j"),
    (0x0e, "k"),
    (0x0f, "l"),
    (0x10, "m"),
    (0x11, "n"),
    (0x12, "o"),
    (0x13, "p"),
    (0x14, "q"),
    (0x15, "r"),
    (0x16, "s"),
    (0x17, "t"),
    (0x18, "u"),
    (0x19, "v"),
    (0x1a, "w"),
    (0x1b, "x"),
    (0x1c, "y"),
    (0x1d, "z"),
    (0x1e, "1"),
    (0x1f, "2"),
    (0x20, "3"),
    (0x21, "4"),
    (0x22, "5"),
    (0x23, "6"),
    (0x24, "7"),
    (0x25, "8"),
    (0x26, "9"),
    (0x27, "0"),
    (0x28, "enter"),
    (0x29, "escape"),
    (0x2a, "backspace"),
    (0x2b, "tab"),
    (0x2c, "space"),
    (0x2d, "minus"),
    (0x2e, "equal"),
    (0x2f, "left bracket"),
    (0x30, "right bracket"),
    (0x31, "backslash"),
    (0x32, "non-US hash"),
    (0x33, "semicolon"),
    (0x34, "apostrophe"),
    (0x35, "grave accent"),
    (0x36, "comma"),
    (0x37, "period"),
    (0x38, "slash"),
    (0x39, "caps lock"),
    (0x3a, "F1"),
    (0x3b, "F2"),
    (0x3c, "F3"),
    (0x3d, "F4"),
    (0x3e, "F5"),
    (0x3f, "F6"),
    (0x40, "F7"),
    (0x41, "F8"),
    (0x42, "F9"),
    (0x43, "F10"),
    (0x44, "F11"),
    (0x45, "F12"),
    (0x46, "print screen"),
    (0x47, "scroll lock"),
    (0x48, "pause"),
    (0x49, "insert"),
    (0x4a, "home"),
    (0x4b, "page up"),
    (0x4c, "delete"),
    (0x4d, "end"),
    (0x4e, "page down"),
    (0x4f, "right arrow"),
    (0x50, "left arrow"),
    (0x51, "down arrow"),
    (0x52, "up arrow"),
    (0x53, "num lock"),
    (0x54, "keypad slash"),
    (0x55, "keypad asterisk"),
    (0x56, "keypad minus"),
    (0x57, "keypad plus"),
    (0x58, "keypad enter"),
    (0x59, "keypad 1"),
    (0x5a, "keypad 2"),
    (0x5b, "keypad 3"),
    (0x5c, "keypad 4"),
    (0x5d, "keypad 5"),
    (0x5e, "keypad 6"),
    (0x5f, "keypad 7"),
    (0x60, "keypad 8"),
    (0x61, "keypad 9"),
    (0x62, "keypad 0"),
    (0x63, "keypad period"),
    (0x64, "non-US backslash"),
    (0x65, "application"),
    (0x66, "power"),
    (0x67, "keypad equal"),
    (0x68, "F13"),
    (0x69, "F14"),
    (0x6a, "F15"),
    (0x6b, "F16"),
    (0x6c, "F17"),
    (0x6d, "F18"),
    (0x6e, "F19"),
    (0x6f, "F20"),
    (0x70, "F21"),
    (0x71, "F22"),
    (0x72, "F23"),
    (0x73, "F24"),
    (0x74, "execute"),
    (0x75, "help"),
    (0x76, "menu"),
    (0x77, "select"),
    (0x78, "stop"),
    (0x79, "again"),
    (0x7a, "undo"),
    (0x7b, "cut"),
    (0x7c, "copy"),
    (0x7d, "paste"),
    (0x7e, "find"),
    (0x7f, "mute"),
    (0x80, "volume up"),
    (0x81, "volume down"),
    (0x85, "keypad comma"),
    (0x87, "international 1"),
    (0x88, "international 2"),
    (0x89, "international 3"),
    (0x8a, "international 4"),
    (0x8b, "international 5"),
    (0x8c, "international 6"),
    (0x8d, "international 7"),
    (0x8e, "international 8"),
    (0x8f, "international 9"),
    (0x90, "language 1"),
    (0x91, "language 2"),
    (0x92, "language 3"),
    (0x93, "language 4"),
    (0x94, "language 5"),
    (0x95, "language 6"),
    (0x96, "language 7"),
    (0x97, "language 8"),
    (0x98, "language 9"),
    (0xe0, "left control"),
    (0xe1, "left shift"),
    (0xe2, "left alt"),
    (0xe3, "left GUI"),
    (0xe4, "right control"),
    (0xe5, "right shift"),
    (0xe6, "right alt"),
    (0xe7, "right GUI"),
];

/// The name of a key; `None` for usages no common keyboard has.
#[must_use]
pub fn name(usage: u8) -> Option<&'static str> {
    let at = NAMES
        .binary_search_by_key(&usage, |&(usage, _)| usage)
        .ok()?;
    Some(NAMES[at].1)
}

/// The key of this name, whatever its case.
#[must_use]
pub fn from_name(name: &str) -> Option<u8> {
    let same = |(_, known): &&(u8, &str)| known.eq_ignore_ascii_case(name);
    NAMES.iter().find(same).map(|&(usage, _)| usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_usage_and_lead_back_to_it() {
        assert!(NAMES.is_sorted_by(|(a, _), (b, _)| a < b));
        for (usage, known) in NAMES {
            assert_eq!(name(usage), Some(known));
            assert_eq!(from_name(known), Some(usage));
            assert_eq!(from_name(&known.to_uppercase()), Some(usage));
        }
        assert_eq!(name(0), None);
        assert_eq!(from_name("any"), None);
    }
}
