//! Capture: every frame the device put into a packet, whatever its size.

use std::time::Duration;

use usbfs2_audio::{AudioFormat, Capture, Sample, StreamError, StreamOptions};

use crate::playback::{numbered, numbers};
use crate::puppet::{Mouth, Parts, Puppet};

fn stereo(rate: u32) -> AudioFormat {
    AudioFormat::new(rate, 2, Sample::S16)
}

fn read(capture: &mut Capture, heard: &mut Vec<u8>) -> Result<(), StreamError> {
    let mut frames = vec![0; 4_096];
    loop {
        let count = capture.read_timeout(&mut frames, Duration::ZERO)?;
        if count == 0 {
            return Ok(());
        }
        heard.extend_from_slice(&frames[..count * 4]);
    }
}

#[test]
fn packets_of_any_size_become_one_stream() {
    let puppet = Puppet::plug(&Parts::uac2());
    let card = puppet.open();
    let mut capture = card
        .record_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let mut mouth = Mouth::new(puppet.source().data);
    let mut heard = Vec::new();
    let mut next = 1;
    // None, one, a few, as many as fit: as a device does whose clock is another.
    let sizes = [6, 0, 8, 1, 7, 6, 8, 5];
    let mut packets = sizes.into_iter().cycle();
    capture.start_blocking().unwrap();
    for _ in 0..8_000 {
        mouth.say(4, || {
            let size = packets.next().unwrap();
            let packet = numbered(next, size);
            next += size;
            packet
        });
        puppet.bus.step(1);
        read(&mut capture, &mut heard).unwrap();
    }
    let heard = numbers(&heard);
    assert!(heard.len() > 40_000, "{}", heard.len());
    assert!(
        heard
            .iter()
            .zip(1..)
            .all(|(&heard, number)| heard == number)
    );
    let statistics = capture.stop_blocking().unwrap();
    assert_eq!((statistics.xruns, statistics.lost_frames), (0, 0));
    assert_eq!(statistics.ragged_packets, 0);
    let interface = puppet.device.claim(2).unwrap();
    assert_eq!(interface.alternate_setting().unwrap().alternate_setting, 0);
}

#[test]
fn a_packet_that_ends_within_a_frame_keeps_its_whole_frames() {
    let puppet = Puppet::plug(&Parts::uac2());
    let card = puppet.open();
    let mut capture = card
        .record_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let mut mouth = Mouth::new(puppet.source().data);
    let mut heard = Vec::new();
    let mut next = 1;
    capture.start_blocking().unwrap();
    for _ in 0..800 {
        mouth.say(4, || {
            let mut packet = numbered(next, 6);
            next += 6;
            packet.extend([0xff, 0xff, 0xff]);
            packet
        });
        puppet.bus.step(1);
        read(&mut capture, &mut heard).unwrap();
    }
    let heard = numbers(&heard);
    assert!(heard.len() > 4_000);
    assert!(
        heard
            .iter()
            .zip(1..)
            .all(|(&heard, number)| heard == number)
    );
    let statistics = capture.statistics();
    assert_eq!(statistics.ragged_packets, statistics.frames / 6);
}

#[test]
fn a_device_that_sends_nothing_is_missed_and_a_late_reader_is_an_xrun() {
    let puppet = Puppet::plug(&Parts::uac1());
    let card = puppet.open();
    let mut capture = card
        .record_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let source = puppet.source();
    let mut heard = Vec::new();
    capture.start_blocking().unwrap();
    for _ in 0..100 {
        puppet.bus.step(8);
        read(&mut capture, &mut heard).unwrap();
    }
    let statistics = capture.statistics();
    assert!(statistics.missed_packets >= 90, "{statistics:?}");
    assert_eq!((statistics.xruns, heard.len()), (0, 0));
    let mut mouth = Mouth::new(source.data);
    mouth.say(40, || numbered(1, 48));
    puppet.bus.step(8 * 100);
    read(&mut capture, &mut heard).unwrap();
    assert_eq!(capture.statistics().xruns, 1);
    assert_eq!(numbers(&heard)[..48], (1..=48).collect::<Vec<_>>());
}

#[test]
fn unplugging_gives_what_came_first_and_then_the_end() {
    let puppet = Puppet::plug(&Parts::uac1());
    let card = puppet.open();
    let mut capture = card
        .record_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let mut mouth = Mouth::new(puppet.source().data);
    capture.start_blocking().unwrap();
    mouth.say(40, || numbered(1, 48));
    puppet.bus.step(8 * 12);
    puppet.unplug();
    let mut heard = Vec::new();
    let error = read(&mut capture, &mut heard).unwrap_err();
    assert!(heard.len() >= 4 * 48 * 10, "{}", heard.len());
    let StreamError::Disconnected { statistics } = &error else {
        panic!("{error}");
    };
    assert_eq!(statistics.frames, heard.len() as u64 / 4);
    assert!(error.to_string().contains("unplugged after"), "{error}");
    let again = read(&mut capture, &mut heard).unwrap_err();
    assert!(matches!(again, StreamError::Disconnected { .. }));
    capture.stop_blocking().unwrap();
}
