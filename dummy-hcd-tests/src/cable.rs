//! The cable between a device controller of `dummy_hcd` and its bus.

use std::fs;
use std::io;

/// Pulls the cable of `dummy_udc.{bus}`: the host sees the device leave while its gadget stays bound.
///
/// There is no way to plug it in again but to bind the gadget anew: `connect` in the same file starts
/// the controller without the gadget's callbacks (soft_connect_store, Linux 6.12), so that the host gets
/// no answer to its first request.
///
/// # Errors
/// When no gadget is bound.
pub fn pull(bus: u8) -> io::Result<()> {
    fs::write(
        format!("/sys/class/udc/dummy_udc.{bus}/soft_connect"),
        "disconnect",
    )
}
