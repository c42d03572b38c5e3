//! What the sound card says it is, read back by the protocol's parser, which reports every rule that is broken.

use std::sync::Arc;
use std::time::Duration;

use usbfs2_gadget::functions::audio::{
    Audio, AudioOptions, AudioOptionsError, MicrophoneTiming, SampleSize, SpeakerTiming, Stream,
    StreamOptions, VolumeRange,
};
use usbfs2_gadget::{Gadget, ProblemKind, Speed, Target, Udc};
use usbfs2_protocol::audio::{Access, Entity, FeatureControl, Rates, TerminalType, Version};
use usbfs2_protocol::descriptor::{SynchronizationType, UsageType};

use crate::card::{Card, IDS, microphone_only, speaker_only};

const SIZES: [SampleSize; 4] = [
    SampleSize::Bits16,
    SampleSize::Bits24,
    SampleSize::Bits24In32,
    SampleSize::Bits32,
];

/// Every format and three rates, two channels each way.
fn everything(version: Version) -> AudioOptions {
    let stream = StreamOptions {
        sizes: SIZES.to_vec(),
        ..StreamOptions::stereo()
    };
    AudioOptions {
        version,
        rates: vec![48_000, 44_100, 96_000],
        speaker: Some(stream.clone()),
        microphone: Some(stream),
        ..AudioOptions::default()
    }
}

fn gadget(options: AudioOptions) -> Gadget {
    let audio = Audio::new(options).unwrap();
    Gadget::builder(IDS).function(audio).build().unwrap()
}

#[test]
fn both_versions_read_back_at_every_speed() {
    for version in [Version::Uac1, Version::Uac2] {
        for speed in [Speed::Full, Speed::High, Speed::Super] {
            let card = Card::new(everything(version), speed);
            assert_eq!(card.function.control.version, version);
            assert_eq!(card.function.streams.len(), 2);
            for stream in [Stream::Speaker, Stream::Microphone] {
                for size in SIZES {
                    let setting = card.setting(stream, size);
                    assert_eq!(setting.channel_count(), 2);
                    let rates = setting.format().unwrap().rates;
                    let discrete = Rates::Discrete(vec![48_000, 44_100, 96_000]);
                    assert_eq!(rates, (version == Version::Uac1).then_some(discrete));
                    let endpoint = &setting.data.endpoint;
                    assert_eq!(
                        endpoint.interval_microframes(speed),
                        Some(8),
                        "a packet each millisecond"
                    );
                    // A frame more than 96 kHz makes.
                    let bytes = 97 * 2 * u16::from(size.bytes());
                    assert_eq!(endpoint.max_packet_size(), bytes);
                    assert_eq!(
                        endpoint.synchronization_type(),
                        SynchronizationType::Asynchronous
                    );
                    assert_eq!(
                        setting.feedback.is_some(),
                        stream == Stream::Speaker,
                        "explicit feedback is the default"
                    );
                }
            }
        }
    }
}

#[test]
fn the_streams_lead_from_terminal_to_terminal() {
    let card = Card::new(AudioOptions::default(), Speed::High);
    let control = &card.function.control;
    let kinds: Vec<&str> = control.entities.iter().map(Entity::kind).collect();
    let path = ["input terminal", "feature unit", "output terminal"];
    assert_eq!(kinds, [&["clock source"], &path[..], &path[..]].concat());
    let Some(Entity::OutputTerminal(speaker)) = control.entity(4) else {
        panic!("terminal 4")
    };
    assert_eq!(speaker.terminal_type, TerminalType::SPEAKER);
    let Some(Entity::InputTerminal(microphone)) = control.entity(5) else {
        panic!("terminal 5")
    };
    assert_eq!(microphone.terminal_type, TerminalType::MICROPHONE);
    for id in [3, 6] {
        let Some(Entity::FeatureUnit(unit)) = control.entity(id) else {
            panic!("unit {id}")
        };
        for control in [FeatureControl::Mute, FeatureControl::Volume] {
            assert_eq!(unit.access(control, 0), Access::ReadWrite);
            assert_eq!(unit.access(control, 1), Access::None);
        }
    }
    let Some(Entity::ClockSource(clock)) = control.entity(1) else {
        panic!("clock 1")
    };
    assert_eq!(clock.frequency_access(), Access::ReadOnly, "one rate");
    assert_eq!(clock.validity_access(), Access::ReadOnly);
    let many = Card::new(everything(Version::Uac2), Speed::High);
    let Some(Entity::ClockSource(clock)) = many.function.control.entity(1) else {
        panic!("clock 1")
    };
    assert_eq!(clock.frequency_access(), Access::ReadWrite);
}

