//! What is written to endpoint 0's file: descriptors, then strings (linux/usb/functionfs.h).

use usbfs2_protocol::Speed;

use crate::descriptors;
use crate::gadget::GadgetModel;
use crate::layout::Layout;

const DESCRIPTORS_MAGIC_V2: u32 = 3;
const STRINGS_MAGIC: u32 = 2;

const HAS_FULL_SPEED: u32 = 1 << 0;
const HAS_HIGH_SPEED: u32 = 1 << 1;
const HAS_SUPER_SPEED: u32 = 1 << 2;
/// Where the first descriptor is: behind the header, the flags and a count for each speed.
pub(super) const FIRST_DESCRIPTOR: usize = 24;
/// Requests to the device, or to a recipient unknown, come here too.
const ALL_CONTROL_RECIPIENTS: u32 = 1 << 6;

/// The functions at each speed. The kernel renumbers interfaces, strings and endpoints.
///
/// Without FUNCTIONFS_VIRTUAL_ADDR: with it the host is told the addresses that stand here, whichever endpoints the
/// controller has given (__ffs_func_bind_do_descs).
pub(super) fn descriptors(model: &GadgetModel, layout: &Layout, device_requests: bool) -> Vec<u8> {
    let speeds = [Speed::Full, Speed::High, Speed::Super];
    let bodies = speeds.map(|speed| descriptors::functions(model, layout, speed));
    let mut flags = HAS_FULL_SPEED | HAS_HIGH_SPEED | HAS_SUPER_SPEED;
    if device_requests {
        flags |= ALL_CONTROL_RECIPIENTS;
    }
    let mut payload = flags.to_le_bytes().to_vec();
    for body in &bodies {
        payload.extend(length(count(body)));
    }
    payload.extend(bodies.iter().flatten());
    with_header(DESCRIPTORS_MAGIC_V2, &payload)
}

/// The strings, which descriptors name by their place, in one language.
pub(super) fn strings(model: &GadgetModel) -> Vec<u8> {
    let languages = usize::from(model.strings.len() > 0);
    let mut payload = length(model.strings.len()).to_vec();
    payload.extend(length(languages));
    if languages > 0 {
        payload.extend(descriptors::LANGUAGE.to_le_bytes());
    }
    for text in model.strings.iter() {
        payload.extend(text.bytes().chain([0]));
    }
    with_header(STRINGS_MAGIC, &payload)
}

/// Magic number and length, which counts the header, before the payload.
fn with_header(magic: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = magic.to_le_bytes().to_vec();
    message.extend(length(8 + payload.len()));
    message.extend(payload);
    message
}

/// How many descriptors follow one another in these bytes.
fn count(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    // The validator has seen to it that none says length 0.
    while let Some(rest) = bytes.first().and_then(|&own| bytes.get(usize::from(own)..)) {
        count += 1;
        bytes = rest;
    }
    count
}

/// Lengths and counts that the validator has bounded.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::Keyboard;
    use crate::udc::Udc;
    use crate::{DeviceIds, Gadget};

    fn keyboard() -> (Gadget, Layout) {
        let ids = DeviceIds {
            vendor: 0x1209,
            product: 1,
            release: 0,
        };
        let gadget = Gadget::builder(ids)
            .product("é")
            .function(Keyboard::new())
            .build()
            .unwrap();
        let layout = Layout::assign(&gadget.model.functions, &Udc::functionfs(), &[]).unwrap();
        (gadget, layout)
    }

    #[test]
    fn descriptors_come_at_three_speeds_with_companions_at_the_last() {
        let (gadget, layout) = keyboard();
        let message = descriptors(&gadget.model, &layout, true);
        let word = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
        assert_eq!([word(0), word(4)], [3, message.len() as u32]);
        assert_eq!(word(8), 0b100_0111);
        // Interface, HID, endpoint; at super speed a companion more.
        assert_eq!([word(12), word(16), word(20)], [3, 3, 4]);
        // The interface's.
        assert_eq!(message[FIRST_DESCRIPTOR..][..2], [9, 4]);
        assert_eq!(message.len(), 24 + 2 * (9 + 9 + 7) + (9 + 9 + 7 + 6));
        // The last descriptor: a burst of one packet, no streams, 8 bytes an interval (USB 3.2 9.6.7).
        assert_eq!(message[message.len() - 6..], [6, 0x30, 0, 0, 8, 0]);

        let without = descriptors(&gadget.model, &layout, false);
        assert_eq!(without[8], 0b111);
    }

    #[test]
    fn strings_are_nul_terminated_utf_8() {
        let (gadget, _) = keyboard();
        let mut expected = [2_u32, 16 + 2 + 3, 1, 1].map(u32::to_le_bytes).concat();
        expected.extend([0x09, 0x04]);
        expected.extend("é\0".bytes());
        assert_eq!(strings(&gadget.model), expected);
    }
}
