//! Playback: what goes out is what was written, at the pace the device sets.

use std::time::Duration;

use usbfs2_audio::{
    AudioFormat, Playback, Sample, StreamError, StreamOptions, SynchronizationType,
};

use crate::puppet::{Ear, Parts, Puppet, while_stepping};

/// Frames that each bear their number, from 1: silence is 0.
pub(crate) fn numbered(from: u32, count: u32) -> Vec<u8> {
    (from..from + count).flat_map(u32::to_le_bytes).collect()
}

/// The numbers of four-byte frames.
pub(crate) fn numbers(bytes: &[u8]) -> Vec<u32> {
    let frames = bytes.chunks_exact(4);
    frames
        .map(|frame| u32::from_le_bytes(frame.try_into().unwrap()))
        .collect()
}

/// A caller that always has more.
pub(crate) struct Writer {
    pub(crate) next: u32,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { next: 1 }
    }

    /// As much as there is room for.
    pub(crate) fn write(&mut self, playback: &mut Playback) {
        loop {
            let frames = numbered(self.next, 64);
            let taken = playback.write_timeout(&frames, Duration::ZERO).unwrap();
            self.next += u32::try_from(taken).unwrap();
            if taken < 64 {
                return;
            }
        }
    }
}

/// What follows the silence a stream begins with, which is there whole and no longer than a request more.
pub(crate) fn after_lead(heard: &[u32], rate: u32) -> &[u32] {
    let lead = heard.iter().take_while(|&&frame| frame == 0).count();
    let milliseconds = |time: u32| (time * rate / 1_000) as usize;
    // A request of the default latency is 5 ms.
    let (least, most) = (milliseconds(16), milliseconds(21));
    assert!((least..=most).contains(&lead), "{lead} frames of silence");
    &heard[lead..]
}

fn stereo(rate: u32) -> AudioFormat {
    AudioFormat::new(rate, 2, Sample::S16)
}

#[test]
fn forty_four_one_is_nine_44s_and_a_45_and_no_frame_is_lost() {
    for synchronization in [
        SynchronizationType::Adaptive,
        SynchronizationType::Synchronous,
    ] {
        let parts = Parts {
            synchronization,
            ..Parts::uac1()
        };
        let puppet = Puppet::plug(&parts);
        let card = puppet.open();
        let mut playback = card
            .play_blocking(stereo(44_100), StreamOptions::default())
            .unwrap();
        let mut ear = Ear::new(puppet.sink().data, 4);
        let mut writer = Writer::new();
        for _ in 0..2_000 {
            writer.write(&mut playback);
            puppet.bus.step(8);
            ear.listen();
        }
        // The first frame of the bus may have begun before the stream.
        assert!(ear.packets.len() >= 1_999, "{}", ear.packets.len());
        for ten in ear.packets.chunks_exact(10) {
            assert_eq!(
                ten,
                [44, 44, 44, 44, 44, 44, 44, 44, 44, 45].map(|frames| frames * 4)
            );
        }
        let heard = numbers(&ear.heard);
        assert!(
            after_lead(&heard, 44_100)
                .iter()
                .zip(1..)
                .all(|(&heard, number)| heard == number)
        );
        let statistics = playback.statistics();
        assert_eq!((statistics.xruns, statistics.missed_packets), (0, 0));
        assert_eq!(statistics.silence_frames, 0);
    }
}

#[test]
fn drain_plays_everything_and_stop_leaves_nothing_behind() {
    let puppet = Puppet::plug(&Parts::uac1());
    let card = puppet.open();
    let mut playback = card
        .play_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let mut ear = Ear::new(puppet.sink().data, 200);
    // Less than the stream starts with.
    assert_eq!(
        playback
            .write_timeout(&numbered(1, 100), Duration::ZERO)
            .unwrap(),
        100
    );
    assert_eq!(playback.latency_frames(), 100);
    while_stepping(&puppet.bus, || playback.drain_blocking()).unwrap();
    ear.listen();
    assert_eq!(playback.latency_frames(), 0);
    let statistics = playback.stop_blocking().unwrap();
    let heard = numbers(&ear.heard);
    let sound = after_lead(&heard, 48_000);
    assert_eq!(sound[..100], (1..=100).collect::<Vec<_>>());
    // The packet is filled up with silence, and so is the request.
    assert!(sound[100..].iter().all(|&frame| frame == 0));
    assert_eq!(statistics.frames, heard.len() as u64);
    assert_eq!((statistics.xruns, statistics.silence_frames), (0, 0));
    // The interface is free, and in alternate setting 0.
    let interface = puppet.device.claim(1).unwrap();
    assert_eq!(interface.alternate_setting().unwrap().alternate_setting, 0);
}

#[test]
fn half_a_frame_is_refused() {
    let puppet = Puppet::plug(&Parts::uac1());
    let card = puppet.open();
    let mut playback = card
        .play_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let error = playback.write_blocking(&[0; 7]).unwrap_err();
    assert!(matches!(
        error,
        StreamError::NotWholeFrames {
            bytes: 7,
            frame_bytes: 4
        }
    ));
}

