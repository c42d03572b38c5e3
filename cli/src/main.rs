//! The `usbfs2` command.

fn main() {}
