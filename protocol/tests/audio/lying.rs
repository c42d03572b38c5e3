//! Audio functions that lie: each lie is named, and what can be used remains.

use usbfs2_protocol::audio::{
    AudioError, AudioFunction, ControlInterface, Entity, Rates, StreamingSetting, Version,
};
use usbfs2_protocol::descriptor::Configuration;

use crate::devices::{CM108, CONVERTER, F_UAC1, F_UAC2, QEMU, function};

/// What is wrong with these descriptors of a control interface, in words, and what is read of them.
fn control(version: Version, descriptors: &[&[u8]]) -> (ControlInterface, Vec<String>) {
    let mut bytes = match version {
        Version::Uac1 => vec![9, 0x24, 1, 0x00, 0x01, 0, 0, 1, 1],
        Version::Uac2 => vec![9, 0x24, 1, 0x00, 0x02, 1, 0, 0, 0],
    };
    let total_length_at = match version {
        Version::Uac1 => 5,
        Version::Uac2 => 6,
    };
    bytes.extend(descriptors.concat());
    bytes[total_length_at] = u8::try_from(bytes.len()).unwrap();
    let (control, problems) = ControlInterface::salvage(version, &bytes).unwrap();
    let parsed = ControlInterface::parse(version, &bytes).map_err(|error| error.to_string());
    match problems.first() {
        None => assert_eq!(parsed.as_ref(), Ok(&control)),
        Some(first) => assert_eq!(parsed, Err(first.to_string())),
    }
    let problems = problems.iter().map(ToString::to_string).collect();
    (control, problems)
}

/// A device with one byte changed: the problems in words, and how many settings can be used.
fn changed(device: &[u8], at: usize, from: u8, to: u8) -> (Vec<String>, usize) {
    let mut device = device.to_vec();
    assert_eq!(device[at], from);
    device[at] = to;
    let (function, problems) = function(&device);
    let settings = function.streams.iter().map(|it| it.settings.len()).sum();
    (problems.iter().map(ToString::to_string).collect(), settings)
}

const TERMINAL: [u8; 12] = [12, 0x24, 2, 1, 0x01, 0x01, 0, 2, 3, 0, 0, 0];

#[test]
fn a_unit_that_is_too_short_is_kept_as_it_came() {
    let (control, problems) = control(
        Version::Uac1,
        &[
            &TERMINAL,
            &[7, 0x24, 5, 3, 9, 1, 0],
            &[9, 0x24, 3, 2, 1, 3, 0, 1, 0],
        ],
    );
    assert_eq!(
        problems,
        ["bLength at byte 21 is 7: selector unit has at least 14 bytes (UAC1 4.3.2.4)"]
    );
    assert!(matches!(control.entity(3), Some(Entity::Unknown(_))));
    assert_eq!(control.path(1, 2).len(), 2);
    assert_eq!(control.to_bytes()[21..28], [7, 0x24, 5, 3, 9, 1, 0]);
}

#[test]
fn controls_that_do_not_divide_leave_the_whole_ones() {
    let (control, problems) = control(
        Version::Uac1,
        &[&TERMINAL, &[12, 0x24, 6, 2, 1, 2, 3, 0, 2, 0, 2, 9]],
    );
    assert_eq!(
        problems,
        ["the feature unit at byte 21 has 5 bytes of controls, 2 a channel (UAC1 4.3.2.5)"]
    );
    let Some(Entity::FeatureUnit(unit)) = control.entity(2) else {
        panic!("unit 2 is no feature unit");
    };
    assert_eq!((unit.channel_count(), unit.string_index), (1, 9));
}

#[test]
fn controls_of_no_size_are_refused() {
    for size in [0, 5] {
        let unit = [8, 0x24, 6, 2, 1, size, 3, 0];
        let (control, problems) = control(Version::Uac1, &[&TERMINAL, &unit]);
        let expected = format!(
            "bControlSize at byte 26 is {size}: 1 to 4 bytes are understood (UAC1 4.3.2.5)"
        );
        assert_eq!(problems, [expected]);
        assert!(matches!(control.entity(2), Some(Entity::Unknown(_))));
    }
}

