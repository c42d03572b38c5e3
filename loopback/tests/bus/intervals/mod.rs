//! Any order of submits, cancels, faults, steps, suspends, disables and pulls on isochronous endpoints, beside a
//! model that walks through the microframes one by one: every completion is what the model says, so that no packet
//! is lost, doubled or moved but where a rule says so.

mod model;

use std::fmt::Write as _;

use proptest::prelude::*;
use usbfs2_loopback::{
    BusDevice, BusError, CompletionQueue, PacketFault, Target, Transfer, TransferId,
};

use crate::isochronous::{IN, OUT, isochronous, rig};
use crate::rig::{Rig, address, drain};
use model::{Asked, Model, completed};

const ENDPOINTS: [u8; 2] = [IN, OUT];
/// Small, so that packets overflow often.
const LARGEST: u16 = 8;

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Host {
        endpoint: usize,
        lengths: Vec<u32>,
        /// Microframes before or after now.
        start: Option<i64>,
    },
    Device {
        endpoint: usize,
        length: usize,
    },
    HostCancel(usize, prop::sample::Index),
    DeviceCancel(usize, prop::sample::Index),
    CancelQueue(usize),
    Fault {
        endpoint: usize,
        ahead: u64,
        fault: PacketFault,
    },
    Step(u64),
    Suspend(bool),
    Enable(usize, bool),
    Pull,
    Plug,
}

fn fault() -> impl Strategy<Value = PacketFault> {
    prop_oneof![
        Just(PacketFault::Lost),
        Just(PacketFault::Late),
        Just(PacketFault::Babble),
        (0_usize..9).prop_map(|length| PacketFault::Short { length }),
        (0_usize..9, 1_u8..).prop_map(|(offset, mask)| PacketFault::Corrupt { offset, mask }),
        Just(PacketFault::Unplug),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let endpoint = 0..ENDPOINTS.len();
    let index = any::<prop::sample::Index>;
    let largest = u32::from(LARGEST);
    let start = prop::option::weighted(0.2, -40_i64..80);
    prop_oneof![
        8 => (endpoint.clone(), prop::collection::vec(0..=largest, 1..7), start)
            .prop_map(|(endpoint, lengths, start)| Op::Host { endpoint, lengths, start }),
        12 => (endpoint.clone(), 0..=usize::from(LARGEST))
            .prop_map(|(endpoint, length)| Op::Device { endpoint, length }),
        12 => (1_u64..40).prop_map(Op::Step),
        1 => (endpoint.clone(), index()).prop_map(|(at, index)| Op::HostCancel(at, index)),
        1 => (endpoint.clone(), index()).prop_map(|(at, index)| Op::DeviceCancel(at, index)),
        1 => endpoint.clone().prop_map(Op::CancelQueue),
        4 => (endpoint.clone(), 0_u64..10, fault())
            .prop_map(|(endpoint, ahead, fault)| Op::Fault { endpoint, ahead, fault }),
        1 => any::<bool>().prop_map(Op::Suspend),
        2 => (endpoint, prop::bool::weighted(0.7)).prop_map(|(at, enable)| Op::Enable(at, enable)),
        1 => Just(Op::Pull),
        2 => Just(Op::Plug),
    ]
}

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..100)
}

/// The bus and the model side by side.
pub(crate) struct Run {
    rig: Rig,
    device: BusDevice,
    host_queues: [CompletionQueue; 2],
    device_queues: [CompletionQueue; 2],
    models: [Model; 2],
    plugged: bool,
    suspended: bool,
    now: u64,
    host_ids: [Vec<TransferId>; 2],
    device_ids: [Vec<TransferId>; 2],
    /// The next byte to send, so that every byte tells its place.
    next_byte: u8,
    /// What happened, to be compared with another run.
    pub(crate) log: String,
}

impl Run {
    pub(crate) fn new() -> Self {
        let rig = rig();
        let queues = || [0; 2].map(|_| CompletionQueue::new(&rig.bus));
        let mut run = Self {
            device: rig.device.clone(),
            host_queues: queues(),
            device_queues: queues(),
            models: Default::default(),
            plugged: true,
            suspended: false,
            now: 0,
            host_ids: Default::default(),
            device_ids: Default::default(),
            next_byte: 0,
            log: String::new(),
            rig,
        };
        for endpoint in 0..ENDPOINTS.len() {
            run.enable(endpoint, false);
            run.enable(endpoint, true);
        }
        run
    }

