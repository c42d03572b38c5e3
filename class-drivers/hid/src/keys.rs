//! Key events of a keyboard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use usbfs2_protocol::hid::report_descriptor::page;
use usbfs2_protocol::hid::{
    BootKeyboardReport, KeyChange, Keyboard, Leds, Modifiers, ReportDescriptor, ReportType, Usage,
    us_layout, usage,
};

use crate::decoded::{Decode, Decoded};
use crate::held::{self, HeldControls};

/// A key that went down, came up or repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEvent {
    /// The key: a usage of the keyboard page (HID Usage Tables 10).
    pub usage: u8,
    /// It went down, or is still down and repeats, rather than came up.
    pub pressed: bool,
    /// It has been down for a while; see [`Keys::repeating`].
    pub repeated: bool,
    /// The modifiers held down after this event.
    pub modifiers: Modifiers,
    /// What the key types when it goes down, on a US layout with the locks as pressed so far.
    pub text: Option<char>,
}

/// How a held key repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRepeat {
    /// From the key going down to the first repetition.
    pub delay: Duration,
    /// From one repetition to the next.
    pub period: Duration,
}

impl Default for KeyRepeat {
    /// As the kernel's input layer: 250 ms, then every 33 ms.
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(250),
            period: Duration::from_millis(33),
        }
    }
}

/// The key events of a keyboard.
pub type Keys = Decoded<KeyDecoder>;

impl Keys {
    /// Has the key that went down last repeat for as long as it is held, as a kernel's keyboard does and a
    /// USB keyboard by itself does not. Modifiers do not repeat. Repetitions come when they are due: a
    /// reader who was away finds the reports of meanwhile, not the repetitions.
    #[must_use]
    pub fn repeating(mut self, repeat: KeyRepeat) -> Self {
        self.decoder = self.decoder.repeating(repeat);
        self
    }
}

/// Makes key events of a keyboard's reports.
#[derive(Debug)]
pub struct KeyDecoder {
    form: Form,
    modifiers: Modifiers,
    /// Caps and Num Lock, as pressed so far.
    locks: Leds,
    repeat: Option<KeyRepeat>,
    /// The key that repeats, and when next.
    repeating: Option<(u8, Instant)>,
}

/// How reports say which keys are down.
#[derive(Debug)]
enum Form {
    /// The fixed form of the boot protocol (HID B.1).
    Boot(Keyboard),
    /// As the report descriptor says.
    Described {
        descriptor: Arc<ReportDescriptor>,
        held: HeldControls<u8>,
    },
}

impl KeyDecoder {
    /// Of reports in the boot protocol.
    #[must_use]
    pub fn boot() -> Self {
        Self::new(Form::Boot(Keyboard::new()))
    }

    /// Of reports as the descriptor says.
    #[must_use]
    pub fn described(descriptor: Arc<ReportDescriptor>) -> Self {
        Self::new(Form::Described {
            descriptor,
            held: HeldControls::default(),
        })
    }

    /// Has held keys repeat, as [`Keys::repeating`] does.
    #[must_use]
    pub fn repeating(mut self, repeat: KeyRepeat) -> Self {
        self.repeat = Some(repeat);
        self
    }

    fn new(form: Form) -> Self {
        Self {
            form,
            modifiers: Modifiers::empty(),
            locks: Leds::empty(),
            repeat: None,
            repeating: None,
        }
    }

    /// Takes a report and says what changed: keys that came up, then keys that went down. A report about
    /// something else, too short, or of too many keys changes nothing.
    fn changes(&mut self, bytes: &[u8]) -> Vec<KeyChange> {
        match &mut self.form {
            // A report too short for the boot protocol says nothing about keys.
            Form::Boot(keyboard) => BootKeyboardReport::parse(bytes)
                .map_or_else(|_| Vec::new(), |report| keyboard.update(&report)),
            Form::Described { descriptor, held } => {
                let Some(report) = descriptor.report_of(ReportType::Input, bytes) else {
                    return Vec::new();
                };
                let is_short = bytes.len() < report.length();
                if is_short || report.selected(bytes).any(|(_, usage)| is_error(usage)) {
                    return Vec::new();
                }
                let keys = held::on(report, bytes).filter_map(key);
                let changes = held.update(report.id, keys);
                let change = |pressed| move |usage| KeyChange { usage, pressed };
                let came_up = changes.came_up.into_iter().map(change(false));
                let went_down = changes.went_down.into_iter().map(change(true));
                came_up.chain(went_down).collect()
            }
        }
    }

    fn event(&self, usage: u8, pressed: bool, repeated: bool) -> KeyEvent {
        KeyEvent {
            usage,
            pressed,
            repeated,
            modifiers: self.modifiers,
            text: pressed
                .then(|| us_layout::character(usage, self.modifiers, self.locks))
                .flatten(),
        }
    }
}

impl Decode for KeyDecoder {
    type Event = KeyEvent;

    fn decode(&mut self, report: &[u8], events: &mut VecDeque<KeyEvent>) {
        for KeyChange { usage, pressed } in self.changes(report) {
            let modifier = modifier_of(usage);
            self.modifiers.set(modifier, pressed);
            if pressed {
                self.locks.toggle(lock_of(usage));
            }
            match (self.repeat, self.repeating) {
                (Some(repeat), _) if pressed && modifier.is_empty() => {
                    self.repeating = Some((usage, Instant::now() + repeat.delay));
                }
                (_, Some((repeating, _))) if repeating == usage => self.repeating = None,
                _ => {}
            }
            events.push_back(self.event(usage, pressed, false));
        }
    }

    fn due(&self) -> Option<Instant> {
        self.repeating.map(|(_, due)| due)
    }

    fn tick(&mut self, now: Instant, events: &mut VecDeque<KeyEvent>) {
        let (Some(repeat), Some((usage, due))) = (self.repeat, self.repeating) else {
            return;
        };
        if due <= now {
            events.push_back(self.event(usage, true, true));
            // From now on, not from when it was due: a reader who was away is not flooded. A period of
            // nothing would never let go of the reader.
            let period = repeat.period.max(Duration::from_millis(1));
            self.repeating = Some((usage, now + period));
        }
    }
}

/// The key a usage is: usages 0 to 3 are none, or say that keys cannot be told.
fn key(usage: Usage) -> Option<u8> {
    let id = u8::try_from(usage.id).ok()?;
    (usage.page == page::KEYBOARD && id >= usage::A).then_some(id)
}

/// Whether a usage says that too many keys are down, or that the keyboard failed.
fn is_error(usage: Usage) -> bool {
    let errors = usage::ERROR_ROLL_OVER.into()..=usage::ERROR_UNDEFINED.into();
    usage.page == page::KEYBOARD && errors.contains(&usage.id)
}

/// The modifier a key is, or none: usages E0 to E7 are the bits of the first report byte.
fn modifier_of(usage: u8) -> Modifiers {
    match usage.checked_sub(usage::LEFT_CONTROL) {
        Some(bit @ 0..8) => Modifiers::from_bits_retain(1 << bit),
        _ => Modifiers::empty(),
    }
}

/// The lock a key toggles, or none.
fn lock_of(usage: u8) -> Leds {
    match usage {
        usage::CAPS_LOCK => Leds::CAPS_LOCK,
        usage::NUM_LOCK => Leds::NUM_LOCK,
        _ => Leds::empty(),
    }
}
