//! Futures that are dropped before they are done: what was taken is played, and the stream goes on.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use usbfs2_audio::{AudioFormat, Capture, Playback, Sample, StreamError, StreamOptions};
use usbfs2_loopback::Bus;

use crate::playback::{numbered, numbers};
use crate::puppet::{Ear, Mouth, Parts, Puppet, while_stepping};

fn stereo(rate: u32) -> AudioFormat {
    AudioFormat::new(rate, 2, Sample::S16)
}

fn sound(ear: &mut Ear) -> Vec<u32> {
    ear.listen();
    let heard = numbers(&std::mem::take(&mut ear.heard));
    heard.into_iter().filter(|&frame| frame != 0).collect()
}

#[test]
fn frames_taken_by_a_write_that_is_dropped_are_played() {
    let puppet = Puppet::plug(&Parts::uac1());
    let card = puppet.open();
    let mut playback = card
        .play_blocking(stereo(48_000), StreamOptions::default())
        .unwrap();
    let mut ear = Ear::new(puppet.sink().data, 5_000);
    // Far more than there is room for.
    assert!(
        playback
            .write(&numbered(1, 50_000))
            .now_or_never()
            .is_none()
    );
    while_stepping(&puppet.bus, || playback.drain_blocking()).unwrap();
    let heard = sound(&mut ear);
    assert!(heard.len() >= 15 * 48, "{}", heard.len());
    assert!(
        heard
            .iter()
            .zip(1..)
            .all(|(&heard, number)| heard == number)
    );
}

fn is_between_rates(playback: &Playback) -> bool {
    playback.max_latency_frames() == 0
}

/// Polls a change of rate so many times, with a millisecond on the bus in between, and drops it unless it is done.
fn begin(change: impl Future<Output = Result<(), StreamError>>, bus: &Bus, polls: u32) -> bool {
    let mut change = pin!(change);
    for _ in 0..polls {
        match change
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(changed) => {
                changed.unwrap();
                return true;
            }
            Poll::Pending => bus.step(8),
        }
        // What is done in another thread gets its turn.
        std::thread::sleep(Duration::from_micros(200));
    }
    false
}

#[test]
fn a_change_of_rate_can_be_dropped_anywhere() {
    for parts in [Parts::uac1(), Parts::uac2()] {
        let puppet = Puppet::plug(&parts);
        let card = puppet.open();
        let mut playback = card
            .play_blocking(stereo(48_000), StreamOptions::default())
            .unwrap();
        let mut ear = Ear::new(puppet.sink().data, 5_000);
        let mut next = 1;
        // Whether the setting is selected anew with what is called next.
        let mut is_new = false;
        let (mut dropped, mut done) = (0, 0);
        for polls in 1.. {
            // As much as a stream begins with, or less: some of it is in the ring.
            let taken = playback.write_timeout(&numbered(next, 700), Duration::ZERO);
            let taken = u32::try_from(taken.unwrap()).unwrap();
            if is_new {
                ear = puppet.ear(5_000);
            }
            let rate = playback.format().rate;
            let other = 48_000 + 44_100 - rate;
            let heard = match begin(playback.set_rate(other), &puppet.bus, polls) {
                true => {
                    assert_eq!(playback.format().rate, other);
                    done += 1;
                    is_new = true;
                    sound(&mut ear)
                }
                false => {
                    assert_eq!(playback.format().rate, rate);
                    dropped += 1;
                    let mut heard = sound(&mut ear);
                    // Whatever it had come to, the frames that it left are played now.
                    is_new = is_between_rates(&playback);
                    let rest = playback.write_timeout(&[], Duration::ZERO);
                    assert_eq!(rest.unwrap(), 0);
                    if is_new {
                        ear = puppet.ear(5_000);
                    }
                    while_stepping(&puppet.bus, || playback.drain_blocking()).unwrap();
                    heard.extend(sound(&mut ear));
                    is_new = false;
                    heard
                }
            };
            assert_eq!(
                heard,
                (next..next + taken).collect::<Vec<_>>(),
                "{polls} polls"
            );
            next += taken;
            if done == 3 {
                break;
            }
        }
        assert!(dropped > 5, "{dropped}");
        assert_eq!(playback.statistics().xruns, 0);
    }
}

/// Has the device say numbered frames, so many in a packet, until some are heard, of which none is missing.
fn hear(
    capture: &mut Capture,
    puppet: &Puppet,
    mouth: &mut Option<Mouth>,
    (next, size): (&mut u32, u32),
) {
    let mut heard = Vec::new();
    let mut frames = [0; 4_096];
    while heard.len() < 500 {
        // The setting may have been selected anew, which the device learns in its own time.
        if let Some(source) = puppet.new_source() {
            *mouth = Some(Mouth::new(source.data));
        }
        if let Some(mouth) = mouth {
            mouth.say(40, || {
                let packet = numbered(*next, size);
                *next += size;
                packet
            });
        }
        puppet.bus.step(8);
        let count = capture.read_timeout(&mut frames, Duration::ZERO).unwrap();
        heard.extend(numbers(&frames[..count * 4]));
        std::thread::yield_now();
    }
    assert!(heard.windows(2).all(|two| two[1] == two[0] + 1));
}

#[test]
fn a_change_of_rate_of_a_capture_can_be_dropped_anywhere() {
    for parts in [Parts::uac1(), Parts::uac2()] {
        let puppet = Puppet::plug(&parts);
        let card = puppet.open();
        let mut capture = card
            .record_blocking(stereo(48_000), StreamOptions::default())
            .unwrap();
        let (mut mouth, mut next) = (None, 1);
        // A packet has room for two frames more.
        let size = u32::from(parts.packet_frames) - 2;
        for polls in 1..=8 {
            hear(&mut capture, &puppet, &mut mouth, (&mut next, size));
            // The device does not answer a request for a rate while this is held, so that no change comes to its end.
            let unanswered = puppet.state();
            assert!(!begin(capture.set_rate(44_100), &puppet.bus, polls));
            drop(unanswered);
            assert_eq!(capture.format().rate, 48_000);
        }
        hear(&mut capture, &puppet, &mut mouth, (&mut next, size));
        capture.set_rate_blocking(44_100).unwrap();
        assert_eq!(capture.format().rate, 44_100);
        hear(&mut capture, &puppet, &mut mouth, (&mut next, size));
        assert_eq!(capture.statistics().xruns, 0);
        puppet.unplug();
        let ended = capture.read_timeout(&mut [0; 4], Duration::ZERO);
        assert!(
            matches!(ended, Ok(1) | Err(StreamError::Disconnected { .. })),
            "{ended:?}"
        );
    }
}