    fn is_in(endpoint: usize) -> bool {
        ENDPOINTS[endpoint] == IN
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let first = self.next_byte;
        self.next_byte = first.wrapping_add(length as u8);
        (0..length)
            .map(|place| first.wrapping_add(place as u8))
            .collect()
    }

    fn enable(&mut self, endpoint: usize, enable: bool) {
        let byte = ENDPOINTS[endpoint];
        let model = &mut self.models[endpoint];
        if enable {
            let enabled = self.rig.port.enable(isochronous(byte, LARGEST));
            assert_eq!(enabled.is_ok(), self.plugged && !model.enabled);
            model.enabled = self.plugged;
        } else {
            self.rig.port.disable(address(byte));
            model.enabled = false;
            for packet in std::mem::take(&mut model.device) {
                model.end_device(packet, BusError::NotEnabled);
            }
        }
    }

    fn unplugged(&mut self) {
        self.plugged = false;
        self.suspended = false;
        for model in &mut self.models {
            model.unplug();
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Host {
                endpoint,
                lengths,
                start,
            } => self.ask(*endpoint, lengths, *start),
            Op::Device { endpoint, length } => self.offer(*endpoint, *length),
            Op::HostCancel(endpoint, index) if !self.host_ids[*endpoint].is_empty() => {
                let id = *index.get(&self.host_ids[*endpoint]);
                let model = &mut self.models[*endpoint];
                let place = model.host.iter().position(|asked| asked.done.id == id);
                assert_eq!(self.device.cancel(id), place.is_some());
                if let Some(asked) = place.and_then(|place| model.host.remove(place)) {
                    model.end_host(asked, BusError::Cancelled);
                    model.finish();
                }
            }
            Op::DeviceCancel(endpoint, index) if !self.device_ids[*endpoint].is_empty() => {
                let id = *index.get(&self.device_ids[*endpoint]);
                let model = &mut self.models[*endpoint];
                let place = model.device.iter().position(|packet| packet.id == id);
                assert_eq!(self.rig.port.cancel(id), place.is_some());
                if let Some(packet) = place.and_then(|place| model.device.remove(place)) {
                    model.end_device(packet, BusError::Cancelled);
                }
            }
            Op::HostCancel(..) | Op::DeviceCancel(..) => {}
            Op::CancelQueue(endpoint) => {
                self.host_queues[*endpoint].cancel_all();
                let model = &mut self.models[*endpoint];
                for asked in std::mem::take(&mut model.host) {
                    model.end_host(asked, BusError::Cancelled);
                }
            }
            Op::Fault {
                endpoint,
                ahead,
                fault,
            } => self.plan(*endpoint, *ahead, *fault),
            Op::Step(microframes) => self.step(*microframes),
            Op::Suspend(suspended) => {
                if *suspended {
                    self.device.suspend();
                } else {
                    self.device.resume();
                }
                self.suspended = *suspended && self.plugged;
            }
            Op::Enable(endpoint, enable) => {
                if !self.models[*endpoint].enabled || !enable {
                    self.enable(*endpoint, *enable);
                }
            }
            Op::Pull => {
                self.rig.port.cable().pull();
                if self.plugged {
                    self.unplugged();
                }
            }
            Op::Plug if !self.plugged => {
                self.rig.port.cable().plug();
                self.plugged = true;
                self.device = self.rig.bus.devices().pop().unwrap();
                for endpoint in 0..ENDPOINTS.len() {
                    self.enable(endpoint, true);
                }
            }
            Op::Plug => {}
        }
        self.compare();
    }

