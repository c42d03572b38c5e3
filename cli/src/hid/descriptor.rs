//! A report descriptor item by item, as people write them.

use usbfs2_hid::Usage;
use usbfs2_hid::report_descriptor::{FieldFlags, Item, Items, Unit, tag};

use super::names;

/// The items, a line each: its bytes, and what it says, indented by the collections it is in. A descriptor
/// that is cut ends in what is wrong with it.
pub(super) fn lines(bytes: &[u8]) -> Vec<String> {
    let mut depth = 0_usize;
    let mut page = 0;
    let mut lines = Vec::new();
    for item in Items::new(bytes) {
        let item = match item {
            Ok(item) => item,
            Err(error) => {
                lines.push(error.to_string());
                break;
            }
        };
        if item.tag() == Some(tag::END_COLLECTION) {
            depth = depth.saturating_sub(1);
        }
        if item.tag() == Some(tag::USAGE_PAGE) {
            page = Usage::from_extended(item.unsigned()).id;
        }
        let hex: Vec<String> = item
            .bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let (hex, text) = (hex.join(" "), text(&item, page));
        lines.push(format!(
            "{hex:<15} {:indent$}{text}",
            "",
            indent = 2 * depth
        ));
        if item.tag() == Some(tag::COLLECTION) {
            depth += 1;
        }
    }
    lines
}

fn text(item: &Item<'_>, page: u16) -> String {
    let unsigned = item.unsigned();
    let usage = || {
        let usage = Usage::from_extended(unsigned);
        let page = if item.data.len() == 4 {
            usage.page
        } else {
            page
        };
        names::usage(Usage::new(page, usage.id))
    };
    let Some(tag) = item.tag() else {
        return "Long item".into();
    };
    match tag {
        tag::INPUT => format!("Input ({})", flags(unsigned)),
        tag::OUTPUT => format!("Output ({})", flags(unsigned)),
        tag::FEATURE => format!("Feature ({})", flags(unsigned)),
        tag::COLLECTION => format!("Collection ({})", collection(unsigned)),
        tag::END_COLLECTION => "End Collection".into(),
        tag::USAGE_PAGE => format!("Usage Page ({})", names::page(page)),
        tag::LOGICAL_MINIMUM => format!("Logical Minimum ({})", item.signed()),
        tag::LOGICAL_MAXIMUM => format!("Logical Maximum ({})", item.signed()),
        tag::PHYSICAL_MINIMUM => format!("Physical Minimum ({})", item.signed()),
        tag::PHYSICAL_MAXIMUM => format!("Physical Maximum ({})", item.signed()),
        tag::UNIT_EXPONENT => format!("Unit Exponent ({unsigned:#x})"),
        tag::UNIT if unsigned == 0 => "Unit (none)".into(),
        tag::UNIT => format!("Unit ({})", Unit(unsigned)),
        tag::REPORT_SIZE => format!("Report Size ({unsigned})"),
        tag::REPORT_ID => format!("Report ID ({unsigned})"),
        tag::REPORT_COUNT => format!("Report Count ({unsigned})"),
        tag::PUSH => "Push".into(),
        tag::POP => "Pop".into(),
        tag::USAGE => format!("Usage ({})", usage()),
        tag::USAGE_MINIMUM => format!("Usage Minimum ({})", usage()),
        tag::USAGE_MAXIMUM => format!("Usage Maximum ({})", usage()),
        tag::DELIMITER => format!("Delimiter ({unsigned})"),
        other => format!("Item {other:#04x} ({unsigned})"),
    }
}

fn flags(bits: u32) -> String {
    names_of_flags(FieldFlags::from_bits_truncate(bits)).join(", ")
}

/// The properties of a field, as the specification names them.
pub(super) fn names_of_flags(flags: FieldFlags) -> Vec<&'static str> {
    let mut names = Vec::new();
    let one_of = |flag, yes, no| if flags.contains(flag) { yes } else { no };
    names.push(one_of(FieldFlags::CONSTANT, "Constant", "Data"));
    names.push(one_of(FieldFlags::VARIABLE, "Variable", "Array"));
    names.push(one_of(FieldFlags::RELATIVE, "Relative", "Absolute"));
    for (flag, name) in [
        (FieldFlags::WRAP, "Wrap"),
        (FieldFlags::NONLINEAR, "Nonlinear"),
        (FieldFlags::NO_PREFERRED, "No Preferred"),
        (FieldFlags::NULL_STATE, "Null State"),
        (FieldFlags::VOLATILE, "Volatile"),
        (FieldFlags::BUFFERED_BYTES, "Buffered Bytes"),
    ] {
        if flags.contains(flag) {
            names.push(name);
        }
    }
    names
}

fn collection(kind: u32) -> String {
    let names = [
        "Physical",
        "Application",
        "Logical",
        "Report",
        "Named Array",
        "Usage Switch",
        "Usage Modifier",
    ];
    let name = usize::try_from(kind).ok().and_then(|kind| names.get(kind));
    name.map_or_else(|| format!("{kind:#04x}"), |&name| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_written_as_in_the_specification() {
        let bytes = [
            0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x16, 0x01, 0x80, 0x09, 0x30, 0x81, 0x06, 0x65,
            0x11, 0xc0, 0x26,
        ];
        let expected = [
            "05 01           Usage Page (Generic Desktop)",
            "09 02           Usage (Mouse)",
            "a1 01           Collection (Application)",
            "16 01 80          Logical Minimum (-32767)",
            "09 30             Usage (X)",
            "81 06             Input (Data, Variable, Relative)",
            "65 11             Unit (cm)",
            "c0              End Collection",
            "byte 16: the item is cut: it has 2 data bytes, 0 are left (HID 6.2.2.2)",
        ];
        assert_eq!(lines(&bytes), expected);
    }
}
