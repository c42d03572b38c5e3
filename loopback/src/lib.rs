//! An in-process USB bus: hosts and devices in one program, with no kernel, hardware or threads of its
//! own.
//!
//! A [`Bus`] is an explicit value. [`Bus::plug`] gives a [`DevicePort`], the device's end of a cable,
//! which is what a UDC is to a gadget: it takes events, answers control requests, enables endpoints and
//! queues transfers. [`Bus::devices`] and [`Bus::watch`] give [`BusDevice`]s, the host's end: it
//! enumerates, claims interfaces and queues transfers. A transfer moves when both ends have one.
//!
//! A whole device, and a host that talks to it:
//!
//! ```
//! use std::time::Duration;
//! use usbfs2_loopback::{
//!     Bus, CompletionQueue, ControlResponse, DeviceEvent, EndpointSpec, PortOptions, Target, Transfer,
//! };
//! use usbfs2_protocol::standard::{descriptor_type, request};
//! use usbfs2_protocol::{EndpointAddress, Speed, TransferType};
//!
//! const DEVICE: [u8; 18] = [18, 1, 0, 2, 0xff, 0, 0, 64, 0x09, 0x12, 1, 0, 0, 1, 0, 0, 0, 1];
//! const CONFIGURATION: [u8; 32] = [
//!     9, 2, 32, 0, 1, 1, 0, 0x80, 50, // one interface
//!     9, 4, 0, 0, 2, 0xff, 0, 0, 0, // with two endpoints:
//!     7, 5, 0x01, 2, 0, 2, 0, // bulk OUT of 512 bytes
//!     7, 5, 0x81, 2, 0, 2, 0, // bulk IN of 512 bytes
//! ];
//!
//! let bus = Bus::new();
//! let port = bus.plug(PortOptions::new(Speed::High))?;
//! let cable = port.cable();
//! let [bulk_out, bulk_in] = [EndpointAddress::try_from(0x01)?, EndpointAddress::try_from(0x81)?];
//!
//! // The device: sends back what it receives.
//! let firmware = std::thread::spawn(move || {
//!     let queue = CompletionQueue::new(port.bus());
//!     while let Some(event) = port.next_event(None) {
//!         let setup = match event {
//!             DeviceEvent::Setup { setup, .. } => setup,
//!             DeviceEvent::Disconnect => break,
//!             _ => continue,
//!         };
//!         let [_, kind] = setup.value.to_le_bytes();
//!         let response = match (setup.request, kind) {
//!             (request::GET_DESCRIPTOR, descriptor_type::DEVICE) => {
//!                 ControlResponse::Data(DEVICE.to_vec())
//!             }
//!             (request::GET_DESCRIPTOR, descriptor_type::CONFIGURATION) => {
//!                 ControlResponse::Data(CONFIGURATION.to_vec())
//!             }
//!             (request::SET_CONFIGURATION, _) => {
//!                 for address in [bulk_out, bulk_in] {
//!                     port.enable(EndpointSpec {
//!                         address,
//!                         transfer_type: TransferType::Bulk,
//!                         max_packet_size: 512,
//!                         interval: 0,
//!                     })
//!                     .expect("high speed has such endpoints");
//!                 }
//!                 port.submit(&queue, bulk_out, Transfer::receive(4096));
//!                 ControlResponse::Acknowledge
//!             }
//!             _ => ControlResponse::Stall,
//!         };
//!         let configured = setup.request == request::SET_CONFIGURATION;
//!         // An error says that the host did not wait for the answer.
//!         if port.respond(response).is_ok() && configured {
//!             if let Some(received) = queue.wait(None) {
//!                 port.submit(&queue, bulk_in, Transfer::send(received.buffer));
//!             }
//!         }
//!     }
//! });
//!
//! // The host.
//! let device = bus.devices().remove(0);
//! let enumerated = device.enumerate(Duration::from_secs(5))?;
//! assert_eq!(enumerated.problem, None);
//! let claim = device.claim(0)?;
//! let queue = CompletionQueue::new(&bus);
//! device.submit(&queue, Target::Endpoint(bulk_in), Transfer::receive(4096));
//! device.submit(&queue, Target::Endpoint(bulk_out), Transfer::send(b"hello".to_vec()));
//! let sent = queue.wait(None).expect("no timeout");
//! assert_eq!((sent.status, sent.actual_length), (Ok(()), 5));
//! let echo = queue.wait(None).expect("no timeout");
//! assert_eq!(echo.buffer, b"hello");
//!
//! cable.pull();
//! firmware.join().expect("the firmware ends when the cable is out");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is real
//!
//! - **Packets.** [`DevicePort::enable`] checks packet sizes by speed. Short packets and zero-length
//!   packets end transfers, packets larger than what is left of a buffer overflow it, and data toggles
//!   lose a packet where one end starts afresh alone (USB 2.0 5.8.3, 8.5.2, 8.6). Packet boundaries are
//!   computed, not looped over: a transfer costs one copy, whatever its length.
//! - **Halts.** A stalled endpoint stays so until the host clears it; a stalled control request is over
//!   with the next one (USB 2.0 8.5.3.4, 9.4.5).
//! - **The host's bookkeeping.** Configurations, alternate settings, claims and the order of enumeration
//!   are usbcore's.
//! - **Service intervals.** An isochronous endpoint moves one packet in each, whether or not both ends have one
//!   (USB 2.0 5.6).
//!
//! What is not: bandwidth shared between endpoints, and the polling interval of interrupt endpoints, which are
//! served at once.
//!
//! # Isochronous transfers
//!
//! A service interval is 2^(`bInterval` - 1) frames at full speed and microframes above, and begins at a
//! multiple of its length. The host submits a buffer and the lengths of its packets
//! ([`Transfer::isochronous_send`], [`Transfer::isochronous_receive`]), and gets an outcome for each
//! ([`Completed::packets`]). Transfers are contiguous: each has its place on the schedule when it is submitted,
//! right behind the one before it or in the next interval, and keeps it whatever becomes of the others. The
//! device submits one transfer a packet. A packet the other end has nothing queued for is
//! [`BusError::Missed`]; nothing is repeated, and nothing stops the endpoint.
//!
//! On the real clock whoever waits for or polls a completion serves the intervals that have begun, and sleeps
//! until the next one that can bring it something. Whoever comes late serves all that passed, in order, as far as
//! both ends have something queued. Where one of them runs out of it because nobody who waits was woken in time, the
//! clock falls behind real time and goes on from there: a machine too busy to run anybody stretches time, and no
//! packet is missed for it.
//!
//! ```
//! use usbfs2_loopback::{
//!     Bus, BusError, CompletionQueue, EndpointSpec, PortOptions, Target, Transfer,
//! };
//! use usbfs2_protocol::{EndpointAddress, Speed, TransferType};
//!
//! let bus = Bus::with_manual_clock();
//! let port = bus.plug(PortOptions::new(Speed::Full))?;
//! let microphone = EndpointAddress::try_from(0x81)?;
//! port.enable(EndpointSpec {
//!     address: microphone,
//!     transfer_type: TransferType::Isochronous,
//!     max_packet_size: 180,
//!     interval: 1, // a packet each frame, 8 microframes
//! })?;
//! let [host, device] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
//! port.submit(&device, microphone, Transfer::send(vec![1; 176]));
//! port.submit(&device, microphone, Transfer::send(vec![2; 180]));
//! let lengths = [180; 3];
//! let there = bus.devices().remove(0);
//! there.submit(&host, Target::Endpoint(microphone), Transfer::isochronous_receive(lengths));
//! bus.step(3 * 8);
//! let recorded = host.try_next().expect("three frames have passed");
//! assert_eq!(recorded.buffer[180..360], [2; 180], "each packet has a slot");
//! let packets: Vec<_> = recorded.packets.iter().map(|packet| (packet.actual_length, packet.status)).collect();
//! assert_eq!(packets, [(176, Ok(())), (180, Ok(())), (0, Err(BusError::Missed))]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! Every submission gives exactly one [`Completed`]. Bytes that moved before a cancel, a stall or the
//! cable came out are delivered as a success; the error comes with the next transfer. A stall, an
//! overflow or a missing endpoint stops the endpoint for the host: transfers queued behind end with
//! [`BusError::Cancelled`], new ones with [`BusError::Stall`], until the halt is cleared. So a stream
//! never continues with a hole. Isochronous endpoints never stop: errors are their packets'.
//!
//! # Determinism, time and faults
//!
//! Whoever submits, cancels, answers or steps does the work that became possible, under one lock, before
//! the call returns; wakers are called after the lock is released. The same calls in the same order give
//! the same completions.
//!
//! [`Fault`]s go wrong with a chosen transfer, [`PacketFault`]s with a chosen isochronous packet:
//! [`Bus::faults`]. Only isochronous transfers and [`Fault::Nak`] take time, counted in microframes.
//! [`Bus::with_manual_clock`] has them pass in [`Bus::step`]; on the real clock they pass by themselves, and
//! whoever waits for or polls a completion ends the NAK.
//!
//! ```
//! use usbfs2_loopback::{
//!     Bus, BusError, CompletionQueue, EndpointSpec, Fault, PortOptions, Target, Transfer,
//! };
//! use usbfs2_protocol::{EndpointAddress, Speed, TransferType};
//!
//! let bus = Bus::with_manual_clock();
//! let port = bus.plug(PortOptions::new(Speed::Full))?;
//! let address = EndpointAddress::try_from(0x81)?;
//! let transfer_type = TransferType::Interrupt;
//! port.enable(EndpointSpec { address, transfer_type, max_packet_size: 8, interval: 10 })?;
//! bus.faults("1-1")?.inject(address, 0, Fault::Nak { microframes: 4 })?;
//! bus.faults("1-1")?.inject(address, 1, Fault::Stall)?;
//!
//! let [host, device] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
//! let keyboard = bus.devices().remove(0);
//! keyboard.submit(&host, Target::Endpoint(address), Transfer::receive(8));
//! keyboard.submit(&host, Target::Endpoint(address), Transfer::receive(8));
//! port.submit(&device, address, Transfer::send(vec![0; 8]));
//! bus.step(3);
//! assert!(host.try_next().is_none());
//! bus.step(1);
//! assert_eq!(host.try_next().map(|report| report.status), Some(Ok(())));
//! assert_eq!(host.try_next().map(|report| report.status), Some(Err(BusError::Stall)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bus;
mod bus_device;
mod cable;
mod claim;
mod clock;
mod completion_queue;
mod control;
mod counters;
mod device_port;
mod endpoint_spec;
mod enumerate;
mod error;
mod exchange;
mod fault;
mod isochronous;
mod mailbox;
mod monitor;
mod pipe;
mod port;
mod schedule;
mod service;
mod state;
mod traffic;
mod transfer;
mod watch;

pub use bus::{Bus, BusFull, PortOptions};
pub use bus_device::{BusDevice, PlugId, Target};
pub use cable::Cable;
pub use claim::{Claim, ClaimError};
pub use completion_queue::CompletionQueue;
pub use counters::EndpointCounters;
pub use device_port::{ControlResponse, DeviceEvent, DevicePort, HaltError, RespondError};
pub use endpoint_spec::{EnableError, EndpointSpec};
pub use enumerate::{EnumerateError, Enumerated};
pub use error::{BusError, UnknownPort};
pub use fault::{Fault, FaultError, Faults, PacketFault};
pub use isochronous::PacketOutcome;
pub use monitor::{BusMonitor, Isochronous, Moment, Traffic};
pub use transfer::{Completed, Transfer, TransferId};
pub use watch::{BusWatch, WatchEvent};
