//! Playing and recording, each alone, both at once, with a clock that is off, and without a cable.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use usbfs2_audio::{Decibel, StreamError, Version};
use usbfs2_gadget::functions::audio::{AudioOptions, SpeakerTiming, Stream};

use super::numbered::{frames, listen, play, record};
use super::{Scenario, Studio, ensure_whole, feedback_ppm};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        ("audio::every_frame_that_is_played_is_heard", plays),
        (
            "audio::every_frame_that_is_played_is_heard_at_44100_hz",
            plays_at_44100_hz,
        ),
        (
            "audio::an_adaptive_speaker_hears_every_frame",
            plays_to_an_adaptive_speaker,
        ),
        (
            "audio::a_card_of_audio_1_hears_and_says_every_frame",
            plays_and_records_audio_1,
        ),
        ("audio::a_clock_that_is_fast_is_followed", |world| {
            follows_a_clock(world, 500)
        }),
        ("audio::a_clock_that_is_slow_is_followed", |world| {
            follows_a_clock(world, -500)
        }),
        ("audio::every_frame_that_is_said_is_recorded", records),
        (
            "audio::what_is_recorded_paces_what_is_played",
            plays_with_implicit_feedback,
        ),
        (
            "audio::playing_and_recording_at_once_disturb_neither",
            plays_and_records,
        ),
        ("audio::a_pulled_cable_ends_both_streams", a_pulled_cable),
        ("audio::volume_and_mute_arrive_at_the_card", volume),
    ]
}

/// How long a stream is looked at: in the VM where time follows instructions, longer than elsewhere.
fn span(world: &World) -> Duration {
    match world {
        World::Loopback(_) => Duration::from_secs(2),
        World::Kernel(_) | World::Composite(_) => Duration::from_secs(10),
    }
}

fn plays(world: &World) -> Result<()> {
    play_and_listen(world, AudioOptions::default(), 48_000)
}

fn plays_at_44100_hz(world: &World) -> Result<()> {
    let rates = vec![48_000, 44_100];
    let options = AudioOptions {
        rates,
        ..AudioOptions::default()
    };
    play_and_listen(world, options, 44_100)
}

fn plays_to_an_adaptive_speaker(world: &World) -> Result<()> {
    let options = AudioOptions {
        speaker_timing: SpeakerTiming::Adaptive,
        ..AudioOptions::default()
    };
    play_and_listen(world, options, 48_000)
}

fn play_and_listen(world: &World, options: AudioOptions, rate: u32) -> Result<()> {
    let studio = Studio::new(world, options)?;
    let count = frames(rate, span(world));
    let options = studio.options();
    let mut playback = studio.device.play_blocking(studio.format(rate), options)?;
    let card = studio.card.clone();
    let heard = thread::spawn(move || listen(&card, count));
    play(&mut playback, count)?;
    joined(heard)?;
    ensure_whole(&playback.stop_blocking()?)
}

fn plays_and_records_audio_1(world: &World) -> Result<()> {
    let options = AudioOptions {
        version: Version::Uac1,
        ..AudioOptions::default()
    };
    play_and_record(world, options)
}

fn plays_and_records(world: &World) -> Result<()> {
    play_and_record(world, AudioOptions::default())
}

fn plays_with_implicit_feedback(world: &World) -> Result<()> {
    let options = AudioOptions {
        speaker_timing: SpeakerTiming::ImplicitFeedback,
        clock_error_ppm: 500,
        ..AudioOptions::default()
    };
    play_and_listen(world, options, 48_000)
}

fn play_and_record(world: &World, options: AudioOptions) -> Result<()> {
    let studio = Studio::new(world, options)?;
    let count = frames(48_000, span(world));
    let format = studio.format(48_000);
    let sung = studio.sing(count)?;
    let mut capture = studio.device.record_blocking(format, studio.options())?;
    let mut playback = studio.device.play_blocking(format, studio.options())?;
    let card = studio.card.clone();
    let heard = thread::spawn(move || listen(&card, count));
    let recorded = thread::spawn(move || {
        record(&mut capture, count)?;
        ensure_whole(&capture.stop_blocking()?)
    });
    play(&mut playback, count)?;
    for thread in [heard, sung, recorded] {
        joined(thread)?;
    }
    ensure_whole(&playback.stop_blocking()?)
}

