//! The graph of entities: who feeds whom, on which clock, and where that goes wrong.
//!
//! Every walk visits an entity once, so a graph with loops takes no longer than one without.

use std::collections::{BTreeMap, BTreeSet};

use super::{AudioError, ChannelCluster, ControlInterface, Entity, Version};

/// A way from an entity that runs on a clock to the source of that clock (UAC2 3.13.10).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClockPath {
    /// The clock source.
    pub source: u8,
    /// The clock selectors on the way, the nearest to the entity first, and the input pin, counted from 1,
    /// each has to have selected.
    pub selectors: Vec<(u8, u8)>,
    /// The clock multipliers on the way, the nearest to the entity first.
    pub multipliers: Vec<u8>,
}

impl ControlInterface {
    /// The entities that feed this one, through how many units ever, the nearest first. The entity itself
    /// comes first; what is not there is left out.
    #[must_use]
    pub fn upstream(&self, id: u8) -> Vec<&Entity> {
        self.walk(id, |entity| entity.sources().to_vec())
    }

    /// The entities this one feeds, through how many units ever, the nearest first. The entity itself comes
    /// first.
    #[must_use]
    pub fn downstream(&self, id: u8) -> Vec<&Entity> {
        let mut fed: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for entity in &self.entities {
            for source in entity.sources() {
                fed.entry(*source).or_default().push(entity.id());
            }
        }
        self.walk(id, |entity| {
            fed.get(&entity.id()).cloned().unwrap_or_default()
        })
    }

    /// The entities on a shortest way of sound from one entity to another, both included; empty where there
    /// is none.
    #[must_use]
    pub fn path(&self, from: u8, to: u8) -> Vec<&Entity> {
        let mut next_towards: BTreeMap<u8, u8> = BTreeMap::new();
        for entity in self.upstream(to) {
            for source in entity.sources() {
                if *source != to {
                    next_towards.entry(*source).or_insert(entity.id());
                }
            }
        }
        let mut path = Vec::new();
        let mut at = from;
        // Each step goes to an entity that was reached earlier, and so the way ends at `to`.
        while let Some(entity) = self.entity(at) {
            path.push(entity);
            if at == to {
                return path;
            }
            match next_towards.get(&at) {
                Some(next) => at = *next,
                None => break,
            }
        }
        Vec::new()
    }

    /// The channels that leave an entity: its own, or those of what feeds it. `None` where a loop or a
    /// missing entity leaves that open, and for clocks.
    #[must_use]
    pub fn channels_of(&self, id: u8) -> Option<ChannelCluster> {
        let mut seen = BTreeSet::new();
        let mut at = id;
        while seen.insert(at) {
            let entity = self.entity(at)?;
            match entity.own_channels() {
                Some(channels) => return Some(channels),
                // A selector's inputs all have the same channels (UAC1 3.5.4).
                None => at = *entity.sources().first()?,
            }
        }
        None
    }

    /// Every way from this clock entity, or from the clock of this terminal, to a clock source, in the order
    /// of the selectors' pins. Loops and clocks that are not there lead nowhere.
    #[must_use]
    pub fn clock_paths(&self, id: u8) -> Vec<ClockPath> {
        let mut paths = Vec::new();
        let mut seen = BTreeSet::new();
        let start = ClockPath {
            source: 0,
            selectors: Vec::new(),
            multipliers: Vec::new(),
        };
        let mut open = vec![(id, start)];
        while let Some((at, path)) = open.pop() {
            // Two ways to one source differ in nothing a host could choose for a reason.
            if !seen.insert(at) {
                continue;
            }
            match self.entity(at) {
                Some(Entity::ClockSource(_)) => paths.push(ClockPath { source: at, ..path }),
                Some(Entity::ClockSelector(selector)) => {
                    let pins = selector.clocks.iter().zip(1..=u8::MAX).rev();
                    open.extend(pins.map(|(clock, pin)| {
                        let mut path = path.clone();
                        path.selectors.push((at, pin));
                        (*clock, path)
                    }));
                }
                Some(Entity::ClockMultiplier(multiplier)) => {
                    let mut path = path;
                    path.multipliers.push(at);
                    open.push((multiplier.clock, path));
                }
                Some(Entity::InputTerminal(terminal)) => open.push((terminal.clock, path)),
                Some(Entity::OutputTerminal(terminal)) => open.push((terminal.clock, path)),
                _ => {}
            }
        }
        paths
    }

