//! Any order of submits, cancels, halts, faults and pulls: each submission ends exactly once, a stopped
//! endpoint moves nothing, and every byte one end sent is a byte the other end received.

use std::collections::HashSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use usbfs2_loopback::{
    BusDevice, BusError, Completed, CompletionQueue, Fault, Target, Transfer, TransferId,
};
use usbfs2_protocol::{Direction, SetupPacket, Speed};

use crate::rig::{Rig, address, bulk, drain};

/// Small, so that lengths cross packet boundaries often.
const PACKET: usize = 8;
const ENDPOINTS: [u8; 2] = [0x81, 0x01];

#[derive(Debug, Clone)]
pub(crate) enum Op {
    HostSubmit {
        endpoint: usize,
        length: usize,
        zero: bool,
    },
    DeviceSubmit {
        endpoint: usize,
        length: usize,
        zero: bool,
    },
    HostCancel(prop::sample::Index),
    DeviceCancel(prop::sample::Index),
    CancelQueue,
    Halt(usize),
    ClearHalt(usize),
    Fault {
        endpoint: usize,
        ahead: u64,
        fault: Fault,
    },
    Step(u64),
    Pull,
    Plug,
    Reenable(usize),
}

/// Faults that lose no byte one side believes to have moved.
fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Stall),
        (1_u64..6).prop_map(|microframes| Fault::Nak { microframes }),
        (0_usize..64).prop_map(|after_bytes| Fault::Unplug { after_bytes }),
        Just(Fault::Babble),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let endpoint = 0..ENDPOINTS.len();
    let length = prop_oneof![
        0_usize..40,
        (0_usize..6).prop_map(|packets| packets * PACKET)
    ];
    prop_oneof![
        8 => (endpoint.clone(), length.clone(), any::<bool>())
            .prop_map(|(endpoint, length, zero)| Op::HostSubmit { endpoint, length, zero }),
        8 => (endpoint.clone(), length, any::<bool>())
            .prop_map(|(endpoint, length, zero)| Op::DeviceSubmit { endpoint, length, zero }),
        2 => any::<prop::sample::Index>().prop_map(Op::HostCancel),
        2 => any::<prop::sample::Index>().prop_map(Op::DeviceCancel),
        1 => Just(Op::CancelQueue),
        1 => endpoint.clone().prop_map(Op::Halt),
        3 => endpoint.clone().prop_map(Op::ClearHalt),
        2 => (endpoint.clone(), 0_u64..4, fault())
            .prop_map(|(endpoint, ahead, fault)| Op::Fault { endpoint, ahead, fault }),
        2 => (1_u64..4).prop_map(Op::Step),
        1 => Just(Op::Pull),
        3 => Just(Op::Plug),
        1 => endpoint.prop_map(Op::Reenable),
    ]
}

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..120)
}

/// One end's view of what happened.
#[derive(Default)]
struct EndLog {
    submitted: Vec<TransferId>,
    completed: HashSet<TransferId>,
    /// Bytes moved on each endpoint, in completion order.
    streams: [Vec<u8>; 2],
    /// The next byte to send, so that every byte tells its place.
    next_byte: u8,
}

impl EndLog {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let bytes = (0..length)
            .map(|place| self.next_byte.wrapping_add(place as u8))
            .collect();
        self.next_byte = self.next_byte.wrapping_add(length as u8);
        bytes
    }

    fn note(&mut self, endpoint: usize, done: &Completed) {
        assert!(self.completed.insert(done.id), "completed twice: {done:?}");
        assert!(
            done.status.is_ok() || done.actual_length == 0,
            "bytes hide: {done:?}"
        );
        self.streams[endpoint].extend(&done.buffer[..done.actual_length]);
    }
}

/// Runs operations on a bus and checks after each one.
pub(crate) struct Run {
    rig: Rig,
    device: BusDevice,
    /// One queue for each endpoint: the order between endpoints is nobody's business.
    host_queues: [CompletionQueue; 2],
    device_queues: [CompletionQueue; 2],
    host: EndLog,
    gadget: EndLog,
    /// Endpoints that met an error and were not recovered.
    stopped: [bool; 2],
    /// What happened, to be compared with another run.
    pub(crate) log: String,
}

impl Run {
    pub(crate) fn new() -> Self {
        let rig = Rig::with_packets_of(Speed::Full, PACKET as u16);
        let queues = || {
            [
                CompletionQueue::new(&rig.bus),
                CompletionQueue::new(&rig.bus),
            ]
        };
        Self {
            device: rig.device.clone(),
            host_queues: queues(),
            device_queues: queues(),
            host: EndLog::default(),
            gadget: EndLog::default(),
            stopped: [false; 2],
            log: String::new(),
            rig,
        }
    }