    fn ask(&mut self, endpoint: usize, lengths: &[u32], start: Option<i64>) {
        let total = lengths.iter().sum::<u32>() as usize;
        let start = start.map(|offset| self.now.saturating_add_signed(offset));
        let (buffer, transfer) = if Self::is_in(endpoint) {
            (vec![0; total], Transfer::isochronous_receive(lengths))
        } else {
            let bytes = self.bytes(total);
            (bytes.clone(), Transfer::isochronous_send(bytes, lengths))
        };
        let transfer = match start {
            Some(start) => transfer.start_microframe(start),
            None => transfer,
        };
        let target = Target::Endpoint(address(ENDPOINTS[endpoint]));
        let id = self
            .device
            .submit(&self.host_queues[endpoint], target, transfer);
        self.host_ids[endpoint].push(id);
        let model = &mut self.models[endpoint];
        if self.plugged {
            model.ask(id, buffer, lengths, start, self.now);
        } else {
            model.ask(id, buffer, lengths, start, self.now);
            // It is the plug that is missing, not the endpoint.
            let refused = model.told_host.pop().unwrap();
            model.refuse(refused, BusError::Unplugged);
        }
    }

    fn offer(&mut self, endpoint: usize, length: usize) {
        let is_in = Self::is_in(endpoint);
        let (buffer, transfer) = if is_in {
            let bytes = self.bytes(length);
            (bytes.clone(), Transfer::send(bytes))
        } else {
            (Vec::new(), Transfer::receive(length))
        };
        let queue = &self.device_queues[endpoint];
        let id = self
            .rig
            .port
            .submit(queue, address(ENDPOINTS[endpoint]), transfer);
        self.device_ids[endpoint].push(id);
        let mut packet = completed(id, buffer);
        packet.actual_length = length;
        let model = &mut self.models[endpoint];
        if !self.plugged {
            model.end_device(packet, BusError::Unplugged);
        } else if !model.enabled {
            model.end_device(packet, BusError::NotEnabled);
        } else {
            model.device.push_back(packet);
        }
    }

    fn plan(&mut self, endpoint: usize, ahead: u64, fault: PacketFault) {
        let address = address(ENDPOINTS[endpoint]);
        let faults = self.rig.port.faults();
        let model = &mut self.models[endpoint];
        let number = model.next_number.saturating_sub(3) + ahead;
        let waits = |asked: &Asked| asked.packets.iter().any(|packet| packet.0 == number);
        let possible = number >= model.next_number || model.host.iter().any(waits);
        let allowed = fault != PacketFault::Babble || Self::is_in(endpoint);
        let planned = faults.inject_packet(address, number, fault);
        assert_eq!(planned.is_ok(), possible && allowed, "{planned:?}");
        if planned.is_ok() {
            model.faults.insert(number, fault);
        }
    }

    fn step(&mut self, microframes: u64) {
        self.rig.bus.step(microframes);
        for _ in 0..microframes {
            self.now += 1;
            let mut pulled = false;
            // By address: OUT before IN.
            for endpoint in [1, 0] {
                if !pulled {
                    let (live, is_in) = (!self.suspended, Self::is_in(endpoint));
                    pulled = self.models[endpoint].microframe(self.now, live, is_in);
                }
            }
            if pulled {
                self.unplugged();
            }
        }
    }

    fn compare(&mut self) {
        for endpoint in 0..ENDPOINTS.len() {
            let model = &mut self.models[endpoint];
            let host = drain(&self.host_queues[endpoint]);
            writeln!(self.log, "{host:?}").unwrap();
            assert_eq!(host, std::mem::take(&mut model.told_host), "the host's");
            let device = drain(&self.device_queues[endpoint]);
            writeln!(self.log, "{device:?}").unwrap();
            assert_eq!(
                device,
                std::mem::take(&mut model.told_device),
                "the device's"
            );
            let pending = [&self.host_queues[endpoint], &self.device_queues[endpoint]];
            let waiting = [model.host.len(), model.device.len()];
            assert_eq!(pending.map(CompletionQueue::pending), waiting);
        }
        let planned: usize = self.models.iter().map(|model| model.faults.len()).sum();
        assert_eq!(self.rig.port.faults().pending(), planned);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_packet_is_where_the_model_has_it(ops in ops()) {
        let mut run = Run::new();
        for op in &ops {
            run.apply(op);
        }
    }
}
