//! Keys out of reports of any form, as the report descriptor says.

use std::sync::Arc;

use hidreport::{ArrayField, Field, Report as _, ReportDescriptor, Usage, VariableField};
use usbfs2_protocol::hid::KeyChange;

/// The keyboard page (HID Usage Tables 10).
const KEYBOARD_PAGE: u16 = 0x07;
/// Usages that are no keys but say that too many are down, or that the keyboard failed.
const ERRORS: std::ops::RangeInclusive<u8> = 0x01..=0x03;

/// The keys that are down, of a keyboard whose reports have the form its descriptor says.
#[derive(Debug)]
pub(crate) struct DescribedKeys {
    descriptor: Arc<ReportDescriptor>,
    down: Vec<u8>,
}

impl DescribedKeys {
    pub(crate) fn new(descriptor: Arc<ReportDescriptor>) -> Self {
        Self {
            descriptor,
            down: Vec::new(),
        }
    }

    /// Takes a report and says what changed: keys that came up, then keys that went down. A report
    /// about something else, too short, or of too many keys changes nothing.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> Vec<KeyChange> {
        let Some(down) = self.keys_in(bytes) else {
            return Vec::new();
        };
        let change = |pressed| move |&usage: &u8| KeyChange { usage, pressed };
        let came_up = self
            .down
            .iter()
            .filter(|key| !down.contains(key))
            .map(change(false));
        let went_down = down
            .iter()
            .filter(|key| !self.down.contains(key))
            .map(change(true));
        let changes = came_up.chain(went_down).collect();
        self.down = down;
        changes
    }

    /// The keys a report says are down; `None` when it says nothing about keys.
    fn keys_in(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.is_empty() {
            return None;
        }
        let report = self.descriptor.find_input_report(bytes)?;
        // Fields are cut out of the bytes unchecked.
        if bytes.len() < report.size_in_bytes() {
            return None;
        }
        let mut about_keys = false;
        let mut down = Vec::new();
        for field in report.fields() {
            match field {
                Field::Variable(field) => about_keys |= variable(field, bytes, &mut down),
                Field::Array(field) => about_keys |= array(field, bytes, &mut down)?,
                Field::Constant(_) => {}
            }
        }
        about_keys.then_some(down)
    }
}

/// A bit a key, as the modifiers have and keyboards without rollover limits use for all keys.
fn variable(field: &VariableField, bytes: &[u8], down: &mut Vec<u8>) -> bool {
    let Some(key) = key(&field.usage) else {
        return false;
    };
    if field
        .extract(bytes)
        .is_ok_and(|value| u32::from(&value) != 0)
    {
        push(down, key);
    }
    true
}

/// A slot a pressed key. `None` when the keyboard reports an error instead of keys.
fn array(field: &ArrayField, bytes: &[u8], down: &mut Vec<u8>) -> Option<bool> {
    let usages = field.usages();
    if !usages.iter().any(|usage| key(usage).is_some()) {
        return Some(false);
    }
    let minimum = i32::from(field.logical_minimum);
    for value in field.extract(bytes).unwrap_or_default() {
        let index = i64::from(i32::from(&value)) - i64::from(minimum);
        let usage = usize::try_from(index)
            .ok()
            .and_then(|index| usages.get(index));
        match usage.and_then(key) {
            Some(key) if ERRORS.contains(&key) => return None,
            Some(key) if key != 0 => push(down, key),
            _ => {}
        }
    }
    Some(true)
}

fn key(usage: &Usage) -> Option<u8> {
    let number = u32::from(usage);
    (number >> 16 == u32::from(KEYBOARD_PAGE))
        .then(|| u8::try_from(number & 0xffff).ok())
        .flatten()
}

fn push(down: &mut Vec<u8>, key: u8) {
    if !down.contains(&key) {
        down.push(key);
    }
}
