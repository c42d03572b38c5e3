//! From reports to key events.

use super::{BootKeyboardReport, Modifiers, usage};

/// A key that went down or came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyChange {
    /// The key, a usage of the keyboard page; see [`usage::name`].
    pub usage: u8,
    /// It went down rather than came up.
    pub pressed: bool,
}

/// The keys of a boot keyboard that are down, as its reports say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyboard {
    modifiers: Modifiers,
    keys: Vec<u8>,
}

impl Keyboard {
    /// A keyboard with no key down.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The modifier keys that are down.
    #[must_use]
    pub const fn modifiers(&self) -> Modifiers {
        self.modifiers
    }

    /// The other keys that are down.
    #[must_use]
    pub fn keys(&self) -> &[u8] {
        &self.keys
    }

    /// Takes the keyboard's next report and says what changed: modifiers first, then keys that came
    /// up, then keys that went down, in the report's order. Within a report that says too many keys are
    /// down, only modifiers change (HID 1.11 C, "rollover").
    pub fn update(&mut self, report: &BootKeyboardReport) -> Vec<KeyChange> {
        let changed = (self.modifiers ^ report.modifiers).bits();
        let mut changes: Vec<_> = (0..8)
            .filter(|bit| changed & 1 << bit != 0)
            .map(|bit| KeyChange {
                usage: usage::LEFT_CONTROL + bit,
                pressed: report.modifiers.bits() & 1 << bit != 0,
            })
            .collect();
        self.modifiers = report.modifiers;
        if report.is_error() {
            return changes;
        }
        let change = |pressed| move |usage| KeyChange { usage, pressed };
        let mut down: Vec<u8> = Vec::new();
        for &key in report.keys.iter().filter(|&&key| key != 0) {
            if !down.contains(&key) {
                down.push(key);
            }
        }
        let came_up = self.keys.iter().copied().filter(|key| !down.contains(key));
        changes.extend(came_up.map(change(false)));
        let went_down = down.iter().copied().filter(|key| !self.keys.contains(key));
        changes.extend(went_down.map(change(true)));
        self.keys = down;
        changes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn press(keys: &[u8]) -> BootKeyboardReport {
        BootKeyboardReport::pressing(Modifiers::empty(), keys)
    }

    fn down(usage: u8) -> KeyChange {
        KeyChange {
            usage,
            pressed: true,
        }
    }

    fn up(usage: u8) -> KeyChange {
        KeyChange {
            usage,
            pressed: false,
        }
    }

    #[test]
    fn a_report_changes_only_what_differs() {
        let mut keyboard = Keyboard::new();
        assert_eq!(keyboard.update(&press(&[4])), [down(4)]);
        assert_eq!(keyboard.update(&press(&[4])), []);
        // The same keys in another order are the same keys.
        assert_eq!(keyboard.update(&press(&[5, 4])), [down(5)]);
        assert_eq!(keyboard.update(&press(&[4, 5])), []);
        assert_eq!(keyboard.update(&press(&[6])), [up(4), up(5), down(6)]);
        assert_eq!(keyboard.update(&press(&[])), [up(6)]);
    }

    #[test]
    fn modifiers_are_keys_and_come_first() {
        let mut keyboard = Keyboard::new();
        let report = BootKeyboardReport::pressing(Modifiers::RIGHT_SHIFT, &[4]);
        assert_eq!(keyboard.update(&report), [down(0xe5), down(4)]);
        assert_eq!(keyboard.modifiers(), Modifiers::RIGHT_SHIFT);
        assert_eq!(keyboard.update(&press(&[])), [up(0xe5), up(4)]);
    }

    #[test]
    fn too_many_keys_release_none() {
        let mut keyboard = Keyboard::new();
        keyboard.update(&press(&[4, 5]));
        let mut rollover = press(&[4, 5, 6, 7, 8, 9, 10]);
        rollover.modifiers = Modifiers::LEFT_ALT;
        assert_eq!(keyboard.update(&rollover), [down(0xe2)]);
        assert_eq!(keyboard.keys(), [4, 5]);
        assert_eq!(keyboard.update(&press(&[4])), [up(0xe2), up(5)]);
    }

    #[test]
    fn a_key_listed_twice_is_one_key() {
        let mut keyboard = Keyboard::new();
        assert_eq!(keyboard.update(&press(&[4, 4])), [down(4)]);
        assert_eq!(keyboard.update(&press(&[4])), []);
    }

    proptest! {
        #[test]
        fn changes_replayed_give_the_keys_that_are_down(
            reports in prop::collection::vec(any::<[u8; 8]>(), 0..30),
        ) {
            let mut keyboard = Keyboard::new();
            let mut replayed = std::collections::BTreeSet::new();
            for bytes in reports {
                let report = BootKeyboardReport::parse(&bytes).unwrap();
                for change in keyboard.update(&report) {
                    // A report may list modifiers among its keys; those are two keys to this test.
                    if change.usage >= 0xe0 {
                        continue;
                    }
                    let news = if change.pressed {
                        replayed.insert(change.usage)
                    } else {
                        replayed.remove(&change.usage)
                    };
                    prop_assert!(news, "{change:?} told twice");
                }
            }
            let mut keys: Vec<u8> = keyboard.keys().iter().copied().filter(|key| *key < 0xe0).collect();
            keys.sort_unstable();
            prop_assert_eq!(keys, replayed.into_iter().collect::<Vec<_>>());
        }
    }
}