fn records(world: &World) -> Result<()> {
    let studio = Studio::new(world, AudioOptions::default())?;
    let count = frames(48_000, span(world));
    let sung = studio.sing(count)?;
    let format = studio.format(48_000);
    let mut capture = studio.device.record_blocking(format, studio.options())?;
    record(&mut capture, count)?;
    joined(sung)?;
    ensure_whole(&capture.stop_blocking()?)
}

fn follows_a_clock(world: &World, ppm: i32) -> Result<()> {
    let options = AudioOptions {
        clock_error_ppm: ppm,
        ..AudioOptions::default()
    };
    let studio = Studio::new(world, options)?;
    // Off by 500 parts in a million for a minute is 30 ms: more than the card's buffer.
    let count = match world {
        World::Loopback(_) => frames(48_000, span(world)),
        World::Kernel(_) | World::Composite(_) => frames(48_000, Duration::from_secs(60)),
    };
    let format = studio.format(48_000);
    let mut playback = studio.device.play_blocking(format, studio.options())?;
    let card = studio.card.clone();
    let heard = thread::spawn(move || listen(&card, count));
    play(&mut playback, count)?;
    joined(heard)?;
    let statistics = playback.stop_blocking()?;
    ensure_whole(&statistics)?;
    // The card asks for a little more or less where its buffer is not as full as it should be.
    let off = feedback_ppm(&statistics, 48_000)?;
    let least = f64::from(ppm) - 2_500.0;
    let most = f64::from(ppm) + 2_500.0;
    ensure!((least..=most).contains(&off), "{off} ppm: {statistics:?}");
    let fill = studio.card.statistics(Stream::Speaker).fill_range;
    ensure!(fill.is_some_and(|(_, most)| most <= 2 * 8 * 48), "{fill:?}");
    Ok(())
}

fn a_pulled_cable(world: &World) -> Result<()> {
    let studio = Studio::new(world, AudioOptions::default())?;
    let format = studio.format(48_000);
    let mut capture = studio.device.record_blocking(format, studio.options())?;
    let mut playback = studio.device.play_blocking(format, studio.options())?;
    let recorded = thread::spawn(move || {
        let mut some = vec![0; 4 * 480];
        let error = loop {
            if let Err(error) = capture.read_blocking(&mut some) {
                break error;
            }
        };
        ended_by_the_cable(error)
    });
    let cable = studio.connected.cable().clone();
    let mut is_in = true;
    let error = loop {
        if is_in && playback.statistics().frames > 12_000 {
            cable.pull()?;
            is_in = false;
        }
        if let Err(error) = playback.write_blocking(&vec![0; 4 * 480]) {
            break error;
        }
    };
    ended_by_the_cable(error)?;
    joined(recorded)
}

fn ended_by_the_cable(error: StreamError) -> Result<()> {
    match error {
        StreamError::Disconnected { statistics } if statistics.frames > 0 => Ok(()),
        other => bail!("{other:?} instead of Disconnected with frames"),
    }
}

fn volume(world: &World) -> Result<()> {
    let studio = Studio::new(world, AudioOptions::default())?;
    let device = &studio.device;
    let streams = device.playback_streams().map(|it| (it, Stream::Speaker));
    let streams = streams.chain(device.capture_streams().map(|it| (it, Stream::Microphone)));
    for (stream, side) in streams {
        let Some(volume) = device.volume_blocking(stream)? else {
            bail!("{side:?} has no volume");
        };
        let set = volume.set_all_blocking(Decibel::from_db(-20.3))?;
        ensure!(set == Decibel::from_db(-20.5), "{set} was set");
        ensure!(studio.card.volume(side) == set, "{side:?} has another");
        let Some(mute) = device.mute(stream) else {
            bail!("{side:?} has no mute");
        };
        for is_muted in [true, false] {
            mute.set_blocking(0, is_muted)?;
            ensure!(mute.get_blocking(0)? == is_muted, "{side:?} says otherwise");
            ensure!(
                studio.card.is_muted(side) == is_muted,
                "{side:?} is otherwise"
            );
        }
    }
    Ok(())
}

fn joined(thread: thread::JoinHandle<Result<()>>) -> Result<()> {
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("a thread panicked"),
    }
}
