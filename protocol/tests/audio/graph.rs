//! The graph of entities: ways through it, and what makes it no graph.

use usbfs2_protocol::audio::{
    Access, AudioError, ChannelCluster, ClockKind, ClockPath, ClockSelector, ClockSource,
    ControlInterface, Entity, FeatureControls, FeatureUnit, InputTerminal, MixerUnit,
    OutputTerminal, SelectorUnit, TerminalType, Version,
};

use crate::devices::STUDIO;

fn feature(id: u8, source: u8) -> Entity {
    Entity::FeatureUnit(FeatureUnit::new(id, source, vec![FeatureControls::NONE]))
}

fn input(id: u8) -> Entity {
    let usb = TerminalType::USB_STREAMING;
    Entity::InputTerminal(InputTerminal::new(id, usb, ChannelCluster::STEREO))
}

fn output(id: u8, source: u8) -> Entity {
    Entity::OutputTerminal(OutputTerminal::new(id, TerminalType::SPEAKER, source))
}

fn selector(id: u8, sources: &[u8]) -> Entity {
    Entity::SelectorUnit(SelectorUnit {
        id,
        sources: sources.to_vec(),
        controls: 0,
        string_index: 0,
    })
}

fn clock_selector(id: u8, clocks: &[u8]) -> Entity {
    Entity::ClockSelector(ClockSelector {
        id,
        clocks: clocks.to_vec(),
        controls: 3,
        string_index: 0,
    })
}

/// What is read of these entities, and what is wrong with them.
fn salvage(version: Version, entities: Vec<Entity>) -> (ControlInterface, Vec<AudioError>) {
    let control = ControlInterface {
        entities,
        ..ControlInterface::new(version)
    };
    let (read, problems) = ControlInterface::salvage(version, &control.to_bytes()).unwrap();
    (read, problems)
}

fn ids(entities: &[&Entity]) -> Vec<u8> {
    entities.iter().map(|entity| entity.id()).collect()
}

#[test]
fn a_loop_of_units_is_found_and_walks_end() {
    let entities = vec![
        input(1),
        feature(2, 4),
        selector(3, &[1, 2]),
        feature(4, 3),
        output(5, 4),
    ];
    let (control, problems) = salvage(Version::Uac1, entities);
    let [AudioError::Loop { entities }] = &problems[..] else {
        panic!("{problems:?}");
    };
    let mut looped = entities.clone();
    looped.sort_unstable();
    assert_eq!(looped, [2, 3, 4]);
    assert_eq!(ids(&control.upstream(5)), [5, 4, 3, 1, 2]);
    assert_eq!(ids(&control.downstream(1)), [1, 3, 4, 2, 5]);
    assert_eq!(ids(&control.path(1, 5)), [1, 3, 4, 5]);
    assert_eq!(ids(&control.path(2, 4)), [2, 3, 4]);
    assert_eq!(control.channels_of(5), Some(ChannelCluster::STEREO));
}

#[test]
fn a_unit_that_feeds_itself_has_no_channels_and_no_end() {
    let (control, problems) = salvage(Version::Uac1, vec![feature(2, 2), output(3, 2)]);
    assert_eq!(problems, [AudioError::Loop { entities: vec![2] }]);
    assert_eq!(problems[0].to_string(), "entity 2 forms a loop");
    assert_eq!(control.channels_of(3), None);
    assert_eq!(ids(&control.upstream(3)), [3, 2]);
    assert!(control.path(1, 3).is_empty());
}

#[test]
fn what_is_missing_is_listed_and_the_rest_remains() {
    let entities = vec![
        input(1),
        feature(2, 1),
        output(3, 2),
        output(4, 99),
        output(5, 3),
    ];
    let (control, problems) = salvage(Version::Uac1, entities);
    assert_eq!(
        problems,
        [
            AudioError::MissingSource {
                entity: 4,
                source_id: 99
            },
            AudioError::NoSound {
                entity: 5,
                source_id: 3,
                found: "output terminal"
            },
        ]
    );
    assert_eq!(ids(&control.path(1, 3)), [1, 2, 3]);
    assert_eq!(ids(&control.upstream(4)), [4]);
}

#[test]
fn the_second_entity_of_an_identifier_is_left_out() {
    let (control, problems) = salvage(Version::Uac1, vec![input(1), feature(1, 1), output(2, 1)]);
    assert_eq!(
        problems,
        [AudioError::DuplicateEntity { offset: 20, id: 1 }]
    );
    assert_eq!(control.entities, [input(1), output(2, 1)]);
    let (control, problems) = salvage(Version::Uac1, vec![input(0), input(1)]);
    assert_eq!(problems, [AudioError::EntityZero { offset: 11 }]);
    assert_eq!(control.entities, [input(1)]);
}

#[test]
fn clocks_that_select_each_other_lead_nowhere() {
    let source = ClockSource::new(9, ClockKind::InternalProgrammable, Access::ReadWrite);
    let entities = vec![
        clock_selector(7, &[8, 9]),
        clock_selector(8, &[7]),
        Entity::ClockSource(source),
    ];
    let (control, problems) = salvage(Version::Uac2, entities);
    assert_eq!(
        problems,
        [AudioError::Loop {
            entities: vec![7, 8]
        }]
    );
    let only = ClockPath {
        source: 9,
        selectors: vec![(7, 2)],
        multipliers: vec![],
    };
    assert_eq!(control.clock_paths(7), [only]);
    assert_eq!(control.clock_paths(0), []);
    assert_eq!(control.clock_paths(100), []);
}

#[test]
fn a_clock_that_is_missing_or_none_is_listed() {
    let terminal = |id, clock| {
        Entity::InputTerminal(InputTerminal {
            clock,
            ..InputTerminal::new(id, TerminalType::MICROPHONE, ChannelCluster::MONO)
        })
    };
    let (control, problems) = salvage(Version::Uac2, vec![terminal(1, 50), terminal(2, 1)]);
    assert_eq!(
        problems,
        [
            AudioError::MissingClock {
                entity: 1,
                clock: 50
            },
            AudioError::NotAClock {
                entity: 2,
                clock: 1,
                found: "input terminal"
            },
        ]
    );
    assert_eq!(control.clock_paths(1), []);
}

#[test]
fn a_clock_is_reached_through_selectors_and_multipliers() {
    let control = ControlInterface::parse(Version::Uac2, &STUDIO).unwrap();
    let paths = control.clock_paths(1);
    assert_eq!(
        paths,
        [
            ClockPath {
                source: 40,
                selectors: vec![(42, 1)],
                multipliers: vec![]
            },
            ClockPath {
                source: 41,
                selectors: vec![(42, 2)],
                multipliers: vec![43]
            },
        ]
    );
    assert_eq!(control.clock_paths(11), paths);
}

#[test]
fn two_hundred_mixers_of_each_other_are_walked_in_no_time() {
    let all: Vec<u8> = (1..=200).collect();
    let mixer = |id: u8| {
        Entity::MixerUnit(MixerUnit {
            id,
            sources: all.clone(),
            channels: ChannelCluster::STEREO,
            mixer_controls: Vec::new(),
            controls: 0,
            string_index: 0,
        })
    };
    let (control, problems) = salvage(Version::Uac1, all.iter().copied().map(mixer).collect());
    assert_eq!(control.entities.len(), 200);
    assert!(
        problems
            .iter()
            .all(|problem| matches!(problem, AudioError::Loop { .. }))
    );
    assert!(problems.len() <= 200);
    assert_eq!(control.upstream(1).len(), 200);
    assert_eq!(control.path(200, 1).len(), 2);
}
