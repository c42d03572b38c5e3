//! `usbfs2 hid`.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use usbfs2_hid::{HidDevice, InputReport, KeyEvent, Leds, Modifiers, ReportType};
use usbfs2_host::Host;
use usbfs2_protocol::hid::usage;
use usbfs2_protocol::standard::class;

use crate::args::{HidCommand, HidMonitorArgs, HidSendArgs, Led, Report};
use crate::output::{note, say};
use crate::{interrupt, select};

/// How often Ctrl-C is looked for while nothing is typed.
const GLANCE: Duration = Duration::from_millis(200);

/// Runs one of the HID commands.
pub(crate) fn run(host: &Host, command: &HidCommand) -> Result<()> {
    match command {
        HidCommand::Monitor(args) => monitor(host, args),
        HidCommand::Send(args) => send(host, args),
    }
}

fn open(host: &Host, device: Option<&str>) -> Result<HidDevice> {
    let info = match device {
        Some(name) => select::device(host, name)?,
        None => select::first_of_class(host, class::HID, "HID device")?,
    };
    Ok(HidDevice::open_blocking(&host.open(info.id())?)?)
}

fn monitor(host: &Host, args: &HidMonitorArgs) -> Result<()> {
    interrupt::catch()?;
    let device = open(host, args.device.as_deref())?;
    let json = args.output.json;
    let overflows = if args.raw {
        let mut reports = device.reports()?;
        print_events(args.count, || {
            let report = reports.next_timeout(GLANCE)?;
            Ok(report.map_or(Next::Nothing, |report| Next::Line(raw_line(&report, json))))
        })?;
        reports.overflows()
    } else {
        let mut keys = device.keys()?;
        // The keyboard may be the only one, and nobody else hears it now.
        let mut ended = false;
        print_events(args.count, || {
            if ended {
                return Ok(Next::End);
            }
            let Some(event) = keys.next_timeout(GLANCE)? else {
                return Ok(Next::Nothing);
            };
            ended = is_control_c(&event);
            Ok(Next::Line(key_line(&event, json)))
        })?;
        keys.overflows()
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

fn is_control_c(event: &KeyEvent) -> bool {
    const C: u8 = usage::A + 2;
    let control = Modifiers::LEFT_CONTROL | Modifiers::RIGHT_CONTROL;
    event.pressed && event.usage == C && event.modifiers.intersects(control)
}

fn raw_line(report: &InputReport, json: bool) -> String {
    let bytes: Vec<String> = report
        .bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if json {
        json!({ "report": bytes.concat() }).to_string()
    } else {
        bytes.join(" ")
    }
}

fn key_line(event: &KeyEvent, json: bool) -> String {
    let name = usage::name(event.usage);
    if json {
        let text: Option<Value> = event.text.map(|text| text.to_string().into());
        let event = json!({
            "usage": event.usage,
            "name": name,
            "pressed": event.pressed,
            "modifiers": event.modifiers.bits(),
            "text": text,
        });
        return event.to_string();
    }
    let name = name.map_or_else(|| format!("usage {:#04x}", event.usage), Into::into);
    let text = event
        .text
        .map_or_else(String::new, |text| format!("  {text:?}"));
    format!(
        "{} {name}{text}",
        if event.pressed { "down" } else { "up  " }
    )
}

fn send(host: &Host, args: &HidSendArgs) -> Result<()> {
    let device = open(host, args.device.as_deref())?;
    if let Some(leds) = &args.leds {
        device.set_leds_blocking(leds.iter().map(|&led| light(led)).collect())?;
    }
    if let Some(Report { id, data }) = &args.output {
        device.send_output_blocking(*id, data)?;
    }
    if let Some(Report { id, data }) = &args.feature {
        let id_byte = (*id != 0).then_some(*id);
        let report: Vec<u8> = id_byte.into_iter().chain(data.iter().copied()).collect();
        device.set_report_blocking(ReportType::Feature, *id, &report)?;
    }
    Ok(())
}

fn light(led: Led) -> Leds {
    match led {
        Led::Num => Leds::NUM_LOCK,
        Led::Caps => Leds::CAPS_LOCK,
        Led::Scroll => Leds::SCROLL_LOCK,
        Led::Compose => Leds::COMPOSE,
        Led::Kana => Leds::KANA,
        Led::None => Leds::empty(),
    }
}
