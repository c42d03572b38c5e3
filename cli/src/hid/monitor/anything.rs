//! Events of any device: each control by the decoder that knows it best.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use usbfs2_hid::report_descriptor::page;
use usbfs2_hid::{
    ControlDecoder, ControlEvent, Decode, GamepadDecoder, GamepadState, HidDevice, KeyDecoder,
    KeyEvent, KeyRepeat, PointerDecoder, PointerEvent, ReportDescriptor, Usage, UsageDecoder,
    UsageEvent,
};

/// What a device can send.
#[derive(Debug)]
pub(super) enum Input {
    Key(KeyEvent),
    Pointer(PointerEvent),
    Gamepad(GamepadState),
    Control(ControlEvent),
    Usage(UsageEvent),
}

/// All decoders at once.
#[derive(Debug)]
pub(super) struct Anything {
    descriptor: Arc<ReportDescriptor>,
    keys: KeyDecoder,
    pointer: PointerDecoder,
    gamepad: GamepadDecoder,
    controls: ControlDecoder,
    usages: UsageDecoder,
}

impl Anything {
    pub(super) fn new(device: &HidDevice, repeat: Option<KeyRepeat>) -> Result<Self> {
        let descriptor = Arc::clone(device.report_descriptor().map_err(Clone::clone)?);
        let keys = device.key_decoder()?;
        Ok(Self {
            keys: match repeat {
                Some(repeat) => keys.repeating(repeat),
                None => keys,
            },
            pointer: PointerDecoder::new(Arc::clone(&descriptor)),
            gamepad: GamepadDecoder::new(Arc::clone(&descriptor)),
            controls: ControlDecoder::new(Arc::clone(&descriptor)),
            usages: UsageDecoder::new(Arc::clone(&descriptor)),
            descriptor,
        })
    }

    /// Whether none of the others tells of it.
    fn is_left(&self, event: &UsageEvent) -> bool {
        let gamepads = [Usage::GAMEPAD, Usage::JOYSTICK, Usage::MULTI_AXIS];
        let pointers = [Usage::MOUSE, Usage::POINTER];
        let told_of_pens = [
            Usage::X,
            Usage::Y,
            Usage::IN_RANGE,
            Usage::TIP_SWITCH,
            Usage::TIP_PRESSURE,
        ];
        let application = self.descriptor.application_around(event.collection);
        let is_told = application.is_some_and(|application| {
            gamepads.contains(&application)
                || pointers.contains(&application)
                || application.page == page::DIGITIZER && told_of_pens.contains(&event.usage)
        });
        !is_told
            && !matches!(event.usage.page, page::KEYBOARD | page::CONSUMER)
            && !ControlDecoder::is_control(event.usage)
    }
}

impl Decode for Anything {
    type Event = Input;

    fn decode(&mut self, report: &[u8], events: &mut VecDeque<Input>) {
        decoded(&mut self.keys, report, Input::Key, events);
        decoded(&mut self.pointer, report, Input::Pointer, events);
        decoded(&mut self.gamepad, report, Input::Gamepad, events);
        decoded(&mut self.controls, report, Input::Control, events);
        let mut left = VecDeque::new();
        self.usages.decode(report, &mut left);
        left.retain(|event| self.is_left(event));
        events.extend(left.into_iter().map(Input::Usage));
    }

    fn due(&self) -> Option<Instant> {
        self.keys.due()
    }

    fn tick(&mut self, now: Instant, events: &mut VecDeque<Input>) {
        let mut keys = VecDeque::new();
        self.keys.tick(now, &mut keys);
        events.extend(keys.into_iter().map(Input::Key));
    }
}

fn decoded<D: Decode>(
    decoder: &mut D,
    report: &[u8],
    input: fn(D::Event) -> Input,
    events: &mut VecDeque<Input>,
) {
    let mut own = VecDeque::new();
    decoder.decode(report, &mut own);
    events.extend(own.into_iter().map(input));
}
