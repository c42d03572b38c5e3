//! A boot keyboard (HID 1.11, appendix B).

mod error;
mod function;
mod options;
mod queue;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use usbfs2_protocol::hid::us_layout;

pub use self::error::{NoSuchKey, NotDrained, Untypable};
pub use self::options::KeyboardOptions;
use self::queue::ReportQueue;
pub use usbfs2_protocol::hid::{IdleRate, Leds, Modifiers, Protocol, usage};

/// The idle rate after a reset. HID 1.11 7.2.4 recommends half a second for keyboards, for hosts that know
/// a held key by its repeated reports; hosts have counted the time themselves for long, and a keyboard that
/// says nothing when nothing happens lets the bus rest.
const DEFAULT_IDLE_RATE: IdleRate = IdleRate::INDEFINITE;

/// A keyboard with 98 keys, eight modifiers and five lights.
///
/// Keys are usages of the keyboard page; [`usage`] names them.
/// What keys do becomes reports, which wait in order until the host takes them, however long it is
/// slow or away. No call blocks but those named `wait`.
///
/// When the host goes away - the cable is pulled, the bus reset, the device deconfigured - it forgets which
/// keys are held, and so does the keyboard once no report is waiting. A report that was not taken
/// is sent to the next host as it is: text goes on where it stopped, nothing lost and nothing twice. A report
/// counts as taken when the controller says so; some (dummy_hcd is one) say so up to one report
/// before the host reads it, and that one is lost if the cable comes out just then.
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
pub struct Keyboard {
    options: KeyboardOptions,
    state: Mutex<State>,
    /// Anything in the state has changed, or the host is gone.
    changed: Condvar,
}

struct State {
    queue: ReportQueue,
    leds: Leds,
    idle_rate: IdleRate,
    protocol: Protocol,
}

impl Keyboard {
    /// A keyboard that is polled every 4 ms.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_options(KeyboardOptions::default())
    }

    /// A keyboard with these options.
    #[must_use]
    pub fn with_options(options: KeyboardOptions) -> Arc<Self> {
        Arc::new(Self {
            options,
            state: Mutex::new(State {
                queue: ReportQueue::default(),
                leds: Leds::empty(),
                idle_rate: DEFAULT_IDLE_RATE,
                protocol: Protocol::Report,
            }),
            changed: Condvar::new(),
        })
    }

    /// Presses a key or modifier, and holds it. No effect while it is held.
    ///
    /// With more than six keys held, a boot keyboard can only report that there are too many (HID 1.11 C).
    ///
    /// # Errors
    /// [`NoSuchKey`]
    pub fn press(&self, key: u8) -> Result<(), NoSuchKey> {
        check(key)?;
        self.update(|state| state.queue.press(key));
        Ok(())
    }

    /// Releases a key or modifier. No effect while it is not held.
    ///
    /// # Errors
    /// [`NoSuchKey`]
    pub fn release(&self, key: u8) -> Result<(), NoSuchKey> {
        check(key)?;
        self.update(|state| state.queue.release(key));
        Ok(())
    }

    /// Releases whatever is held.
    pub fn release_all(&self) {
        self.update(|state| state.queue.release_all());
    }

    /// Presses a key together with modifiers, and releases what of them was not held before. The key is
    /// released in any case.
    ///
    /// # Errors
    /// [`NoSuchKey`]
    pub fn tap(&self, modifiers: Modifiers, key: u8) -> Result<(), NoSuchKey> {
        check(key)?;
        self.update(|state| state.queue.tap(modifiers, key));
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
        self.update(|state| {
            state.queue.release_all();
            for (modifiers, key) in strokes {
                state.queue.tap(modifiers, key);
            }
        });
        Ok(())
    }

    /// How many reports the host has yet to take.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.lock().queue.len()
    }

    /// Waits until the host has taken every report, without end for `None`.
    ///
    /// # Errors
    /// [`NotDrained`] after `timeout`.
    pub fn wait_until_drained(&self, timeout: Option<Duration>) -> Result<(), NotDrained> {
        self.wait_for(timeout, |state| (state.queue.len() == 0).then_some(()))
            .ok_or_else(|| NotDrained {
                pending: self.pending(),
            })
    }

    /// The lights the host has on. All are off after a reset.
    #[must_use]
    pub fn leds(&self) -> Leds {
        self.lock().leds
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
        self.wait_for(timeout, |state| wanted(state.leds).then_some(state.leds))
    }

    /// How often an unchanged report is repeated, as the host has set it; never after a reset (HID 1.11
    /// 7.2.4).
    #[must_use]
    pub fn idle_rate(&self) -> IdleRate {
        self.lock().idle_rate
    }

    /// The protocol the host has selected. Both have the same reports (HID 1.11 7.2.6).
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.lock().protocol
    }

    fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    fn wait_for<R>(
        &self,
        timeout: Option<Duration>,
        mut wanted: impl FnMut(&State) -> Option<R>,
    ) -> Option<R> {
        // A timeout too long for the clock is no deadline.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        loop {
            if let Some(result) = wanted(&state) {
                return Some(result);
            }
            state = self.wait_until(state, deadline)?;
        }
    }

    /// Waits for a change; `None` at the deadline.
    fn wait_until<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> Option<MutexGuard<'a, State>> {
        let Some(deadline) = deadline else {
            let state = self.changed.wait(state);
            return Some(state.unwrap_or_else(PoisonError::into_inner));
        };
        let left = deadline.checked_duration_since(Instant::now())?;
        let (state, _) = self
            .changed
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner);
        Some(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between the parts of an update.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

impl fmt::Debug for Keyboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Keyboard")
            .field("options", &self.options)
            .field("pending", &state.queue.len())
            .field("leds", &state.leds)
            .finish_non_exhaustive()
    }
}
