//! The host end of USB in user space: devices, interfaces, and endpoints as queues of transfers.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use usbfs2_host::{Buffer, Bulk, Host, In, Out};
//!
//! # let bus = usbfs2_loopback::Bus::new();
//! # let _device = Echo::plug(&bus);
//! let host = Host::on(&bus); // or Host::system()?
//! let devices = host.devices()?;
//! let info = devices.iter().find(|info| info.vendor_id() == Some(0x1209)).ok_or("not plugged in")?;
//! let interface = host.open(info.id())?.claim(0)?;
//!
//! let mut output = interface.endpoint::<Bulk, Out>(0x01)?;
//! let mut input = interface.endpoint::<Bulk, In>(0x81)?;
//! let second = Duration::from_secs(1);
//! output.transfer_blocking(Buffer::from(b"hello".as_slice()), second).into_result()?;
//! let answer = input.transfer_blocking(Buffer::with_capacity(512), second).into_result()?;
//! assert_eq!(&answer[..], b"hello");
//! # Ok(()) }
//! ```
//!
//! # The parts
//!
//! | type | what it is |
//! |---|---|
//! | [`Host`] | a way to reach devices; lists, watches and opens them |
//! | [`DeviceInfo`] | what is known about a device without opening it |
//! | [`Device`] | an open device: configurations, strings, control transfers |
//! | [`Interface`] | a claimed interface: alternate settings, its control transfers |
//! | [`Endpoint<T, D>`] | a bulk or interrupt endpoint, IN or OUT: a queue of transfers |
//! | [`Completion`] | a finished transfer: the buffer, the bytes moved, the status |
//! | [`IsochronousEndpoint<D>`] | an isochronous endpoint: a queue of requests of many packets |
//! | [`IsochronousCompletion`] | a finished request: the buffer, and what became of each packet |
//!
//! # Ways to reach devices
//!
//! [`Host::system`] takes usbfs2, the endpoint files of this project's kernel module, where it is
//! mounted, and the kernel's classic usbfs otherwise; [`Host::reason`] says which and why.
//! [`Host::on`] takes a bus inside the process, where devices are values and no hardware, module or
//! permission is needed. Code above this crate cannot tell them apart: error rules, the order of
//! completions and the treatment of partial data are the same on all three, but for two things: usbfs
//! gives no data of a control transfer that met its deadline, and has no isochronous endpoints.
//!
//! # Queues
//!
//! One transfer at a time leaves the bus idle between transfers. Keep several in flight and put each
//! buffer back when it has been dealt with:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use usbfs2_host::{Buffer, Bulk, Host, In, Out};
//! # let bus = usbfs2_loopback::Bus::new();
//! # let _device = Echo::plug(&bus);
//! # let host = Host::on(&bus);
//! # let interface = host.open(host.devices()?[0].id())?.claim(0)?;
//! # let mut output = interface.endpoint::<Bulk, Out>(0x01)?;
//! # output.submit_all((0..100).map(|_| Buffer::from(vec![7; 500])));
//! let mut input = interface.endpoint::<Bulk, In>(0x81)?;
//! input.submit_all((0..8).map(|_| Buffer::with_capacity(4096)));
//! let mut received = 0;
//! while received < 50_000 {
//!     let completion = input.wait(None).ok_or("nothing in flight")?;
//!     received += completion.actual_length;
//!     input.submit(completion.into_result()?);
//! }
//! # Ok(()) }
//! ```
//!
//! # Isochronous endpoints
//!
//! [`Interface::isochronous_endpoint`] gives a queue of another kind (USB 2.0 5.6): each service interval carries one
//! packet, ready or not, and none is repeated. A request is a buffer and the lengths of its packets, so that one
//! completion is worth milliseconds; it has a status for each packet ([`IsochronousPacket`]). There is no halt and
//! nothing to recover: a missed or broken packet is told, and the stream goes on. usbfs2 and the in-process bus have
//! such endpoints, usbfs has not ([`EndpointError::NoIsochronous`]).
//!
//! # Blocking and async
//!
//! Everything that waits for the device exists in both forms: [`Endpoint::wait`] and
//! [`Endpoint::next_complete`], [`Endpoint::transfer_blocking`] and [`Endpoint::transfer`],
//! [`Device::control_in_blocking`] and [`Device::control_in`]; a `for` loop over a [`Watch`] blocks, and it is a stream.
//! Futures run on any executor, and blocking calls need neither runtime nor thread. A driver that
//! wants to offer both is written once, with [`Waiting`].
//!
//! Claiming, selecting a configuration or an alternate setting, and [`Endpoint::clear_halt`] block for
//! as long as one control request takes, in both forms, because the kernel offers them only so.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use futures::{AsyncReadExt, AsyncWriteExt};
//! # use usbfs2_host::{Bulk, Host, In, Out};
//! # let bus = usbfs2_loopback::Bus::new();
//! # let _device = Echo::plug(&bus);
//! # let host = Host::on(&bus);
//! # let interface = host.open(host.devices()?[0].id())?.claim(0)?;
//!
//! let mut writer = interface.endpoint::<Bulk, Out>(0x01)?.writer(4096);
//! let mut reader = interface.endpoint::<Bulk, In>(0x81)?.reader(4096);
//! futures::executor::block_on(async {
//!     writer.write_all(b"a byte stream").await?;
//!     writer.flush().await?;
//!     let mut answer = [0; 13];
//!     reader.read_exact(&mut answer).await?;
//!     assert_eq!(&answer, b"a byte stream");
//!     Ok::<_, std::io::Error>(())
//! })?;
//! # Ok(()) }
//! ```
//!
//! # Errors, deadlines and partial data
//!
//! Bytes come first. A transfer that moved bytes before a deadline, a cancel or an error succeeds
//! with those bytes as a short transfer; what went wrong is reported by a transfer that moved none.
//! Nothing that arrived is ever lost, and every transfer submitted completes exactly once.
//! [`Endpoint::transfer_within`] gives one transfer a time, [`Endpoint::submit_within`] one of a queue.
//!
//! After [`TransferError::Stall`], [`TransferError::Overflow`] or [`TransferError::BusError`] a data
//! endpoint is stopped, so that a stream never continues with a hole, until
//! [`Endpoint::clear_halt`]:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use usbfs2_host::{Buffer, Bulk, Endpoint, In, TransferError};
//! # use usbfs2_host::{Host, Out};
//! # use std::time::Duration;
//!
//! fn read(input: &mut Endpoint<Bulk, In>, timeout: Duration) -> Result<Buffer, TransferError> {
//!     let completion = input.transfer_blocking(Buffer::with_capacity(512), timeout);
//!     if completion.status == Err(TransferError::Stall) {
//!         input.clear_halt()?;
//!     }
//!     completion.into_result()
//! }
//! # let bus = usbfs2_loopback::Bus::new();
//! # let device = Echo::plug(&bus);
//! # let host = Host::on(&bus);
//! # let interface = host.open(host.devices()?[0].id())?.claim(0)?;
//! # let mut input = interface.endpoint::<Bulk, In>(0x81)?;
//! # device.halt(0x81);
//! # let second = Duration::from_secs(1);
//! # assert_eq!(read(&mut input, second).unwrap_err(), TransferError::Stall);
//! # interface.endpoint::<Bulk, Out>(0x01)?.transfer_blocking(Buffer::from(vec![1]), second);
//! # assert_eq!(read(&mut input, second)?.len(), 1);
//! # Ok(()) }
//! ```
//!
//! Endpoints are checked when they are opened, and the error says what there is:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use usbfs2_host::{Bulk, Host, Out};
//! # let bus = usbfs2_loopback::Bus::new();
//! # let _device = Echo::plug(&bus);
//! # let host = Host::on(&bus);
//! # let interface = host.open(host.devices()?[0].id())?.claim(0)?;
//! let error = interface.endpoint::<Bulk, Out>(0x81).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "endpoint 0x81 is IN, not OUT: the interface has 0x01 bulk OUT, 0x81 bulk IN"
//! );
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

