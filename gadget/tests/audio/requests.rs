//! Volume, mute and rates (UAC1 5.2, UAC2 5.2).

use usbfs2_gadget::Speed;
use usbfs2_gadget::functions::audio::{AudioEvent, AudioOptions, SampleSize, Stream};
use usbfs2_loopback::BusError;
use usbfs2_protocol::audio::{
    Attribute, ControlRequest, Decibel, FeatureControl, Parameter as _, RangeBlock, SubRange,
    Version, decode_sampling_frequency,
};

use crate::card::Card;

fn card(version: Version) -> Card {
    let options = AudioOptions {
        version,
        rates: vec![48_000, 44_100, 96_000],
        ..AudioOptions::default()
    };
    Card::new(options, Speed::High)
}

const STREAMS: [(Stream, u8); 2] = [(Stream::Speaker, 3), (Stream::Microphone, 6)];

#[test]
fn volume_and_mute_are_set_read_back_and_told() {
    for version in [Version::Uac1, Version::Uac2] {
        let card = card(version);
        for (stream, unit) in STREAMS {
            let volume = ControlRequest::feature(0, unit, FeatureControl::Volume, 0);
            let get = |request: ControlRequest| card.ask(request, &[]).unwrap();
            let current = || Decibel::parse(&get(volume.get::<Decibel>())).unwrap();
            assert_eq!(current(), Decibel::ZERO, "full at first");
            for (asked, set) in [(-10 * 256, -10 * 256), (-10 * 256 - 50, -10 * 256), (5, 0)] {
                let data = Decibel(asked).0.to_le_bytes();
                card.ask(volume.set::<Decibel>(), &data).unwrap();
                assert_eq!(current(), Decibel(set));
                let before = card.audio.volume(stream);
                assert_eq!(before, Decibel(set));
            }
            let event = |volume| AudioEvent::Volume {
                stream,
                volume: Decibel(volume),
            };
            assert_eq!(card.next_event(), event(-10 * 256));
            assert_eq!(card.next_event(), event(0), "only changes are told");

            let mute = ControlRequest::feature(0, unit, FeatureControl::Mute, 0);
            assert_eq!(get(mute.get::<bool>()), [0]);
            card.ask(mute.set::<bool>(), &[1]).unwrap();
            assert_eq!(get(mute.get::<bool>()), [1]);
            assert!(card.audio.is_muted(stream));
            assert_eq!(card.next_event(), AudioEvent::Mute { stream, mute: true });
        }
    }
}

#[test]
fn volumes_have_a_range() {
    let uac1 = card(Version::Uac1);
    let volume = ControlRequest::feature(0, 3, FeatureControl::Volume, 0).get::<Decibel>();
    let get = |attribute| uac1.ask(volume.of(attribute), &[]).unwrap();
    let values = [
        Attribute::Minimum,
        Attribute::Maximum,
        Attribute::Resolution,
    ]
    .map(get);
    let values = values.map(|bytes| i16::parse(&bytes).unwrap());
    assert_eq!(values, [-50 * 256, 0, 128]);

    let uac2 = card(Version::Uac2);
    let block = uac2.ask(volume.range(RangeBlock::<Decibel>::length(1)), &[]);
    let range = SubRange {
        minimum: Decibel(-50 * 256),
        maximum: Decibel::ZERO,
        resolution: Decibel(128),
    };
    assert_eq!(
        RangeBlock::parse(&block.unwrap()),
        Ok(RangeBlock(vec![range]))
    );
}

#[test]
fn the_clock_has_the_rates_and_takes_no_other() {
    let card = card(Version::Uac2);
    let frequency = ControlRequest::clock_frequency(0, 1);
    let block = card.ask(frequency.range(RangeBlock::<u32>::length(3)), &[]);
    let block = RangeBlock::<u32>::parse(&block.unwrap()).unwrap();
    let rates: Vec<u32> = block.0.iter().map(|range| range.minimum).collect();
    assert_eq!(rates, [44_100, 48_000, 96_000]);
    // A host learns the count first.
    let count = card.ask(frequency.range(2), &[]).unwrap();
    assert_eq!(RangeBlock::<u32>::count(&count), Ok(3));
    assert_eq!(
        card.ask(ControlRequest::clock_valid(0, 1).get::<u8>(), &[]),
        Ok(vec![1])
    );

    let setting = card.setting(Stream::Speaker, SampleSize::Bits16);
    let current = || u32::parse(&card.ask(frequency.get::<u32>(), &[]).unwrap());
    assert_eq!(current(), Some(48_000));
    card.set_rate(&setting, 44_100).unwrap();
    assert_eq!(current(), Some(44_100));
    assert_eq!(card.set_rate(&setting, 44_101), Err(BusError::Stall));
    assert_eq!(current(), Some(44_100));
    for (stream, _) in STREAMS {
        assert_eq!(card.audio.rate(stream), 44_100, "one clock");
        let rate = 44_100;
        assert_eq!(card.next_event(), AudioEvent::Rate { stream, rate });
    }
}

