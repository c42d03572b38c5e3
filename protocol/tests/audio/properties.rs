//! What holds for any audio function and for any bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use usbfs2_protocol::audio::{
    AudioFunction, ChannelCluster, ChannelPositions, ClockMultiplier, ClockSelector, ClockSource,
    ControlInterface, DataEndpoint, EffectUnit, EndpointAttributes, Entity, ExtensionUnit,
    FeatureControls, FeatureUnit, FeedbackEndpoint, FormatType, InputTerminal, MixerUnit,
    OutputTerminal, ProcessingUnit, Rates, SampleFormat, SampleRateConverter, SelectorUnit,
    StreamingSetting, TerminalType, UnknownEntity, Version,
};
use usbfs2_protocol::descriptor::{
    self, Configuration, Endpoint, SynchronizationType, UnknownDescriptor, UsageType,
};
use usbfs2_protocol::{Direction, EndpointAddress};

use crate::devices::{CM108, CONVERTER, F_UAC1, F_UAC2, QEMU, STUDIO};

fn version() -> impl Strategy<Value = Version> {
    select(vec![Version::Uac1, Version::Uac2])
}

fn cluster(version: Version) -> impl Strategy<Value = ChannelCluster> {
    (1_u8.., any::<u32>(), any::<u8>()).prop_map(move |(count, positions, names)| ChannelCluster {
        count,
        positions: ChannelPositions::from_bits_retain(match version {
            Version::Uac1 => positions & 0xffff,
            Version::Uac2 => positions,
        }),
        names,
    })
}

/// An entity of either version, its identifier still to be given.
fn shared(version: Version) -> BoxedStrategy<Entity> {
    let in_uac2 = move |value: u16| if version == Version::Uac2 { value } else { 0 };
    let in_uac2_byte = move |value: u8| if version == Version::Uac2 { value } else { 0 };
    let bytes = || vec(any::<u8>(), 0..6);
    prop_oneof![
        (any::<(u16, u8, u8, u16, u8)>(), cluster(version)).prop_map(
            move |((kind, associated_terminal, clock, controls, string_index), channels)| {
                Entity::InputTerminal(InputTerminal {
                    associated_terminal,
                    clock: in_uac2_byte(clock),
                    controls: in_uac2(controls),
                    string_index,
                    ..InputTerminal::new(0, TerminalType(kind), channels)
                })
            }
        ),
        any::<(u16, u8, u8, u8, u16)>().prop_map(
            move |(kind, associated_terminal, source, clock, controls)| {
                Entity::OutputTerminal(OutputTerminal {
                    associated_terminal,
                    clock: in_uac2_byte(clock),
                    controls: in_uac2(controls),
                    ..OutputTerminal::new(0, TerminalType(kind), source)
                })
            }
        ),
        (bytes(), cluster(version), bytes(), any::<(u8, u8)>()).prop_map(
            move |(sources, channels, mixer_controls, (controls, string_index))| {
                Entity::MixerUnit(MixerUnit {
                    id: 0,
                    sources,
                    channels,
                    mixer_controls,
                    controls: in_uac2_byte(controls),
                    string_index,
                })
            }
        ),
        (bytes(), any::<(u8, u8)>()).prop_map(move |(sources, (controls, string_index))| {
            Entity::SelectorUnit(SelectorUnit {
                id: 0,
                sources,
                controls: in_uac2_byte(controls),
                string_index,
            })
        }),
        (any::<u8>(), 1..=4_u8, vec(any::<u32>(), 1..9)).prop_map(
            move |(source, size, controls)| {
                // Audio 1.0 has one bit a control, which stands for both of Audio 2.0's.
                let both = |bits: u32| {
                    let kept = u64::from(bits) & ((1 << (8 * size)) - 1);
                    (0..32).fold(0, |both, bit| both | ((kept >> bit & 1) * 3) << (2 * bit))
                };
                let controls = controls.into_iter().map(|bits| match version {
                    Version::Uac1 => FeatureControls(both(bits)),
                    Version::Uac2 => FeatureControls(bits.into()),
                });
                Entity::FeatureUnit(FeatureUnit {
                    control_size: match version {
                        Version::Uac1 => size,
                        Version::Uac2 => 4,
                    },
                    ..FeatureUnit::new(0, source, controls.collect())
                })
            }
        ),
        (
            any::<(u16, u8)>(),
            bytes(),
            cluster(version),
            bytes(),
            bytes()
        )
            .prop_map(
                move |((process_type, string_index), sources, channels, mut controls, specific)| {
                    if version == Version::Uac2 {
                        controls.resize(2, 0);
                    }
                    Entity::ProcessingUnit(ProcessingUnit {
                        id: 0,
                        process_type,
                        sources,
                        channels,
                        controls,
                        string_index,
                        specific,
                    })
                }
            ),
        (any::<(u16, u8)>(), bytes(), cluster(version), bytes()).prop_map(
            move |((code, string_index), sources, channels, mut controls)| {
                if version == Version::Uac2 {
                    controls.resize(1, 0);
                }
                Entity::ExtensionUnit(ExtensionUnit {
                    id: 0,
                    code,
                    sources,
                    channels,
                    controls,
                    string_index,
                })
            }
        ),
        (0x20..=0xff_u8, bytes()).prop_map(|(subtype, rest)| {
            let bytes = [&[subtype, 0][..], &rest].concat();
            Entity::Unknown(UnknownEntity { bytes })
        }),
    ]
    .boxed()
}

