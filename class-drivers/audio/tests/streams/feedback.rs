//! Asynchronous sinks: the device's clock rules, and neither side runs dry or over for as long as it is followed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use usbfs2_audio::{AudioFormat, FeedbackKind, Sample, StreamOptions};
use usbfs2_protocol::descriptor::UsageType;

use crate::playback::{Writer, after_lead, numbers};
use crate::puppet::{Ear, Mouth, Parts, Puppet};

const RATE: u32 = 48_000;

fn stereo() -> AudioFormat {
    AudioFormat::new(RATE, 2, Sample::S16)
}

/// A clock that is off by parts in a million, counted in frames played.
struct Clock {
    ppm: i64,
    microframes: i64,
}

impl Clock {
    /// Frames a second, in steps of 2^-16 and for 8000 units: a microframe's frames in 16.16.
    fn feedback(&self) -> u32 {
        let exact = (i64::from(RATE) << 16) / 8_000;
        u32::try_from(exact + exact * self.ppm / 1_000_000).unwrap()
    }

    fn frames(&self) -> i64 {
        let per_second = i64::from(RATE) * (1_000_000 + self.ppm);
        per_second * self.microframes / 8_000 / 1_000_000
    }
}

/// What a device hears, less what its clock has played, at the least and the most, once it runs.
fn fill_for(seconds: i64, ppm: i64, parts: &Parts, packet: impl Fn(u32) -> Vec<u8>) -> (i64, i64) {
    let puppet = Puppet::plug(parts);
    let card = puppet.open();
    let mut playback = card
        .play_blocking(stereo(), StreamOptions::default())
        .unwrap();
    let sink = puppet.sink();
    let mut ear = Ear::new(sink.data, 40);
    let mut mouth = Mouth::new(sink.feedback.unwrap());
    let mut writer = Writer::new();
    let mut clock = Clock {
        ppm,
        microframes: 0,
    };
    let (mut heard, mut least, mut most) = (0_i64, i64::MAX, i64::MIN);
    let mut next = 1;
    for millisecond in 0..seconds * 1_000 {
        mouth.say(2, || packet(clock.feedback()));
        writer.write(&mut playback);
        ear.listen();
        for frame in numbers(&std::mem::take(&mut ear.heard)) {
            heard += 1;
            // It begins with silence.
            if (next, frame) != (1, 0) {
                assert_eq!(frame, next);
                next += 1;
            }
        }
        // A quarter of a second to hear the first value and settle.
        if millisecond > 250 {
            let fill = heard - clock.frames();
            least = least.min(fill);
            most = most.max(fill);
        }
        puppet.bus.step(8);
        clock.microframes += 8;
    }
    let statistics = playback.statistics();
    assert_eq!((statistics.xruns, statistics.missed_packets), (0, 0));
    let feedback = statistics.feedback.unwrap();
    let exact = f64::from(RATE) * (1.0 + ppm as f64 / 1e6);
    assert!(
        (feedback.last - exact).abs() < 0.2,
        "{feedback:?} for {exact}"
    );
    (least, most)
}

#[test]
fn a_minute_half_a_thousandth_off_leaves_the_fill_where_it_was() {
    for ppm in [500, -500] {
        let full = Parts::uac1().asynchronous();
        // 10.14, three bytes, for a frame.
        let packet = |feedback: u32| (feedback * 2).to_le_bytes()[..3].to_vec();
        let (least, most) = fill_for(60, ppm, &full, packet);
        assert!(
            most - least <= 100,
            "full speed, {ppm} ppm: {least} to {most}"
        );

        let high = Parts::uac2().asynchronous();
        let packet = |feedback: u32| feedback.to_le_bytes().to_vec();
        let (least, most) = fill_for(60, ppm, &high, packet);
        assert!(
            most - least <= 100,
            "high speed, {ppm} ppm: {least} to {most}"
        );
    }
}

#[test]
fn garbage_is_counted_and_playback_goes_on_at_the_nominal_rate() {
    let parts = Parts::uac2().asynchronous();
    let puppet = Puppet::plug(&parts);
    let card = puppet.open();
    let mut playback = card
        .play_blocking(stereo(), StreamOptions::default())
        .unwrap();
    let sink = puppet.sink();
    let mut ear = Ear::new(sink.data, 4);
    let mut mouth = Mouth::new(sink.feedback.unwrap());
    let mut writer = Writer::new();
    let garbage: [&[u8]; 5] = [&[1], &[0xff; 4], &[7, 0, 0], &[], &[0, 0, 9, 0]];
    let mut values = garbage.iter().cycle();
    for _ in 0..1_000 {
        mouth.say(2, || values.next().unwrap().to_vec());
        writer.write(&mut playback);
        for _ in 0..8 {
            puppet.bus.step(1);
            ear.listen();
        }
    }
    assert!(ear.packets.iter().all(|&bytes| bytes == 6 * 4));
    let statistics = playback.statistics();
    assert!(statistics.feedback_ignored > 500, "{statistics:?}");
    assert_eq!((statistics.xruns, statistics.feedback), (0, None));
}

