//! The usbredir protocol, version 0.7, from the side that has the device ("usb-host").
//!
//! QEMU's `usb-redir` is the other side ("usb-guest"): it puts the device on a host controller of its own and
//! passes on what the controller does. All integers are little-endian, and nothing is padded.
//!
//! | file | what it knows |
//! |---|---|
//! | `request.rs` | what the other side asks, out of a stream of bytes |
//! | `answer.rs` | what is said to it |

mod answer;
mod request;

pub use answer::{Answer, ConnectedDevice, EndpointInfo, InterfaceInfo};
pub use request::{MalformedMessage, Request, Requests};

/// What this side can (`usb_redir_cap_*`): the device's release, packet sizes, ids of 64 bits and bulk transfers
/// of more than 65,535 bytes. QEMU's xHCI puts up with no less, and QEMU can all of it.
const CAPABILITIES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6;

/// Bytes of the version in a hello.
const VERSION_LENGTH: usize = 64;

/// The types of messages (`usb_redir_*`).
mod kind {
    pub(super) const HELLO: u32 = 0;
    pub(super) const DEVICE_CONNECT: u32 = 1;
    pub(super) const DEVICE_DISCONNECT: u32 = 2;
    pub(super) const RESET: u32 = 3;
    pub(super) const INTERFACE_INFO: u32 = 4;
    pub(super) const EP_INFO: u32 = 5;
    pub(super) const SET_CONFIGURATION: u32 = 6;
    pub(super) const GET_CONFIGURATION: u32 = 7;
    pub(super) const CONFIGURATION_STATUS: u32 = 8;
    pub(super) const SET_ALT_SETTING: u32 = 9;
    pub(super) const GET_ALT_SETTING: u32 = 10;
    pub(super) const ALT_SETTING_STATUS: u32 = 11;
    pub(super) const START_ISO_STREAM: u32 = 12;
    pub(super) const STOP_ISO_STREAM: u32 = 13;
    pub(super) const ISO_STREAM_STATUS: u32 = 14;
    pub(super) const START_INTERRUPT_RECEIVING: u32 = 15;
    pub(super) const STOP_INTERRUPT_RECEIVING: u32 = 16;
    pub(super) const INTERRUPT_RECEIVING_STATUS: u32 = 17;
    pub(super) const CANCEL_DATA_PACKET: u32 = 21;
    pub(super) const CONTROL_PACKET: u32 = 100;
    pub(super) const BULK_PACKET: u32 = 101;
    pub(super) const ISO_PACKET: u32 = 102;
    pub(super) const INTERRUPT_PACKET: u32 = 103;
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Well.
    Success = 0,
    /// It was cancelled.
    Cancelled = 1,
    /// The request makes no sense.
    Invalid = 2,
    /// The device did not answer, or wrongly.
    IoError = 3,
    /// The device answered STALL.
    Stall = 4,
    /// The device sent more than there was room for.
    Babble = 6,
}