/// An entity of Audio 2.0 alone, its identifier still to be given.
fn uac2_only() -> BoxedStrategy<Entity> {
    prop_oneof![
        any::<(u8, u8, u8, u8)>().prop_map(|(attributes, controls, terminal, string_index)| {
            Entity::ClockSource(ClockSource {
                id: 0,
                attributes,
                controls,
                associated_terminal: terminal,
                string_index,
            })
        }),
        (vec(any::<u8>(), 0..6), any::<(u8, u8)>()).prop_map(
            |(clocks, (controls, string_index))| {
                Entity::ClockSelector(ClockSelector {
                    id: 0,
                    clocks,
                    controls,
                    string_index,
                })
            }
        ),
        any::<(u8, u8, u8)>().prop_map(|(clock, controls, string_index)| {
            Entity::ClockMultiplier(ClockMultiplier {
                id: 0,
                clock,
                controls,
                string_index,
            })
        }),
        any::<(u8, u8, u8, u8)>().prop_map(|(source, clock_in, clock_out, string_index)| {
            Entity::SampleRateConverter(SampleRateConverter {
                id: 0,
                source,
                clock_in,
                clock_out,
                string_index,
            })
        }),
        (any::<(u16, u8, u8)>(), vec(any::<u32>(), 1..5)).prop_map(
            |((effect_type, source, string_index), controls)| {
                Entity::EffectUnit(EffectUnit {
                    id: 0,
                    effect_type,
                    source,
                    controls,
                    string_index,
                })
            }
        ),
    ]
    .boxed()
}

fn set_id(entity: &mut Entity, id: u8) {
    match entity {
        Entity::InputTerminal(it) => it.id = id,
        Entity::OutputTerminal(it) => it.id = id,
        Entity::MixerUnit(it) => it.id = id,
        Entity::SelectorUnit(it) => it.id = id,
        Entity::FeatureUnit(it) => it.id = id,
        Entity::EffectUnit(it) => it.id = id,
        Entity::ProcessingUnit(it) => it.id = id,
        Entity::ExtensionUnit(it) => it.id = id,
        Entity::ClockSource(it) => it.id = id,
        Entity::ClockSelector(it) => it.id = id,
        Entity::ClockMultiplier(it) => it.id = id,
        Entity::SampleRateConverter(it) => it.id = id,
        Entity::Unknown(it) => it.bytes[1] = id,
        _ => unreachable!("the strategies make no other"),
    }
}

