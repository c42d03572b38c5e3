//! `usbfs2 hid monitor`.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use usbfs2_hid::{
    Axis, Change, ControlEvent, Decoded, GamepadState, InputReport, KeyEvent, KeyRepeat, Modifiers,
    PointerEvent, UsageEvent,
};
use usbfs2_host::Host;
use usbfs2_protocol::hid::usage;

use super::names;
use crate::args::HidMonitorArgs;
use crate::interrupt;
use crate::output::{note, say};
use anything::{Anything, Input};

mod anything;

/// How often Ctrl-C is looked for while nothing happens.
const GLANCE: Duration = Duration::from_millis(200);

/// Prints what the device sends until Ctrl-C.
pub(super) fn run(host: &Host, args: &HidMonitorArgs) -> Result<()> {
    interrupt::catch()?;
    let device = super::open(host, &args.device)?;
    let json = args.output.json;
    let overflows = if args.raw {
        let mut reports = device.reports()?;
        print_events(args.count, || {
            let report = reports.next_timeout(GLANCE)?;
            Ok(report.map_or(Next::Nothing, |report| Next::Line(raw_line(&report, json))))
        })?;
        reports.overflows()
    } else {
        let repeat = args.repeat.then(KeyRepeat::default);
        let decoder = Anything::new(&device, repeat)?;
        let mut inputs: Decoded<Anything> = device.reports()?.decode(decoder);
        // The keyboard may be the only one, and nobody else hears it now.
        let mut ended = false;
        print_events(args.count, || {
            if ended {
                return Ok(Next::End);
            }
            let Some(input) = inputs.next_timeout(GLANCE)? else {
                return Ok(Next::Nothing);
            };
            ended = is_control_c(&input);
            Ok(Next::Line(if json {
                json_of(&input).to_string()
            } else {
                line(&input)
            }))
        })?;
        inputs.overflows()
    };
    if overflows > 0 {
        note!(
            "usbfs2: reports came faster than they were printed, {overflows} times: some may be missing"
        );
    }
    Ok(())
}

/// What to print next.
enum Next {
    Line(String),
    Nothing,
    End,
}

fn print_events(count: Option<u64>, mut next: impl FnMut() -> Result<Next>) -> Result<()> {
    let mut printed = 0;
    while !interrupt::requested() && count.is_none_or(|count| printed < count) {
        match next()? {
            Next::Line(line) => {
                say!("{line}")?;
                printed += 1;
            }
            Next::Nothing => {}
            Next::End => break,
        }
    }
    Ok(())
}

fn is_control_c(input: &Input) -> bool {
    const C: u8 = usage::A + 2;
    let control = Modifiers::LEFT_CONTROL | Modifiers::RIGHT_CONTROL;
    matches!(input, Input::Key(event)
        if event.pressed && event.usage == C && event.modifiers.intersects(control))
}

fn raw_line(report: &InputReport, json: bool) -> String {
    let bytes: Vec<String> = report
        .bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if json {
        json!({ "report": bytes.concat(), "overflows_before": report.overflows_before }).to_string()
    } else {
        bytes.join(" ")
    }
}

fn line(input: &Input) -> String {
    match input {
        Input::Key(event) => key_line(event),
        Input::Pointer(event) => pointer_line(event),
        Input::Gamepad(state) => gamepad_line(state),
        Input::Control(event) => {
            format!(
                "{} {}",
                down_or_up(event.pressed),
                names::usage(event.usage)
            )
        }
        Input::Usage(event) => usage_line(event),
    }
}

fn down_or_up(pressed: bool) -> &'static str {
    if pressed { "down" } else { "up  " }
}

fn key_line(event: &KeyEvent) -> String {
    let name =
        usage::name(event.usage).map_or_else(|| format!("usage {:#04x}", event.usage), Into::into);
    let text = event
        .text
        .map_or_else(String::new, |text| format!("  {text:?}"));
    let what = if event.repeated {
        "held"
    } else {
        down_or_up(event.pressed)
    };
    format!("{what} {name}{text}")
}

fn pointer_line(event: &PointerEvent) -> String {
    let percent = |axis: &Axis| format!("{} ({:.1} %)", axis.value, axis.fraction() * 100.0);
    match event {
        PointerEvent::Moved { x, y } => format!("move {x:+} {y:+}"),
        PointerEvent::At { x, y } => format!("at   {} {}", percent(x), percent(y)),
        PointerEvent::Scrolled {
            vertical,
            horizontal,
        } => format!("turn wheel {vertical:+}, to the side {horizontal:+}"),
        PointerEvent::Button { number, pressed } => {
            format!("{} button {number}", down_or_up(*pressed))
        }
        PointerEvent::InRange(true) => "pen in range".into(),
        PointerEvent::InRange(false) => "pen out of range".into(),
        PointerEvent::Touching(pressed) => format!("{} tip", down_or_up(*pressed)),
        PointerEvent::Pressure(axis) => format!("pressure {}", percent(axis)),
        other => format!("{other:?}"),
    }
}

