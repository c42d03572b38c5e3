//! What the public types need from a way to reach devices, and the three ways there are.
//!
//! The public types check everything that can be checked from descriptors; a backend moves bytes
//! and reports what the system said.

use std::fmt::Debug;
use std::task::{Context, Poll};
use std::time::Duration;

use aio_rs::Buffer;
use usbfs2_protocol::SetupPacket;
use usbfs2_protocol::descriptor::Endpoint;

use crate::{
    AlternateSettingError, ClaimError, Completion, ConfigurationError, DeviceId, DeviceInfo,
    EndpointError, HotplugEvent, IsochronousCompletion, IsochronousTransfer, ListError, OpenError,
    ResetError, TransferError, WatchError,
};

pub(crate) mod loopback;
mod refused;
mod rescan;
mod sysfs;
pub(crate) mod usbfs;
pub(crate) mod usbfs2;

use refused::Refused;

/// A way to reach devices.
pub(crate) trait Backend: Debug + Send + Sync {
    fn devices(&self) -> Result<Vec<DeviceInfo>, ListError>;
    fn watch(&self) -> Result<Box<dyn EventSource>, WatchError>;
    fn open(&self, id: &DeviceId) -> Result<(DeviceInfo, Box<dyn OpenDevice>), OpenError>;
}

/// Devices that come and go, those present first.
pub(crate) trait EventSource: Debug + Send {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<HotplugEvent, WatchError>>;
    /// `None` once the timeout has passed.
    fn wait(&mut self, timeout: Option<Duration>) -> Option<Result<HotplugEvent, WatchError>>;
}

/// An open device.
pub(crate) trait OpenDevice: Debug + Send + Sync {
    /// The active configuration's value now; `None` when the device is not configured.
    fn configuration(&self) -> Result<Option<u8>, ConfigurationError>;
    fn set_configuration(&self, value: u8) -> Result<(), ConfigurationError>;
    fn reset(&self) -> Result<(), ResetError>;
    fn claim(&self, configuration: u8, number: u8) -> Result<Box<dyn Claimed>, ClaimError>;
    /// Starts one control transfer.
    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight>;
}

/// A claimed interface. Dropping it gives the interface back.
pub(crate) trait Claimed: Debug + Send + Sync {
    /// The alternate setting the interface is in now.
    fn alternate_setting(&self) -> Result<u8, AlternateSettingError>;
    fn set_alternate_setting(&self, alternate_setting: u8) -> Result<(), AlternateSettingError>;
    /// `depth` is how many transfers the system should hold at a time, where it needs to be told.
    fn endpoint(&self, endpoint: &Endpoint, depth: u32) -> Result<Box<dyn Queue>, EndpointError>;
    /// As `endpoint`, for an isochronous one.
    fn isochronous_endpoint(
        &self,
        endpoint: &Endpoint,
        depth: u32,
    ) -> Result<Box<dyn IsochronousQueue>, EndpointError>;
    /// Starts one control transfer.
    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight>;
}

/// Transfers that were started on one pipe, completed in the order the bus finishes them.
///
/// Every buffer comes back in exactly one completion. The completion of a transfer that moved bytes
/// is a success; see [`Completion::status`]. Dropping this cancels what is pending and releases its
/// memory only when the system no longer writes to it.
pub(crate) trait InFlight<C = Completion>: Debug + Send {
    /// Transfers started and not yet returned.
    fn pending(&self) -> usize;
    /// Called only while something is pending.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<C>;
    /// `None` once the timeout has passed, or at once when nothing is pending.
    fn wait(&mut self, timeout: Option<Duration>) -> Option<C>;
    /// Asks for every pending transfer to end soon; each still completes.
    fn cancel_all(&mut self);
}

/// An open bulk or interrupt endpoint.
pub(crate) trait Queue: InFlight {
    /// Starts transfers, in order and with as few system calls as the backend can.
    fn submit(&mut self, buffers: &mut dyn Iterator<Item = Buffer>);
    /// As `submit`, of one transfer.
    fn submit_one(&mut self, buffer: Buffer) {
        self.submit(&mut std::iter::once(buffer));
    }
    /// As `submit_one`, of a transfer that need not start before the next submission or wait.
    fn prepare(&mut self, buffer: Buffer) {
        self.submit_one(buffer);
    }
    /// An empty buffer with room for so many bytes, of the kind that costs this endpoint least.
    fn allocate(&self, capacity: usize) -> Buffer {
        Buffer::with_capacity(capacity)
    }
    /// Asks for the oldest pending transfer, and no other, to end soon; it still completes. Called while one is pending.
    fn cancel_oldest(&mut self);
    /// From the next submission on, ends OUT transfers of whole packets with a zero-length packet, or not.
    fn set_zero_packet(&mut self, wanted: bool);
    /// Cancels what is pending, then clears the halt and the data toggle on both sides.
    fn clear_halt(&mut self) -> Result<(), TransferError>;
}

/// An open isochronous endpoint.
pub(crate) trait IsochronousQueue: InFlight<IsochronousCompletion> {
    /// Queues requests, in order and with as few system calls as the backend can. Their form has been checked: a
    /// buffer to receive into has room for all packets, one to send is made up by them.
    fn submit(&mut self, transfers: &mut dyn Iterator<Item = IsochronousTransfer>);
}
