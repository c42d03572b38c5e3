//! What the host plays: every frame arrives once and in order, at the pace of the card's clock.

use std::time::Duration;

use usbfs2_gadget::Speed;
use usbfs2_gadget::functions::audio::{
    AudioEvent, AudioOptions, SampleSize, SpeakerTiming, Stream, StreamOptions,
};
use usbfs2_protocol::audio::Version;

use crate::card::{Card, Player, assert_numbered, read_all, speaker_only, started};

const SIZES: [SampleSize; 4] = [
    SampleSize::Bits16,
    SampleSize::Bits24,
    SampleSize::Bits24In32,
    SampleSize::Bits32,
];

#[test]
fn frames_of_every_format_arrive_as_they_were_sent() {
    for version in [Version::Uac1, Version::Uac2] {
        for speed in [Speed::Full, Speed::High] {
            let card = Card::new(
                AudioOptions {
                    version,
                    rates: vec![44_100],
                    ..speaker_only(StreamOptions {
                        sizes: SIZES.to_vec(),
                        ..StreamOptions::stereo()
                    })
                },
                speed,
            );
            for size in SIZES {
                let mut player = Player::new(&card, size, 44_100);
                assert_eq!(card.next_event(), started(Stream::Speaker, 2, size, 44_100));
                for _ in 0..200 {
                    player.interval();
                }
                let sent = player.sent();
                assert_eq!(sent, 8820, "200 ms at 44.1 kHz");
                player.stop();
                let stopped = AudioEvent::Stopped {
                    stream: Stream::Speaker,
                };
                assert_eq!(card.next_event(), stopped);
                // The end of the stream plays what was held back.
                let samples = read_all(&card.audio, 2);
                assert_eq!(samples.len(), 8820 * 2);
                assert_numbered(&samples, 0, 2, size);
            }
            let statistics = card.audio.statistics(Stream::Speaker);
            assert_eq!((statistics.xruns, statistics.dropped_frames), (0, 0));
        }
    }
}

/// Plays a minute to a clock that is off, as a host does that follows the feedback, and looks at every frame.
fn follows(speed: Speed, rate: u32, error_ppm: i32) {
    let card = Card::new(
        AudioOptions {
            rates: vec![rate],
            clock_error_ppm: error_ppm,
            ..speaker_only(StreamOptions::stereo())
        },
        speed,
    );
    let size = SampleSize::Bits16;
    let mut player = Player::new(&card, size, rate);
    let mut heard = 0;
    for _ in 0..60_000 {
        player.interval();
        player.follow_feedback();
        if card.audio.waiting(Stream::Speaker) > 4000 {
            let samples = read_all(&card.audio, 2);
            assert_numbered(&samples, heard, 2, size);
            heard += i32::try_from(samples.len() / 2).unwrap();
        }
    }
    let statistics = card.audio.statistics(Stream::Speaker);
    assert_eq!((statistics.xruns, statistics.dropped_frames), (0, 0));
    let target = i32::try_from(rate / 125).unwrap();
    let (low, high) = statistics.fill_range.unwrap();
    for fill in [low, high] {
        let off = i32::try_from(fill).unwrap() - target;
        assert!(
            off.abs() <= 64,
            "fill from {low} to {high}, target {target}"
        );
    }
    // What was sent is what the clock asked for.
    let expected = f64::from(rate) * 60.0 * (1.0 + f64::from(error_ppm) * 1e-6);
    assert!((f64::from(player.sent()) - expected).abs() <= 64.0);
    // So was what the feedback said: to a few parts per million once it has settled, and the last bits of the format.
    let settled = &player.feedback[30_000..];
    let per_second = if speed == Speed::Full { 1000 } else { 8000 };
    let mean = settled.iter().map(|one| one.rate(per_second)).sum::<f64>() / settled.len() as f64;
    let ppm = (mean / f64::from(rate) - 1.0) * 1e6;
    assert!((ppm - f64::from(error_ppm)).abs() < 10.0, "{ppm} ppm");
}

#[test]
fn feedback_leads_the_host_to_a_fast_clock() {
    follows(Speed::High, 48_000, 500);
}

#[test]
fn feedback_leads_the_host_to_a_slow_clock() {
    follows(Speed::High, 44_100, -500);
}

#[test]
fn feedback_of_three_bytes_does_so_at_full_speed() {
    follows(Speed::Full, 48_000, -500);
}

#[test]
fn feedback_has_its_point_where_the_speed_puts_it() {
    for (speed, rate, expected) in [
        (Speed::Full, 48_000, 48 << 16),
        (Speed::High, 48_000, 6 << 16),
        (Speed::Super, 96_000, 12 << 16),
    ] {
        let options = AudioOptions {
            rates: vec![rate],
            ..speaker_only(StreamOptions::stereo())
        };
        let card = Card::new(options, speed);
        let mut player = Player::new(&card, SampleSize::Bits16, rate);
        player.interval();
        player.interval();
        assert_eq!(player.feedback[0].0, expected, "{speed}");
    }
}

