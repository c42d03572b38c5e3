//! HID host class driver