    /// The terminals of the USB: streams are linked to these.
    pub fn usb_terminals(&self) -> impl Iterator<Item = &Entity> {
        self.entities.iter().filter(|entity| match entity {
            Entity::InputTerminal(terminal) => terminal.terminal_type.is_usb(),
            Entity::OutputTerminal(terminal) => terminal.terminal_type.is_usb(),
            _ => false,
        })
    }

    fn walk(&self, id: u8, next: impl Fn(&Entity) -> Vec<u8>) -> Vec<&Entity> {
        let mut reached: Vec<&Entity> = self.entity(id).into_iter().collect();
        let mut seen = BTreeSet::from([id]);
        let mut at = 0;
        while let Some(entity) = reached.get(at) {
            for id in next(entity) {
                if seen.insert(id) {
                    reached.extend(self.entity(id));
                }
            }
            at += 1;
        }
        reached
    }

    /// Lists what is missing from the graph, and loops of sound and of clocks.
    pub(super) fn check_graph(&self, problems: &mut Vec<AudioError>) {
        for entity in &self.entities {
            let id = entity.id();
            for &source_id in entity.sources() {
                match self.entity(source_id) {
                    None => problems.push(AudioError::MissingSource {
                        entity: id,
                        source_id,
                    }),
                    Some(source)
                        if source.is_clock() || matches!(source, Entity::OutputTerminal(_)) =>
                    {
                        problems.push(AudioError::NoSound {
                            entity: id,
                            source_id,
                            found: source.kind(),
                        });
                    }
                    Some(_) => {}
                }
            }
            if self.version == Version::Uac1 {
                continue;
            }
            for clock in entity.clocks() {
                match self.entity(clock) {
                    None => problems.push(AudioError::MissingClock { entity: id, clock }),
                    Some(found) if !found.is_clock() && !matches!(found, Entity::Unknown(_)) => {
                        problems.push(AudioError::NotAClock {
                            entity: id,
                            clock,
                            found: found.kind(),
                        });
                    }
                    Some(_) => {}
                }
            }
        }
        self.find_loops(|entity| entity.sources().to_vec(), problems);
        self.find_loops(
            |entity| match entity.is_clock() {
                true => entity.clocks(),
                false => Vec::new(),
            },
            problems,
        );
    }

    /// One loop for each entity at which one closes, found depth first. Listing every loop there is could take
    /// as long as there are ways through the graph.
    fn find_loops(&self, next: impl Fn(&Entity) -> Vec<u8>, problems: &mut Vec<AudioError>) {
        let (mut done, mut closed) = (BTreeSet::new(), BTreeSet::new());
        for start in self.entities.iter().map(Entity::id) {
            // The way from `start` to where the search is, with what is left to try at each step.
            let mut way: Vec<(u8, Vec<u8>)> = Vec::new();
            let mut enter = Some(start);
            loop {
                if let Some(id) = enter.take()
                    && !done.contains(&id)
                {
                    if let Some(at) = way.iter().position(|(on_way, _)| *on_way == id) {
                        if closed.insert(id) {
                            let entities = way[at..].iter().map(|(id, _)| *id).collect();
                            problems.push(AudioError::Loop { entities });
                        }
                    } else {
                        let mut sources = self.entity(id).map(&next).unwrap_or_default();
                        sources.sort_unstable();
                        sources.dedup();
                        way.push((id, sources));
                    }
                }
                let Some((id, sources)) = way.last_mut() else {
                    break;
                };
                enter = sources.pop();
                if enter.is_none() {
                    done.insert(*id);
                    way.pop();
                }
            }
        }
    }
}
