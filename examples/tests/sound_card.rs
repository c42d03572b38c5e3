//! The sound card and the program of the tutorial, tested on each other without hardware.

use std::sync::Arc;
use std::time::Duration;

use usbfs2_audio::{
    AudioDevice, AudioFormat, Decibel, Sample, StreamError, StreamOptions, SynchronizationType,
};
use usbfs2_examples::sound_card::{card, player};
use usbfs2_gadget::Running;
use usbfs2_gadget::functions::audio::{Audio, Stream};
use usbfs2_host::{Host, Speed};
use usbfs2_loopback::Bus;

struct Bench {
    bus: Bus,
    running: Running,
    card: Arc<Audio>,
    driver: AudioDevice,
}

fn bench() -> Bench {
    let bus = Bus::new();
    let card = card::card().unwrap();
    let gadget = card::gadget(&card).unwrap();
    let running = gadget.start_on(&bus, Speed::High).unwrap();
    let driver = player::open(&Host::on(&bus)).unwrap();
    Bench {
        bus,
        running,
        card,
        driver,
    }
}

#[test]
fn what_is_played_comes_back_sample_by_sample() {
    let bench = bench();
    let repeat = Arc::clone(&bench.card);
    std::thread::spawn(move || card::repeat(&repeat));
    let chord = player::chord(9_600);
    let statistics = player::play(&bench.driver, &chord).unwrap();
    assert_eq!((statistics.xruns, statistics.missed_packets), (0, 0));
    assert!(player::listen(&bench.driver, chord.len()).unwrap() == chord);
}

#[test]
fn a_fast_quartz_is_followed() {
    let bench = bench();
    let speaker = bench.driver.playback_streams().next().unwrap();
    let synchronization = speaker.settings()[0].synchronization;
    assert_eq!(synchronization, SynchronizationType::Asynchronous);
    let statistics = player::play(&bench.driver, &player::chord(48_000)).unwrap();
    let feedback = statistics.feedback.unwrap();
    // 200 ppm of 48 kHz are 9.6 frames a second.
    assert!(feedback.most > 48_009.0, "{feedback:?}");
}

#[test]
fn the_volume_is_one_the_card_can_have() {
    let bench = bench();
    let volume = player::turn_down(&bench.driver, Decibel::from_db(-6.2)).unwrap();
    assert_eq!(volume.to_string(), "-6.0 dB");
    assert_eq!(bench.card.volume(Stream::Speaker), volume);
}

#[test]
fn a_format_the_card_does_not_have_is_refused_with_those_it_has() {
    let bench = bench();
    let format = AudioFormat::new(96_000, 2, Sample::S24);
    let refused = bench.driver.play_blocking(format, StreamOptions::default());
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the device cannot play 96000 Hz, 2 channels, 24 bits: \
         it has 2 channels, 16 bits, 48000 Hz"
    );
}

#[test]
fn a_pulled_cable_says_how_far_it_went() {
    let bench = bench();
    let options = StreamOptions::default().latency(Duration::from_millis(500));
    let mut playback = bench.driver.play_blocking(player::FORMAT, options).unwrap();
    playback.write_blocking(&player::chord(48_000)).unwrap();
    let cable = bench.bus.cable(bench.running.port_name()).unwrap();
    cable.pull();
    let error = playback.write_blocking(&player::chord(48_000)).unwrap_err();
    let StreamError::Disconnected { statistics } = error else {
        panic!("{error}");
    };
    assert!(statistics.frames > 0);
}
