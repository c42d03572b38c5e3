//! The bus itself: an explicit value, shared by cloning.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use thiserror::Error;
use usbfs2_protocol::{EndpointAddress, Speed};

use crate::clock::Clock;
use crate::mailbox::{Mailbox, Rings};
use crate::port::Port;
use crate::state::{State, port_name};
use crate::{
    BusDevice, BusMonitor, BusWatch, Cable, Completed, DevicePort, EndpointCounters, Faults,
    Traffic, UnknownPort, WatchEvent,
};

/// An in-process USB bus. Clones are the same bus.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Whether something waits for real time to pass, so that takers of completions must look.
    holds: AtomicBool,
}

/// How to plug a device in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortOptions {
    /// The speed the device runs at.
    pub speed: Speed,
    /// Whether the cable is in from the start. True by default.
    pub plugged: bool,
}

impl PortOptions {
    /// A device of this speed, its cable plugged in.
    #[must_use]
    pub fn new(speed: Speed) -> Self {
        Self {
            speed,
            plugged: true,
        }
    }

    /// The same, with the cable in or out at first.
    #[must_use]
    pub fn plugged(mut self, plugged: bool) -> Self {
        self.plugged = plugged;
        self
    }
}

/// Every port has a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "all {} ports of the bus are taken: drop a DevicePort first",
    Bus::PORTS
)]
pub struct BusFull;

impl Bus {
    /// Ports on the bus: a bus addresses 127 devices, and the root hub is one (USB 2.0 4.1.1).
    pub const PORTS: u8 = 126;