#[test]
fn each_timing_says_so() {
    use SynchronizationType::{Adaptive, Asynchronous, Synchronous};
    for (speaker, microphone, expected) in [
        (
            SpeakerTiming::Adaptive,
            MicrophoneTiming::Asynchronous,
            (Adaptive, Asynchronous, UsageType::Data),
        ),
        (
            SpeakerTiming::Synchronous,
            MicrophoneTiming::Synchronous,
            (Synchronous, Synchronous, UsageType::Data),
        ),
        (
            SpeakerTiming::ImplicitFeedback,
            MicrophoneTiming::Asynchronous,
            (Asynchronous, Asynchronous, UsageType::ImplicitFeedback),
        ),
    ] {
        let options = AudioOptions {
            speaker_timing: speaker,
            microphone_timing: microphone,
            ..AudioOptions::default()
        };
        let card = Card::new(options, Speed::High);
        let speaker = card.setting(Stream::Speaker, SampleSize::Bits16);
        let microphone = card.setting(Stream::Microphone, SampleSize::Bits16);
        assert_eq!(speaker.feedback, None);
        let found = (
            speaker.data.endpoint.synchronization_type(),
            microphone.data.endpoint.synchronization_type(),
            microphone.data.endpoint.usage_type(),
        );
        assert_eq!(found, expected);
    }
}

/// Audio 1.0's endpoints have nine bytes, and the data endpoint names that of the feedback (UAC1 4.6).
#[test]
fn audio_1_links_its_feedback_endpoint() {
    let options = AudioOptions {
        version: Version::Uac1,
        ..AudioOptions::default()
    };
    let card = Card::new(options, Speed::Full);
    let speaker = card.setting(Stream::Speaker, SampleSize::Bits16);
    let feedback = speaker.feedback.as_ref().unwrap();
    assert_eq!(
        speaker.data.synch_address(),
        feedback.endpoint.address.to_byte()
    );
    assert_eq!(feedback.endpoint.trailing, [3, 0], "bRefresh of 8 ms");
    assert_eq!(feedback.endpoint.max_packet_size(), 3);
    assert_eq!(card.function.control.streaming_interfaces, [1, 2]);
}

