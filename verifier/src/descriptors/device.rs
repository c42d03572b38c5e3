//! The device descriptor (USB 2.0 9.6.1, USB 3.2 9.6.1).

use usbfs2_host::Speed;
use usbfs2_protocol::standard::{class, descriptor_type};

use crate::check::Check;
use crate::finding::{Checked, ensure, hex};
use crate::reading::Reading;

pub(crate) const CHECKS: &[Check] = &[
    Check::of_descriptors(
        "device descriptor: length and type",
        "USB 2.0 9.6.1",
        header,
    ),
    Check::of_descriptors(
        "device descriptor: versions in BCD",
        "USB 2.0 9.6.1",
        versions,
    ),
    Check::of_descriptors(
        "device descriptor: control packet size",
        "USB 2.0 5.5.3",
        packet_size,
    ),
    Check::of_descriptors(
        "device descriptor: class codes",
        "USB 2.0 9.6.1",
        class_codes,
    ),
    Check::of_descriptors(
        "device descriptor: configurations",
        "USB 2.0 9.6.1",
        configurations,
    ),
];

/// The versions of USB there have been.
const VERSIONS: [u16; 10] = [
    0x0100, 0x0101, 0x0110, 0x0200, 0x0201, 0x0210, 0x0300, 0x0310, 0x0320, 0x0250,
];

fn header(reading: &Reading) -> Checked {
    reading.device.as_ref().map_err(Clone::clone)?;
    let device = reading.device()?;
    ensure(
        device[..2] == [18, descriptor_type::DEVICE],
        "bLength 18 and bDescriptorType 1",
        || hex(&device[..2]),
    )
}

fn versions(reading: &Reading) -> Checked {
    let device = reading.device()?;
    let [usb, release] = [[device[2], device[3]], [device[12], device[13]]].map(u16::from_le_bytes);
    ensure(
        VERSIONS.contains(&usb),
        "a version of USB in bcdUSB",
        || format!("{usb:#06x}"),
    )?;
    let is_decimal = (0..4).all(|digit| release >> (4 * digit) & 0xf <= 9);
    ensure(is_decimal, "decimal digits in bcdDevice", || {
        format!("{release:#06x}")
    })
}

fn packet_size(reading: &Reading) -> Checked {
    let size = reading.device()?[7];
    let (allowed, expected): (&[u8], _) = match reading.speed()? {
        Speed::Low => (&[8], "8 at low speed"),
        Speed::Full => (&[8, 16, 32, 64], "8, 16, 32 or 64 at full speed"),
        Speed::High => (&[64], "64 at high speed"),
        Speed::Super | Speed::SuperPlus => (&[9], "9, for 2^9, at super speed"),
    };
    ensure(
        allowed.contains(&size),
        format!("bMaxPacketSize0 {expected}"),
        || size.to_string(),
    )
}

fn class_codes(reading: &Reading) -> Checked {
    let device = reading.device()?;
    let codes = [device[4], device[5], device[6]];
    ensure(
        codes[0] != 0 || codes[1] == 0,
        "bDeviceSubClass 0 where bDeviceClass is 0",
        || hex(&codes),
    )?;
    let mut configurations = reading.configurations.iter().flatten();
    let associates = configurations.any(|bytes| !super::Model::of(bytes).associations.is_empty());
    // Interface Association Descriptor ECN: so a host knows that it has to look for them.
    ensure(
        !associates || codes == [class::MISCELLANEOUS, 2, 1],
        "class ef/02/01 of a device with interface associations",
        || hex(&codes),
    )
}

fn configurations(reading: &Reading) -> Checked {
    let count = reading.device()?[17];
    ensure(count > 0, "bNumConfigurations above 0", || {
        count.to_string()
    })
}
