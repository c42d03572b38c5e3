//! What is read of the configurations of real devices, and that it is written back as it came.

use usbfs2_protocol::audio::{
    Access, AudioFunction, ControlInterface, Encoding, EndpointAttributes, Entity, FeatureControl,
    FormatType, Rates, StreamingSetting, Version, category,
};
use usbfs2_protocol::descriptor::{
    AlternateSetting, ClassDescriptor, Configuration, SynchronizationType, UsageType,
};

use crate::devices::{CM108, CONVERTER, F_UAC1, F_UAC2, QEMU, STUDIO, functions};

fn class_specific(setting: &AlternateSetting) -> Vec<u8> {
    let mut bytes = Vec::new();
    for extra in &setting.extra {
        extra.write_to(&mut bytes);
    }
    bytes
}

fn setting_of(function: &AudioFunction, interface: u8, alternate: u8) -> &StreamingSetting {
    let stream = function.streams.iter().find(|it| it.number == interface);
    let mut settings = stream.unwrap().settings.iter();
    settings
        .find(|setting| setting.alternate_setting == alternate)
        .unwrap()
}

#[test]
fn every_device_is_written_back_as_it_came() {
    for bytes in [&QEMU[..], &F_UAC1, &F_UAC2, &CM108, &CONVERTER] {
        let configuration = Configuration::parse(bytes).unwrap();
        let functions = functions(bytes);
        assert_eq!(functions.len(), 1);
        let function = &functions[0];
        let control = configuration.interface(function.control_interface);
        let control = control.unwrap().default_setting().unwrap();
        assert_eq!(function.control.to_bytes(), class_specific(control));
        let mut settings = 0;
        for stream in &function.streams {
            let interface = configuration.interface(stream.number).unwrap();
            let silent = interface.alternate_setting(0).unwrap();
            let expected = StreamingSetting::silent(function.control.version, stream.number);
            assert_eq!(
                AlternateSetting {
                    string_index: 0,
                    ..silent.clone()
                },
                expected
            );
            for setting in &stream.settings {
                let as_sent = interface.alternate_setting(setting.alternate_setting);
                assert_eq!(Some(&setting.to_setting()), as_sent);
                settings += 1;
            }
        }
        assert_eq!(
            settings + function.streams.len(),
            interface_settings(&configuration)
        );
    }
}

fn interface_settings(configuration: &Configuration) -> usize {
    configuration
        .alternate_settings()
        .filter(|setting| setting.subclass == 2)
        .count()
}

#[test]
fn qemus_card_is_one_of_audio_1_whatever_its_protocol_says() {
    let function = &functions(&QEMU)[0];
    assert_eq!(function.control.version, Version::Uac1);
    let Some(Entity::FeatureUnit(volume)) = function.control.entity(2) else {
        panic!("unit 2 is no feature unit");
    };
    assert_eq!(volume.access(FeatureControl::Mute, 0), Access::ReadWrite);
    assert_eq!(volume.access(FeatureControl::Volume, 0), Access::None);
    assert_eq!(volume.access(FeatureControl::Volume, 2), Access::ReadWrite);
    assert_eq!(volume.access(FeatureControl::Volume, 3), Access::None);
    let setting = setting_of(function, 1, 1);
    let format = setting.format().unwrap();
    assert_eq!(format.to_string(), "2 channels, PCM, 16 bits in 2 bytes");
    assert_eq!(format.rates.unwrap().to_string(), "48000 Hz");
    assert_eq!(
        setting.data.endpoint.synchronization_type(),
        SynchronizationType::Synchronous
    );
}

#[test]
fn the_kernels_audio_1_gadget_has_a_sink_and_a_source() {
    let function = &functions(&F_UAC1)[0];
    assert_eq!(function.control.streaming_interfaces, [1, 2]);
    let (sink, source) = (setting_of(function, 1, 1), setting_of(function, 2, 1));
    assert!(sink.is_playback() && !source.is_playback());
    let rate_can_be_set = EndpointAttributes::SAMPLING_FREQUENCY;
    assert_eq!(sink.data.attributes, rate_can_be_set);
    assert_eq!((sink.data.lock_delay_units, sink.data.lock_delay), (1, 1));
    let speaker: Vec<u8> = function
        .control
        .path(1, 3)
        .iter()
        .map(|it| it.id())
        .collect();
    assert_eq!(speaker, [1, 5, 3]);
    let microphone: Vec<u8> = function
        .control
        .path(2, 4)
        .iter()
        .map(|it| it.id())
        .collect();
    assert_eq!(microphone, [2, 6, 4]);
}

#[test]
fn the_kernels_audio_2_gadget_has_two_clocks_and_feedback() {
    let function = &functions(&F_UAC2)[0];
    assert_eq!(function.control.category, category::IO_BOX);
    let sink = setting_of(function, 1, 1);
    assert_eq!(sink.encodings(), [Encoding::Pcm]);
    assert_eq!(sink.format().unwrap().rates, None);
    let feedback = sink.feedback.as_ref().unwrap();
    assert_eq!(feedback.endpoint.usage_type(), UsageType::Feedback);
    assert_eq!(feedback.endpoint.max_packet_size(), 3);
    assert!(!sink.needs_implicit_feedback());
    assert_eq!(function.control.clock_paths(1)[0].source, 7);
    assert_eq!(function.control.clock_paths(4)[0].source, 8);
    assert_eq!(
        function.control.channels_of(3).unwrap().to_string(),
        "front left, front right"
    );
}

