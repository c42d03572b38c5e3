//! Strings (USB 2.0 9.6.7).

use usbfs2_protocol::standard::descriptor_type;

use crate::check::Check;
use crate::finding::{Checked, Finding, ensure, hex};
use crate::reading::Reading;

pub(crate) const CHECKS: &[Check] = &[
    Check::of_descriptors("strings: languages", "USB 2.0 9.6.7", languages),
    Check::of_descriptors("strings: every index exists", "USB 2.0 9.6.7", every_index),
    Check::of_descriptors("strings: lengths", "USB 2.0 9.6.7", lengths),
    Check::of_descriptors("strings: UTF-16", "USB 2.0 9.6.7", text),
];

fn some(reading: &Reading) -> Checked {
    if reading.string_indices().is_empty() {
        return Err(Finding::not_applicable("no descriptor names a string"));
    }
    Ok(())
}

fn languages(reading: &Reading) -> Checked {
    some(reading)?;
    let bytes = reading.languages.as_ref().map_err(Clone::clone)?;
    framed(bytes)?;
    ensure(bytes.len() >= 4, "at least one language", || hex(bytes))?;
    let listed = bytes.len() / 2 - 1;
    let mut found = reading.language_ids();
    ensure(found.len() == listed, "no language 0", || hex(bytes))?;
    found.sort_unstable();
    found.dedup();
    ensure(found.len() == listed, "each language once", || hex(bytes))
}

fn every_index(reading: &Reading) -> Checked {
    some(reading)?;
    ensure(!reading.strings.is_empty(), "strings", || {
        "no language to ask for them in".to_owned()
    })?;
    let unread = reading.strings.values().find_map(|one| one.as_ref().err());
    unread.map_or(Ok(()), |finding| Err(finding.clone()))
}

fn lengths(reading: &Reading) -> Checked {
    some(reading)?;
    each(reading, framed)
}

fn text(reading: &Reading) -> Checked {
    some(reading)?;
    each(reading, |bytes| {
        let pairs = bytes.get(2..).unwrap_or_default().chunks_exact(2);
        let units: Vec<u16> = pairs
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        ensure(
            String::from_utf16(&units).is_ok_and(|text| !text.contains('\0')),
            "UTF-16 without a zero",
            || hex(bytes),
        )
    })
}

fn each(reading: &Reading, check: impl Fn(&[u8]) -> Checked) -> Checked {
    for ((index, language), bytes) in &reading.strings {
        let bytes = bytes.as_ref().map_err(Finding::unread);
        let checked = bytes.and_then(|bytes| check(bytes));
        checked.map_err(|finding| {
            finding.of(format_args!("string {index} in language {language:#06x}"))
        })?;
    }
    Ok(())
}

/// bLength is right and even, and the type is a string's.
fn framed(bytes: &[u8]) -> Checked {
    let length = bytes.first().copied().map(usize::from);
    ensure(
        length == Some(bytes.len())
            && bytes.len() >= 2
            && bytes.len().is_multiple_of(2)
            && bytes[1] == descriptor_type::STRING,
        "bLength, even, and bDescriptorType 3",
        || hex(bytes),
    )
}