#[test]
fn what_the_device_records_paces_what_it_plays() {
    let mut parts = Parts::uac2().asynchronous();
    parts.has_feedback = false;
    parts.source = UsageType::ImplicitFeedback;
    for ppm in [500, -500] {
        let puppet = Puppet::plug(&parts);
        let card = puppet.open();
        let stream = card.playback_streams().next().unwrap();
        let implicit = FeedbackKind::Implicit { interface: 2 };
        assert_eq!(stream.settings()[0].feedback, implicit);
        let options = StreamOptions::default().keep_recording(true);
        let mut playback = card.play_blocking(stereo(), options).unwrap();
        let mut ear = Ear::new(puppet.sink().data, 4);
        let mut mouth = Mouth::new(puppet.source().data);
        let mut writer = Writer::new();
        let mut clock = Clock {
            ppm,
            microframes: 0,
        };
        let (mut told, mut recorded) = (0, 0);
        let mut frames = vec![0; 4_096];
        for _ in 0..10 * 8_000 {
            mouth.say(1, || {
                clock.microframes += 1;
                let size = clock.frames() - told;
                told += size;
                vec![1; usize::try_from(size * 4).unwrap()]
            });
            writer.write(&mut playback);
            recorded += playback.recorded(&mut frames);
            puppet.bus.step(1);
            ear.listen();
        }
        let heard = i64::try_from(ear.heard.len() / 4).unwrap();
        assert!((heard - told).abs() <= 16, "{ppm} ppm: {heard} for {told}");
        let numbers = numbers(&ear.heard);
        let mut sound = after_lead(&numbers, RATE).iter().zip(1..);
        assert!(sound.all(|(&heard, number)| heard == number));
        assert!(
            told - i64::try_from(recorded).unwrap() <= 300,
            "{recorded} of {told}"
        );
        let statistics = playback.statistics();
        assert_eq!((statistics.xruns, statistics.feedback_ignored), (0, 0));
        let feedback = statistics.feedback.unwrap();
        let exact = f64::from(RATE) * (1.0 + ppm as f64 / 1e6);
        assert!(
            (feedback.last - exact).abs() <= 1.5,
            "{feedback:?} for {exact}"
        );
        let recording = playback.recording_statistics().unwrap();
        assert_eq!((recording.xruns, recording.missed_packets), (0, 0));
        let frames = i64::try_from(recording.frames).unwrap();
        assert!((told - frames).abs() <= 300, "{frames} of {told}");
    }
}

#[test]
fn a_drained_stream_lets_the_recording_that_paces_it_rest() {
    let mut parts = Parts::uac2().asynchronous();
    parts.has_feedback = false;
    parts.source = UsageType::ImplicitFeedback;
    parts.packet_frames = 12;
    let puppet = Puppet::plug(&parts);
    let card = puppet.open();
    let mut playback = card
        .play_blocking(stereo(), StreamOptions::default())
        .unwrap();
    let mut ear = Ear::new(puppet.sink().data, 4);
    let mut mouth = Mouth::new(puppet.source().data);
    let mut writer = Writer::new();
    // Frames in the packets the device records: others after each rest.
    for sizes in [[6, 6], [5, 7], [6, 6], [0, 12]] {
        let mut frames = sizes.into_iter().cycle();
        let mut packet = || vec![1; frames.next().unwrap_or_default() * 4];
        for _ in 0..1_000 {
            mouth.say(1, &mut packet);
            writer.write(&mut playback);
            puppet.bus.step(1);
            ear.listen();
        }
        // Packets known from before the rest would be of other sizes.
        let last = &ear.packets[ear.packets.len() - 500..];
        for two in last.windows(2) {
            let [mut first, mut second] = [two[0], two[1]].map(|bytes| bytes / 4);
            if first > second {
                (first, second) = (second, first);
            }
            assert_eq!([first, second], sizes, "{last:?}");
        }

        let bus = puppet.bus.clone();
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let stepping = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                bus.step(1);
                ear.listen();
                std::thread::yield_now();
            }
            ear
        });
        playback.drain_blocking().unwrap();
        is_over.store(true, Ordering::Relaxed);
        ear = stepping.join().unwrap();

        mouth.say(1, &mut packet);
        let mut taken = 0;
        for _ in 0..1_000 {
            puppet.bus.step(1);
            mouth.say(1, || {
                taken += 1;
                packet()
            });
        }
        assert_eq!(taken, 0, "the host goes on recording");
    }
}