    /// A bus whose microframes pass in real time.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Clock::real())
    }

    /// A bus on which time passes only in [`step`](Self::step).
    #[must_use]
    pub fn with_manual_clock() -> Self {
        Self::with_clock(Clock::Manual(0))
    }

    fn with_clock(clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(clock)),
                holds: AtomicBool::new(false),
            }),
        }
    }

    /// Microframes (125 us) since the bus was made.
    #[must_use]
    pub fn microframe(&self) -> u64 {
        self.locked(|state, _| state.clock().now())
    }

    /// Lets `microframes` pass on a manual clock and serves what became due, in order. On the real
    /// clock, which passes by itself, it only serves what is due.
    pub fn step(&self, microframes: u64) {
        self.locked(|state, rings| state.step(microframes, rings));
    }

    /// Plugs a device into the first free port.
    ///
    /// # Errors
    /// [`BusFull`] when no port is free.
    pub fn plug(&self, options: PortOptions) -> Result<DevicePort, BusFull> {
        self.locked(|state, rings| {
            let port = state.add_port(Self::PORTS, options.speed).ok_or(BusFull)?;
            if options.plugged {
                state.plug_in(self, port, rings);
            }
            let events = state.port_mut(port).ok_or(BusFull)?.events.clone();
            Ok(DevicePort::new(self.clone(), port, options.speed, events))
        })
    }

    /// The devices present, by port.
    #[must_use]
    pub fn devices(&self) -> Vec<BusDevice> {
        self.locked(|state, _| self.present(state))
    }

    fn present(&self, state: &State) -> Vec<BusDevice> {
        let present = state.ports().iter().filter_map(|(&number, port)| {
            Some(BusDevice {
                bus: self.clone(),
                port: number,
                plug: port.plug.as_ref()?.id,
                speed: port.speed,
            })
        });
        present.collect()
    }

    /// Watches devices come and go, starting with an arrival for each one present.
    #[must_use]
    pub fn watch(&self) -> BusWatch {
        let events = Mailbox::new();
        self.locked(|state, _| {
            for device in self.present(state) {
                events.push(WatchEvent::Arrived(device));
            }
            state.watch(&events);
        });
        BusWatch::new(events)
    }

    /// Has `watch` told of every transfer the host submits and of its end, until the monitor is dropped.
    ///
    /// `watch` is called with the bus locked, in the order things happen and by whoever made them
    /// happen: it must be quick, and must not use the bus, which would wait for itself.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use usbfs2_loopback::{Bus, CompletionQueue, Moment, PortOptions, Target, Transfer};
    /// use usbfs2_protocol::{SetupPacket, Speed, standard::descriptor_type};
    ///
    /// let bus = Bus::new();
    /// let (seen, traffic) = mpsc::channel();
    /// let monitor = bus.monitor(move |traffic| {
    ///     seen.send(matches!(traffic.moment, Moment::Submitted { setup: Some(_), .. })).ok();
    /// });
    /// let _port = bus.plug(PortOptions::new(Speed::High))?;
    /// let queue = CompletionQueue::new(&bus);
    /// let setup = SetupPacket::get_descriptor(descriptor_type::DEVICE, 0, 0, 18);
    /// bus.devices()[0].submit(&queue, Target::Control(setup), Transfer::receive(18));
    /// assert!(traffic.recv()?, "a request was submitted");
    /// queue.cancel_all();
    /// assert!(!traffic.recv()?, "it ended");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn monitor(&self, watch: impl FnMut(&Traffic<'_>) + Send + 'static) -> BusMonitor {
        self.locked(|state, _| state.monitor(watch))
    }

    /// The cable of the port called `name`, as `1-1`.
    ///
    /// # Errors
    /// [`UnknownPort`] when no device port has that name.
    pub fn cable(&self, name: &str) -> Result<Cable, UnknownPort> {
        let port = self.port(name)?;
        Ok(Cable::new(self.clone(), port))
    }

    /// Fault injection for the port called `name`, as `1-1`.
    ///
    /// # Errors
    /// [`UnknownPort`] when no device port has that name.
    pub fn faults(&self, name: &str) -> Result<Faults, UnknownPort> {
        let port = self.port(name)?;
        Ok(Faults::new(self.clone(), port))
    }

    /// What each endpoint of the port called `name` has done, by endpoint number, endpoints without a
    /// transfer left out.
    ///
    /// # Errors
    /// [`UnknownPort`] when no device port has that name.
    pub fn counters(
        &self,
        name: &str,
    ) -> Result<Vec<(EndpointAddress, EndpointCounters)>, UnknownPort> {
        let number = self.port(name)?;
        let counters = self.locked(|state, _| state.ports().get(&number).map(Port::counters));
        counters.ok_or_else(|| unknown(name))
    }

    fn port(&self, name: &str) -> Result<u8, UnknownPort> {
        let found = self.locked(|state, _| {
            let mut numbers = state.ports().keys();
            numbers.find(|&&number| port_name(number) == name).copied()
        });
        found.ok_or_else(|| unknown(name))
    }

    /// Runs `work` under the bus lock, and tells those who wait once it is released.
    pub(crate) fn locked<R>(&self, work: impl FnOnce(&mut State, &mut Rings) -> R) -> R {
        self.locked_then(work, || ())
    }

    /// The same, and calls `then` in between: the bus is not locked any more, and nobody has been told.
    pub(crate) fn locked_then<R>(
        &self,
        work: impl FnOnce(&mut State, &mut Rings) -> R,
        then: impl FnOnce(),
    ) -> R {
        let mut rings = Rings::default();
        // A panic under the lock is a bug of the bus, which must not spread to every user of it.
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rings.watchers.clone_from(state.monitors());
        state.serve_due(&mut rings);
        let result = work(&mut state, &mut rings);
        let holds = state.timers().next().is_some() && state.clock().is_real();
        self.shared.holds.store(holds, Ordering::SeqCst);
        drop(state);
        then();
        rings.ring();
        result
    }

    /// Serves what real time has let go. Returns the instant to do so again because something may then
    /// come to `queue`; `None` where time alone brings it nothing.
    pub(crate) fn serve_due(&self, queue: &Arc<Mailbox<Completed>>) -> Option<Instant> {
        if !self.shared.holds.load(Ordering::SeqCst) {
            return None;
        }
        self.locked(|state, _| {
            let next = state.promise(queue)?;
            state.clock().instant(next)
        })
    }
}

fn unknown(name: &str) -> UnknownPort {
    UnknownPort {
        name: name.to_owned(),
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}