fn control() -> impl Strategy<Value = ControlInterface> {
    let entities = |version| match version {
        Version::Uac1 => vec(shared(version), 0..16).boxed(),
        Version::Uac2 => vec(prop_oneof![shared(version), uac2_only()], 0..16).boxed(),
    };
    (version(), any::<(u16, u8, u8)>(), vec(any::<u8>(), 0..5)).prop_flat_map(
        move |(version, (release, category, controls), interfaces)| {
            entities(version).prop_map(move |mut entities| {
                for (entity, id) in entities.iter_mut().zip(1..) {
                    set_id(entity, id);
                }
                let uac2 = version == Version::Uac2;
                ControlInterface {
                    version,
                    release: descriptor::Version(release),
                    streaming_interfaces: if uac2 { vec![] } else { interfaces.clone() },
                    category: if uac2 { category } else { 0 },
                    controls: if uac2 { controls } else { 0 },
                    entities,
                }
            })
        },
    )
}

fn rates() -> impl Strategy<Value = Rates> {
    let rate = || 1..1_u32 << 24;
    prop_oneof![
        vec(rate(), 1..9).prop_map(Rates::Discrete),
        (rate(), rate()).prop_map(|(a, b)| Rates::Continuous {
            minimum: a.min(b),
            maximum: a.max(b)
        }),
    ]
}

fn format_type(version: Version) -> impl Strategy<Value = FormatType> {
    let samples =
        (1..=u8::MAX, 1..=4_u8, 1..=32_u8).prop_map(move |(channels, size, bits)| SampleFormat {
            channels: match version {
                Version::Uac1 => channels,
                Version::Uac2 => 0,
            },
            subslot_size: size,
            bit_resolution: bits.min(8 * size),
        });
    let rates = || rates().prop_map(move |rates| (version == Version::Uac1).then_some(rates));
    let coded = any::<(u16, u16)>();
    prop_oneof![
        (samples.clone(), rates()).prop_map(|(samples, rates)| FormatType::I { samples, rates }),
        (samples, rates()).prop_map(|(samples, rates)| FormatType::Iii { samples, rates }),
        (coded, rates()).prop_map(
            |((max_bit_rate, samples_per_frame), rates)| FormatType::Ii {
                max_bit_rate,
                samples_per_frame,
                rates
            }
        ),
        (4..=u8::MAX, vec(any::<u8>(), 0..9))
            .prop_map(|(format_type, bytes)| FormatType::Other { format_type, bytes }),
    ]
}

fn streaming() -> impl Strategy<Value = StreamingSetting> {
    version().prop_flat_map(|version| {
        let numbers = any::<(u8, u8, u8, u8, u8, u32, u8)>();
        let endpoints = (1..=15_u8, any::<bool>(), any::<bool>(), any::<(u8, u8, u8, u16, u16)>());
        (numbers, cluster(version), format_type(version), endpoints).prop_map(
            move |(numbers, channels, format_type, (number, is_in, has_feedback, endpoint))| {
                let (interface_number, alternate_setting, string_index, link, delay, formats, byte) =
                    numbers;
                let (attributes, controls, lock_delay_units, lock_delay, size) = endpoint;
                let direction = if is_in { Direction::In } else { Direction::Out };
                let other = if is_in { Direction::Out } else { Direction::In };
                let address = EndpointAddress::new(number, direction).unwrap();
                let feedback = EndpointAddress::new(number, other).unwrap();
                let sync = SynchronizationType::from_attributes(attributes);
                let data = Endpoint::isochronous(address, sync, UsageType::Data, size, 1);
                let usage = UsageType::Feedback;
                let synch = Endpoint::isochronous(feedback, sync, usage, 4, 4);
                let uac2 = version == Version::Uac2;
                StreamingSetting {
                    version,
                    interface_number,
                    alternate_setting,
                    string_index,
                    terminal_link: link,
                    delay_frames: if uac2 { 0 } else { delay },
                    formats: if uac2 { formats } else { formats & 0xffff },
                    controls: if uac2 { byte } else { 0 },
                    channels: if uac2 { channels } else { ChannelCluster::default() },
                    format_type,
                    data: DataEndpoint {
                        attributes: EndpointAttributes::from_bits_retain(attributes),
                        controls: if uac2 { controls } else { 0 },
                        lock_delay_units,
                        lock_delay,
                        ..DataEndpoint::new(version, data, has_feedback.then_some(feedback))
                    },
                    feedback: has_feedback
                        .then(|| FeedbackEndpoint::new(version, synch, byte)),
                    extra: vec![UnknownDescriptor {
                        descriptor_type: 0x24,
                        bytes: vec![3, byte],
                    }],
                }
            },
        )
    })
}