#[test]
fn a_late_caller_is_an_xrun_and_the_stream_goes_on_with_whole_frames() {
    let puppet = Puppet::plug(&Parts::uac1());
    let card = puppet.open();
    let mut playback = card
        .play_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let mut ear = Ear::new(puppet.sink().data, 200);
    let mut writer = Writer::new();
    for round in 1..=5 {
        for _ in 0..50 {
            writer.write(&mut playback);
            puppet.bus.step(8);
        }
        // Away for longer than the latency.
        puppet.bus.step(8 * 100);
        ear.listen();
        writer.write(&mut playback);
        assert_eq!(playback.statistics().xruns, round);
        assert!(playback.latency_frames() <= playback.max_latency_frames());
    }
    puppet.bus.step(8 * 100);
    ear.listen();
    let heard = numbers(&ear.heard);
    let silence = heard.iter().filter(|&&frame| frame == 0).count() as u64;
    let lead = (heard.len() - after_lead(&heard, 48_000).len()) as u64;
    assert_eq!(silence, lead + playback.statistics().silence_frames);
    let heard = heard.into_iter().filter(|&frame| frame != 0);
    assert!(heard.zip(1..).all(|(heard, number)| heard == number));
    assert_eq!(playback.statistics().missed_packets, 0);
}

#[test]
fn pumping_plays_silence_where_there_is_nothing_to_play() {
    let puppet = Puppet::plug(&Parts::uac1());
    let card = puppet.open();
    let mut playback = card
        .play_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let mut ear = Ear::new(puppet.sink().data, 4);
    playback.start_blocking().unwrap();
    assert_eq!(
        playback
            .write_timeout(&numbered(1, 10), Duration::ZERO)
            .unwrap(),
        10
    );
    for _ in 0..100 {
        playback.pump_blocking(Duration::ZERO).unwrap();
        puppet.bus.step(8);
        ear.listen();
    }
    let statistics = playback.statistics();
    assert_eq!((statistics.xruns, statistics.missed_packets), (1, 0));
    let heard = numbers(&ear.heard);
    assert!(heard.len() > 95 * 48, "{}", heard.len());
    let sound: Vec<_> = heard.into_iter().filter(|&frame| frame != 0).collect();
    assert_eq!(sound, (1..=10).collect::<Vec<_>>());
}

#[test]
fn unplugging_ends_the_stream_with_its_counts() {
    let puppet = Puppet::plug(&Parts::uac1());
    let card = puppet.open();
    let mut playback = card
        .play_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let mut ear = Ear::new(puppet.sink().data, 200);
    let mut writer = Writer::new();
    for _ in 0..50 {
        writer.write(&mut playback);
        puppet.bus.step(8);
    }
    ear.listen();
    puppet.unplug();
    let error = playback.write_blocking(&numbered(1, 10_000)).unwrap_err();
    let StreamError::Disconnected { statistics } = &error else {
        panic!("{error}");
    };
    assert_eq!(statistics.frames, ear.heard.len() as u64 / 4);
    assert!(statistics.frames > 40 * 48);
    assert!(matches!(
        playback.drain_blocking(),
        Err(StreamError::Disconnected { .. })
    ));
    assert!(matches!(
        playback.pump_blocking(Duration::from_secs(5)),
        Err(StreamError::Disconnected { .. })
    ));
    playback.stop_blocking().unwrap();
}

#[test]
fn every_size_of_sample_and_any_number_of_channels_travels_whole() {
    for (bits, bytes, channels) in [(16, 2, 1), (24, 3, 2), (24, 4, 6), (32, 4, 8), (20, 3, 3)] {
        let parts = Parts {
            bits,
            bytes,
            channels,
            ..Parts::uac1()
        };
        let parts = Parts {
            packet_frames: 30,
            rates: vec![22_050],
            ..parts
        };
        let puppet = Puppet::plug(&parts);
        let card = puppet.open();
        let sample = Sample::new(bits, bytes).unwrap();
        let format = AudioFormat::new(22_050, channels, sample);
        let mut playback = card
            .play_blocking(format, StreamOptions::default())
            .unwrap();
        let mut ear = Ear::new(puppet.sink().data, 4);
        let frame_bytes = usize::from(parts.frame_bytes());
        let sound: Vec<u8> = (0..frame_bytes * 5_000)
            .map(|at| (at % 251) as u8)
            .collect();
        let mut written = 0;
        for _ in 0..200 {
            let taken = playback
                .write_timeout(&sound[written..], Duration::ZERO)
                .unwrap();
            written += taken * frame_bytes;
            puppet.bus.step(8);
            ear.listen();
        }
        assert!(ear.heard.len() > frame_bytes * 4_000);
        assert!(ear.packets.iter().all(|packet| packet % frame_bytes == 0));
        // A stream begins with silence: 16 ms and what makes the last request whole.
        let (lead, heard) = ear.heard.split_at(441 * frame_bytes);
        assert!(lead.iter().all(|&byte| byte == 0));
        assert!(*heard == sound[..heard.len()], "{bits} bits");
    }
}

#[test]
fn futures_play_on_any_executor() {
    let puppet = Puppet::plug(&Parts::uac1());
    let card = puppet.open();
    let playing = async {
        let format = stereo(48_000);
        let mut playback = card.play(format, StreamOptions::default()).await.unwrap();
        let mut ear = Ear::new(puppet.sink().data, 5_000);
        playback.write(&numbered(1, 20_000)).await.unwrap();
        playback.drain().await.unwrap();
        ear.listen();
        numbers(&ear.heard)
    };
    let frames = while_stepping(&puppet.bus, || futures::executor::block_on(playing));
    let sound: Vec<_> = frames.into_iter().filter(|&frame| frame != 0).collect();
    assert!(sound.into_iter().eq(1..=20_000));
}
