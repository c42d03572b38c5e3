//! The HID driver, with a device whose descriptors, answers and reports are anything.

use usbfs2_hid::{HidDevice, HidError, Leds, ReportType};
use usbfs2_host::Host;
use usbfs2_loopback::{Bus, EndpointSpec};
use usbfs2_protocol::TransferType;

use crate::HANG;
use crate::puppet::{Lines, Puppet, endpoint};
use crate::script::Script;

const DEVICE: [u8; 18] = [
    18, 1, 0x00, 0x02, 0, 0, 0, 64, 0x09, 0x12, 0x01, 0x00, 0x00, 0x01, 0, 0, 0, 1,
];

/// Opening and reading end, well or with an error, by the time the device has nothing left to say.
pub(crate) fn hid_driver(input: &[u8]) {
    let mut script = Script::new(input);
    let first = script.byte();
    // A report each 8 ms: the driver keeps a second's transfers in flight, and queueing 9,000 takes the time of a run.
    let (boot, face) = (first & 1, first >> 1 & 7);
    let report_descriptor_length = script.byte();
    let control = script.counted().to_vec();
    #[rustfmt::skip]
    let configuration = [
        9, 2, 34, 0, 1, 1, 0, 0x80, 50,
        9, 4, 0, 0, 1, 3, boot, boot, 0,
        9, 0x21, 0x11, 0x01, 0, 1, 0x22, report_descriptor_length, 0,
        7, 5, 0x81, 3, 64, 0, 7,
    ];
    let lines = Lines {
        device: DEVICE.to_vec(),
        configuration: configuration.to_vec(),
        endpoints: vec![EndpointSpec {
            interval: 7,
            ..endpoint(0x81, TransferType::Interrupt, 64)
        }],
        control,
        data: script.some(usize::MAX).to_vec(),
    };
    let bus = Bus::new();
    let _puppet = Puppet::plug(&bus, lines);
    let Ok(device) = Host::on(&bus).open(&"1-1".into()) else {
        return;
    };
    let Ok(device) = HidDevice::open_blocking(&device) else {
        return;
    };
    // An error is the device's right.
    let _ = device.set_leds_blocking(Leds::CAPS_LOCK);
    let _ = device.get_report_blocking(ReportType::Feature, 1, 16);
    match face {
        0 => read(device.keys(), |keys| keys.next_timeout(HANG)),
        1 => read(device.pointer(), |pointer| pointer.next_timeout(HANG)),
        2 => read(device.gamepad(), |gamepad| gamepad.next_timeout(HANG)),
        3 => read(device.controls(), |controls| controls.next_timeout(HANG)),
        4 => read(device.usages(), |usages| usages.next_timeout(HANG)),
        _ => read(device.reports(), |reports| reports.next_timeout(HANG)),
    }
}

/// Takes what comes until nothing more does.
fn read<S, T>(
    source: Result<S, HidError>,
    mut next: impl FnMut(&mut S) -> Result<Option<T>, HidError>,
) {
    if let Ok(mut source) = source {
        while let Ok(Some(_)) = next(&mut source) {}
    }
}