/// gadgetfs sends no more than 256 bytes: what fits is a stereo stream each way with volume.
#[test]
fn the_default_fits_gadgetfs_and_what_is_larger_is_counted() {
    let target = Target::Gadgetfs(Udc::dummy_hcd_isochronous());
    let default = gadget(AudioOptions::default());
    assert_eq!(default.check(&target), []);
    for speed in [Speed::Full, Speed::High] {
        let audio = Audio::new(AudioOptions::default()).unwrap();
        let bus = usbfs2_loopback::Bus::new();
        let gadget = Gadget::builder(IDS).function(audio).build().unwrap();
        let _running = gadget.start_on(&bus, speed).unwrap();
        let host = bus.devices().remove(0);
        let enumerated = host.enumerate(crate::card::PATIENCE).unwrap();
        assert_eq!(enumerated.configurations[0].len(), 254, "{speed}");
    }

    let two_formats = StreamOptions {
        sizes: vec![SampleSize::Bits16, SampleSize::Bits24],
        ..StreamOptions::stereo()
    };
    let larger = gadget(AudioOptions {
        speaker: Some(two_formats),
        ..AudioOptions::default()
    });
    let problems = larger.check(&target);
    let lengths: Vec<_> = problems
        .iter()
        .map(|problem| match &problem.kind {
            ProblemKind::ConfigurationTooLong { length, limit, .. } => (*length, *limit),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(lengths, [(254 + 53, 256); 2]);
    assert_eq!(larger.check(&Target::Loopback(Speed::High)), []);
    // The stock controller has no endpoint for it, and says so for each.
    let stock = default.check(&Target::Gadgetfs(Udc::dummy_hcd()));
    assert_eq!(stock.len(), 3, "{stock:?}");
    assert!(stock[0].to_string().contains("carries no isochronous"));
    // FunctionFS has neither alternate settings nor these descriptors.
    assert!(!default.check(&Target::Functionfs).is_empty());
}

#[test]
fn audio_1_fits_gadgetfs_with_three_rates() {
    let options = AudioOptions {
        version: Version::Uac1,
        rates: vec![48_000, 44_100, 32_000],
        ..AudioOptions::default()
    };
    let target = Target::Gadgetfs(Udc::dummy_hcd_isochronous());
    assert_eq!(gadget(options).check(&target), []);
}

#[test]
fn what_full_speed_cannot_carry_the_validator_tells() {
    let stream = StreamOptions {
        channels: 8,
        sizes: vec![SampleSize::Bits32],
        volume: None,
    };
    let audio = Audio::new(speaker_only(stream)).unwrap();
    let builder = Gadget::builder(IDS).function(Arc::clone(&audio) as Arc<_>);
    let problems = builder.build().unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("max packet size 1568 at full speed: use 0 to 1023"),
        "{problems}"
    );
    let fast = Gadget::builder(IDS).speeds(Speed::High, Speed::Super);
    let fast = fast.function(audio).build().unwrap();
    assert_eq!(fast.check(&Target::Loopback(Speed::High)), []);
}

#[test]
fn options_that_cannot_be_are_refused_with_what_to_do() {
    let refused = |options: AudioOptions| Audio::new(options).unwrap_err();
    let none = AudioOptions {
        speaker: None,
        microphone: None,
        ..AudioOptions::default()
    };
    assert_eq!(refused(none), AudioOptionsError::NoStream);
    for (rates, expected) in [
        (
            vec![],
            AudioOptionsError::RateCount {
                count: 0,
                limit: 80,
            },
        ),
        (vec![48_000, 0], AudioOptionsError::Rate { rate: 0 }),
        (vec![u32::MAX], AudioOptionsError::Rate { rate: u32::MAX }),
    ] {
        let options = AudioOptions {
            rates,
            ..AudioOptions::default()
        };
        assert_eq!(refused(options), expected);
    }
    let volume = VolumeRange {
        resolution: 0,
        ..VolumeRange::DEFAULT
    };
    for (stream, expected) in [
        (
            StreamOptions {
                channels: 0,
                ..StreamOptions::stereo()
            },
            AudioOptionsError::Channels {
                channels: 0,
                limit: 32,
            },
        ),
        (
            StreamOptions {
                sizes: Vec::new(),
                ..StreamOptions::stereo()
            },
            AudioOptionsError::Sizes,
        ),
        (
            StreamOptions {
                volume: Some(volume),
                ..StreamOptions::stereo()
            },
            AudioOptionsError::Volume,
        ),
    ] {
        assert_eq!(refused(microphone_only(stream)), expected);
    }
    let alone = AudioOptions {
        speaker_timing: SpeakerTiming::ImplicitFeedback,
        ..speaker_only(StreamOptions::stereo())
    };
    assert_eq!(refused(alone), AudioOptionsError::ImplicitFeedback);
    let interval = AudioOptions {
        service_interval: Duration::from_micros(333),
        ..AudioOptions::default()
    };
    assert!(
        refused(interval)
            .to_string()
            .contains("125, 250, 500 or 1000")
    );
    let fast = AudioOptions {
        clock_error_ppm: 1001,
        ..AudioOptions::default()
    };
    assert_eq!(refused(fast), AudioOptionsError::ClockError { ppm: 1001 });
    let short = AudioOptions {
        buffer: Duration::ZERO,
        ..AudioOptions::default()
    };
    assert!(
        refused(short)
            .to_string()
            .contains("buffer of 0ns: use 2ms to 1s")
    );
}