/// Walks everything there is to walk: none of it may hang or panic.
fn walk(function: &AudioFunction) {
    for entity in &function.control.entities {
        let id = entity.id();
        walk_from(&function.control, id);
    }
    for setting in function.streams.iter().flat_map(|stream| &stream.settings) {
        let again = StreamingSetting::salvage(setting.version, &setting.to_setting()).0;
        // What the second reading says is settled.
        let third = again
            .as_ref()
            .and_then(|again| StreamingSetting::salvage(again.version, &again.to_setting()).0);
        assert_eq!(again, third);
        let _ = (
            setting.format(),
            setting.encodings(),
            setting.channels.to_string(),
        );
    }
}

fn walk_from(control: &ControlInterface, id: u8) {
    assert!(control.upstream(id).len() <= control.entities.len());
    assert!(control.downstream(id).len() <= control.entities.len());
    for path in control.clock_paths(id) {
        assert!(matches!(
            control.entity(path.source),
            Some(Entity::ClockSource(_))
        ));
    }
    let _ = control.channels_of(id);
    for to in control.usb_terminals() {
        let path = control.path(id, to.id());
        assert!(path.len() <= control.entities.len());
    }
}

proptest! {
    #[test]
    fn any_control_interface_round_trips(control in control()) {
        let (read, _) = ControlInterface::salvage(control.version, &control.to_bytes()).unwrap();
        prop_assert_eq!(&read, &control);
        for id in 0..=17 {
            walk_from(&control, id);
        }
    }

    #[test]
    fn any_streaming_setting_round_trips(setting in streaming()) {
        let read = StreamingSetting::parse(setting.version, &setting.to_setting());
        prop_assert_eq!(read, Ok(Some(setting)));
    }

    #[test]
    fn any_bytes_are_a_control_interface_or_an_error(
        version in version(),
        mut bytes in vec(any::<u8>(), 0..200),
        header in any::<bool>(),
    ) {
        if header {
            bytes.splice(0..0, [9, 0x24, 1, 0, 1, 0, 0, 0, 0]);
        }
        if let Ok((control, _)) = ControlInterface::salvage(version, &bytes) {
            let again = ControlInterface::salvage(version, &control.to_bytes());
            prop_assert_eq!(again.map(|(again, _)| again.entities), Ok(control.entities));
        }
    }

    #[test]
    fn a_device_with_a_few_wrong_bytes_is_read_and_written(
        device in select(vec![&QEMU[..], &F_UAC1, &F_UAC2, &CM108, &CONVERTER]),
        wrong in vec(any::<(Index, u8)>(), 1..12),
    ) {
        let mut device = device.to_vec();
        for (at, byte) in wrong {
            let at = at.index(device.len());
            device[at] = byte;
        }
        let Ok((configuration, _)) = Configuration::salvage(&device) else {
            return Ok(());
        };
        for function in AudioFunction::all(&configuration) {
            match function {
                Ok((function, problems)) => {
                    walk(&function);
                    prop_assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
                }
                Err(problem) => prop_assert!(!problem.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn a_studio_with_a_few_wrong_bytes_is_read_and_written(
        version in version(),
        wrong in vec(any::<(Index, u8)>(), 1..12),
    ) {
        let mut bytes = STUDIO.to_vec();
        for (at, byte) in wrong {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let Ok((control, _)) = ControlInterface::salvage(version, &bytes) else {
            return Ok(());
        };
        for id in 0..=u8::MAX {
            walk_from(&control, id);
        }
        let again = ControlInterface::salvage(version, &control.to_bytes());
        prop_assert_eq!(again.map(|(again, _)| again.entities), Ok(control.entities));
    }
}