fn gamepad_line(state: &GamepadState) -> String {
    let axes = state.axes.iter();
    let axes = axes.map(|(usage, axis)| format!("{} {:+.2}", names::usage(*usage), centred(axis)));
    let hat = state
        .hat_degrees
        .map_or_else(|| "hat -".into(), |degrees| format!("hat {degrees} deg"));
    let buttons: Vec<String> = state.buttons.iter().map(ToString::to_string).collect();
    let buttons = if buttons.is_empty() {
        "no button".into()
    } else {
        format!("button {}", buttons.join(" "))
    };
    let parts: Vec<String> = axes.chain([hat, buttons]).collect();
    parts.join("  ")
}

/// An axis with its middle at zero where it has one there, else from 0 to 1.
fn centred(axis: &Axis) -> f64 {
    if axis.minimum < 0 {
        axis.fraction() * 2.0 - 1.0
    } else {
        axis.fraction()
    }
}

fn usage_line(event: &UsageEvent) -> String {
    let name = names::usage(event.usage);
    match event.change {
        Change::By(steps) => format!("{name} {steps:+}"),
        Change::To(value) => format!("{name} = {value}"),
        Change::ToNothing => format!("{name} = nothing"),
        Change::On => format!("{name} on"),
        Change::Off => format!("{name} off"),
        other => format!("{name} {other:?}"),
    }
}

fn json_of(input: &Input) -> Value {
    match input {
        Input::Key(event) => {
            let text: Option<Value> = event.text.map(|text| text.to_string().into());
            json!({
                "kind": "key",
                "usage": event.usage,
                "name": usage::name(event.usage),
                "pressed": event.pressed,
                "repeated": event.repeated,
                "modifiers": event.modifiers.bits(),
                "text": text,
            })
        }
        Input::Pointer(event) => pointer_json(event),
        Input::Gamepad(state) => {
            let axes = state.axes.iter();
            let axes = axes.map(|(usage, axis)| (names::usage(*usage), axis_json(axis)));
            json!({
                "kind": "gamepad",
                "axes": Value::Object(axes.collect()),
                "hat_degrees": state.hat_degrees,
                "buttons": state.buttons,
            })
        }
        Input::Control(ControlEvent { usage, pressed }) => json!({
            "kind": "control",
            "usage": usage.to_string(),
            "name": names::usage(*usage),
            "pressed": pressed,
        }),
        Input::Usage(event) => {
            let (by, to) = match event.change {
                Change::By(steps) => (Some(steps), None),
                Change::To(value) => (None, Some(value)),
                Change::On => (None, Some(1)),
                Change::Off => (None, Some(0)),
                _ => (None, None),
            };
            json!({
                "kind": "usage",
                "report_id": event.report_id,
                "usage": event.usage.to_string(),
                "name": names::usage(event.usage),
                "collection": event.collection,
                "by": by,
                "to": to,
            })
        }
    }
}

fn axis_json(axis: &Axis) -> Value {
    json!({ "value": axis.value, "minimum": axis.minimum, "maximum": axis.maximum })
}

fn pointer_json(event: &PointerEvent) -> Value {
    match event {
        PointerEvent::Moved { x, y } => json!({ "kind": "move", "x": x, "y": y }),
        PointerEvent::At { x, y } => {
            json!({ "kind": "position", "x": axis_json(x), "y": axis_json(y) })
        }
        PointerEvent::Scrolled {
            vertical,
            horizontal,
        } => json!({ "kind": "scroll", "vertical": vertical, "horizontal": horizontal }),
        PointerEvent::Button { number, pressed } => {
            json!({ "kind": "button", "number": number, "pressed": pressed })
        }
        PointerEvent::InRange(in_range) => json!({ "kind": "range", "in_range": in_range }),
        PointerEvent::Touching(touching) => json!({ "kind": "tip", "pressed": touching }),
        PointerEvent::Pressure(axis) => json!({ "kind": "pressure", "pressure": axis_json(axis) }),
        other => json!({ "kind": "pointer", "event": format!("{other:?}") }),
    }
}
