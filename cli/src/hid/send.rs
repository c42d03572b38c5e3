//! `usbfs2 hid send`.

use anyhow::Result;
use usbfs2_hid::{Leds, ReportType};
use usbfs2_host::Host;

use crate::args::{HidSendArgs, Led, Report};

/// Sends what the command line says.
pub(super) fn run(host: &Host, args: &HidSendArgs) -> Result<()> {
    let device = super::open(host, &args.device)?;
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
