//! The device end of USB in user space: gadgets made of functions.
//!
//! A [`Function`] does one job, such as a keyboard's: it declares interfaces and endpoints, answers
//! control requests, and moves data on a thread of its own. A [`Gadget`] is a device made of functions. It
//! runs unchanged on the in-process bus ([`Gadget::start_on`]), through gadgetfs on the machine's device
//! controller ([`Gadget::start_gadgetfs`]), and through FunctionFS inside a composite gadget, beside functions
//! of the kernel's ([`Gadget::start_functionfs`]).
//!
//! Ready-made functions are in [`functions`]:
//!
//! ```
//! use usbfs2_gadget::functions::Keyboard;
//! use usbfs2_gadget::{DeviceIds, Gadget, Speed, State};
//! use usbfs2_loopback::Bus;
//! # use std::time::Duration;
//!
//! let keyboard = Keyboard::new();
//! let gadget = Gadget::builder(DeviceIds { vendor: 0x1d6b, product: 0x0104, release: 0x0100 })
//!     .manufacturer("usbfs2")
//!     .product("Keyboard")
//!     .function(keyboard.clone())
//!     .build()?;
//!
//! let bus = Bus::new();
//! let running = gadget.start_on(&bus, Speed::High)?;
//! // The host end: here the bus itself enumerates, as a host library would.
//! let device = bus.devices().remove(0);
//! device.enumerate(Duration::from_secs(5))?;
//! running.wait_for_state(State::Configured, Duration::from_secs(5))?;
//! keyboard.type_text("hello")?;
//! running.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`functions::Audio`] is a sound card, [`functions::Disk`] a disk on an image, [`functions::SourceSink`] what the
//! kernel's usbtest tests.
//!
//! # A function of one's own
//!
//! Addresses are assigned when the gadget starts, from the endpoints the controller really has; the function
//! takes its endpoints by the order in which it declared them. `?` on every endpoint call is right:
//! [`EndpointError::Disabled`] is how a run ends when the host goes away, and with the next configuration
//! comes the next run.
//!
//! ```
//! use std::sync::Arc;
//! use usbfs2_gadget::{
//!     Buffer, DeviceIds, Direction, EndpointRequest, Endpoints, Function, FunctionBuilder,
//!     FunctionError, Gadget, InterfaceClass, Speed,
//! };
//! use usbfs2_loopback::{Bus, CompletionQueue, Target, Transfer};
//! # use std::time::Duration;
//!
//! /// Sends back what it receives.
//! struct Echo;
//!
//! impl Function for Echo {
//!     fn name(&self) -> &str {
//!         "echo"
//!     }
//!
//!     fn describe(&self, builder: &mut FunctionBuilder<'_>) {
//!         let mut interface = builder.interface(InterfaceClass::VENDOR);
//!         interface.endpoint(EndpointRequest::bulk(Direction::Out));
//!         interface.endpoint(EndpointRequest::bulk(Direction::In));
//!     }
//!
//!     fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
//!         let mut output = endpoints.take(0)?;
//!         let mut input = endpoints.take(1)?;
//!         let mut buffer = Buffer::with_capacity(16 * 1024);
//!         loop {
//!             buffer = output.read(buffer)?;
//!             buffer = input.write(buffer)?;
//!         }
//!     }
//! }
//!
//! let ids = DeviceIds { vendor: 0x1209, product: 0x0001, release: 0x0100 };
//! let gadget = Gadget::builder(ids).function(Arc::new(Echo)).build()?;
//! let bus = Bus::new();
//! let running = gadget.start_on(&bus, Speed::High)?;
//!
//! let host = bus.devices().remove(0);
//! host.enumerate(Duration::from_secs(5))?;
//! let queue = CompletionQueue::new(&bus);
//! let [out, input] = [0x01, 0x81].map(|byte| Target::Endpoint(byte.try_into().unwrap()));
//! host.submit(&queue, out, Transfer::send(b"hello".to_vec()));
//! host.submit(&queue, input, Transfer::receive(512));
//! let sent = queue.wait(Some(Duration::from_secs(5))).ok_or("nothing sent")?;
//! let received = queue.wait(Some(Duration::from_secs(5))).ok_or("nothing received")?;
//! assert_eq!(received.buffer, b"hello");
//! # assert_eq!(sent.status, Ok(()));
//! # drop(running);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What can go wrong, told before it does
//!
//! The builder numbers interfaces, strings and endpoints, so duplicates cannot be said.
//! [`GadgetBuilder::build`] refuses what no host would take, and [`Gadget::check`] explains what a given
//! backend and controller would refuse or silently change. Each [`Problem`] says what to do about it.
//!
//! ```
//! # use std::sync::Arc;
//! # use usbfs2_gadget::*;
//! # struct Silent;
//! # impl Function for Silent {
//! #     fn name(&self) -> &str { "silent" }
//! #     fn describe(&self, builder: &mut FunctionBuilder<'_>) {
//! #         builder.interface(InterfaceClass::VENDOR);
//! #     }
//! #     fn run(&self, _endpoints: Endpoints) -> Result<(), FunctionError> { Ok(()) }
//! # }
//! # let ids = DeviceIds { vendor: 0x1209, product: 0x0001, release: 0x0100 };
//! let builder = Gadget::builder(ids).function(Arc::new(Silent)).remote_wakeup(true);
//! let problems = builder.build()?.check(&Target::Gadgetfs(Udc::dummy_hcd()));
//! assert_eq!(
//!     problems[0].to_string(),
//!     "gadget: gadgetfs refuses remote wake-up: use remote_wakeup(false)"
//! );
//! # Ok::<(), DescriptorProblems>(())
//! ```
//!
//! # Threads
//!
//! A started gadget has one thread for endpoint 0, which calls [`Function::control`], and one for each
//! function, or for each of its [independent interfaces](FunctionBuilder::independent_interfaces), which calls
//! [`Function::run`]; in the kernel each enabled endpoint has one more. A function that
//! fails, panics or dawdles is reported by [`Running::failures`] and holds up neither endpoint 0 nor
//! the others. [`Running::stop`], and dropping it, waits for all of them.
//!
//! # gadgetfs
//!
//! gadgetfs needs root, or files that root has handed over; it is mounted where it is not, and stays mounted.
//! It gives a gadget full and high speed, one configuration and 256 bytes at a time on endpoint 0. Three of
//! its ways shape this crate and are worth knowing:
//!
//! - Its asynchronous I/O cannot be cancelled without stopping the machine, so transfers are blocking calls of
//!   a thread, ended by the signal `SIGRTMAX - 1`, one at a time for each endpoint. What is submitted beyond
//!   waits in user space: prefer few large transfers (up to 4 MiB, from kernel memory in one piece, so
//!   rather 64 KiB) to many small ones.
//! - Isochronous endpoints have one packet with the controller at a time for the same reason. A thread at
//!   real-time priority, where it may, brings the next one as soon as that has moved, which must be within the service
//!   interval: 1 ms is comfortable, 125 us is not. Whether dummy_hcd has such endpoints is looked up for gadgets
//!   that need them.
//! - It acknowledges OUT requests with data before the function sees them: see [`Function::control`]. The
//!   thread of endpoint 0 runs at real-time priority where it may, to be in time.
//! - A gadget goes off the bus when the last copy of its files is closed: with a [`Keeper`] it outlives its process.
//! - It does not tell whether a halt succeeded: see [`Endpoint::set_halt`].
//!
//! # FunctionFS
//!
//! In a composite gadget somebody else says what the device is, in configfs: the `usb-gadget` crate, a script, or
//! systemd. This crate is given a directory with FunctionFS mounted, describes its functions there, and serves
//! them at full, high and super speed. With `usb-gadget`, of which [`ffs_no_init`] leaves the files to this crate:
//!
//! ```ignore
//! let mut slot = usb_gadget::function::custom::Custom::builder();
//! slot.ffs_no_init = true;
//! let (mut slot, handle) = slot.build();
//! let (_port, serial) = usb_gadget::function::serial::Serial::new(SerialClass::Acm);
//! let configuration = Config::new("one").with_function(serial).with_function(handle);
//! let composite = usb_gadget::Gadget::new(class, id, strings).with_config(configuration).register()?;
//!
//! let gadget = Gadget::builder(ids).function(Keyboard::new()).build()?;
//! let running = gadget.start_functionfs(&FunctionfsOptions::new(slot.ffs_dir()?))?;
//! composite.bind(Some(&usb_gadget::default_udc()?))?;
//! ```
//!
//! The same by hand:
//!
//! ```text
//! mkdir -p /sys/kernel/config/usb_gadget/g/functions/ffs.keys /dev/keys
//! mount -t functionfs keys /dev/keys        and link the function into a configuration
//! (start the gadget with FunctionfsOptions::new("/dev/keys"))
//! ls /sys/class/udc > /sys/kernel/config/usb_gadget/g/UDC
//! ```
//!
//! Functions see the interface and endpoint numbers they declared, wherever they are in the composite. Stopping
//! the gadget, or killing its process, takes the whole composite off its controller; the directory can be used
//! again, and the composite bound again. What FunctionFS cannot do is told by [`Gadget::check`] with
//! [`Target::Functionfs`]: class-specific descriptors but HID's, CCID's and DFU's, alternate settings, interface
//! associations; so [`functions::Audio`] runs on gadgetfs and in process only. Worth knowing besides:
//!
//! - The host selecting the configuration starts the functions' runs. Leaving it, resetting the bus and pulling the
//!   cable look alike to FunctionFS: each ends the runs, calls [`Function::reset`] and leaves [`State::Detached`].
//! - It does not tell the speed. It is learnt from the endpoints; where none differs, it is the fastest.
//! - Transfers are blocking calls of a thread here too, with the same limits, and an OUT request with data cannot be
//!   stalled once its data has been taken.
//! - The kernel tells requests to endpoints apart by number and not by direction, so that one to the IN endpoint
//!   may arrive as one to the OUT endpoint of the same number (eps_revmap, Linux 6.12).
//!
//! [`ffs_no_init`]: https://docs.rs/usb-gadget/latest/usb_gadget/function/custom/struct.CustomBuilder.html

