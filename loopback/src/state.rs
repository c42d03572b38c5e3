//! Everything under the bus lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use usbfs2_protocol::{EndpointAddress, Speed};

use crate::bus_device::Target;
use crate::clock::{Clock, Timers};
use crate::mailbox::{Mailbox, Rings};
use crate::monitor::{BusMonitor, Watchers};
use crate::pipe::{Flow, Wire};
use crate::port::{Plug, Port};
use crate::transfer::{End, Pending};
use crate::{
    Bus, BusDevice, BusError, Completed, DeviceEvent, PlugId, Traffic, Transfer, TransferId,
    WatchEvent,
};

/// The root hub's address on the bus, and the last one there is (USB 2.0 9.4.6).
const ROOT_HUB: u8 = 1;
const LAST_DEVICE: u8 = 127;

/// The whole bus.
#[derive(Debug)]
pub(crate) struct State {
    clock: Clock,
    /// Counts calls of [`serve_due`](Self::serve_due).
    visits: u64,
    /// The microframe the first of those who wait will look at the clock in.
    promised: Option<u64>,
    /// What was promised for this visit or before it.
    expected: Option<u64>,
    timers: Timers,
    ports: BTreeMap<u8, Port>,
    watchers: Vec<Weak<Mailbox<WatchEvent>>>,
    monitors: Watchers,
    /// The last number given to a transfer, plug or claim.
    last_number: u64,
    /// The last address given to a device.
    last_device: u8,
}

impl State {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            visits: 0,
            promised: None,
            expected: None,
            timers: Timers::default(),
            ports: BTreeMap::new(),
            watchers: Vec::new(),
            monitors: Watchers::default(),
            last_number: 0,
            last_device: ROOT_HUB,
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn timers(&self) -> &Timers {
        &self.timers
    }

    pub(crate) fn ports(&self) -> &BTreeMap<u8, Port> {
        &self.ports
    }

    pub(crate) fn port_mut(&mut self, port: u8) -> Option<&mut Port> {
        self.ports.get_mut(&port)
    }

    /// The device on a port, if it is the one of this plug.
    pub(crate) fn plug(&self, port: u8, plug: PlugId) -> Option<&Plug> {
        let current = self.ports.get(&port)?.plug.as_ref()?;
        (current.id == plug).then_some(current)
    }

    pub(crate) fn plug_mut(&mut self, port: u8, plug: PlugId) -> Option<&mut Plug> {
        let current = self.ports.get_mut(&port)?.plug.as_mut()?;
        (current.id == plug).then_some(current)
    }