mod backend;
mod blocking;
mod control;
mod device;
mod device_info;
mod endpoint;
mod error;
mod host;
mod hub_port;
mod interface;
mod interface_files;
mod isochronous;
pub mod mounts;
mod transfer;
mod waiting;
mod watch;

pub use aio_rs::Buffer;
pub use blocking::{Blocking, NextBlocking};
pub use device::Device;
pub use device_info::{DeviceId, DeviceInfo};
pub use endpoint::{
    Bulk, Endpoint, EndpointDirection, EndpointReader, EndpointType, EndpointWriter, In, Interrupt,
    IntoEndpointAddress, Out,
};
pub use error::{
    AlternateSettingError, BosError, ClaimError, ConfigurationError, EndpointError, HostError,
    ListError, OpenError, ResetError, StringError, WatchError,
};
pub use host::{BackendKind, Host};
pub use hub_port::HubPort;
pub use interface::Interface;
pub use interface_files::InterfaceFiles;
pub use isochronous::{
    IsochronousCompletion, IsochronousEndpoint, IsochronousPacket, IsochronousTransfer, PacketError,
};
pub use transfer::{Completion, TransferError};
pub use usbfs2_protocol as protocol;
pub use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket, Speed, TransferType};
pub use waiting::{Waiting, block_on};
pub use watch::{HotplugEvent, Watch};
