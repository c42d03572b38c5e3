//! Checks of any USB device, from the host's end: the rules of chapter 9 and of Bulk-Only Transport.
//!
//! ```
//! use usbfs2_gadget::functions::Keyboard;
//! use usbfs2_gadget::{DeviceIds, Gadget, Speed};
//! use usbfs2_host::Host;
//! use usbfs2_loopback::Bus;
//! use usbfs2_verifier::{BusPort, Options, verify};
//!
//! let bus = Bus::new();
//! let ids = DeviceIds { vendor: 0x1209, product: 1, release: 0x0100 };
//! let keyboard = Gadget::builder(ids).function(Keyboard::new()).build()?;
//! let running = keyboard.start_on(&bus, Speed::High)?;
//!
//! let host = Host::on(&bus); // or Host::system()?
//! let device = host.devices()?[0].id().clone();
//! let port = BusPort::new(&bus, running.port_name())?; // or KernelPort::of(&device)
//! let options = Options { rounds: 10, ..Options::default() };
//! let report = verify(&host, &device, &port, &options, |_| ())?;
//! assert_eq!(report.failures().count(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A check is a small function with a name and the section of the specification whose rule it is, and it ends in one
//! of four ways ([`Outcome`]): passed; failed, with what was expected and what was seen; not applicable, where the
//! device has nothing the rule is about; not possible, where the way to the device does not carry the question. The
//! last is no pass: it says that nothing is known.
//!
//! # What a device may do
//! Anything. Every request has a deadline ([`Options::deadline`]) and every check a time to end in
//! ([`Options::budget`]), no length is believed, and a device that has left three requests in a row unanswered is asked
//! no more.
//!
//! # What is done to a device
//! Its interfaces are claimed, so the drivers of the system let go of it for the time; endpoints are halted and the
//! halts cleared; alternate settings and configurations are selected, and the first ones at the end. Where the
//! [`Port`] can, it is suspended and unplugged. No data go to its endpoints but for the commands to a disk, which
//! [`Options::mass_storage`] asks for; and no writes among these unless [`Options::allow_writes`] is set.

mod chapter9;
mod check;
mod descriptors;
mod finding;
mod limit;
mod mass_storage;
mod options;
mod port;
mod reading;
mod report;
mod run;
mod subject;

pub use check::{CheckResult, Group};
pub use finding::Outcome;
pub use options::{Options, Stop};
pub use port::{BusPort, KernelPort, Port, PortError};
pub use report::{Counts, Report};
pub use run::{VerifyError, verify};
