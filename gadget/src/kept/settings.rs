//! The class requests by which a host sets something that stays.

use usbfs2_protocol::standard::class;
use usbfs2_protocol::{Direction, Recipient, RequestKind, SetupPacket};

/// What a setting is told apart by: a later request with the same key replaces an earlier one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SettingKey {
    request_type: u8,
    request: u8,
    index: u16,
    /// What part of wValue says which setting is meant, and not what it becomes.
    selector: u16,
}

/// The whole of wValue, its low byte, or nothing of it.
const WHOLE: u16 = 0xffff;
const LOW: u16 = 0x00ff;
const NONE: u16 = 0;

/// The key of a request that sets something; `None` for one that does something, or that is not known.
///
/// Only what is sure to bear repetition is known here: HID 1.11 7.2, UAC1 5.2 and UAC2 5.2 (where 1 is CUR), CDC PSTN 1.2
/// table 11.
pub(super) fn key(setup: &SetupPacket, interface_class: Option<u8>) -> Option<SettingKey> {
    if setup.request_type.kind != RequestKind::Class || setup.direction() != Direction::Out {
        return None;
    }
    const OUTPUT: u8 = 2;
    let [_, value_high] = setup.value.to_le_bytes();
    let mask = match (setup.request_type.recipient, interface_class, setup.request) {
        // SET_REPORT of an output report: the indicators of a keyboard.
        (Recipient::Interface, Some(class::HID), 0x09) if value_high == OUTPUT => WHOLE,
        // SET_IDLE: the duration is the high byte, the report the low one.
        (Recipient::Interface, Some(class::HID), 0x0a) => LOW,
        // SET_PROTOCOL.
        (Recipient::Interface, Some(class::HID), 0x0b) => NONE,
        // SET_CUR of a control and channel; to an endpoint in UAC1, of which no other class has requests.
        (Recipient::Interface, Some(class::AUDIO), 0x01) | (Recipient::Endpoint, _, 0x01) => WHOLE,
        // SET_COMM_FEATURE, SET_LINE_CODING, SET_CONTROL_LINE_STATE.
        (Recipient::Interface, Some(class::COMMUNICATIONS), 0x02 | 0x20 | 0x22) => NONE,
        _ => return None,
    };
    Some(SettingKey {
        request_type: setup.request_type.to_byte(),
        request: setup.request,
        index: setup.index,
        selector: setup.value & mask,
    })
}

/// The class of the interface that a request is for, read from the first configuration of a set-up message.
pub(super) fn interface_class(configuration: &[u8], setup: &SetupPacket) -> Option<u8> {
    const INTERFACE: u8 = 4;
    let number = setup.interface()?;
    let mut rest = configuration;
    while let Some((&length, _)) = rest.split_first() {
        let (descriptor, after) = rest.split_at_checked(usize::from(length).max(2))?;
        if descriptor[1] == INTERFACE && descriptor.get(2) == Some(&number) {
            return descriptor.get(5).copied();
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(bytes: [u8; 8]) -> SetupPacket {
        SetupPacket::from_bytes(bytes)
    }

    #[test]
    fn settings_are_told_from_deeds() {
        let hid = Some(class::HID);
        let key_of = |bytes, class| key(&setup(bytes), class);
        // SET_IDLE of report 1, to two durations: the same setting.
        let first = key_of([0x21, 0x0a, 1, 0x10, 0, 0, 0, 0], hid);
        assert!(first.is_some());
        assert_eq!(first, key_of([0x21, 0x0a, 1, 0x20, 0, 0, 0, 0], hid));
        assert_ne!(first, key_of([0x21, 0x0a, 2, 0x20, 0, 0, 0, 0], hid));
        // The volumes of two channels.
        let audio = Some(class::AUDIO);
        assert_ne!(
            key_of([0x21, 1, 1, 2, 0, 5, 2, 0], audio),
            key_of([0x21, 1, 2, 2, 0, 5, 2, 0], audio)
        );
        // SEND_BREAK, Bulk-Only Reset, a feature report, GET_IDLE, a vendor's.
        for (bytes, class) in [
            ([0x21, 0x23, 0, 1, 0, 0, 0, 0], Some(class::COMMUNICATIONS)),
            ([0x21, 0xff, 0, 0, 0, 0, 0, 0], Some(class::MASS_STORAGE)),
            ([0x21, 0x09, 0, 3, 0, 0, 4, 0], hid),
            ([0xa1, 0x02, 0, 0, 0, 0, 1, 0], hid),
            ([0x41, 0x0a, 0, 0, 0, 0, 0, 0], hid),
        ] {
            assert_eq!(key_of(bytes, class), None, "{bytes:02x?}");
        }
    }

    #[test]
    fn an_interface_is_found_among_other_descriptors() {
        let configuration = [
            9, 2, 32, 0, 2, 1, 0, 0x80, 50, //
            9, 4, 0, 0, 0, 2, 2, 1, 0, //
            5, 0x24, 0, 0x10, 1, //
            9, 4, 1, 0, 0, 10, 0, 0, 0,
        ];
        let to = |interface| setup([0x21, 0x20, 0, 0, interface, 0, 7, 0]);
        assert_eq!(interface_class(&configuration, &to(0)), Some(2));
        assert_eq!(interface_class(&configuration, &to(1)), Some(10));
        assert_eq!(interface_class(&configuration, &to(2)), None);
        assert_eq!(interface_class(&configuration[..20], &to(1)), None);
        assert_eq!(interface_class(&[0, 0, 0], &to(0)), None);
    }
}
