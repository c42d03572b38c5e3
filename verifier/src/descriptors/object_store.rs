//! The binary device object store (USB 3.2 9.6.2; USB 2.0 LPM ECN).

use usbfs2_host::Speed;
use usbfs2_protocol::descriptor::Descriptors;
use usbfs2_protocol::standard::descriptor_type;

use crate::check::Check;
use crate::finding::{Checked, Finding, ensure, hex};
use crate::reading::Reading;

pub(crate) const CHECKS: &[Check] = &[
    Check::of_descriptors("object store: header and lengths", "USB 3.2 9.6.2", lengths),
    Check::of_descriptors(
        "object store: capabilities of the speed",
        "USB 3.2 9.6.2",
        capabilities,
    ),
];

const USB_2_EXTENSION: u8 = 2;
const SUPER_SPEED: u8 = 3;

fn lengths(reading: &Reading) -> Checked {
    let bytes = reading.object_store.as_ref().map_err(Clone::clone)?;
    let Some(header) = bytes.first_chunk::<5>() else {
        return Err(Finding::failed("a header of 5 bytes", hex(bytes)));
    };
    let total = u16::from_le_bytes([header[2], header[3]]);
    ensure(
        header[..2] == [5, descriptor_type::BOS] && usize::from(total) == bytes.len(),
        "bLength 5, bDescriptorType 15 and wTotalLength",
        || hex(bytes),
    )?;
    let mut count = 0;
    for descriptor in Descriptors::new(bytes).skip(1) {
        let descriptor = descriptor.map_err(|error| {
            Finding::failed("capabilities one after the other", error.to_string())
        })?;
        ensure(
            descriptor.descriptor_type == descriptor_type::DEVICE_CAPABILITY
                && descriptor.bytes.len() >= 3,
            "device capabilities alone",
            || hex(descriptor.bytes),
        )?;
        count += 1;
    }
    ensure(
        count == usize::from(header[4]),
        format!("the {} capabilities of bNumDeviceCaps", header[4]),
        || count.to_string(),
    )
}

/// A device that works at super speed says what it can there and on USB 2.0. Any other has its object store for what it
/// likes.
fn capabilities(reading: &Reading) -> Checked {
    let bytes = reading.object_store.as_ref().map_err(Finding::unread)?;
    let descriptors = Descriptors::new(bytes).map_while(Result::ok);
    let found: Vec<u8> = descriptors
        .filter_map(|one| one.bytes.get(2).copied())
        .skip(1)
        .collect();
    if reading.speed()? < Speed::Super && !found.contains(&SUPER_SPEED) {
        return Err(Finding::not_applicable("the device has no super speed"));
    }
    let wanted = [USB_2_EXTENSION, SUPER_SPEED];
    ensure(
        wanted.iter().all(|one| found.contains(one)),
        format!("capabilities {wanted:?}"),
        || format!("{found:?}"),
    )
}
