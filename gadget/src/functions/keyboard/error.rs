//! What can go wrong with a keyboard.

use std::fmt;

use thiserror::Error;

use crate::functions::consumer_control::NoSuchControl;

/// The keyboard has no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the keyboard has no key with usage {0:#04x}: its keys are 0x04 to 0x65, its modifiers 0xe0 to \
     0xe7 (HID Usage Tables, 10)"
)]
pub struct NoSuchKey(pub u8);

/// A media key cannot be pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoMediaKeys {
    /// The keyboard has no media keys.
    #[error("the keyboard has no media keys: set media_keys in its options")]
    NotMadeWithAny,
    /// There is no such media key.
    #[error(transparent)]
    NoSuchControl(#[from] NoSuchControl),
}

/// A text has characters that a US keyboard cannot type. Nothing of it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "a US keyboard cannot type {}: remove or replace {}",
    Characters(.characters),
    if .characters.len() == 1 { "it" } else { "them" }
)]
pub struct Untypable {
    /// Each of them once, in the order they occur.
    pub characters: Vec<char>,
}

struct Characters<'a>(&'a [char]);

impl fmt::Display for Characters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &character) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let code = u32::from(character);
            write!(f, "{comma}'{}' (U+{code:04X})", character.escape_debug())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untypable_characters_are_named() {
        let one = Untypable {
            characters: vec!['é'],
        };
        let expected = "a US keyboard cannot type 'é' (U+00E9): remove or replace it";
        assert_eq!(one.to_string(), expected);
        let two = Untypable {
            characters: vec!['\r', '→'],
        };
        let expected =
            "a US keyboard cannot type '\\r' (U+000D), '→' (U+2192): remove or replace them";
        assert_eq!(two.to_string(), expected);
    }
}
