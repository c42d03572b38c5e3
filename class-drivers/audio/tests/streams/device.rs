//! Topology, formats, clocks, volume: what the device says, and what is asked of it.

use std::time::Duration;

use usbfs2_audio::{AudioFormat, Decibel, OpenError, Sample, StreamError, StreamOptions, Version};

use crate::puppet::{Parts, Puppet};

#[test]
fn streams_say_what_they_carry_and_where_it_goes() {
    for (parts, version) in [
        (Parts::uac1(), Version::Uac1),
        (Parts::uac2(), Version::Uac2),
    ] {
        let puppet = Puppet::plug(&parts);
        let card = puppet.open();
        assert_eq!((card.version(), card.problems()), (version, &[][..]));
        let playback = card.playback_streams().next().unwrap();
        assert_eq!(playback.to_string(), "2 channels, 16 bits, 44100, 48000 Hz");
        assert_eq!(playback.ends(), ["speaker"]);
        let capture = card.capture_streams().next().unwrap();
        assert_eq!(
            (capture.interface(), capture.ends()),
            (2, &["microphone".to_owned()][..])
        );
    }
}

#[test]
fn a_format_the_device_does_not_have_is_answered_with_those_it_has() {
    let puppet = Puppet::plug(&Parts::uac2());
    let card = puppet.open();
    let format = AudioFormat::new(96_000, 2, Sample::S24);
    let error = card
        .play_blocking(format, StreamOptions::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the device cannot play 96000 Hz, 2 channels, 24 bits: \
         it has 2 channels, 16 bits, 44100, 48000 Hz"
    );
}

#[test]
fn the_rate_is_set_at_the_endpoint_or_at_the_clock() {
    let format = AudioFormat::new(48_000, 2, Sample::S16);
    for (parts, key, bytes) in [
        (Parts::uac1(), (1, 0, 0x01), 3),
        (Parts::uac2(), (1, 0, 10 << 8), 4),
    ] {
        let puppet = Puppet::plug(&parts);
        let card = puppet.open();
        let mut playback = card
            .play_blocking(format, StreamOptions::default())
            .unwrap();
        let set = puppet.state()[&key].clone();
        assert_eq!(set, 48_000_u32.to_le_bytes()[..bytes]);
        playback.set_rate_blocking(44_100).unwrap();
        assert_eq!(playback.format().rate, 44_100);
        let set = puppet.state()[&key].clone();
        assert_eq!(set, 44_100_u32.to_le_bytes()[..bytes]);
        let error = playback.set_rate_blocking(32_000).unwrap_err();
        assert!(matches!(error, StreamError::NoSuchFormat { .. }), "{error}");
    }
}

#[test]
fn two_streams_on_one_clock_have_one_rate() {
    let puppet = Puppet::plug(&Parts::uac2());
    let card = puppet.open();
    let format = AudioFormat::new(48_000, 2, Sample::S16);
    let playback = card
        .play_blocking(format, StreamOptions::default())
        .unwrap();
    let other = AudioFormat::new(44_100, 2, Sample::S16);
    let error = card
        .record_blocking(other, StreamOptions::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the stream has no clock to run on: clock 10 runs at 48000 Hz for the stream of \
         interface 1"
    );
    card.record_blocking(format, StreamOptions::default())
        .unwrap();
    playback.stop_blocking().unwrap();
    card.record_blocking(other, StreamOptions::default())
        .unwrap();
}

#[test]
fn a_clock_that_is_not_valid_is_not_run_on() {
    let puppet = Puppet::plug(&Parts::uac2());
    puppet.state().insert((2, 0, 10 << 8), vec![0]);
    let card = puppet.open();
    let format = AudioFormat::new(48_000, 2, Sample::S16);
    let error = card
        .play_blocking(format, StreamOptions::default())
        .unwrap_err();
    assert!(error.to_string().contains("signal is not valid"), "{error}");
}

#[test]
fn a_clock_may_take_a_while_to_lock() {
    let format = AudioFormat::new(48_000, 2, Sample::S16);
    for is_async in [false, true] {
        let puppet = Puppet::plug(&Parts::uac2());
        puppet.state().insert((2, 0, 10 << 8), vec![0]);
        let card = puppet.open();
        let state = puppet.shared_state();
        let locking = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            state.lock().unwrap().insert((2, 0, 10 << 8), vec![1]);
        });
        let options = StreamOptions::default();
        match is_async {
            false => card.play_blocking(format, options).unwrap(),
            true => futures::executor::block_on(card.play(format, options)).unwrap(),
        };
        locking.join().unwrap();
    }
}

#[test]
fn volume_and_mute_are_found_on_the_way_of_the_stream() {
    for parts in [Parts::uac1(), Parts::uac2()] {
        let puppet = Puppet::plug(&parts);
        let card = puppet.open();
        let playback = card.playback_streams().next().unwrap();
        let volume = card.volume_blocking(playback).unwrap().unwrap();
        let channels: Vec<u8> = volume.channels().map(|(channel, _)| channel).collect();
        assert_eq!((volume.unit(), channels), (2, vec![0, 1, 2]));
        let (_, range) = volume.channels().next().unwrap();
        assert_eq!(
            (range.least.to_string(), range.most),
            ("-60.0 dB".to_owned(), Decibel::ZERO)
        );
        let set = volume.set_all_blocking(Decibel::from_db(-12.3)).unwrap();
        assert_eq!(set, Decibel::from_db(-12.0));
        assert_eq!(volume.get_blocking(0).unwrap(), set);
        volume.set_blocking(2, Decibel::SILENCE).unwrap();
        assert_eq!(puppet.state()[&(2, 2, 2 << 8)], [0x00, 0x80]);
        let error = volume.get_blocking(3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no volume for channel 3: there is one for 0, 1, 2"
        );
        let mute = card.mute(playback).unwrap();
        assert_eq!(mute.channels().collect::<Vec<_>>(), [0]);
        mute.set_blocking(0, true).unwrap();
        assert!(mute.get_blocking(0).unwrap());
        let capture = card.capture_streams().next().unwrap();
        assert!(card.volume_blocking(capture).unwrap().is_none());
        assert!(card.mute(capture).is_none());
    }
}

#[test]
fn a_device_without_an_audio_function_says_so() {
    let mut parts = Parts::uac2();
    parts.control = Some(Vec::new());
    let puppet = Puppet::plug(&parts);
    let error = usbfs2_audio::AudioDevice::open_blocking(&puppet.device).unwrap_err();
    assert!(matches!(error, OpenError::Audio(_)), "{error}");
}
