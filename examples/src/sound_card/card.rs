//! The card.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use usbfs2_gadget::functions::audio::{Audio, AudioEvent, AudioOptions, Stream};
use usbfs2_gadget::{DeviceIds, Gadget};

use super::{PRODUCT, VENDOR};

/// A stereo speaker and a stereo microphone of 16 bits at 48 kHz.
///
/// # Errors
/// The options are none of a sound card.
pub fn card() -> Result<Arc<Audio>> {
    let card = Audio::new(AudioOptions {
        // Its quartz is a little fast, as every quartz is a little something.
        clock_error_ppm: 200,
        // So late may the thread be that serves the bus, and so much sound waits for `repeat`.
        queue: Duration::from_millis(250),
        ring: Duration::from_secs(10),
        ..AudioOptions::default()
    })?;
    Ok(card)
}

/// The device that has the card.
///
/// # Errors
/// The card is not one that a gadget can have.
pub fn gadget(card: &Arc<Audio>) -> Result<Gadget> {
    let ids = DeviceIds {
        vendor: VENDOR,
        product: PRODUCT,
        release: 0x0100,
    };
    let builder = Gadget::builder(ids).product("Sound card that repeats");
    Ok(builder.function(Arc::clone(card) as Arc<_>).build()?)
}

/// Puts what the host has played where it will record it, for as long as the host goes on within a minute.
pub fn repeat(card: &Audio) {
    while let Some(event) = card.next_event(Some(Duration::from_secs(60))) {
        let stream = Stream::Speaker;
        if event == (AudioEvent::Stopped { stream }) {
            let mut frames = vec![0; 2 * card.waiting(stream)];
            card.read(&mut frames, Some(Duration::ZERO));
            card.write(&frames, Some(Duration::ZERO));
        }
    }
}
