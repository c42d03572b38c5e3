//! The keys that are held, and the reports the host has yet to take.

use std::collections::VecDeque;

use usbfs2_protocol::hid::{BootKeyboardReport, Modifiers, usage};

/// Turns what keys do into reports, and keeps each until the host has taken it.
#[derive(Debug, Default)]
pub(super) struct ReportQueue {
    /// What is held once every waiting report has been taken.
    modifiers: Modifiers,
    keys: Vec<u8>,
    /// Not taken yet, oldest first; the first may be on its way.
    waiting: VecDeque<BootKeyboardReport>,
    /// What the host knows to be held.
    current: BootKeyboardReport,
}

impl ReportQueue {
    pub(super) fn press(&mut self, key: u8) {
        match modifier(key) {
            Some(modifier) => self.modifiers |= modifier,
            None if self.keys.contains(&key) => {}
            None => self.keys.push(key),
        }
        self.note();
    }

    pub(super) fn release(&mut self, key: u8) {
        match modifier(key) {
            Some(modifier) => self.modifiers -= modifier,
            None => self.keys.retain(|&held| held != key),
        }
        self.note();
    }

    pub(super) fn release_all(&mut self) {
        self.modifiers = Modifiers::empty();
        self.keys.clear();
        self.note();
    }

    /// Presses the key together with the modifiers and lets it go together with those that were not held
    /// before, so that the host never sees one without the other.
    pub(super) fn tap(&mut self, modifiers: Modifiers, key: u8) {
        self.release(key);
        let held = self.modifiers;
        self.modifiers |= modifiers;
        self.press(key);
        self.modifiers = held;
        self.release(key);
    }

    /// Queues a report of what is held, unless the last one says the same.
    fn note(&mut self) {
        let report = BootKeyboardReport::pressing(self.modifiers, &self.keys);
        if *self.waiting.back().unwrap_or(&self.current) != report {
            self.waiting.push_back(report);
        }
    }

    /// The report to send next. It stays until [`taken`](Self::taken).
    pub(super) fn next(&self) -> Option<BootKeyboardReport> {
        self.waiting.front().copied()
    }

    /// The host has taken the next report.
    pub(super) fn taken(&mut self) {
        if let Some(report) = self.waiting.pop_front() {
            self.current = report;
        }
    }

    /// The host is gone, and to the next one no key is held. Reports that were not taken stay as they are;
    /// keys that no such report mentions are released.
    pub(super) fn unplugged(&mut self) {
        self.current = BootKeyboardReport::default();
        if self.waiting.is_empty() {
            self.modifiers = Modifiers::empty();
            self.keys.clear();
        }
    }

    pub(super) fn current(&self) -> BootKeyboardReport {
        self.current
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

fn modifier(key: u8) -> Option<Modifiers> {
    let bit = key.checked_sub(usage::LEFT_CONTROL)?;
    Some(Modifiers::from_bits_retain(1_u8.checked_shl(bit.into())?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHIFT: u8 = usage::LEFT_CONTROL + 1;

    fn take_all(queue: &mut ReportQueue) -> Vec<[u8; 8]> {
        let mut reports = Vec::new();
        while let Some(report) = queue.next() {
            reports.push(report.to_bytes());
            queue.taken();
        }
        reports
    }

    #[test]
    fn each_change_is_a_report() {
        let mut queue = ReportQueue::default();
        queue.press(SHIFT);
        queue.press(4);
        queue.press(4);
        queue.press(5);
        queue.release(4);
        queue.release(9);
        queue.release_all();
        let expected = [
            [2, 0, 0, 0, 0, 0, 0, 0],
            [2, 0, 4, 0, 0, 0, 0, 0],
            [2, 0, 4, 5, 0, 0, 0, 0],
            [2, 0, 5, 0, 0, 0, 0, 0],
            [0; 8],
        ];
        assert_eq!(take_all(&mut queue), expected);
    }

    #[test]
    fn more_than_six_keys_are_a_rollover_until_six_are_left() {
        let mut queue = ReportQueue::default();
        (4..=11).for_each(|key| queue.press(key));
        queue.press(SHIFT);
        queue.release(4);
        queue.release(5);
        let reports = take_all(&mut queue);
        assert_eq!(reports[5], [0, 0, 4, 5, 6, 7, 8, 9]);
        assert_eq!(reports[6], [0, 0, 1, 1, 1, 1, 1, 1]);
        assert_eq!(reports[7], [2, 0, 1, 1, 1, 1, 1, 1], "modifiers still show");
        assert_eq!(reports[8], [2, 0, 6, 7, 8, 9, 10, 11]);
        assert_eq!(reports.len(), 9);
    }

    #[test]
    fn a_tap_leaves_what_was_held() {
        let mut queue = ReportQueue::default();
        queue.press(SHIFT);
        queue.press(4);
        take_all(&mut queue);
        queue.tap(Modifiers::LEFT_SHIFT | Modifiers::LEFT_CONTROL, 5);
        queue.tap(Modifiers::empty(), 4);
        let expected = [
            [3, 0, 4, 5, 0, 0, 0, 0],
            [2, 0, 4, 0, 0, 0, 0, 0],
            [2, 0, 0, 0, 0, 0, 0, 0],
            [2, 0, 4, 0, 0, 0, 0, 0],
            [2, 0, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(take_all(&mut queue), expected);
    }

    #[test]
    fn a_held_key_is_released_by_unplugging() {
        let mut queue = ReportQueue::default();
        queue.press(4);
        queue.taken();
        queue.unplugged();
        assert_eq!(queue.current(), BootKeyboardReport::default());
        queue.release(4);
        assert_eq!(queue.next(), None, "the next host never knew it pressed");
        queue.press(5);
        assert_eq!(take_all(&mut queue), [[0, 0, 5, 0, 0, 0, 0, 0]]);
    }

    #[test]
    fn reports_that_were_not_taken_survive_unplugging_unchanged() {
        let mut queue = ReportQueue::default();
        queue.press(4);
        queue.taken();
        queue.press(5);
        queue.unplugged();
        queue.release(4);
        let expected = [[0, 0, 4, 5, 0, 0, 0, 0], [0, 0, 5, 0, 0, 0, 0, 0]];
        assert_eq!(take_all(&mut queue), expected);
    }

    proptest! {
        /// However often the host goes away, what it decodes is what was typed.
        #[test]
        fn taps_are_neither_lost_nor_repeated(
            keys in prop::collection::vec(4..0x66_u8, 0..50),
            unplugs in prop::collection::vec(any::<bool>(), 200),
        ) {
            let mut queue = ReportQueue::default();
            keys.iter().for_each(|&key| queue.tap(Modifiers::empty(), key));
            let mut host = usbfs2_protocol::hid::Keyboard::new();
            let mut decoded = Vec::new();
            let mut unplugs = unplugs.into_iter();
            while let Some(report) = queue.next() {
                if unplugs.next() == Some(true) {
                    queue.unplugged();
                    host = usbfs2_protocol::hid::Keyboard::new();
                    continue;
                }
                queue.taken();
                let pressed = host.update(&report).into_iter().filter(|change| change.pressed);
                decoded.extend(pressed.map(|change| change.usage));
            }
            prop_assert_eq!(decoded, keys);
        }
    }
}
