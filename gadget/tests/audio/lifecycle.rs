//! Streams that start, stop and break off, alone and beside each other.

use std::time::Duration;

use usbfs2_gadget::functions::audio::{
    AudioEvent, AudioOptions, SampleSize, SpeakerTiming, Stream, StreamOptions,
};
use usbfs2_gadget::{Speed, State};

use crate::card::{
    Card, PATIENCE, Player, Recorder, assert_numbered, decode, read_all, speaker_only, started,
    write_numbered,
};

const SIZE: SampleSize = SampleSize::Bits16;

#[test]
fn a_stream_goes_on_while_the_other_starts_and_stops() {
    let card = Card::new(AudioOptions::default(), Speed::High);
    write_numbered(&card.audio, 40_000, 2, SIZE);
    let mut player = Player::new(&card, SIZE, 48_000);
    let mut packets = std::collections::VecDeque::new();
    for _ in 0..20 {
        let mut recorder = Recorder::new(&card, SIZE);
        packets.push_back(recorder.packet());
        recorder.stop();
        player.interval();
    }
    assert_numbered(&decode(&packets, SIZE), 0, 2, SIZE);
    player.stop();
    assert_numbered(&read_all(&card.audio, 2), 0, 2, SIZE);
    assert_eq!(card.audio.statistics(Stream::Speaker).lost_packets, 0);
}

#[test]
fn quick_restarts_leave_nothing_behind() {
    let card = Card::new(speaker_only(StreamOptions::stereo()), Speed::High);
    for _ in 0..100 {
        let mut player = Player::new(&card, SIZE, 48_000);
        player.interval();
        player.stop();
        let (stream, event) = (Stream::Speaker, card.next_event());
        assert_eq!(event, started(stream, 2, SIZE, 48_000));
        assert_eq!(card.next_event(), AudioEvent::Stopped { stream });
        let samples = read_all(&card.audio, 2);
        assert_eq!(samples.len(), 48 * 2);
        assert_numbered(&samples, 0, 2, SIZE);
        assert_eq!((card.audio.fill(), card.audio.format(stream)), (0, None));
    }
}

#[test]
fn what_was_sent_before_the_end_is_heard_however_late_the_function_is() {
    const PACKETS: usize = 16;
    for speaker_timing in [SpeakerTiming::Feedback, SpeakerTiming::Adaptive] {
        let options = AudioOptions {
            speaker_timing,
            ..speaker_only(StreamOptions::stereo())
        };
        let card = Card::new(options, Speed::High);
        for _ in 0..50 {
            let mut player = Player::new(&card, SIZE, 48_000);
            for _ in 0..PACKETS {
                player.send(48);
            }
            let (stream, event) = (Stream::Speaker, card.next_event());
            assert_eq!(event, started(stream, 2, SIZE, 48_000));
            player.stop();
            assert_eq!(card.next_event(), AudioEvent::Stopped { stream });
            let samples = read_all(&card.audio, 2);
            assert_eq!(samples.len(), PACKETS * 48 * 2);
            assert_numbered(&samples, 0, 2, SIZE);
        }
    }
}

#[test]
fn a_cable_pulled_mid_stream_ends_it_and_the_next_host_starts_afresh() {
    let card = Card::new(AudioOptions::default(), Speed::High);
    let mut player = Player::new(&card, SIZE, 48_000);
    for _ in 0..10 {
        player.interval();
    }
    let stream = Stream::Speaker;
    assert_eq!(card.next_event(), started(stream, 2, SIZE, 48_000));
    let cable = card.bus.cable("1-1").unwrap();
    cable.pull();
    assert_eq!(card.next_event(), AudioEvent::Stopped { stream });
    assert_eq!(read_all(&card.audio, 2).len(), 10 * 48 * 2);

    cable.plug();
    let host = card.bus.devices().remove(0);
    host.enumerate(PATIENCE).unwrap();
    card.running
        .wait_for_state(State::Configured, PATIENCE)
        .unwrap();
    let card = Card { host, ..card };
    let mut player = Player::new(&card, SIZE, 48_000);
    player.interval();
    assert_eq!(card.next_event(), started(stream, 2, SIZE, 48_000));
    player.stop();
    assert_numbered(&read_all(&card.audio, 2), 0, 2, SIZE);
    assert_eq!(card.running.failures(), []);
}

#[test]
fn stopping_the_gadget_mid_stream_wakes_who_waits() {
    let Card { audio, running, .. } = {
        let card = Card::new(AudioOptions::default(), Speed::High);
        let mut player = Player::new(&card, SIZE, 48_000);
        player.interval();
        card
    };
    assert_eq!(
        audio.next_event(Some(PATIENCE)),
        Some(started(Stream::Speaker, 2, SIZE, 48_000))
    );
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| audio.next_event(None));
        running.stop();
        let stream = Stream::Speaker;
        assert_eq!(waiter.join().unwrap(), Some(AudioEvent::Stopped { stream }));
    });
    // The frames played are there, and nothing more comes.
    let mut samples = [0; 2 * 100];
    assert_eq!(audio.read(&mut samples, Some(Duration::ZERO)), 48);
    assert_eq!(audio.read(&mut samples, Some(Duration::from_millis(1))), 0);
}

/// Both streams keep to one clock, so that a host which sends as many frames as it records never runs the speaker dry.
#[test]
fn the_microphone_gives_implicit_feedback() {
    for error_ppm in [-500, 500] {
        let options = AudioOptions {
            speaker_timing: SpeakerTiming::ImplicitFeedback,
            clock_error_ppm: error_ppm,
            ..AudioOptions::default()
        };
        let card = Card::new(options, Speed::High);
        let mut recorder = Recorder::new(&card, SIZE);
        let mut player = Player::new(&card, SIZE, 48_000);
        for _ in 0..20_000 {
            let frames = recorder.packet().len() / 4;
            player.packet(frames);
            if card.audio.waiting(Stream::Speaker) > 4000 {
                read_all(&card.audio, 2);
            }
        }
        let statistics = card.audio.statistics(Stream::Speaker);
        assert_eq!((statistics.xruns, statistics.dropped_frames), (0, 0));
        let (low, high) = statistics.fill_range.unwrap();
        assert!(high - low <= 50, "{low} to {high}");
    }
}