#[test]
fn a_headset_chip_mixes_the_microphone_into_what_is_heard() {
    let function = &functions(&CM108)[0];
    let control = &function.control;
    let heard: Vec<u8> = control.upstream(6).iter().map(|it| it.id()).collect();
    assert_eq!(heard, [6, 9, 15, 1, 13, 2]);
    let from_microphone: Vec<u8> = control.downstream(2).iter().map(|it| it.id()).collect();
    assert_eq!(from_microphone, [2, 10, 13, 8, 15, 7, 9, 6]);
    let Some(Entity::FeatureUnit(gain)) = control.entity(10) else {
        panic!("unit 10 is no feature unit");
    };
    let controls: Vec<FeatureControl> = gain.controls[0].iter().map(|(it, _)| it).collect();
    use FeatureControl::{AutomaticGain, Mute, Volume};
    assert_eq!(controls, [Mute, Volume, AutomaticGain]);
    assert_eq!(control.channels_of(7).unwrap().count, 1);
    let rates = setting_of(function, 2, 1).format().unwrap().rates.unwrap();
    assert!(rates.contains(44_100) && !rates.contains(32_000));
}

#[test]
fn a_converter_has_any_rate_and_feedback_though_it_misnames_the_endpoint() {
    let function = &functions(&CONVERTER)[0];
    let setting = setting_of(function, 1, 1);
    let format = setting.format().unwrap();
    assert_eq!(format.to_string(), "2 channels, PCM, 24 bits in 3 bytes");
    let rates = Rates::Continuous {
        minimum: 44_100,
        maximum: 96_000,
    };
    assert_eq!(format.rates, Some(rates));
    assert_eq!(format.frame_size(), 6);
    assert_eq!(setting.feedback.as_ref().unwrap().refresh(), 5);
    let coded = setting_of(function, 1, 2);
    assert_eq!(coded.format(), None);
    assert!(matches!(coded.format_type, FormatType::Iii { .. }));
    assert!(
        coded
            .data
            .attributes
            .contains(EndpointAttributes::MAX_PACKETS_ONLY)
    );
}

#[test]
fn a_studio_interface_has_one_of_each_and_what_is_unknown_is_kept() {
    let control = ControlInterface::parse(Version::Uac2, &STUDIO).unwrap();
    // All but the two bytes that were too many come back.
    let mut expected = STUDIO.to_vec();
    assert_eq!(expected.pop(), Some(0));
    let last = expected.len() - 12;
    let is_extension = |window: &[u8]| window[..4] == [17, 0x24, 9, 10];
    let extension = expected.windows(17).position(is_extension).unwrap();
    assert_eq!(expected.remove(extension + 16), 0);
    expected[extension] = 16;
    expected[last - 1] = 12;
    let total_length = u16::try_from(expected.len()).unwrap();
    expected[6..8].copy_from_slice(&total_length.to_le_bytes());
    assert_eq!(control.to_bytes(), expected);
    let kinds: Vec<&str> = control.entities.iter().map(Entity::kind).collect();
    for kind in [
        "clock source",
        "clock selector",
        "clock multiplier",
        "sample rate converter",
        "selector unit",
        "mixer unit",
        "effect unit",
        "processing unit",
        "extension unit",
        "unit of an unknown kind",
    ] {
        assert!(kinds.contains(&kind), "{kind}");
    }
    let Some(Entity::Unknown(unknown)) = control.entity(13) else {
        panic!("unit 13 is known");
    };
    assert_eq!(
        (unknown.subtype(), &unknown.bytes[2..]),
        (0x40, &[0xde, 0xad][..])
    );
    assert_eq!(control.channels_of(14), None);
    assert_eq!(control.channels_of(11).unwrap().count, 2);
    let Some(Entity::MixerUnit(mixer)) = control.entity(7) else {
        panic!("unit 7 is no mixer");
    };
    assert!(mixer.can_set(0, 0) && mixer.can_set(11, 1));
    assert!(!mixer.can_set(12, 0) && !mixer.can_set(0, 2) && !mixer.can_set(usize::MAX, 1));
    assert_eq!(control.usb_terminals().count(), 2);
}

#[test]
fn a_setting_without_sound_is_none_and_without_a_problem() {
    let configuration = Configuration::parse(&QEMU).unwrap();
    let silent = configuration.interface(1).unwrap().alternate_setting(0);
    assert_eq!(
        StreamingSetting::parse(Version::Uac1, silent.unwrap()),
        Ok(None)
    );
}

#[test]
fn a_control_interface_becomes_the_setting_that_carries_it() {
    let function = &functions(&F_UAC2)[0];
    let setting = function.control.to_setting(3);
    assert_eq!((setting.interface_number, setting.protocol), (3, 0x20));
    assert!(
        setting
            .extra
            .iter()
            .all(|it| matches!(it, ClassDescriptor::Unknown(_)))
    );
    let (again, problems) = ControlInterface::from_setting(&setting).unwrap();
    assert_eq!((again, problems), (function.control.clone(), vec![]));
}