#[test]
fn a_feature_unit_of_nothing_but_a_header_is_short_in_both_versions() {
    let (_, problems) = control(Version::Uac1, &[&TERMINAL, &[6, 0x24, 6, 2, 1, 1]]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    let (_, problems) = control(Version::Uac2, &[&[5, 0x24, 6, 2, 1]]);
    assert!(
        problems[0].contains("has 0 bytes of controls"),
        "{problems:?}"
    );
    assert!(
        problems[1].contains("bLength at byte 9 is 5"),
        "{problems:?}"
    );
}

#[test]
fn a_descriptor_past_the_end_ends_the_list() {
    let (control, problems) = control(Version::Uac1, &[&TERMINAL, &[40, 0x24, 6, 2, 1]]);
    assert_eq!(
        problems,
        ["bLength at byte 21 is 40, but only 5 bytes are left (USB 2.0 9.5)"]
    );
    assert_eq!(control.entities.len(), 1);
}

#[test]
fn a_terminal_without_channels_is_named() {
    let mut terminal = TERMINAL;
    terminal[7] = 0;
    let (control, problems) = control(Version::Uac1, &[&terminal]);
    assert_eq!(problems, ["the input terminal at byte 9 has no channel"]);
    assert_eq!(control.channels_of(1).unwrap().count, 0);
}

#[test]
fn there_is_no_control_interface_without_a_header() {
    for bytes in [&[][..], &TERMINAL, &[2, 0x24]] {
        let read = ControlInterface::salvage(Version::Uac1, bytes);
        assert_eq!(read, Err(AudioError::NoHeader));
    }
    let short = ControlInterface::salvage(Version::Uac2, &[6, 0x24, 1, 0, 2, 1]);
    assert_eq!(
        short.unwrap_err().to_string(),
        "bLength at byte 0 is 6: audio control header has at least 8 bytes (UAC2 4.7.2)"
    );
}

#[test]
fn a_total_length_that_lies_is_not_believed() {
    let (problems, settings) = changed(&F_UAC1, 23, 78, 200);
    assert_eq!(
        problems,
        [
            "wTotalLength at byte 5 is 200, but the audio control interface has 78 bytes (UAC1 4.3.2)"
        ]
    );
    assert_eq!(settings, 2);
}

#[test]
fn a_header_that_counts_too_many_interfaces_is_read_as_far_as_it_goes() {
    let (problems, settings) = changed(&F_UAC1, 25, 2, 9);
    assert_eq!(
        problems,
        ["bLength at byte 0 is 10: audio control header has at least 17 bytes (UAC1 4.3.2)"]
    );
    assert_eq!(settings, 2);
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let (problems, settings) = changed(&F_UAC1, 27, 2, 7);
    assert_eq!(
        problems,
        [
            "interface 7 belongs to the audio function, but is not an audio interface of the configuration"
        ]
    );
    assert_eq!(settings, 1);
}

#[test]
fn samples_that_do_not_fit_leave_the_setting_out() {
    let format = position(&F_UAC1, &[11, 0x24, 2, 1, 2, 2, 16]);
    for (field, from, to, size) in [(5, 2, 0, 0), (5, 2, 5, 5), (5, 2, 1, 1)] {
        let (problems, settings) = changed(&F_UAC1, format + field, from, to);
        let expected = format!(
            "the format at byte 7 has samples of 16 bits in {size} bytes: 1 to 4 bytes, \
             and no more bits than fit (Audio Data Formats 2.2)"
        );
        assert_eq!(problems, [expected]);
        assert_eq!(settings, 1);
    }
    let (problems, settings) = changed(&F_UAC1, format + 4, 2, 0);
    assert_eq!(problems, ["the format at byte 7 has no channel"]);
    assert_eq!(settings, 1);
    let (problems, _) = changed(&F_UAC1, format + 6, 16, 0);
    assert!(problems[0].contains("samples of 0 bits"), "{problems:?}");
}

#[test]
fn channels_of_none_leave_an_audio_2_setting_out() {
    let general = position(&F_UAC2, &[16, 0x24, 1, 1]);
    let (problems, settings) = changed(&F_UAC2, general + 10, 2, 0);
    assert_eq!(
        problems,
        ["the audio streaming interface at byte 0 has no channel"]
    );
    assert_eq!(settings, 1);
}

#[test]
fn rates_that_cannot_be_are_named_and_the_others_kept() {
    let format = position(&CM108, &[14, 0x24, 2, 1, 2]);
    let mut device = CM108;
    device[format + 8..format + 11].fill(0);
    let (read, problems) = function(&device);
    assert_eq!(
        problems[0].to_string(),
        "the sampling frequencies at byte 14 are 2, one of which is 0 Hz (Audio Data Formats 1.0 2.2.5)"
    );
    let rates = read.streams[0].settings[0].format().unwrap().rates;
    assert_eq!(rates, Some(Rates::Discrete(vec![44_100])));

    let (problems, settings) = changed(&CM108, format + 7, 2, 9);
    assert_eq!(
        problems,
        [
            "bLength at byte 7 is 14: format type has at least 17 bytes (Audio Data Formats 1.0 2.2.5)"
        ]
    );
    assert_eq!(settings, 2);

    let format = position(&CONVERTER, &[14, 0x24, 2, 1, 2]);
    let (problems, settings) = changed(&CONVERTER, format + 13, 1, 0);
    assert_eq!(
        problems,
        [
            "the sampling frequencies at byte 14 are from 44100 to 30464 Hz (Audio Data Formats 1.0 2.2.5)"
        ]
    );
    assert_eq!(settings, 2);

    let (problems, settings) = changed(&QEMU, position(&QEMU, &[0x80, 0xbb]), 0x80, 0);
    assert_eq!((problems.len(), settings), (0, 1));
    let mut device = QEMU;
    let rate = position(&QEMU, &[0x80, 0xbb]);
    device[rate..rate + 3].fill(0);
    let (read, problems) = function(&device);
    assert!(
        matches!(problems[..], [AudioError::Rates { .. }]),
        "{problems:?}"
    );
    assert!(read.streams[0].settings.is_empty());
}

#[test]
fn a_link_to_the_wrong_terminal_is_named_and_the_stream_can_be_used() {
    let general = position(&F_UAC1, &[7, 0x24, 1, 1]);
    for (terminal, found) in [
        (99, "which is not there"),
        (2, "which is not of the USB"),
        (4, "which gives sound and takes none from the host"),
        (5, "which is no terminal"),
    ] {
        let (problems, settings) = changed(&F_UAC1, general + 3, 1, terminal);
        let expected =
            format!("interface 1 alternate setting 1 is linked to terminal {terminal}, {found}");
        assert_eq!(problems, [expected]);
        assert_eq!(settings, 2);
    }
    let general = position(&F_UAC1, &[7, 0x24, 1, 4]);
    for (terminal, found) in [
        (1, "which takes sound and gives the host none"),
        (3, "which is not of the USB"),
    ] {
        let (problems, _) = changed(&F_UAC1, general + 3, 4, terminal);
        assert!(problems[0].ends_with(found), "{problems:?}");
    }
}

#[test]
fn a_setting_that_does_not_say_what_it_carries_is_left_out() {
    for (subtype, descriptor) in [(1, "general"), (2, "format type")] {
        let at = match subtype {
            1 => position(&QEMU, &[7, 0x24, 1, 1]),
            _ => position(&QEMU, &[11, 0x24, 2, 1]),
        };
        let (problems, settings) = changed(&QEMU, at + 2, subtype, 0x30);
        assert!(
            problems[0].starts_with(&format!(
                "interface 1 alternate setting 1 has no {descriptor} descriptor"
            )),
            "{problems:?}"
        );
        assert_eq!(settings, 0);
    }
}

#[test]
fn an_endpoint_without_its_class_specific_descriptor_can_be_used() {
    let (problems, settings) = changed(&QEMU, QEMU.len() - 6, 0x25, 0x44);
    assert_eq!(
        problems,
        [
            "interface 1 alternate setting 1 has no class-specific endpoint descriptor (UAC1 4.6.1.2)"
        ]
    );
    assert_eq!(settings, 1);
}

#[test]
fn a_class_specific_endpoint_behind_the_other_endpoint_is_found() {
    let mut device = CONVERTER.to_vec();
    let class = position(&device, &[7, 0x25, 1, 1]);
    let moved: Vec<u8> = device.drain(class..class + 7).collect();
    let feedback = position(&device, &[9, 5, 0x81]);
    device.splice(feedback + 9..feedback + 9, moved);
    let (read, problems) = function(&device);
    assert_eq!(problems, []);
    assert_eq!(read.streams[0].settings[0].data.attributes.bits(), 1);
}

#[test]
fn feedback_from_nowhere_is_named() {
    let data = position(&CONVERTER, &[9, 5, 0x01, 0x05]);
    let (problems, settings) = changed(&CONVERTER, data + 8, 1, 0x83);
    assert_eq!(
        problems,
        ["endpoint 0x01 takes its feedback from endpoint 0x83, which is not there (UAC1 4.6.1.1)"]
    );
    assert_eq!(settings, 2);
}

#[test]
fn audio_3_is_refused_and_says_what_to_do() {
    let mut device = F_UAC2;
    assert_eq!(device[24], 0x20);
    device[24] = 0x30;
    let configuration = Configuration::parse(&device).unwrap();
    let functions = AudioFunction::all(&configuration);
    let [Err(error)] = &functions[..] else {
        panic!("{functions:?}");
    };
    assert_eq!(
        error.to_string(),
        "interface 0 follows USB Audio 3.0 (bInterfaceProtocol 0x30), which is not supported: select a \
         configuration with Audio 1.0 or 2.0, which every such device has too"
    );
    let keyboard = [9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 3, 1, 1, 0];
    let configuration = Configuration::parse(&keyboard).unwrap();
    assert_eq!(AudioFunction::all(&configuration), []);
    let error = ControlInterface::from_setting(&configuration.interfaces[0].alternate_settings[0]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "interface 0 is of class 0x03, not audio (0x01)"
    );
}

#[test]
fn streams_without_an_association_are_those_that_follow() {
    let mut device = F_UAC2.to_vec();
    device.drain(9..17);
    device[2] -= 8;
    let (function, problems) = function(&device);
    assert_eq!(problems, []);
    assert_eq!(function.streams.len(), 2);
    assert_eq!(function.streams_of(1).count(), 1);
    assert_eq!(function.streams_of(3).count(), 0);
}

#[test]
fn a_playing_setting_without_feedback_needs_what_is_recorded() {
    let mut device = F_UAC2.to_vec();
    let feedback = position(&device, &[7, 5, 0x82, 0x11]);
    device.drain(feedback..feedback + 7);
    device[2] -= 7;
    let count = position(&device, &[9, 4, 1, 1, 2]);
    device[count + 4] = 1;
    let recording = position(&device, &[7, 5, 0x83, 0x05]);
    device[recording + 3] = 0x25;
    let (function, problems) = function(&device);
    assert_eq!(problems, []);
    let settings: Vec<&StreamingSetting> = function
        .streams
        .iter()
        .flat_map(|it| &it.settings)
        .collect();
    assert!(settings[0].needs_implicit_feedback() && !settings[0].gives_implicit_feedback());
    assert!(settings[1].gives_implicit_feedback() && !settings[1].needs_implicit_feedback());
}

fn position(bytes: &[u8], part: &[u8]) -> usize {
    let at = bytes.windows(part.len()).position(|window| window == part);
    at.expect("the part is there")
}