#[test]
fn a_host_that_does_not_follow_runs_the_buffer_dry_once() {
    let options = AudioOptions {
        clock_error_ppm: 1000,
        buffer: Duration::from_millis(2),
        ring: Duration::from_secs(3),
        ..speaker_only(StreamOptions::stereo())
    };
    let card = Card::new(options, Speed::High);
    let mut player = Player::new(&card, SampleSize::Bits16, 48_000);
    // 96 frames last two seconds at a thousandth too fast; then the buffer fills again.
    for _ in 0..2500 {
        player.interval();
    }
    let statistics = card.audio.statistics(Stream::Speaker);
    assert_eq!((statistics.xruns, statistics.dropped_frames), (1, 0));
    let sent = player.sent();
    player.stop();
    // An underrun is a pause, not a hole: nothing is lost.
    let samples = read_all(&card.audio, 2);
    assert_eq!(samples.len() / 2, usize::try_from(sent).unwrap());
    assert_numbered(&samples, 0, 2, SampleSize::Bits16);
}

/// Audio 1.0 hosts set the rate of an open stream.
#[test]
fn a_new_rate_counts_from_the_next_packet() {
    let options = AudioOptions {
        version: Version::Uac1,
        rates: vec![96_000, 48_000],
        ..speaker_only(StreamOptions::stereo())
    };
    let card = Card::new(options, Speed::High);
    let mut player = Player::new(&card, SampleSize::Bits16, 48_000);
    let setting = card.setting(Stream::Speaker, SampleSize::Bits16);
    card.set_rate(&setting, 48_000).unwrap();
    for _ in 0..100 {
        player.interval();
    }
    // 8 ms at the new rate are held back, and nothing was lost.
    assert_eq!(card.audio.fill(), 384);
    player.stop();
    let samples = read_all(&card.audio, 2);
    assert_eq!(samples.len(), 4800 * 2);
    assert_numbered(&samples, 0, 2, SampleSize::Bits16);
    assert_eq!(card.audio.statistics(Stream::Speaker).xruns, 0);
}

#[test]
fn who_does_not_read_loses_the_newest_and_is_told() {
    let options = AudioOptions {
        ring: Duration::from_millis(10),
        speaker_timing: SpeakerTiming::Adaptive,
        ..speaker_only(StreamOptions::stereo())
    };
    let card = Card::new(options, Speed::High);
    let mut player = Player::new(&card, SampleSize::Bits16, 48_000);
    assert_eq!(
        card.next_event(),
        started(Stream::Speaker, 2, SampleSize::Bits16, 48_000)
    );
    for _ in 0..15 {
        player.interval();
    }
    let stream = Stream::Speaker;
    assert_eq!(card.next_event(), AudioEvent::Xrun { stream });
    let statistics = card.audio.statistics(stream);
    assert_eq!(statistics.dropped_frames, 5 * 48);
    assert_eq!(statistics.xruns, 1);
    let samples = read_all(&card.audio, 2);
    assert_eq!(samples.len(), 10 * 48 * 2);
    assert_numbered(&samples, 0, 2, SampleSize::Bits16);
}

#[test]
fn an_adaptive_speaker_plays_whatever_comes() {
    for timing in [SpeakerTiming::Adaptive, SpeakerTiming::Synchronous] {
        let options = AudioOptions {
            speaker_timing: timing,
            clock_error_ppm: 500,
            ..speaker_only(StreamOptions::stereo())
        };
        let card = Card::new(options, Speed::High);
        let mut player = Player::new(&card, SampleSize::Bits16, 48_000);
        for frames in [48, 0, 49, 1, 47] {
            player.packet(frames);
        }
        assert_eq!(card.audio.waiting(Stream::Speaker), 145, "at once");
        assert_numbered(&read_all(&card.audio, 2), 0, 2, SampleSize::Bits16);
    }
}

#[test]
fn many_channels_at_a_high_rate_come_in_more_packets() {
    let size = SampleSize::Bits32;
    let options = AudioOptions {
        rates: vec![192_000],
        ..speaker_only(StreamOptions {
            channels: 10,
            sizes: vec![size],
            volume: None,
        })
    };
    let card = Card::new(options, Speed::High);
    let setting = card.setting(Stream::Speaker, size);
    assert_eq!(
        setting.data.endpoint.interval_microframes(Speed::High),
        Some(1)
    );
    let mut player = Player::new(&card, size, 192_000);
    for _ in 0..800 {
        assert_eq!(player.interval(), 24);
    }
    let sent = player.sent();
    player.stop();
    let samples = read_all(&card.audio, 10);
    assert_eq!(samples.len(), usize::try_from(sent).unwrap() * 10);
    assert_numbered(&samples, 0, 10, size);
}
