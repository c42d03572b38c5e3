//! Plays a rising tone on a sound card, at a rate and in a format the card has.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin audio_play -- 1-1       the sound card at 1-1, which `list` shows
//! cargo run -p usbfs2-examples --bin audio_play -- --demo    a sound card on a bus inside this program
//! ```
//!
//! The first needs the usbfs2 module: classic usbfs, as nusb reaches it, has no isochronous transfers.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use usbfs2_audio::{AudioDevice, AudioFormat, Decibel, StreamOptions};
use usbfs2_gadget::functions::{Audio, AudioOptions};
use usbfs2_gadget::{DeviceIds, Gadget, Speed};
use usbfs2_host::{Device, Host};
use usbfs2_loopback::Bus;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("--demo") => demo(),
        Some(place) => play(&Host::system()?.open(&place.into())?),
        None => bail!("which sound card? Give its place, such as 1-1, or --demo"),
    }
}

fn play(device: &Device) -> Result<()> {
    let card = AudioDevice::open_blocking(device)?;
    let mut streams = card.playback_streams();
    let stream = streams.next().context("it has nothing to play to")?;
    println!("to the {}: {stream}", stream.ends().join(", "));
    if let Some(volume) = card.volume_blocking(stream)? {
        println!(
            "volume: {}",
            volume.set_all_blocking(Decibel::from_db(-12.0))?
        );
    }

    // Whatever the card has that is nearest to 48 kHz.
    let setting = stream.settings().first().context("in no format")?;
    let rate = setting.rates.nearest(48_000).context("at no rate")?;
    let format = AudioFormat::new(rate, setting.channels, setting.sample);
    // This program is never away for long, but shares the machine with others.
    let options = StreamOptions::default().latency(Duration::from_millis(500));
    let mut playback = card.play_on_blocking(stream, format, options)?;

    let (mut phase, mut bytes) = (0.0, Vec::new());
    for frame in 0..rate {
        // An octave in a second, from 220 Hz.
        phase += 220.0 * 2_f64.powf(f64::from(frame) / f64::from(rate)) / f64::from(rate);
        #[allow(clippy::cast_possible_truncation)]
        let sample = (f64::from(i32::MAX / 4) * (TAU * phase).sin()) as i32;
        bytes.clear();
        format
            .sample
            .encode(&vec![sample; format.channels.into()], &mut bytes);
        // Waits while there is no room: the card's clock says how fast frames go.
        playback.write_blocking(&bytes)?;
    }
    playback.drain_blocking()?;
    let statistics = playback.stop_blocking()?;
    println!("played {} frames a second for a second", format.rate);
    if statistics.xruns + statistics.missed_packets > 0 {
        println!("but it broke: {statistics}");
    }
    Ok(())
}

/// A sound card at the other end of an in-process cable, and somebody who listens.
fn demo() -> Result<()> {
    let card = Audio::new(AudioOptions {
        // Nor is the card late, whoever else keeps the machine busy.
        queue: Duration::from_millis(500),
        ring: Duration::from_secs(2),
        ..AudioOptions::default()
    })?;
    let ids = DeviceIds {
        vendor: 0x1209,
        product: 0x0006,
        release: 0x0100,
    };
    let gadget = Gadget::builder(ids).function(card.clone()).build()?;
    let bus = Bus::new();
    let plugged = gadget.start_on(&bus, Speed::High)?;
    let ear = thread::spawn(move || listen(&card));
    play(&Host::on(&bus).open(&plugged.port_name().into())?)?;
    let crossings = ear
        .join()
        .map_err(|_| anyhow::anyhow!("the listener panicked"))?;
    println!("heard {crossings} periods");
    Ok(())
}

/// How often the left channel rose above zero, until nothing comes for a while.
fn listen(card: &Arc<Audio>) -> usize {
    let mut samples = vec![0; 2 * 4_800];
    let mut patience = Duration::from_secs(10);
    let (mut was_above, mut crossings) = (false, 0);
    loop {
        let frames = card.read(&mut samples, Some(patience));
        if frames == 0 {
            return crossings;
        }
        patience = Duration::from_secs(1);
        for frame in samples[..2 * frames].chunks_exact(2) {
            crossings += usize::from(!was_above && frame[0] > 0);
            was_above = frame[0] > 0;
        }
    }
}
