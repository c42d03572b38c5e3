//! A boot keyboard (HID 1.11, appendix B).

mod controls;
mod error;
mod options;

use std::sync::Arc;
use std::time::Duration;

use usbfs2_protocol::hid::{PROTOCOL_KEYBOARD, us_layout};

pub use self::controls::KeyboardControls;
pub use self::error::{NoMediaKeys, NoSuchKey, Untypable};
pub use self::options::KeyboardOptions;
use super::consumer_control;
pub use super::hid::NotDrained;
use super::hid::{HidFunction, HidOptions};
pub use usbfs2_protocol::hid::{IdleRate, Leds, Modifiers, Protocol, usage};

/// A keyboard with 98 keys, eight modifiers and five lights.
///
/// Keys are usages of the keyboard page; [`usage`] names them.
/// What keys do becomes reports, of which none is lost or comes twice; [`HidFunction`] says how, and has what
/// keyboards share with other devices.
///
/// ```
/// use usbfs2_gadget::functions::Keyboard;
/// use usbfs2_gadget::functions::keyboard::{Modifiers, usage};
///
/// let keyboard = Keyboard::new();
/// keyboard.type_text("Hello, world\n")?;
/// keyboard.tap(Modifiers::LEFT_CONTROL, usage::A)?;
/// assert_eq!(keyboard.pending(), 2 * 13 + 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Keyboard = HidFunction<KeyboardControls>;

impl Keyboard {
    /// A keyboard that is polled every 4 ms.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_options(KeyboardOptions::default())
    }

    /// A keyboard with these options.
    #[must_use]
    pub fn with_options(options: KeyboardOptions) -> Arc<Self> {
        let media_keys = options.media_keys;
        let options = HidOptions {
            boot_protocol: Some(PROTOCOL_KEYBOARD),
            poll_interval: options.poll_interval,
            output_endpoint: options.led_endpoint,
            ..HidOptions::new(KeyboardControls::report_descriptor(media_keys))
        };
        Self::ready_made(options, KeyboardControls::new(media_keys))
    }

    /// Presses a key or modifier, and holds it. No effect while it is held.
    ///
    /// With more than six keys held, a boot keyboard can only report that there are too many (HID 1.11 C).
    ///
    /// # Errors
    /// [`NoSuchKey`]
    pub fn press(&self, key: u8) -> Result<(), NoSuchKey> {
        check(key)?;
        self.change(|controls| controls.press(key));
        Ok(())
    }

    /// Releases a key or modifier. No effect while it is not held.
    ///
    /// # Errors
    /// [`NoSuchKey`]
    pub fn release(&self, key: u8) -> Result<(), NoSuchKey> {
        check(key)?;
        self.change(|controls| controls.release_key(key));
        Ok(())
    }

    /// Releases whatever is held.
    pub fn release_all(&self) {
        self.change(KeyboardControls::release_all);
    }

    /// Presses a key together with modifiers, and releases what of them was not held before. The key is
    /// released in any case.
    ///
    /// # Errors
    /// [`NoSuchKey`]
    pub fn tap(&self, modifiers: Modifiers, key: u8) -> Result<(), NoSuchKey> {
        check(key)?;
        self.changes(|controls| controls.tap(modifiers, key).into());
        Ok(())
    }

    /// Types a text on the US layout: Latin letters, digits, punctuation, space, tab, newline as enter.
    /// Releases first what is held, so that the text comes out as it is; the host's caps lock must be off.
    ///
    /// # Errors
    /// [`Untypable`] names the characters that are on no key. Nothing is typed then.
    pub fn type_text(&self, text: &str) -> Result<(), Untypable> {
        let mut untypable = Vec::new();
        let mut strokes = Vec::new();
        for character in text.chars() {
            match us_layout::key(character) {
                Some(stroke) => strokes.push(stroke),
                None if untypable.contains(&character) => {}
                None => untypable.push(character),
            }
        }
        if !untypable.is_empty() {
            return Err(Untypable {
                characters: untypable,
            });
        }
        self.changes(|controls| {
            let released = controls.release_all();
            let taps = strokes.into_iter();
            let taps = taps.flat_map(|(modifiers, key)| controls.tap(modifiers, key));
            std::iter::once(released).chain(taps).collect()
        });
        Ok(())
    }

    /// Presses a media key, a usage of the consumer page, and holds it. No effect while it is held.
    ///
    /// # Errors
    /// The keyboard was made without media keys, or there is no such key.
    pub fn press_media(&self, usage: u16) -> Result<(), NoMediaKeys> {
        self.change_media(usage, consumer_control::HeldUsages::press)
    }

    /// Releases a media key. No effect while it is not held.
    ///
    /// # Errors
    /// As [`press_media`](Self::press_media).
    pub fn release_media(&self, usage: u16) -> Result<(), NoMediaKeys> {
        self.change_media(usage, consumer_control::HeldUsages::release)
    }

    fn change_media(
        &self,
        usage: u16,
        change: fn(&mut consumer_control::HeldUsages, u16),
    ) -> Result<(), NoMediaKeys> {
        consumer_control::check(usage)?;
        if self.lock().controls.media().is_none() {
            return Err(NoMediaKeys::NotMadeWithAny);
        }
        self.change(|controls| {
            if let Some(media) = controls.media() {
                change(media, usage);
            }
            controls.media_report()
        });
        Ok(())
    }

    /// The lights the host has on. All are off after a reset.
    #[must_use]
    pub fn leds(&self) -> Leds {
        let state = self.lock();
        let output = state.outputs.get(&state.controls.leds_id());
        output.map_or(Leds::empty(), |output| leds_of(output))
    }

    /// Waits until the lights are as wanted, without end for `None`; `None` after `timeout`.
    ///
    /// ```no_run
    /// # let keyboard = usbfs2_gadget::functions::Keyboard::new();
    /// let before = keyboard.leds();
    /// let changed = keyboard.wait_for_leds(None, |leds| leds != before);
    /// ```
    pub fn wait_for_leds(
        &self,
        timeout: Option<Duration>,
        wanted: impl Fn(Leds) -> bool,
    ) -> Option<Leds> {
        let id = self.lock().controls.leds_id();
        let output = self.wait_for_output(id, timeout, |output| wanted(leds_of(output)))?;
        Some(leds_of(&output))
    }
}

/// The lights of their report, whose last byte they are. Bits 5 to 7 are padding.
fn leds_of(output: &[u8]) -> Leds {
    Leds::from_bits_truncate(output.last().copied().unwrap_or_default())
}

/// The keys of the report descriptor.
fn check(key: u8) -> Result<(), NoSuchKey> {
    const LAST_KEY: u8 = 0x65;
    let modifiers = usage::LEFT_CONTROL..=usage::RIGHT_GUI;
    if (usage::A..=LAST_KEY).contains(&key) || modifiers.contains(&key) {
        Ok(())
    } else {
        Err(NoSuchKey(key))
    }
}
