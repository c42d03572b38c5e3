//! The host's end of the cable.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket, Speed};

use crate::enumerate::enumerate;
use crate::port::Port;
use crate::state::port_name;
use crate::transfer::End;
use crate::{
    Bus, BusError, Claim, ClaimError, CompletionQueue, EnumerateError, Enumerated, Transfer,
    TransferId,
};

/// Where a host transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The control pipe. The transfer receives for an IN request and sends otherwise; its length is
    /// wLength.
    Control(SetupPacket),
    /// Another endpoint. The transfer sends on OUT and receives on IN, and is an isochronous one where the
    /// endpoint is isochronous.
    Endpoint(EndpointAddress),
}

impl Target {
    /// Whether a transfer goes the target's way, and is as long as a control request says.
    pub(crate) fn takes(&self, transfer: &Transfer) -> bool {
        let (direction, length) = match self {
            Self::Control(setup) => (
                setup.request_type.direction,
                Some(usize::from(setup.length)),
            ),
            Self::Endpoint(address) => (address.direction(), None),
        };
        transfer.sends == (direction == Direction::Out)
            && length.is_none_or(|length| length == transfer.length)
    }
}

/// Tells one plug of a device from the next on the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlugId(pub(crate) u64);

/// A device on the bus, seen from the host, from one plug until it is unplugged.
///
/// After that everything ends with [`BusError::Unplugged`]; plugging in again makes another
/// `BusDevice`.
#[derive(Clone)]
pub struct BusDevice {
    pub(crate) bus: Bus,
    pub(crate) port: u8,
    pub(crate) plug: PlugId,
    pub(crate) speed: Speed,
}

impl BusDevice {
    /// The port's name, as `1-1`.
    #[must_use]
    pub fn name(&self) -> String {
        port_name(self.port)
    }

    /// Which plug this is.
    #[must_use]
    pub fn plug_id(&self) -> PlugId {
        self.plug
    }

