//! Which streams hold which clocks, so that none changes another's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What several streams may share as long as they want the same of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shared {
    /// A clock source, which has a rate.
    Source(u8),
    /// A clock selector, which has a pin.
    Selector(u8),
}

/// What it is set to, and the interfaces of the streams that hold it there.
type Use = (u32, Vec<u8>);

/// Clocks in use by streams that are open.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClockUses(Arc<Mutex<BTreeMap<Shared, Use>>>);

/// Clocks stay as they are for as long as this is there.
#[derive(Debug)]
pub(crate) struct ClockLease {
    uses: ClockUses,
    holder: u8,
    held: Vec<Shared>,
}

impl ClockUses {
    /// Leases all of these at these settings for the stream of an interface; else who has one of them at another, in
    /// words.
    pub(crate) fn lease(
        &self,
        holder: u8,
        wanted: impl IntoIterator<Item = (Shared, u32)>,
    ) -> Result<ClockLease, String> {
        let mut uses = self.lock();
        let wanted: Vec<_> = wanted.into_iter().collect();
        for (shared, setting) in &wanted {
            if let Some((held, holders)) = uses.get(shared)
                && held != setting
            {
                return Err(in_use(*shared, *held, holders));
            }
        }
        for &(shared, setting) in &wanted {
            let (_, holders) = uses.entry(shared).or_insert((setting, Vec::new()));
            holders.push(holder);
        }
        Ok(ClockLease {
            uses: self.clone(),
            holder,
            held: wanted.into_iter().map(|(shared, _)| shared).collect(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Shared, Use>> {
        // Every change is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_use(shared: Shared, setting: u32, holders: &[u8]) -> String {
    let numbers: Vec<String> = holders.iter().map(u8::to_string).collect();
    let numbers = numbers.join(", ");
    match shared {
        Shared::Source(clock) => {
            format!("clock {clock} runs at {setting} Hz for the stream of interface {numbers}")
        }
        Shared::Selector(selector) => format!(
            "clock selector {selector} is at pin {setting} for the stream of interface {numbers}"
        ),
    }
}

impl Drop for ClockLease {
    fn drop(&mut self) {
        let mut uses = self.uses.lock();
        for shared in &self.held {
            if let Some((_, holders)) = uses.get_mut(shared) {
                if let Some(at) = holders.iter().position(|&holder| holder == self.holder) {
                    holders.swap_remove(at);
                }
                if holders.is_empty() {
                    uses.remove(shared);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_can_be_shared_and_not_changed() {
        let uses = ClockUses::default();
        let on_pin = |pin| [(Shared::Selector(11), pin), (Shared::Source(10), 48_000)];
        let first = uses.lease(1, on_pin(1)).unwrap();
        let second = uses.lease(2, on_pin(1)).unwrap();
        assert_eq!(
            uses.lease(3, on_pin(2)).unwrap_err(),
            "clock selector 11 is at pin 1 for the stream of interface 1, 2"
        );
        assert_eq!(
            uses.lease(3, [(Shared::Source(10), 44_100)]).unwrap_err(),
            "clock 10 runs at 48000 Hz for the stream of interface 1, 2"
        );
        drop(first);
        assert!(uses.lease(3, on_pin(2)).is_err());
        drop(second);
        let third = uses.lease(3, on_pin(2)).unwrap();
        // What could not be had whole was not taken in part.
        assert!(
            uses.lease(4, [(Shared::Source(9), 1), (Shared::Selector(11), 1)])
                .is_err()
        );
        assert!(uses.lease(4, [(Shared::Source(9), 2)]).is_ok());
        drop(third);
        assert!(uses.lock().is_empty());
    }
}
