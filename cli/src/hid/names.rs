//! Usages by the names of the HID Usage Tables.

use usbfs2_hid::Usage;

/// The name of a usage, such as `Volume Increment`; its page and number where there is none.
pub(super) fn usage(usage: Usage) -> String {
    hut::Usage::try_from(usage.to_extended())
        .map_or_else(|_| format!("usage {usage}"), |name| name.to_string())
}

/// The name of a usage page, or its number.
pub(super) fn page(page: u16) -> String {
    hut::UsagePage::try_from(page)
        .map_or_else(|_| format!("page {page:#06x}"), |name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usages_have_the_tables_names_or_their_numbers() {
        assert_eq!(usage(Usage::X), "X");
        assert_eq!(usage(Usage::new(0x0c, 0xe9)), "Volume Increment");
        assert_eq!(usage(Usage::new(0x09, 3)), "Button 3");
        assert_eq!(usage(Usage::new(0x01, 0xfff0)), "usage 0001:fff0");
        assert_eq!(page(0x07), "Keyboard/Keypad");
    }
}
