//! Checks of standard requests (USB 2.0 9.4).

mod bus;
mod configurations;
mod halts;
mod interfaces;
mod invalid;
mod lengths;
mod status;

use usbfs2_protocol::{RequestType, SetupPacket};

use crate::check::Check;

/// Every check of requests to device, interfaces and endpoints.
pub(crate) fn checks_of_requests() -> Vec<Check> {
    [
        lengths::CHECKS,
        invalid::CHECKS,
        status::CHECKS,
        halts::CHECKS,
        interfaces::CHECKS,
    ]
    .concat()
}

/// Every check of configurations, and of what the bus does to a device.
pub(crate) fn checks_of_the_bus() -> Vec<Check> {
    [configurations::CHECKS, bus::CHECKS].concat()
}

/// A setup packet by its bytes, for requests nobody should send.
const fn raw(request_type: u8, request: u8, value: u16, index: u16, length: u16) -> SetupPacket {
    SetupPacket {
        request_type: RequestType::from_byte(request_type),
        request,
        value,
        index,
        length,
    }
}
