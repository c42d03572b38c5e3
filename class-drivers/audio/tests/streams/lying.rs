//! Devices whose descriptors are wrong: the usable part, or an error that says what is wrong.

use usbfs2_audio::{AudioFormat, Sample, StreamOptions};

use crate::puppet::{Parts, Puppet};

/// What an attempt to play in the usual format says.
fn complaint(parts: &Parts) -> String {
    let puppet = Puppet::plug(parts);
    let card = puppet.open();
    let format = AudioFormat::new(48_000, 2, Sample::S16);
    let played = card.play_blocking(format, StreamOptions::default());
    played.unwrap_err().to_string()
}

fn uac2_control(clocks: &[&[u8]]) -> Parts {
    let mut parts = Parts::uac2();
    let mut control = vec![vec![9, 0x24, 1, 0, 2, 1, 0, 0, 0]];
    control.extend(clocks.iter().map(|clock| clock.to_vec()));
    control.push(vec![
        17, 0x24, 2, 1, 0x01, 0x01, 0, 11, 2, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    control.push(vec![12, 0x24, 3, 3, 0x01, 0x03, 0, 1, 11, 0, 0, 0]);
    parts.control = Some(control);
    parts
}

#[test]
fn a_terminal_without_a_clock_says_so() {
    let complaint = complaint(&uac2_control(&[]));
    assert!(
        complaint.contains("terminal 1 has no clock to run on"),
        "{complaint}"
    );
    assert!(
        complaint.contains("runs on clock 11, which is not there"),
        "{complaint}"
    );
}

#[test]
fn clocks_in_a_circle_are_told() {
    let selectors: [&[u8]; 2] = [
        &[8, 0x24, 11, 11, 1, 12, 3, 0],
        &[8, 0x24, 11, 12, 1, 11, 3, 0],
    ];
    let complaint = complaint(&uac2_control(&selectors));
    assert!(complaint.contains("form a loop"), "{complaint}");
}

#[test]
fn the_clock_behind_a_selector_is_selected() {
    // Pin 1 leads in a circle, pin 2 to the source.
    let clocks: [&[u8]; 2] = [
        &[9, 0x24, 11, 11, 2, 11, 10, 3, 0],
        &[8, 0x24, 10, 10, 3, 7, 0, 0],
    ];
    let parts = uac2_control(&clocks);
    let puppet = Puppet::plug(&parts);
    puppet.state().insert((1, 0, 11 << 8), vec![1]);
    let card = puppet.open();
    assert!(!card.problems().is_empty());
    let format = AudioFormat::new(48_000, 2, Sample::S16);
    let playback = card
        .play_blocking(format, StreamOptions::default())
        .unwrap();
    assert_eq!(puppet.state()[&(1, 0, 11 << 8)], [2]);
    assert_eq!(puppet.state()[&(1, 0, 10 << 8)], 48_000_u32.to_le_bytes());
    playback.stop_blocking().unwrap();
}

#[test]
fn a_selector_that_is_wired_is_left_alone() {
    // One pin; two pins that cannot be switched. Neither tells which is selected.
    let selectors: [&[u8]; 2] = [
        &[8, 0x24, 11, 11, 1, 10, 3, 0],
        &[9, 0x24, 11, 11, 2, 10, 10, 1, 0],
    ];
    for selector in selectors {
        let puppet = Puppet::plug(&uac2_control(&[selector, &[8, 0x24, 10, 10, 3, 7, 0, 0]]));
        let card = puppet.open();
        let format = AudioFormat::new(48_000, 2, Sample::S16);
        card.play_blocking(format, StreamOptions::default())
            .unwrap();
        assert_eq!(puppet.state().get(&(1, 0, 11 << 8)), None);
    }
}

#[test]
fn a_selector_that_was_moved_for_nothing_is_moved_back() {
    // 11 takes 14, or 13, which takes 10 or 12. Only 12 is valid.
    let clocks: [&[u8]; 5] = [
        &[9, 0x24, 11, 11, 2, 14, 13, 3, 0],
        &[9, 0x24, 11, 13, 2, 10, 12, 3, 0],
        &[8, 0x24, 10, 10, 3, 7, 0, 0],
        &[8, 0x24, 10, 12, 3, 7, 0, 0],
        &[8, 0x24, 10, 14, 3, 7, 0, 0],
    ];
    let puppet = Puppet::plug(&uac2_control(&clocks));
    {
        let mut state = puppet.state();
        for clock in [12, 14] {
            for control in [1, 1 | 2 << 4] {
                let like = state[&(control, 0, 10 << 8)].clone();
                state.insert((control, 0, clock << 8), like);
            }
        }
        for (clock, is_valid) in [(10, 0), (12, 1), (14, 0)] {
            state.insert((2, 0, clock << 8), vec![is_valid]);
        }
        state.insert((1, 0, 11 << 8), vec![2]);
        state.insert((1, 0, 13 << 8), vec![1]);
    }
    let card = puppet.open();
    let format = AudioFormat::new(48_000, 2, Sample::S16);
    card.play_blocking(format, StreamOptions::default())
        .unwrap();
    assert_eq!(puppet.state()[&(1, 0, 11 << 8)], [2]);
    assert_eq!(puppet.state()[&(1, 0, 13 << 8)], [2]);
    assert_eq!(puppet.state()[&(1, 0, 12 << 8)], 48_000_u32.to_le_bytes());
}

#[test]
fn a_stream_without_channels_and_one_that_is_not_pcm_are_left_out() {
    let mut parts = Parts::uac2();
    let general = |formats: u8, channels: u8| {
        vec![
            16, 0x24, 1, 1, 0, 1, formats, 0, 0, 0, channels, 0, 0, 0, 0, 0,
        ]
    };
    let format = vec![6, 0x24, 2, 1, 2, 16];
    parts.streaming = Some(vec![general(1, 0), format.clone()]);
    let channels = complaint(&parts);
    assert!(channels.contains("has no channel"), "{channels}");
    parts.streaming = Some(vec![general(4, 2), format]);
    let float = complaint(&parts);
    assert!(float.contains("IEEE float is not PCM"), "{float}");
}

#[test]
fn descriptors_that_are_cut_short_are_told() {
    let mut parts = Parts::uac2();
    parts.streaming = Some(vec![vec![5, 0x24, 1, 1, 0], vec![4, 0x24, 2, 1]]);
    let complaint = complaint(&parts);
    assert!(
        complaint.starts_with("the device has nothing to play; its descriptors are wrong: "),
        "{complaint}"
    );
}

#[test]
fn units_in_a_circle_hinder_nobody() {
    let mut parts = Parts::uac1();
    // Feature unit 2 and selector unit 6 feed each other.
    parts.control = Some(vec![
        vec![10, 0x24, 1, 0, 1, 0, 0, 2, 1, 2],
        vec![12, 0x24, 2, 1, 0x01, 0x01, 0, 2, 0, 0, 0, 0],
        vec![10, 0x24, 6, 2, 6, 1, 0x03, 0, 0, 0],
        vec![8, 0x24, 5, 6, 2, 1, 2, 0],
        vec![9, 0x24, 3, 3, 0x01, 0x03, 0, 2, 0],
    ]);
    let puppet = Puppet::plug(&parts);
    let card = puppet.open();
    assert!(
        card.problems()
            .iter()
            .any(|problem| problem.to_string().contains("form a loop"))
    );
    let stream = card.playback_streams().next().unwrap();
    assert_eq!(stream.ends(), ["speaker"]);
    let volume = card.volume_blocking(stream).unwrap().unwrap();
    assert_eq!(volume.unit(), 2);
    let format = AudioFormat::new(48_000, 2, Sample::S16);
    card.play_blocking(format, StreamOptions::default())
        .unwrap();
}

#[test]
fn a_format_that_does_not_fit_its_packets_is_told() {
    let mut parts = Parts::uac1();
    parts.packet_frames = 45;
    assert_eq!(
        complaint(&parts),
        "alternate setting 1 of interface 1 has packets of 180 bytes, and 48000 Hz, 2 channels, 16 bits needs 192: \
         choose a lower rate"
    );
}
