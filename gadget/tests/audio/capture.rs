//! What the host records: packets by the card's clock, filled with what was written.

use std::collections::VecDeque;
use std::time::Duration;

use usbfs2_gadget::Speed;
use usbfs2_gadget::functions::audio::{
    AudioOptions, MicrophoneTiming, SampleSize, Stream, StreamOptions,
};
use usbfs2_protocol::audio::Version;

use crate::card::{Card, Recorder, assert_numbered, decode, microphone_only, write_numbered};

fn record(recorder: &mut Recorder<'_>, count: usize) -> VecDeque<Vec<u8>> {
    (0..count).map(|_| recorder.packet()).collect()
}

#[test]
fn frames_of_every_format_arrive_as_they_were_written() {
    for version in [Version::Uac1, Version::Uac2] {
        for size in [
            SampleSize::Bits16,
            SampleSize::Bits24,
            SampleSize::Bits24In32,
            SampleSize::Bits32,
        ] {
            let options = AudioOptions {
                version,
                rates: vec![44_100],
                ..microphone_only(StreamOptions {
                    channels: 3,
                    sizes: vec![size],
                    volume: None,
                })
            };
            let card = Card::new(options, Speed::High);
            write_numbered(&card.audio, 44_100, 3, size);
            let mut recorder = Recorder::new(&card, size);
            let packets = record(&mut recorder, 500);
            let frame = 3 * usize::from(size.bytes());
            for ten in 0..50 {
                let lengths: Vec<usize> = (0..10)
                    .map(|one| packets[ten * 10 + one].len() / frame)
                    .collect();
                assert_eq!(lengths, [44, 44, 44, 44, 44, 44, 44, 44, 44, 45]);
            }
            assert_numbered(&decode(&packets, size), 0, 3, size);
        }
    }
}

/// Recorded frames of ten seconds.
fn recorded(timing: MicrophoneTiming, error_ppm: i32) -> usize {
    let options = AudioOptions {
        microphone_timing: timing,
        clock_error_ppm: error_ppm,
        ..microphone_only(StreamOptions::stereo())
    };
    let card = Card::new(options, Speed::Full);
    let mut recorder = Recorder::new(&card, SampleSize::Bits16);
    let lengths = (0..10_000).map(|_| recorder.packet().len() / 4);
    lengths.sum()
}

#[test]
fn an_asynchronous_microphone_keeps_its_own_time() {
    assert_eq!(recorded(MicrophoneTiming::Asynchronous, 500), 480_240);
    assert_eq!(recorded(MicrophoneTiming::Asynchronous, -500), 479_760);
    assert_eq!(recorded(MicrophoneTiming::Synchronous, 500), 480_000);
}

#[test]
fn silence_is_sent_where_nothing_was_written_and_counted() {
    let card = Card::new(microphone_only(StreamOptions::stereo()), Speed::High);
    let size = SampleSize::Bits16;
    let mut recorder = Recorder::new(&card, size);
    let before = recorder.packet();
    assert_eq!(before, [0; 192]);
    let statistics = || card.audio.statistics(Stream::Microphone);
    assert_eq!(statistics().xruns, 0, "nothing had been written");
    write_numbered(&card.audio, 100, 2, size);
    // The silence that was queued already, then the frames, then silence again.
    let packets = record(&mut recorder, 20);
    let samples = decode(&packets, size);
    // Frame 0 begins with a sample of 0.
    let start = samples.iter().position(|sample| *sample != 0).unwrap() / 2;
    assert_numbered(&samples[start * 2..(start + 100) * 2], 0, 2, size);
    assert!(
        samples[(start + 100) * 2..]
            .iter()
            .all(|&sample| sample == 0)
    );
    assert_eq!(statistics().xruns, 1);
    assert!(statistics().silent_frames > 0);
}

/// What was on its way when the host stops is sent when it starts again.
#[test]
fn no_frame_is_lost_when_the_host_stops_and_starts() {
    let card = Card::new(microphone_only(StreamOptions::stereo()), Speed::High);
    let size = SampleSize::Bits16;
    write_numbered(&card.audio, 40_000, 2, size);
    let mut samples = Vec::new();
    for round in 1..=20 {
        let mut recorder = Recorder::new(&card, size);
        samples.extend(decode(&record(&mut recorder, round), size));
        recorder.stop();
    }
    assert_eq!(samples.len(), 210 * 48 * 2);
    assert_numbered(&samples, 0, 2, size);
}

/// Audio 1.0 hosts set the rate of an open stream: packets made at the old one are made anew.
#[test]
fn a_new_rate_counts_from_the_next_packet() {
    let options = AudioOptions {
        version: Version::Uac1,
        rates: vec![48_000, 44_100],
        ..microphone_only(StreamOptions::stereo())
    };
    let card = Card::new(options, Speed::Full);
    let size = SampleSize::Bits16;
    write_numbered(&card.audio, 40_000, 2, size);
    let mut recorder = Recorder::new(&card, size);
    let mut packets = record(&mut recorder, 3);
    assert!(packets.iter().all(|packet| packet.len() == 48 * 4));
    recorder.select_rate(44_100);
    let slower = record(&mut recorder, 10);
    let lengths: Vec<usize> = slower.iter().map(|packet| packet.len() / 4).collect();
    assert_eq!(lengths, [44, 44, 44, 44, 44, 44, 44, 44, 44, 45]);
    packets.extend(slower);
    assert_numbered(&decode(&packets, size), 0, 2, size);
}

#[test]
fn writing_waits_for_room() {
    let options = AudioOptions {
        ring: Duration::from_millis(2),
        ..microphone_only(StreamOptions::stereo())
    };
    let card = Card::new(options, Speed::High);
    let soon = Some(Duration::from_millis(1));
    // An incomplete frame is left out.
    assert_eq!(card.audio.write(&[1; 5], soon), 2);
    assert_eq!(card.audio.write(&[1; 200], soon), 94);
    assert_eq!(card.audio.write(&[1; 200], soon), 0);
    assert_eq!(card.audio.waiting(Stream::Microphone), 96);
    let mut recorder = Recorder::new(&card, SampleSize::Bits16);
    std::thread::scope(|scope| {
        // The stream takes what is there as soon as it starts.
        let writer = scope.spawn(|| card.audio.write(&[1; 200], None));
        recorder.packet();
        assert_eq!(writer.join().unwrap(), 96);
    });
}
