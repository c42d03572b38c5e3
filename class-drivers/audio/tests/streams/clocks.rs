//! Two streams behind one clock selector: neither takes the other's clock away.

use usbfs2_audio::{AudioFormat, Sample, StreamOptions};

use crate::puppet::{Parts, Puppet};

fn stereo(rate: u32) -> AudioFormat {
    AudioFormat::new(rate, 2, Sample::S16)
}

/// The pin of selector 11.
const SELECTED: (u8, u8, u16) = (1, 0, 11 << 8);

/// A card both of whose terminals run on selector 11: pin 1 is clock 10 with 48 kHz, pin 2 clock 12 with 44.1 kHz.
fn two_clocks() -> Puppet {
    let mut parts = Parts::uac2();
    parts.rates = vec![48_000];
    parts.control = Some(vec![
        vec![9, 0x24, 1, 0, 2, 1, 0, 0, 0],
        vec![8, 0x24, 10, 10, 3, 0x07, 0, 0],
        vec![8, 0x24, 10, 12, 3, 0x07, 0, 0],
        vec![9, 0x24, 11, 11, 2, 10, 12, 0x03, 0],
        vec![17, 0x24, 2, 1, 0x01, 0x01, 0, 11, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![12, 0x24, 3, 3, 0x01, 0x03, 0, 1, 11, 0, 0, 0],
        vec![17, 0x24, 2, 4, 0x01, 0x02, 0, 11, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![12, 0x24, 3, 5, 0x01, 0x01, 0, 4, 11, 0, 0, 0],
    ]);
    let puppet = Puppet::plug(&parts);
    {
        let rate = 44_100_u32.to_le_bytes();
        let mut state = puppet.state();
        state.insert(
            (1 | 2 << 4, 0, 12 << 8),
            [&[1, 0], &rate[..], &rate, &[0; 4]].concat(),
        );
        state.insert((1, 0, 12 << 8), rate.to_vec());
        state.insert((2, 0, 12 << 8), vec![1]);
        state.insert(SELECTED, vec![1]);
    }
    puppet
}

fn pin(puppet: &Puppet) -> Vec<u8> {
    puppet.state()[&SELECTED].clone()
}

#[test]
fn a_stream_that_needs_the_other_input_is_refused_and_told_who_has_the_selector() {
    let puppet = two_clocks();
    let card = puppet.open();
    let options = StreamOptions::default();
    let playback = card.play_blocking(stereo(48_000), options).unwrap();
    let error = card.record_blocking(stereo(44_100), options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the stream has no clock to run on: clock 10 has 48000 Hz; clock selector 11 is at pin 1 for the stream of \
         interface 1"
    );
    assert_eq!(pin(&puppet), [1]);
    // The input it is at serves both.
    let mut capture = card.record_blocking(stereo(48_000), options).unwrap();
    drop(playback);
    // The refused rate is to be had once nobody else is there.
    capture.set_rate_blocking(44_100).unwrap();
    assert_eq!((pin(&puppet), capture.format().rate), (vec![2], 44_100));
    let error = card.play_blocking(stereo(48_000), options).unwrap_err();
    assert!(
        error.to_string().contains("the stream of interface 2"),
        "{error}"
    );
    assert_eq!(pin(&puppet), [2]);
}

#[test]
fn a_change_of_rate_that_another_stream_forbids_leaves_the_stream_as_it_was() {
    let puppet = two_clocks();
    let card = puppet.open();
    let options = StreamOptions::default();
    let mut playback = card.play_blocking(stereo(48_000), options).unwrap();
    let capture = card.record_blocking(stereo(48_000), options).unwrap();
    let error = playback.set_rate_blocking(44_100).unwrap_err();
    assert!(
        error.to_string().contains("clock selector 11 is at pin 1"),
        "{error}"
    );
    assert_eq!(playback.format().rate, 48_000);
    // It has the clock it had, before anything is written.
    drop(capture);
    let error = card.record_blocking(stereo(44_100), options).unwrap_err();
    assert!(
        error.to_string().contains("the stream of interface 1"),
        "{error}"
    );
    assert_eq!(pin(&puppet), [1]);
    assert_eq!(
        playback
            .write_timeout(&[1; 4], std::time::Duration::ZERO)
            .unwrap(),
        1
    );
}

#[test]
fn a_capture_whose_change_of_rate_is_forbidden_has_the_clock_it_had_before_it_is_read() {
    let puppet = two_clocks();
    let card = puppet.open();
    let options = StreamOptions::default();
    let mut capture = card.record_blocking(stereo(48_000), options).unwrap();
    let playback = card.play_blocking(stereo(48_000), options).unwrap();
    let error = capture.set_rate_blocking(44_100).unwrap_err();
    assert!(
        error.to_string().contains("clock selector 11 is at pin 1"),
        "{error}"
    );
    assert_eq!(capture.format().rate, 48_000);
    drop(playback);
    let error = card.play_blocking(stereo(44_100), options).unwrap_err();
    assert!(
        error.to_string().contains("the stream of interface 2"),
        "{error}"
    );
    assert_eq!(pin(&puppet), [1]);
}

#[test]
fn a_selector_that_another_stream_switched_before_the_lease_is_switched_back() {
    let puppet = two_clocks();
    let card = puppet.open();
    puppet.state().insert(SELECTED, vec![2]);
    // As it was when the clocks were looked at, once for each of the two.
    puppet.answer_first(SELECTED, [vec![1], vec![1]]);
    let options = StreamOptions::default();
    let _playback = card.play_blocking(stereo(48_000), options).unwrap();
    assert_eq!(pin(&puppet), [1]);
}
