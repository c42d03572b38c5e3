//! `usbfs2 capture`: what usbmon sees, in a file for Wireshark.

mod place;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::HumanBytes;
use usbfs2_capture::{Usbmon, Writer};
use usbfs2_host::{DeviceInfo, Host};
use usbfs2_protocol::SetupPacket;
use usbfs2_protocol::standard::descriptor_type;

use crate::args::{CaptureArgs, PATIENCE};
use crate::output::note;
use crate::{interrupt, select};
use place::Place;

/// How often Ctrl-C is looked for, and what was captured passed on, while the bus is silent.
const GLANCE: Duration = Duration::from_millis(100);

/// Captures until Ctrl-C, or as many packets or as long as asked for.
pub(crate) fn run(host: &Host, args: &CaptureArgs) -> Result<()> {
    interrupt::catch()?;
    let mut place = match &args.device {
        Some(name) => Some(Place::of(select::device(host, name)?.id())?),
        None => None,
    };
    let bus = place.as_ref().map_or(args.bus, |place| place.bus());
    let mut source = Usbmon::open(bus)?;
    // The file is not made where there is nothing to put in it.
    let mut file = Writer::new(output(args)?, &format!("usbmon{bus}"), args.snaplen)?;
    for device in host.devices()? {
        let its = Place::of(device.id());
        let wanted = match &place {
            Some(place) => its.is_ok_and(|its| its == *place),
            None => its.is_ok_and(|its| bus == 0 || its.bus() == bus),
        };
        if wanted {
            show_descriptors(host, &device);
        }
    }
    if !args.quiet {
        note!("Capturing {}; Ctrl-C ends it.", what(args, bus));
    }
    let end = args
        .duration
        .and_then(|duration| Instant::now().checked_add(duration));
    while !interrupt::requested() && args.count.is_none_or(|count| file.totals().packets < count) {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            break;
        }
        match source.next(GLANCE.min(left.unwrap_or(GLANCE)))? {
            Some((header, data)) => {
                let wanted = place
                    .as_mut()
                    .is_none_or(|place| place.has(header.bus, header.device));
                if wanted {
                    file.write(&header, data)?;
                }
            }
            // A reader such as Wireshark wants to see what there is.
            None => file.flush()?,
        }
    }
    let lost = source.lost()?;
    let totals = file.finish(lost)?;
    if !args.quiet {
        let lost = match lost {
            0 => "none lost".to_owned(),
            lost => format!("{lost} lost, since they came faster than they were written"),
        };
        let cut = match totals.cut {
            0 => String::new(),
            cut => format!(", {cut} cut to {} bytes", args.snaplen),
        };
        note!(
            "{} packets with {} of data{cut}; {lost}.",
            totals.packets,
            HumanBytes(totals.bytes)
        );
    }
    Ok(())
}

fn what(args: &CaptureArgs, bus: u16) -> String {
    match &args.device {
        Some(device) => format!("{device} on bus {bus}"),
        None if bus == 0 => "every bus".into(),
        None => format!("bus {bus}"),
    }
}

fn output(args: &CaptureArgs) -> Result<BufWriter<Box<dyn Write>>> {
    let file: Box<dyn Write> = if args.output.as_os_str() == "-" {
        Box::new(io::stdout())
    } else {
        let path = &args.output;
        Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?)
    };
    Ok(BufWriter::new(file))
}

/// Has a device say once more what it is: dissectors know what its interfaces are only from the descriptors
/// in the capture, and most devices were plugged in before it began.
fn show_descriptors(host: &Host, device: &DeviceInfo) {
    let shown = host.open(device.id()).map(|opened| {
        let read = |kind, index, length| {
            let setup = SetupPacket::get_descriptor(kind, index, 0, length);
            opened.control_in_blocking(setup, PATIENCE)
        };
        let mut shown = read(descriptor_type::DEVICE, 0, 18).is_ok();
        for index in (0..).take(device.configurations().len()) {
            let head = read(descriptor_type::CONFIGURATION, index, 9).unwrap_or_default();
            // wTotalLength (USB 2.0 9.6.3).
            let length = head
                .get(2..4)
                .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
            shown &= length
                .is_some_and(|length| read(descriptor_type::CONFIGURATION, index, length).is_ok());
        }
        shown
    });
    if !matches!(shown, Ok(true)) {
        note!(
            "usbfs2: {} did not give its descriptors, so that its data are captured but may not be dissected",
            device.id()
        );
    }
}