mod blocking;
mod check;
mod control;
mod controller;
mod counters;
mod describe;
mod descriptors;
mod device;
mod endpoint;
pub mod firmware;
mod function;
mod functionfs;
pub mod functions;
mod gadget;
mod gadgetfs;
mod keeper;
mod kept;
mod layout;
mod loopback;
mod pipe;
mod plan;
mod running;
pub mod scsi;
mod start;
mod udc;
mod worker;

pub use aio_rs::Buffer;
pub use usbfs2_protocol::{
    Direction, EndpointAddress, Recipient, RequestKind, RequestType, SetupPacket, Speed,
    TransferType,
};

pub use check::{DescriptorProblems, Place, Problem, ProblemKind, Target};
pub use counters::Counters;
pub use describe::{
    EndpointHandle, EndpointRequest, FunctionBuilder, InterfaceBuilder, InterfaceClass,
    InterfaceHandle, PerSpeed,
};
pub use endpoint::{Canceller, Completion, Endpoint, EndpointError, Endpoints, Session};
pub use function::{ControlRequest, ControlResponse, ControlTarget, Function, FunctionError};
pub use gadget::{DeviceIds, Gadget, GadgetBuilder};
pub use keeper::{Keeper, KeeperError, Mark};
pub use plan::{Plan, PlannedEndpoint};
pub use running::{Failure, Running, State, StateTimeout};
pub use start::{FunctionfsOptions, GadgetfsOptions, StartError, learn_udc};
pub use udc::{KnownUdc, MachineUdc, Udc, UdcEndpoint};
