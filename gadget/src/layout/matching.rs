//! Bipartite matching: what is needed on one side, what the controller has on the other.

use usbfs2_protocol::{Direction, EndpointAddress};

use super::Need;
use crate::udc::Udc;

/// Which need has which of the controller's endpoints.
pub(super) struct Matching<'a> {
    udc: &'a Udc,
    needs: &'a [Need],
    /// By the controller's endpoint.
    taken: Vec<Option<usize>>,
}

impl<'a> Matching<'a> {
    pub(super) fn of(udc: &'a Udc, needs: &'a [Need]) -> Self {
        let mut matching = Self {
            udc,
            needs,
            taken: vec![None; udc.endpoints().len()],
        };
        for need in 0..needs.len() {
            matching.settle(need, &mut vec![false; udc.endpoints().len()]);
        }
        matching
    }

    /// Finds a place for a need, and other places for those in its way (augmenting paths).
    fn settle(&mut self, need: usize, tried: &mut [bool]) -> bool {
        let endpoints = self.udc.endpoints();
        let mut candidates: Vec<usize> = (0..endpoints.len())
            .filter(|&place| self.needs[need].fits(&endpoints[place]))
            .collect();
        // Free ones first, and of those the most specific, and of those the first.
        candidates.sort_by_key(|&place| {
            (
                self.taken[place].is_some(),
                usize::MAX - endpoints[place].specificity(),
            )
        });
        for place in candidates {
            if std::mem::replace(&mut tried[place], true) {
                continue;
            }
            let is_free = match self.taken[place] {
                Some(other) => self.settle(other, tried),
                None => true,
            };
            if is_free {
                self.taken[place] = Some(need);
                return true;
            }
        }
        false
    }

    pub(super) fn place(&self, need: usize) -> Option<usize> {
        self.taken.iter().position(|&taken| taken == Some(need))
    }

    /// The taken IN endpoints for whose needs the controller has no transmit FIFO left. It gives out the smallest
    /// that will do, which leaves the most for the others: so it is enough to compare them by size.
    pub(super) fn without_fifo(&self) -> Vec<usize> {
        let taken = self.taken.iter().enumerate();
        let mut wanted: Vec<(u32, usize)> = taken
            .filter_map(|(place, need)| {
                let need = self.needs[(*need)?];
                (need.direction == Direction::In).then(|| (need.interval_size.into(), place))
            })
            .collect();
        wanted.sort_by(|a, b| b.cmp(a));
        let fifos = self.udc.in_fifos();
        if fifos.is_empty() {
            return Vec::new();
        }
        // Whoever finds none leaves its turn to the next.
        let mut fifos = fifos.iter().peekable();
        let without = wanted.into_iter().filter(|(size, _)| {
            let has = fifos.peek().is_some_and(|fifo| size <= fifo);
            if has {
                fifos.next();
            }
            !has
        });
        without.map(|(_, place)| place).collect()
    }

    /// Fixed numbers first, then the lowest free number for the others.
    pub(super) fn addresses(&self) -> Vec<Option<EndpointAddress>> {
        let mut addresses: Vec<Option<EndpointAddress>> = vec![None; self.taken.len()];
        let directions = self.taken.iter().map(|taken| {
            let need = (*taken)?;
            Some(self.needs[need].direction)
        });
        let places: Vec<_> = self
            .udc
            .endpoints()
            .iter()
            .zip(directions)
            .enumerate()
            .collect();
        for &(place, (endpoint, direction)) in &places {
            if let (Some(number), Some(direction)) = (endpoint.number(), direction) {
                addresses[place] = EndpointAddress::new(number, direction).ok();
            }
        }
        for &(place, (endpoint, direction)) in &places {
            if let (None, Some(direction)) = (endpoint.number(), direction) {
                addresses[place] = (1..=15)
                    .filter_map(|number| EndpointAddress::new(number, direction).ok())
                    .find(|address| !addresses.contains(&Some(*address)));
            }
        }
        addresses
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use usbfs2_protocol::TransferType;

    use super::*;

    /// Whether all needs find a place, tried out.
    fn has_places(needs: &[Need], free: &mut Vec<&crate::udc::UdcEndpoint>) -> bool {
        let Some((need, others)) = needs.split_first() else {
            return true;
        };
        (0..free.len()).any(|index| {
            if !need.fits(free[index]) {
                return false;
            }
            let endpoint = free.remove(index);
            let fits = has_places(others, free);
            free.insert(index, endpoint);
            fits
        })
    }

    fn need() -> impl Strategy<Value = Need> {
        let types = [
            TransferType::Bulk,
            TransferType::Interrupt,
            TransferType::Isochronous,
        ];
        let directions = [Direction::In, Direction::Out];
        let sizes = [64_u16, 512, 1024];
        (
            prop::sample::select(directions.to_vec()),
            prop::sample::select(types.to_vec()),
            prop::sample::select(sizes.to_vec()),
        )
            .prop_map(|(direction, transfer_type, size)| Need {
                direction,
                transfer_type,
                packet_size: size,
                interval_size: size,
            })
    }

    proptest! {
        #[test]
        fn an_assignment_is_found_whenever_there_is_one(
            needs in prop::collection::vec(need(), 1..6),
            which in prop::sample::select(crate::KnownUdc::ALL),
            places in prop::collection::vec(any::<prop::sample::Index>(), 1..7),
        ) {
            // A few of a real controller's endpoints, so that they are scarce.
            let whole = which.udc();
            let mut names: Vec<&str> = places
                .iter()
                .map(|place| place.get(whole.endpoints()).name())
                .collect();
            names.sort_unstable();
            names.dedup();
            let udc = whole.only(&names);
            let matching = Matching::of(&udc, &needs);
            let found = (0..needs.len()).all(|need| matching.place(need).is_some());
            prop_assert_eq!(found, has_places(&needs, &mut udc.endpoints().iter().collect()));
            for (need, value) in needs.iter().enumerate() {
                if let Some(place) = matching.place(need) {
                    prop_assert!(value.fits(&udc.endpoints()[place]));
                }
            }
        }
    }
}
