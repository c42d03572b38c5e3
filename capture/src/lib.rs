//! USB traffic as pcapng files, which Wireshark and tshark read.
//!
//! | from | with | needs |
//! |---|---|---|
//! | the in-process bus | [`Recording`] | nothing: no root, no kernel module, no hardware |
//! | the kernel's host controllers | [`Usbmon`] and [`Writer`] | Linux with usbmon, and root |
//!
//! Both give the packets of usbmon, link type 189 (LINKTYPE_USB_LINUX): one when the host submits a transfer
//! and one when it ends, with the bytes that go out in the first and those that came in in the second. Before those
//! of an isochronous transfer each of its packets is described. Wireshark's dissectors for descriptors, HID and
//! mass storage work on either.
//!
//! A test of a driver, on record:
//!
//! ```
//! use std::io::BufWriter;
//! use usbfs2_capture::{Recording, LONGEST};
//! use usbfs2_loopback::{Bus, CompletionQueue, PortOptions, Target, Transfer};
//! use usbfs2_protocol::{SetupPacket, Speed, standard::descriptor_type};
//!
//! let directory = tempfile::tempdir()?;
//! let file = std::fs::File::create(directory.path().join("test.pcapng"))?;
//!
//! let bus = Bus::new();
//! let recording = Recording::start(&bus, BufWriter::new(file), LONGEST)?;
//! let _port = bus.plug(PortOptions::new(Speed::High))?;
//! let queue = CompletionQueue::new(&bus);
//! let setup = SetupPacket::get_descriptor(descriptor_type::DEVICE, 0, 0, 18);
//! bus.devices()[0].submit(&queue, Target::Control(setup), Transfer::receive(18));
//! queue.cancel_all();
//! let totals = recording.finish()?;
//! assert_eq!(totals.packets, 2, "submitted, and cancelled");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod isochronous;
mod kernel;
mod recording;
mod usbmon;
mod writer;

pub use isochronous::{IsochronousCounts, IsochronousDescriptor};
pub use kernel::{Usbmon, UsbmonError};
pub use recording::Recording;
pub use usbmon::{Data, Event, Header, HeaderError};
pub use writer::{LONGEST, Totals, Writer};
