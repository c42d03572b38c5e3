//! Controls that are on or off, and which of them are on.

use std::collections::{BTreeMap, BTreeSet};

use usbfs2_protocol::hid::Usage;
use usbfs2_protocol::hid::report_descriptor::Report;

/// The usages that a report says are on, of bits and of arrays, in its order.
pub(crate) fn on<'a>(report: &'a Report, bytes: &'a [u8]) -> impl Iterator<Item = Usage> + 'a {
    let is_on = |number| number != 0;
    let bits = report
        .values(bytes)
        .filter(move |(.., value)| value.number().is_some_and(is_on))
        .map(|(_, usage, _)| usage);
    bits.chain(report.selected(bytes).map(|(_, usage)| usage))
}

/// The controls of one kind that are on, by the reports that say so.
#[derive(Debug)]
pub(crate) struct HeldControls<T>(BTreeMap<u8, Held<T>>);

/// The controls one report says are on, in its order, and again for quick looking up.
#[derive(Debug)]
struct Held<T> {
    order: Vec<T>,
    members: BTreeSet<T>,
}

impl<T> Default for HeldControls<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// What a report changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HeldChanges<T> {
    pub(crate) came_up: Vec<T>,
    pub(crate) went_down: Vec<T>,
}

impl<T: Copy + Ord> HeldControls<T> {
    /// Takes what the report of this ID says is on, and tells what changed since the one before it.
    pub(crate) fn update(&mut self, report_id: u8, on: impl Iterator<Item = T>) -> HeldChanges<T> {
        let mut now = Held {
            order: Vec::new(),
            members: BTreeSet::new(),
        };
        for control in on {
            if now.members.insert(control) {
                now.order.push(control);
            }
        }
        let Some(before) = self.0.get(&report_id) else {
            let went_down = now.order.clone();
            self.0.insert(report_id, now);
            return HeldChanges {
                came_up: Vec::new(),
                went_down,
            };
        };
        let changes = HeldChanges {
            came_up: before.without(&now),
            went_down: now.without(before),
        };
        self.0.insert(report_id, now);
        changes
    }
}

impl<T: Copy + Ord> Held<T> {
    fn without(&self, other: &Self) -> Vec<T> {
        let missing = |control: &&T| !other.members.contains(control);
        self.order.iter().filter(missing).copied().collect()
    }
}