    /// Does something with a port and the means to move its data.
    pub(crate) fn on_port<R>(
        &mut self,
        port: u8,
        rings: &mut Rings,
        work: impl FnOnce(&mut Port, &mut Wire<'_>) -> R,
    ) -> Option<R> {
        let mut wire = Wire {
            clock: &mut self.clock,
            visit: self.visits,
            expected: self.expected,
            timers: &mut self.timers,
            rings,
        };
        self.ports.get_mut(&port).map(|port| work(port, &mut wire))
    }

    /// Serves one endpoint as far as both sides allow.
    pub(crate) fn advance(&mut self, port: u8, address: EndpointAddress, rings: &mut Rings) {
        let flow = self.on_port(port, rings, |port, wire| port.advance(address, wire));
        self.follow(port, flow.unwrap_or(Flow::Waits), rings);
    }

    pub(crate) fn advance_all(&mut self, port: u8, rings: &mut Rings) {
        self.advance(port, EndpointAddress::CONTROL, rings);
        for address in Port::addresses() {
            self.advance(port, address, rings);
        }
    }

    /// Does to the port what moving data led to.
    pub(crate) fn follow(&mut self, port: u8, flow: Flow, rings: &mut Rings) {
        if flow == Flow::Unplugged {
            self.unplug(port, rings);
        }
    }

    /// Serves what the clock has let go.
    pub(crate) fn serve_due(&mut self, rings: &mut Rings) {
        self.visits += 1;
        self.expected = None;
        if self.timers.next().is_none() {
            self.promised = None;
            return;
        }
        let now = self.clock.now();
        self.expected = self.promised.take_if(|promised| *promised <= now);
        // The clock may fall behind meanwhile.
        while let Some((port, address)) = self.timers.take_due(self.clock.now()) {
            self.advance(port, address, rings);
        }
    }

    /// The microframe something may come to `queue` in, which its taker will look at the clock in.
    pub(crate) fn promise(&mut self, queue: &Arc<Mailbox<Completed>>) -> Option<u64> {
        let next = self.next_for(queue)?;
        self.promised = Some(self.promised.map_or(next, |promised| promised.min(next)));
        Some(next)
    }

    /// The microframe something may come to `queue` in, where only the clock holds it back.
    fn next_for(&self, queue: &Arc<Mailbox<Completed>>) -> Option<u64> {
        let mut earliest: Option<u64> = None;
        for (due, (port, address)) in self.timers.iter() {
            if earliest.is_some_and(|earliest| earliest <= due) {
                break;
            }
            let pipe = self.ports.get(&port).and_then(|port| port.pipe(address));
            let next = pipe.map_or(Some(due), |pipe| pipe.next_for(queue, due));
            earliest = [earliest, next].into_iter().flatten().min();
        }
        earliest
    }

    /// Lets time pass on a manual clock, stopping at every microframe something is due in.
    pub(crate) fn step(&mut self, microframes: u64, rings: &mut Rings) {
        if let Clock::Manual(now) = self.clock {
            let end = now.saturating_add(microframes);
            while let Some(due) = self.timers.next().filter(|&due| due <= end) {
                self.clock = Clock::Manual(due.max(self.clock.now()));
                self.serve_due(rings);
            }
            self.clock = Clock::Manual(end);
        }
        self.serve_due(rings);
    }

    /// Makes a port out of the first free number up to `last`.
    pub(crate) fn add_port(&mut self, last: u8, speed: Speed) -> Option<u8> {
        let number = (1..=last).find(|number| !self.ports.contains_key(number))?;
        self.ports.insert(number, Port::new(speed));
        Some(number)
    }

    pub(crate) fn remove_port(&mut self, port: u8, rings: &mut Rings) {
        self.unplug(port, rings);
        self.ports.remove(&port);
    }

    pub(crate) fn plug_in(&mut self, bus: &Bus, number: u8, rings: &mut Rings) {
        let id = PlugId(self.number());
        let address = self.free_device_address();
        let speed = self.on_port(number, rings, |port, wire| {
            port.plug.is_none().then(|| {
                port.plug_in(id, address, wire);
                port.speed
            })
        });
        if let Some(Some(speed)) = speed {
            let device = BusDevice {
                bus: bus.clone(),
                port: number,
                plug: id,
                speed,
            };
            self.announce(&WatchEvent::Arrived(device), rings);
        }
    }

    pub(crate) fn unplug(&mut self, number: u8, rings: &mut Rings) {
        let plug = self.on_port(number, rings, |port, wire| port.unplug(wire));
        if let Some(Some(plug)) = plug {
            let name = port_name(number);
            self.announce(&WatchEvent::Left { name, plug }, rings);
        }
    }

    /// The next address no device has, in a circle as usbcore gives them.
    fn free_device_address(&mut self) -> u8 {
        let plugs = self.ports.values().filter_map(|port| port.plug.as_ref());
        let taken: Vec<u8> = plugs.map(|plug| plug.device).collect();
        let next = |address: &u8| {
            Some(if *address == LAST_DEVICE {
                ROOT_HUB + 1
            } else {
                address + 1
            })
        };
        let free = std::iter::successors(next(&self.last_device), next)
            .find(|address| !taken.contains(address));
        // There are as many addresses as ports, so one is free.
        self.last_device = free.unwrap_or(LAST_DEVICE);
        self.last_device
    }

    pub(crate) fn monitor(
        &mut self,
        watch: impl FnMut(&Traffic<'_>) + Send + 'static,
    ) -> BusMonitor {
        self.monitors.add(watch)
    }

    pub(crate) fn monitors(&self) -> &Watchers {
        &self.monitors
    }

    pub(crate) fn watch(&mut self, watcher: &Arc<Mailbox<WatchEvent>>) {
        self.watchers.push(Arc::downgrade(watcher));
    }

    fn announce(&mut self, event: &WatchEvent, rings: &mut Rings) {
        self.watchers.retain(|watcher| match watcher.upgrade() {
            Some(watcher) => {
                watcher.push(event.clone());
                rings.add(watcher);
                true
            }
            None => false,
        });
    }

    /// Suspends or resumes a device.
    pub(crate) fn set_suspended(
        &mut self,
        port: u8,
        plug: PlugId,
        suspended: bool,
        rings: &mut Rings,
    ) {
        let changed = self
            .plug_mut(port, plug)
            .is_some_and(|plug| std::mem::replace(&mut plug.suspended, suspended) != suspended);
        if !changed {
            return;
        }
        let event = if suspended {
            DeviceEvent::Suspend
        } else {
            DeviceEvent::Resume
        };
        self.on_port(port, rings, |port, wire| port.event(event, wire));
        self.advance_all(port, rings);
    }

    pub(crate) fn submit_host(
        &mut self,
        port: u8,
        plug: PlugId,
        target: Target,
        submission: Submission,
        rings: &mut Rings,
    ) -> TransferId {
        let address = match target {
            Target::Control(_) => EndpointAddress::CONTROL,
            Target::Endpoint(address) => address,
        };
        let id = TransferId {
            number: self.number(),
            port,
            address,
            end: End::Host,
        };
        let fits = submission.allocated && target.takes(&submission.transfer);
        let mut pending = submission.into_pending(id);
        if self.plug(port, plug).is_none() {
            pending.complete(Err(BusError::Unplugged), rings);
            return id;
        }
        self.on_port(port, rings, |port, wire| {
            let seen_as = port.seen_as(address);
            let misfit = match port.pipe(address) {
                Some(pipe) => pipe.misfit(&pending),
                None if pending.transfer.packets.is_some() => Some(BusError::InvalidRequest),
                None => None,
            };
            match (target, port.pipe_mut(address)) {
                _ if !fits || misfit.is_some() => {
                    pending.complete(Err(BusError::InvalidRequest), wire.rings)
                }
                (Target::Control(setup), _) => {
                    port.prepare(&setup, wire);
                    pending.seen_as = seen_as;
                    wire.rings.watchers.submitted(&pending, Some(setup));
                    port.control.submit(setup, pending);
                }
                (Target::Endpoint(_), Some(pipe)) => {
                    pending.seen_as = seen_as;
                    wire.rings.watchers.submitted(&pending, None);
                    pipe.submit_host(pending, wire);
                }
                (Target::Endpoint(_), None) => {
                    pending.complete(Err(BusError::InvalidRequest), wire.rings);
                }
            }
        });
        self.advance(port, address, rings);
        id
    }

    pub(crate) fn submit_device(
        &mut self,
        port: u8,
        address: EndpointAddress,
        submission: Submission,
        rings: &mut Rings,
    ) -> TransferId {
        let id = TransferId {
            number: self.number(),
            port,
            address,
            end: End::Device,
        };
        let is_in = address.direction() == usbfs2_protocol::Direction::In;
        let fits = submission.allocated
            && submission.transfer.sends == is_in
            && submission.transfer.packets.is_none();
        let pending = submission.into_pending(id);
        self.on_port(port, rings, |port, wire| {
            let plugged = port.plug.is_some();
            match port.pipe_mut(address) {
                Some(pipe) if fits && plugged => pipe.submit_device(pending, wire),
                Some(_) if fits => pending.complete(Err(BusError::Unplugged), wire.rings),
                _ => pending.complete(Err(BusError::InvalidRequest), wire.rings),
            }
        });
        self.advance(port, address, rings);
        id
    }

    /// Cancels one transfer. Returns whether it had not ended.
    pub(crate) fn cancel(&mut self, id: TransferId, rings: &mut Rings) -> bool {
        let found = self.on_port(id.port, rings, |port, wire| {
            if let Some(pipe) = port.pipe_mut(id.address) {
                return pipe.cancel(id, wire);
            }
            if port.control.cancel(id, wire)? {
                port.forget_setup();
            }
            Some(())
        });
        let found = found.flatten().is_some();
        if found {
            self.advance(id.port, id.address, rings);
        }
        found
    }

    /// Cancels every transfer submitted to `queue`, and only then serves the others.
    pub(crate) fn cancel_queue(&mut self, queue: &Arc<Mailbox<Completed>>, rings: &mut Rings) {
        let ports: Vec<u8> = self.ports.keys().copied().collect();
        let touched: Vec<u8> = ports
            .into_iter()
            .filter(|&port| {
                self.on_port(port, rings, |port, wire| port.cancel_queue(queue, wire))
                    .unwrap_or(false)
            })
            .collect();
        for port in touched {
            self.advance_all(port, rings);
        }
    }
}

/// A transfer on its way into the bus, its memory allocated where there was enough.
#[derive(Debug)]
pub(crate) struct Submission {
    transfer: Transfer,
    queue: Arc<Mailbox<Completed>>,
    allocated: bool,
}

impl Submission {
    /// Allocates, so call it before locking the bus.
    pub(crate) fn new(mut transfer: Transfer, queue: Arc<Mailbox<Completed>>) -> Self {
        let allocated = transfer.allocate();
        Self {
            transfer,
            queue,
            allocated,
        }
    }

    fn into_pending(self, id: TransferId) -> Pending {
        Pending::new(id, self.transfer, self.queue)
    }
}

/// A port's name, as in sysfs: the bus's number and the port's.
pub(crate) fn port_name(port: u8) -> String {
    format!("1-{port}")
}
