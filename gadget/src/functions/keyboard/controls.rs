//! The keys that are held, and the reports that say so.

use usbfs2_protocol::hid::{BOOT_KEYBOARD_REPORT_DESCRIPTOR, BootKeyboardReport, Modifiers, usage};

use crate::functions::consumer_control::{self, HeldUsages};
use crate::functions::hid::Controls;

/// IDs of a keyboard's reports where it has media keys.
pub(super) const KEYS_ID: u8 = 1;
const MEDIA_ID: u8 = 2;

/// The controls of a [`Keyboard`](super::Keyboard).
#[derive(Debug, Default)]
pub struct KeyboardControls {
    modifiers: Modifiers,
    keys: Vec<u8>,
    /// `None` where it has none, and its reports no numbers.
    media: Option<HeldUsages>,
}

impl KeyboardControls {
    pub(super) fn new(media_keys: bool) -> Self {
        Self {
            media: media_keys.then(HeldUsages::default),
            ..Self::default()
        }
    }

    /// What its reports are made of.
    pub(super) fn report_descriptor(media_keys: bool) -> Vec<u8> {
        if !media_keys {
            return BOOT_KEYBOARD_REPORT_DESCRIPTOR.to_vec();
        }
        let keys = numbered(&BOOT_KEYBOARD_REPORT_DESCRIPTOR, KEYS_ID);
        let media = numbered(consumer_control::REPORT_DESCRIPTOR, MEDIA_ID);
        [keys, media].concat()
    }

    /// The ID of the report of the lights; 0 for none.
    pub(super) fn leds_id(&self) -> u8 {
        self.media.as_ref().map_or(0, |_| KEYS_ID)
    }

    pub(super) fn media(&mut self) -> Option<&mut HeldUsages> {
        self.media.as_mut()
    }

    pub(super) fn press(&mut self, key: u8) -> Vec<u8> {
        match modifier(key) {
            Some(modifier) => self.modifiers |= modifier,
            None if self.keys.contains(&key) => {}
            None => self.keys.push(key),
        }
        self.report()
    }

    pub(super) fn release_key(&mut self, key: u8) -> Vec<u8> {
        match modifier(key) {
            Some(modifier) => self.modifiers -= modifier,
            None => self.keys.retain(|&held| held != key),
        }
        self.report()
    }

    pub(super) fn release_all(&mut self) -> Vec<u8> {
        self.modifiers = Modifiers::empty();
        self.keys.clear();
        self.report()
    }

    /// Presses the key together with the modifiers and lets it go together with those that were not held
    /// before, so that the host never sees one without the other.
    pub(super) fn tap(&mut self, modifiers: Modifiers, key: u8) -> [Vec<u8>; 3] {
        let before = self.release_key(key);
        let held = self.modifiers;
        self.modifiers |= modifiers;
        let pressed = self.press(key);
        self.modifiers = held;
        [before, pressed, self.release_key(key)]
    }

    fn report(&self) -> Vec<u8> {
        let report = BootKeyboardReport::pressing(self.modifiers, &self.keys).to_bytes();
        match self.media {
            Some(_) => [&[KEYS_ID][..], &report].concat(),
            None => report.to_vec(),
        }
    }

    /// The report of the media keys.
    pub(super) fn media_report(&self) -> Vec<u8> {
        let held = self.media.iter().flat_map(HeldUsages::report);
        std::iter::once(MEDIA_ID).chain(held).collect()
    }
}

impl Controls for KeyboardControls {
    const NAME: &'static str = "keyboard";

    fn release(&mut self) {
        self.release_all();
        if let Some(media) = &mut self.media {
            media.release_all();
        }
    }

    fn boot_report(&self, report: &[u8]) -> Option<Vec<u8>> {
        match (&self.media, report) {
            (None, report) => Some(report.to_vec()),
            (Some(_), [KEYS_ID, keys @ ..]) => Some(keys.to_vec()),
            _ => None,
        }
    }

    fn described_output(&self, data: &[u8]) -> Vec<u8> {
        match self.media {
            None => data.to_vec(),
            Some(_) => [&[KEYS_ID], data].concat(),
        }
    }
}

/// The descriptor of one application, its reports numbered.
fn numbered(descriptor: &[u8], id: u8) -> Vec<u8> {
    /// Usage page, usage and collection, two bytes each.
    const BEGINNING: usize = 6;
    let (beginning, rest) = descriptor.split_at(BEGINNING.min(descriptor.len()));
    [beginning, &[0x85, id], rest].concat()
}

fn modifier(key: u8) -> Option<Modifiers> {
    let bit = key.checked_sub(usage::LEFT_CONTROL)?;
    Some(Modifiers::from_bits_retain(1_u8.checked_shl(bit.into())?))
}
