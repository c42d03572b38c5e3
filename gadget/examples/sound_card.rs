//! A sound card whose microphone hears what its speaker plays, on gadgetfs.
//!
//! ```text
//! cargo run --release --example sound_card -- 30        for so many seconds, or until Ctrl-C
//! aplay -D hw:Card speech.wav & arecord -D hw:Card -f S16_LE -r 48000 -c 2 back.wav
//! ```
//!
//! The third argument is an error of the card's clock in parts per million, the second the version: `2` or `1`.

use std::env;
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use usbfs2_gadget::functions::audio::{Audio, AudioEvent, AudioOptions, Stream};
use usbfs2_gadget::{DeviceIds, Gadget, GadgetfsOptions};
use usbfs2_protocol::audio::Version;

const IDS: DeviceIds = DeviceIds {
    vendor: 0x1d6b,
    product: 0x0105,
    release: 0x0100,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next().map(|text| text.parse()).transpose()?;
    let version = match arguments.next().as_deref() {
        None | Some("2") => Version::Uac2,
        Some("1") => Version::Uac1,
        Some(other) => return Err(format!("there is no Audio {other}.0: say 1 or 2").into()),
    };
    let error = arguments.next().map(|text| text.parse()).transpose()?;
    let card = Audio::new(AudioOptions {
        version,
        clock_error_ppm: error.unwrap_or(0),
        ..AudioOptions::default()
    })?;
    let gadget = Gadget::builder(IDS)
        .manufacturer("usbfs2")
        .product("Card")
        .function(card.clone())
        .build()?;
    let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
    println!("on {}", running.port_name());

    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let soon = Some(Duration::from_millis(100));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut samples = [0; 2 * 480];
            while end.is_none_or(|end| Instant::now() < end) {
                let frames = card.read(&mut samples, soon);
                let mut left = &samples[..2 * frames];
                // Without a host that records, there is soon no room.
                while !left.is_empty() && card.format(Stream::Microphone).is_some() {
                    let written = card.write(left, soon);
                    left = &left[2 * written..];
                }
            }
        });
        while end.is_none_or(|end| Instant::now() < end) {
            match card.next_event(soon) {
                Some(AudioEvent::Started { stream, format }) => {
                    println!("{stream:?} started: {format:?}");
                }
                Some(AudioEvent::Volume { stream, volume }) => {
                    println!("{stream:?}: {volume}");
                }
                Some(event) => println!("{event:?}"),
                None => {}
            }
        }
    });
    for stream in [Stream::Speaker, Stream::Microphone] {
        println!("{stream:?}: {:?}", card.statistics(stream));
    }
    for failure in running.failures() {
        println!("{failure}");
    }
    running.stop();
    Ok(())
}