    /// The speed it runs at.
    #[must_use]
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// The bus it is on.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Whether this plug lasts.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.bus
            .locked(|state, _| state.plug(self.port, self.plug).is_some())
    }

    /// Reads the device's descriptors and selects its first configuration, once per plug; later calls
    /// return the same result. Blocks: the device must answer from another thread.
    ///
    /// `timeout` bounds the whole enumeration. A failure is not kept, so a later call tries again.
    ///
    /// # Errors
    /// [`EnumerateError`] when the device descriptor cannot be had. What goes wrong after it is in
    /// [`Enumerated::problem`], beside the descriptors that could be read.
    pub fn enumerate(&self, timeout: Duration) -> Result<Arc<Enumerated>, EnumerateError> {
        enumerate(self, timeout)
    }

    /// The result of enumeration, if there was one.
    #[must_use]
    pub fn enumerated(&self) -> Option<Arc<Enumerated>> {
        self.bus.locked(|state, _| {
            let plug = state.plug(self.port, self.plug)?;
            plug.enumerated.clone()
        })
    }

    /// The active configuration's value; `None` when the device is not configured.
    #[must_use]
    pub fn active_configuration(&self) -> Option<u8> {
        self.bus
            .locked(|state, _| state.plug(self.port, self.plug)?.configuration)
    }

    /// The interface's current alternate setting, 0 until the host selects another.
    #[must_use]
    pub fn alternate_setting(&self, interface: u8) -> u8 {
        self.bus.locked(|state, _| {
            let plug = state.plug(self.port, self.plug);
            let alternate = plug.and_then(|plug| plug.alternates.get(&interface));
            alternate.copied().unwrap_or(0)
        })
    }

    /// Claims an interface of the active configuration until the claim is dropped.
    ///
    /// # Errors
    /// [`ClaimError::Busy`] while another claim lives, and the others of [`ClaimError`].
    pub fn claim(&self, interface: u8) -> Result<Claim, ClaimError> {
        Claim::new(self, interface)
    }

    /// Whether somebody has claimed the interface.
    #[must_use]
    pub fn is_claimed(&self, interface: u8) -> bool {
        self.bus.locked(|state, _| {
            let plug = state.plug(self.port, self.plug);
            plug.is_some_and(|plug| plug.claims.contains_key(&interface))
        })
    }

    /// Submits a transfer.
    ///
    /// Never fails: what cannot be done completes with an error. Three standard requests also do what
    /// the host's side of them is: SET_CONFIGURATION and SET_INTERFACE cancel the transfers of the
    /// endpoints concerned and, acknowledged, reset them and change
    /// [`active_configuration`](Self::active_configuration) and
    /// [`alternate_setting`](Self::alternate_setting); CLEAR_FEATURE(ENDPOINT_HALT) cancels, then resets
    /// the endpoint, so that it works again after an error.
    pub fn submit(
        &self,
        queue: &CompletionQueue,
        target: Target,
        transfer: Transfer,
    ) -> TransferId {
        let submission = queue.admit(transfer);
        self.bus.locked(|state, rings| {
            state.submit_host(self.port, self.plug, target, submission, rings)
        })
    }

    /// Cancels a transfer of this device: it completes with the bytes that moved, or with
    /// [`BusError::Cancelled`]. Returns false where it had ended before.
    pub fn cancel(&self, id: TransferId) -> bool {
        id.port == self.port
            && id.end == End::Host
            && self.bus.locked(|state, rings| state.cancel(id, rings))
    }

    /// One control transfer, waiting for it up to `timeout`. `data` is sent by an OUT request; the
    /// result is what an IN request received.
    ///
    /// # Errors
    /// [`BusError::TimedOut`] when the device did not answer in time (the request is cancelled), or the
    /// transfer's own error.
    pub fn control(
        &self,
        setup: SetupPacket,
        data: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, BusError> {
        let transfer = match setup.request_type.direction {
            Direction::In => Transfer::receive(usize::from(setup.length)),
            Direction::Out => Transfer::send(data.to_vec()),
        };
        let queue = CompletionQueue::new(&self.bus);
        let id = self.submit(&queue, Target::Control(setup), transfer);
        let completed = queue.wait(Some(timeout)).or_else(|| {
            self.cancel(id);
            queue.try_next()
        });
        let completed = completed.ok_or(BusError::TimedOut)?;
        match completed.status {
            Ok(()) => Ok(completed.buffer),
            // Only this function knows the transfer, so only the deadline can have cancelled it.
            Err(BusError::Cancelled) => Err(BusError::TimedOut),
            Err(error) => Err(error),
        }
    }

    /// SET_CONFIGURATION, waiting for the answer (USB 2.0 9.4.7). 0 leaves the device not configured.
    ///
    /// # Errors
    /// As [`control`](Self::control).
    pub fn set_configuration(&self, value: u8, timeout: Duration) -> Result<(), BusError> {
        self.control(SetupPacket::set_configuration(value), &[], timeout)
            .map(drop)
    }

    /// SET_INTERFACE, waiting for the answer (USB 2.0 9.4.10).
    ///
    /// # Errors
    /// As [`control`](Self::control).
    pub fn set_interface(
        &self,
        interface: u8,
        alternate: u8,
        timeout: Duration,
    ) -> Result<(), BusError> {
        let setup = SetupPacket::set_interface(interface, alternate);
        self.control(setup, &[], timeout).map(drop)
    }

    /// Recovers an endpoint: cancels what is queued, clears the halt at both ends, resets the data
    /// toggle (USB 2.0 9.4.5). The bus answers for the device, so this waits only behind an unanswered
    /// control request.
    ///
    /// # Errors
    /// As [`control`](Self::control).
    pub fn clear_halt(&self, address: EndpointAddress, timeout: Duration) -> Result<(), BusError> {
        self.control(SetupPacket::clear_endpoint_halt(address), &[], timeout)
            .map(drop)
    }

    /// Resets the device's port (USB 2.0 7.1.7.5) and selects the configuration and the alternate settings there were
    /// again. Every transfer of the device ends as [`cancel`](Self::cancel) would end it; claims stay. `timeout` is for
    /// each request of these.
    ///
    /// # Errors
    /// As [`control`](Self::control): the device refused what it had accepted before, and is not configured as it was.
    pub fn reset(&self, timeout: Duration) -> Result<(), BusError> {
        let before = self.bus.locked(|state, rings| {
            let plug = state.plug(self.port, self.plug)?;
            let before = (plug.configuration, plug.alternates.clone());
            state.on_port(self.port, rings, Port::reset);
            Some(before)
        });
        let (configuration, alternates) = before.ok_or(BusError::Unplugged)?;
        if let Some(value) = configuration {
            self.set_configuration(value, timeout)?;
        }
        for (interface, alternate) in alternates {
            self.set_interface(interface, alternate, timeout)?;
        }
        Ok(())
    }

    /// Suspends the device: it gets [`DeviceEvent::Suspend`](crate::DeviceEvent) and nothing moves
    /// until [`resume`](Self::resume). No effect when it is suspended already.
    pub fn suspend(&self) {
        self.bus
            .locked(|state, rings| state.set_suspended(self.port, self.plug, true, rings));
    }

    /// Ends a suspend: the device gets [`DeviceEvent::Resume`](crate::DeviceEvent) and transfers go on.
    pub fn resume(&self) {
        self.bus
            .locked(|state, rings| state.set_suspended(self.port, self.plug, false, rings));
    }
}

impl fmt::Debug for BusDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusDevice")
            .field("port", &self.port)
            .field("plug", &self.plug)
            .field("speed", &self.speed)
            .finish_non_exhaustive()
    }
}