    fn transfer(log: &mut EndLog, sends: bool, length: usize, zero: bool) -> Transfer {
        if sends {
            Transfer::send(log.bytes(length)).zero_length_packet(zero)
        } else {
            Transfer::receive(length)
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        match *op {
            Op::HostSubmit {
                endpoint,
                length,
                zero,
            } => {
                let address = address(ENDPOINTS[endpoint]);
                let sends = address.direction() == Direction::Out;
                let transfer = Self::transfer(&mut self.host, sends, length, zero);
                let queue = &self.host_queues[endpoint];
                let id = self
                    .device
                    .submit(queue, Target::Endpoint(address), transfer);
                self.host.submitted.push(id);
            }
            Op::DeviceSubmit {
                endpoint,
                length,
                zero,
            } => {
                let address = address(ENDPOINTS[endpoint]);
                let sends = address.direction() == Direction::In;
                // A device buffer that is no multiple of the packet size loses bytes, as it must.
                let length = if sends {
                    length
                } else {
                    length.next_multiple_of(PACKET).max(PACKET)
                };
                let transfer = Self::transfer(&mut self.gadget, sends, length, zero);
                let id = self
                    .rig
                    .port
                    .submit(&self.device_queues[endpoint], address, transfer);
                self.gadget.submitted.push(id);
            }
            Op::HostCancel(index) if !self.host.submitted.is_empty() => {
                let id = *index.get(&self.host.submitted);
                let was_pending = !self.host.completed.contains(&id);
                let cancelled = self.device.cancel(id);
                assert_eq!(cancelled, was_pending);
            }
            Op::DeviceCancel(index) if !self.gadget.submitted.is_empty() => {
                let id = *index.get(&self.gadget.submitted);
                let was_pending = !self.gadget.completed.contains(&id);
                assert_eq!(self.rig.port.cancel(id), was_pending);
            }
            Op::HostCancel(_) | Op::DeviceCancel(_) => {}
            Op::CancelQueue => self.host_queues[0].cancel_all(),
            Op::Halt(endpoint) => {
                // Refused while an IN endpoint has data queued, or while unplugged.
                let _ = self.rig.port.set_halt(address(ENDPOINTS[endpoint]), true);
            }
            Op::ClearHalt(endpoint) => {
                // On a queue of its own, since it may end with Unplugged.
                let queue = CompletionQueue::new(&self.rig.bus);
                let setup = SetupPacket::clear_endpoint_halt(address(ENDPOINTS[endpoint]));
                let target = Target::Control(setup);
                self.device
                    .submit(&queue, target, Transfer::send(Vec::new()));
                let recovered = queue.try_next().unwrap().status.is_ok();
                self.drain();
                if recovered {
                    self.stopped[endpoint] = false;
                }
            }
            Op::Fault {
                endpoint,
                ahead,
                fault,
            } => {
                let address = address(ENDPOINTS[endpoint]);
                let faults = self.rig.port.faults();
                let number = faults.next_transfer(address) + ahead;
                // Babble on OUT is refused.
                let _ = faults.inject(address, number, fault);
            }
            Op::Step(microframes) => self.rig.bus.step(microframes),
            Op::Pull => self.rig.port.cable().pull(),
            Op::Plug => {
                if !self.rig.port.cable().is_plugged() {
                    self.drain();
                    self.rig.port.cable().plug();
                    self.device = self.rig.bus.devices().pop().unwrap();
                    for endpoint in ENDPOINTS {
                        self.rig.port.enable(bulk(endpoint, PACKET as u16)).unwrap();
                    }
                    self.stopped = [false; 2];
                }
            }
            Op::Reenable(endpoint) => {
                self.rig.port.disable(address(ENDPOINTS[endpoint]));
                let enabled = self
                    .rig
                    .port
                    .enable(bulk(ENDPOINTS[endpoint], PACKET as u16));
                // The device's toggle is DATA0 now, so the host's must be too.
                if enabled.is_ok() {
                    self.apply(&Op::ClearHalt(endpoint));
                }
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        for endpoint in 0..ENDPOINTS.len() {
            for done in drain(&self.host_queues[endpoint]) {
                writeln!(self.log, "host {done:?}").unwrap();
                self.host.note(endpoint, &done);
                let stopped = &mut self.stopped[endpoint];
                match done.status {
                    Ok(()) => assert!(!*stopped, "moved on a stopped endpoint: {done:?}"),
                    Err(BusError::Cancelled) => {}
                    Err(BusError::Stall | BusError::Overflow | BusError::Protocol) => {
                        *stopped = true
                    }
                    Err(BusError::Unplugged) => assert!(!self.device.is_plugged()),
                    Err(error) => panic!("{error:?} of nothing"),
                }
            }
            for done in drain(&self.device_queues[endpoint]) {
                writeln!(self.log, "device {done:?}").unwrap();
                self.gadget.note(endpoint, &done);
            }
        }
    }

    /// Cancels what is left and compares both ends.
    pub(crate) fn finish(&mut self) {
        for queue in self.host_queues.iter().chain(&self.device_queues) {
            queue.cancel_all();
        }
        self.drain();
        for queue in self.host_queues.iter().chain(&self.device_queues) {
            assert_eq!(queue.pending(), 0);
        }
        for end in [&self.host, &self.gadget] {
            assert_eq!(end.submitted.len(), end.completed.len());
            assert!(end.submitted.iter().all(|id| end.completed.contains(id)));
        }
        assert_eq!(self.host.streams, self.gadget.streams);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_submission_ends_once_and_no_byte_is_lost(ops in ops()) {
        let mut run = Run::new();
        for op in &ops {
            run.apply(op);
        }
        run.finish();
    }
}
