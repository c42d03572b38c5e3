//! `usbfs2 hid`.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use usbfs2_hid::{HidDevice, InputReport, KeyEvent, Leds, ReportType};
use usbfs2_host::Host;
use usbfs2_protocol::hid::usage;
use usbfs2_protocol::standard::class;

use crate::args::{HidCommand, HidMonitorArgs, HidSendArgs};
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
            Ok(report.map(|report| raw_line(&report, json)))
        })?;
        reports.overflows()
    } else {
        let mut keys = device.keys()?;
        print_events(args.count, || {
            let event = keys.next_timeout(GLANCE)?;
            Ok(event.map(|event| key_line(&event, json)))
        })?;
        keys.overflows()
    };
    if overflows > 0 {
        eprintln!(
            "usbfs2: reports came faster than they were printed, {overflows} times: some may be missing"
        );
    }
    Ok(())
}

fn print_events(
    count: Option<u64>,
    mut next: impl FnMut() -> Result<Option<String>>,
) -> Result<()> {
    let mut output = std::io::stdout().lock();
    let mut printed = 0;
    while !interrupt::requested() && count.is_none_or(|count| printed < count) {
        if let Some(line) = next()? {
            writeln!(output, "{line}")?;
            output.flush()?;
            printed += 1;
        }
    }
    Ok(())
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
    if let Some(names) = &args.leds {
        device.set_leds_blocking(leds(names)?)?;
    }
    if let Some(report) = &args.output {
        let (id, data) = report_bytes(report)?;
        device.send_output_blocking(id, &data)?;
    }
    if let Some(report) = &args.feature {
        let (id, data) = report_bytes(report)?;
        let numbered: Vec<u8> = (id != 0).then_some(id).into_iter().chain(data).collect();
        device.set_report_blocking(ReportType::Feature, id, &numbered)?;
    }
    Ok(())
}

fn leds(names: &[String]) -> Result<Leds> {
    let mut leds = Leds::empty();
    for name in names {
        leds |= match name.as_str() {
            "num" => Leds::NUM_LOCK,
            "caps" => Leds::CAPS_LOCK,
            "scroll" => Leds::SCROLL_LOCK,
            "compose" => Leds::COMPOSE,
            "kana" => Leds::KANA,
            "none" => Leds::empty(),
            _ => bail!(
                "no LED `{name}`: a keyboard has num, caps, scroll, compose and kana; none lights none"
            ),
        };
    }
    Ok(leds)
}

/// A report ID and the bytes after it.
fn report_bytes(hex: &str) -> Result<(u8, Vec<u8>)> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    ensure!(
        digits.len() >= 2 && digits.len() % 2 == 0,
        "a report is an even number of hexadecimal digits, its ID first (00 where there are none)"
    );
    let mut bytes = digits.chunks(2).map(|pair| {
        let pair: String = pair.iter().collect();
        u8::from_str_radix(&pair, 16).with_context(|| format!("`{pair}` is no hexadecimal byte"))
    });
    let id = bytes.next().context("the report is empty")??;
    Ok((id, bytes.collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_its_id_and_bytes() {
        assert_eq!(report_bytes("01 02ff").unwrap(), (1, vec![2, 0xff]));
        assert_eq!(report_bytes("00").unwrap(), (0, vec![]));
        assert!(report_bytes("").is_err());
        assert!(report_bytes("012").is_err());
        assert!(report_bytes("0g").is_err());
    }

    #[test]
    fn leds_have_names() {
        let names = ["num".to_owned(), "caps".to_owned()];
        assert_eq!(leds(&names).unwrap(), Leds::NUM_LOCK | Leds::CAPS_LOCK);
        assert!(leds(&["blink".to_owned()]).is_err());
    }
}
