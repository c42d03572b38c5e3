//! The US layout: which key, with or without shift, is which character.

use super::{Leds, Modifiers, usage};

/// A key and its characters without and with shift.
type Key = (u8, char, char);

/// The keys that make characters, but for the letters, which caps lock concerns too.
const KEYS: [Key; 26] = [
    (0x1e, '1', '!'),
    (0x1f, '2', '@'),
    (0x20, '3', '#'),
    (0x21, '4', '$'),
    (0x22, '5', '%'),
    (0x23, '6', '^'),
    (0x24, '7', '&'),
    (0x25, '8', '*'),
    (0x26, '9', '('),
    (0x27, '0', ')'),
    (usage::ENTER, '\n', '\n'),
    (usage::ESCAPE, '\u{1b}', '\u{1b}'),
    (usage::BACKSPACE, '\u{8}', '\u{8}'),
    (usage::TAB, '\t', '\t'),
    (usage::SPACE, ' ', ' '),
    (0x2d, '-', '_'),
    (0x2e, '=', '+'),
    (0x2f, '[', '{'),
    (0x30, ']', '}'),
    (0x31, '\\', '|'),
    (0x33, ';', ':'),
    (0x34, '\'', '"'),
    (0x35, '`', '~'),
    (0x36, ',', '<'),
    (0x37, '.', '>'),
    (0x38, '/', '?'),
];

/// The keypad's keys that make the same character whatever the modifiers.
const KEYPAD: [(u8, char); 6] = [
    (0x54, '/'),
    (0x55, '*'),
    (0x56, '-'),
    (0x57, '+'),
    (0x58, '\n'),
    (0x67, '='),
];

/// The keypad's keys that make a character while num lock is on, from usage 0x59 on.
const KEYPAD_NUMBERS: [char; 11] = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '.'];
const FIRST_KEYPAD_NUMBER: u8 = 0x59;

const LETTERS: u8 = 26;

/// The key that types a character, and the modifiers to hold; `None` for characters a US keyboard does
/// not have. Caps lock is taken to be off.
#[must_use]
pub fn key(character: char) -> Option<(Modifiers, u8)> {
    let shifted = |shift: bool| {
        if shift {
            Modifiers::LEFT_SHIFT
        } else {
            Modifiers::empty()
        }
    };
    if character.is_ascii_alphabetic() {
        let letter = u8::try_from(character.to_ascii_lowercase()).ok()? - b'a';
        return Some((shifted(character.is_ascii_uppercase()), usage::A + letter));
    }
    KEYS.iter().find_map(|&(key, plain, with_shift)| {
        let shift = character != plain;
        (!shift || character == with_shift).then_some((shifted(shift), key))
    })
}

/// The character a key types while these modifiers are held and these locks are on; `None` for keys
/// that type none, and while control, alt or GUI is held.
#[must_use]
pub fn character(usage: u8, modifiers: Modifiers, locks: Leds) -> Option<char> {
    if !Modifiers::SHIFT.contains(modifiers) {
        return None;
    }
    let shift = modifiers.intersects(Modifiers::SHIFT);
    if let Some(letter) = usage
        .checked_sub(usage::A)
        .filter(|&letter| letter < LETTERS)
    {
        let letter = char::from(b'a' + letter);
        return Some(if shift != locks.contains(Leds::CAPS_LOCK) {
            letter.to_ascii_uppercase()
        } else {
            letter
        });
    }
    if let Some(number) = usage.checked_sub(FIRST_KEYPAD_NUMBER)
        && locks.contains(Leds::NUM_LOCK)
        && let Some(&character) = KEYPAD_NUMBERS.get(usize::from(number))
    {
        return Some(character);
    }
    let main = KEYS.iter().find(|&&(key, ..)| key == usage);
    main.map(|&(_, plain, with_shift)| if shift { with_shift } else { plain })
        .or_else(|| {
            let keypad = KEYPAD.iter().find(|&&(key, _)| key == usage);
            keypad.map(|&(_, character)| character)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_ascii_character_can_be_typed_and_read_back() {
        for character in (' '..='~').chain(['\n', '\t', '\u{8}', '\u{1b}']) {
            let (modifiers, usage) = key(character).unwrap_or_else(|| panic!("{character:?}"));
            assert_eq!(
                super::character(usage, modifiers, Leds::empty()),
                Some(character)
            );
        }
        assert_eq!(key('\u{e9}'), None);
    }

    #[test]
    fn locks_and_modifiers_change_what_a_key_types() {
        let none = Modifiers::empty();
        let right_shift = Modifiers::RIGHT_SHIFT;
        assert_eq!(character(0x04, none, Leds::CAPS_LOCK), Some('A'));
        assert_eq!(character(0x04, right_shift, Leds::CAPS_LOCK), Some('a'));
        assert_eq!(character(0x1e, none, Leds::CAPS_LOCK), Some('1'));
        assert_eq!(character(0x59, none, Leds::NUM_LOCK), Some('1'));
        assert_eq!(character(0x59, none, Leds::empty()), None);
        assert_eq!(character(0x63, none, Leds::NUM_LOCK), Some('.'));
        assert_eq!(character(0x57, none, Leds::empty()), Some('+'));
        assert_eq!(
            character(0x04, Modifiers::LEFT_CONTROL, Leds::empty()),
            None
        );
        assert_eq!(character(0x3a, none, Leds::empty()), None);
    }
}