#[test]
fn audio_1_sets_the_rate_of_each_endpoint() {
    let card = card(Version::Uac1);
    let speaker = card.setting(Stream::Speaker, SampleSize::Bits16);
    card.set_rate(&speaker, 96_000).unwrap();
    assert_eq!(card.audio.rate(Stream::Speaker), 96_000);
    assert_eq!(card.audio.rate(Stream::Microphone), 48_000);
    let address = speaker.data.endpoint.address;
    let get = ControlRequest::get_sampling_frequency(address);
    let rate = |attribute| card.ask(get.of(attribute), &[]);
    assert_eq!(
        decode_sampling_frequency(&rate(Attribute::Current).unwrap()),
        Some(96_000)
    );
    assert_eq!(
        decode_sampling_frequency(&rate(Attribute::Minimum).unwrap()),
        Some(44_100)
    );
    assert_eq!(rate(Attribute::Resolution), Err(BusError::Stall));
    assert_eq!(card.set_rate(&speaker, 22_050), Err(BusError::Stall));
    let microphone = card.setting(Stream::Microphone, SampleSize::Bits16);
    card.set_rate(&microphone, 44_100).unwrap();
    assert_eq!(card.audio.rate(Stream::Microphone), 44_100);
    assert_eq!(card.audio.rate(Stream::Speaker), 96_000);
}

#[test]
fn what_is_not_there_stalls() {
    for version in [Version::Uac1, Version::Uac2] {
        let card = card(version);
        for request in [
            // Another unit, another channel, another control.
            ControlRequest::feature(0, 2, FeatureControl::Volume, 0),
            ControlRequest::feature(0, 3, FeatureControl::Volume, 1),
            ControlRequest::feature(0, 3, FeatureControl::Bass, 0),
            // The control interface alone has entities.
            ControlRequest::feature(1, 3, FeatureControl::Volume, 0),
            ControlRequest::feature(0, 0, FeatureControl::Mute, 0),
        ] {
            assert_eq!(card.ask(request.get::<u16>(), &[]), Err(BusError::Stall));
        }
        // Values that are too short.
        let volume = ControlRequest::feature(0, 3, FeatureControl::Volume, 0);
        assert_eq!(
            card.ask(
                ControlRequest {
                    length: 1,
                    ..volume.set::<u8>()
                },
                &[1]
            ),
            Err(BusError::Stall)
        );
        let speaker = card.setting(Stream::Speaker, SampleSize::Bits16);
        let rate = match version {
            Version::Uac1 => ControlRequest::set_sampling_frequency(speaker.data.endpoint.address),
            Version::Uac2 => ControlRequest::clock_frequency(0, 1).set::<u8>(),
        };
        let rate = ControlRequest { length: 2, ..rate };
        assert_eq!(card.ask(rate, &[0x80, 0xbb]), Err(BusError::Stall));
        assert_eq!(card.audio.rate(Stream::Speaker), 48_000);
    }
}

#[test]
fn a_bus_reset_brings_back_what_there_was_at_first() {
    let card = card(Version::Uac2);
    let setting = card.setting(Stream::Speaker, SampleSize::Bits16);
    card.set_rate(&setting, 96_000).unwrap();
    let mute = ControlRequest::feature(0, 3, FeatureControl::Mute, 0);
    card.ask(mute.set::<bool>(), &[1]).unwrap();
    let cable = card.bus.cable("1-1").unwrap();
    cable.pull();
    card.running
        .wait_for_state(usbfs2_gadget::State::Detached, crate::card::PATIENCE)
        .unwrap();
    assert_eq!(card.audio.rate(Stream::Speaker), 48_000);
    assert!(!card.audio.is_muted(Stream::Speaker));
}
