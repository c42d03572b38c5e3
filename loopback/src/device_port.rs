//! The device's end of the cable.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use thiserror::Error;
use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket, Speed};

use crate::mailbox::{Mailbox, Rings};
use crate::port::QueuedEvent;
use crate::state::{State, port_name};
use crate::transfer::End;
use crate::{Bus, Cable, CompletionQueue, EnableError, EndpointSpec, Faults, Transfer, TransferId};

/// What happens to a device, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// The bus was reset, which also opens every connection: no endpoint but 0 is enabled now.
    Reset,
    /// A control request to answer with [`DevicePort::respond`].
    Setup {
        /// The request. The bus has answered SET_ADDRESS and the endpoint halt requests itself.
        setup: SetupPacket,
        /// The data stage of an OUT request, wLength bytes; empty otherwise.
        data: Vec<u8>,
    },
    /// The host suspended the bus.
    Suspend,
    /// The host resumed the bus.
    Resume,
    /// The cable came out: transfers ended with [`BusError::Unplugged`](crate::BusError::Unplugged)
    /// and no endpoint is enabled.
    Disconnect,
}

/// A device's answer to a control request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlResponse {
    /// The data stage of an IN request. Bytes beyond wLength are not sent (USB 2.0 8.5.3).
    Data(Vec<u8>),
    /// Success without data. To an IN request: an empty data stage.
    Acknowledge,
    /// A protocol stall: this request fails, and the next setup packet clears the condition
    /// (USB 2.0 8.5.3.4).
    Stall,
}

/// Why an answer was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RespondError {
    /// The host gave the request up, perhaps for a newer one that is waiting as an event.
    #[error("the host gave this request up: take the next event")]
    Superseded,
    /// No request has been taken that is not answered.
    #[error("there is no control request to answer: take a Setup event first")]
    NoRequest,
    /// Data answers an IN request only. The request still waits.
    #[error("this request has no IN data stage: acknowledge or stall it")]
    NotIn,
}

/// Why an endpoint's halt could not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HaltError {
    /// The endpoint is not enabled.
    #[error("{0} is not enabled: enable it first")]
    NotEnabled(EndpointAddress),
    /// The endpoint is isochronous.
    #[error("{0} is isochronous and has no halt (USB 2.0 5.6.5)")]
    Isochronous(EndpointAddress),
    /// An IN endpoint still has data to send, which a halt would hold back.
    #[error("{0} has data queued: wait until it is sent or cancel it, then halt")]
    Queued(EndpointAddress),
}

/// A device plugged into the bus, seen from its inside: what a UDC is to a gadget.
///
/// Methods take `&self`: one thread may answer requests while others move data. Dropping it takes the
/// device off the bus and frees the port.
pub struct DevicePort {
    bus: Bus,
    port: u8,
    speed: Speed,
    events: Arc<Mailbox<QueuedEvent>>,
    /// The control request taken last and not answered; 0 for none. 64-bit atomics are not everywhere (powerpc, mips).
    request: Mutex<u64>,
}

impl DevicePort {
    pub(crate) fn new(bus: Bus, port: u8, speed: Speed, events: Arc<Mailbox<QueuedEvent>>) -> Self {
        Self {
            bus,
            port,
            speed,
            events,
            request: Mutex::new(0),
        }
    }

    /// The port's name, as `1-1`.
    #[must_use]
    pub fn name(&self) -> String {
        port_name(self.port)
    }

    /// The speed the device was plugged in at.
    #[must_use]
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// The bus this port is on.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The cable between host and device.
    #[must_use]
    pub fn cable(&self) -> Cable {
        Cable::new(self.bus.clone(), self.port)
    }

    /// Fault injection on this port.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::new(self.bus.clone(), self.port)
    }

    /// Takes the next event, waiting for it up to `timeout` (without end for `None`).
    ///
    /// Taking a setup event makes it the request that [`respond`](Self::respond) answers.
    #[must_use]
    pub fn next_event(&self, timeout: Option<Duration>) -> Option<DeviceEvent> {
        let queued = self.events.wait_timeout(timeout)?;
        Some(self.taken(queued))
    }

    /// Takes the next event, or has the task woken when there is one.
    pub fn poll_event(&self, cx: &mut Context<'_>) -> Poll<DeviceEvent> {
        self.events.poll(cx).map(|queued| self.taken(queued))
    }

    fn taken(&self, queued: QueuedEvent) -> DeviceEvent {
        if let Some(request) = queued.request {
            *self.request() = request;
        }
        queued.event
    }

    /// Held for no longer than a look.
    fn request(&self) -> MutexGuard<'_, u64> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the setup event taken last.
    ///
    /// Endpoints of a new configuration or alternate setting must be enabled before the request that
    /// selects it is acknowledged: the host may use them at once.
    ///
    /// # Errors
    /// [`RespondError::Superseded`] when the host did not wait for the answer: forget the request.
    pub fn respond(&self, response: ControlResponse) -> Result<(), RespondError> {
        let request = *self.request();
        if request == 0 {
            return Err(RespondError::NoRequest);
        }
        let result = self.bus.locked(|state, rings| {
            let result = state
                .on_port(self.port, rings, |port, wire| {
                    port.respond(request, response, wire)
                })
                .unwrap_or(Err(RespondError::Superseded));
            result.map(|flow| state.follow(self.port, flow, rings))
        });
        if result != Err(RespondError::NotIn) {
            // Unless a newer request was taken meanwhile, there is none to answer now.
            let mut current = self.request();
            if *current == request {
                *current = 0;
            }
        }
        result
    }

    /// Enables an endpoint: not halted, its data toggle at DATA0.
    ///
    /// # Errors
    /// See [`EnableError`].
    pub fn enable(&self, endpoint: EndpointSpec) -> Result<(), EnableError> {
        endpoint.check(self.speed)?;
        self.bus.locked(|state, _| {
            let Some(port) = state.port_mut(self.port) else {
                return Err(EnableError::Unplugged);
            };
            if port.plug.is_none() {
                return Err(EnableError::Unplugged);
            }
            let Some(pipe) = port.pipe_mut(endpoint.address) else {
                return Err(EnableError::Control(endpoint.address));
            };
            if pipe.enabled.is_some() {
                return Err(EnableError::AlreadyEnabled(endpoint.address));
            }
            pipe.enable(endpoint, self.speed);
            Ok(())
        })
    }

    /// Disables an endpoint. Its device transfers end with
    /// [`BusError::NotEnabled`](crate::BusError::NotEnabled) after the bytes they moved, the host's
    /// with [`BusError::Protocol`](crate::BusError::Protocol): at once, or packet by packet in its time where
    /// they are isochronous. No effect on one that is not enabled.
    pub fn disable(&self, address: EndpointAddress) {
        self.bus.locked(|state, rings| {
            state.on_port(self.port, rings, |port, wire| {
                if let Some(pipe) = port.pipe_mut(address) {
                    pipe.disable(wire);
                }
            });
            state.advance(self.port, address, rings);
        });
    }

    /// Queues a transfer on an enabled endpoint: [`Transfer::send`] on IN, [`Transfer::receive`] on OUT.
    ///
    /// Never fails: what cannot be done completes with an error. Receive lengths should be multiples of
    /// the packet size, or a packet that does not fit is lost with
    /// [`BusError::Overflow`](crate::BusError::Overflow).
    ///
    /// On an isochronous endpoint a transfer is one packet in one service interval, of at most the endpoint's
    /// bytes an interval. It stays queued while the host asks for nothing.
    pub fn submit(
        &self,
        queue: &CompletionQueue,
        address: EndpointAddress,
        transfer: Transfer,
    ) -> TransferId {
        self.submit_then(queue, address, transfer, || ())
    }

    /// As [`submit`](Self::submit), and calls `then` when the transfer is queued, before anybody is woken by it: there a
    /// caller whose own lock keeps submissions in order lets go of it, since what a waker calls may want that lock.
    pub fn submit_then(
        &self,
        queue: &CompletionQueue,
        address: EndpointAddress,
        transfer: Transfer,
        then: impl FnOnce(),
    ) -> TransferId {
        let submission = queue.admit(transfer);
        self.bus.locked_then(
            |state, rings| state.submit_device(self.port, address, submission, rings),
            then,
        )
    }

    /// Cancels a transfer of this device: it completes with the bytes that moved, or with
    /// [`BusError::Cancelled`](crate::BusError::Cancelled). Returns false where it had ended before.
    pub fn cancel(&self, id: TransferId) -> bool {
        id.port == self.port
            && id.end == End::Device
            && self.bus.locked(|state, rings| state.cancel(id, rings))
    }

    /// Halts an endpoint, or ends its halt.
    ///
    /// Ending a halt resets the device's data toggle (USB 2.0 9.4.5). The host's toggle stays unless it
    /// too starts afresh, as it does for CLEAR_FEATURE(ENDPOINT_HALT), SET_INTERFACE and
    /// SET_CONFIGURATION; with the toggles apart, the next packet is taken for a repetition and lost.
    /// So a device whose endpoints stay enabled ends their halts when it accepts SET_INTERFACE.
    ///
    /// # Errors
    /// [`HaltError::Queued`] for an IN endpoint with data queued, as UDC drivers refuse it.
    pub fn set_halt(&self, address: EndpointAddress, halted: bool) -> Result<(), HaltError> {
        self.set_halt_then(address, halted, || ())
    }

    /// As [`set_halt`](Self::set_halt), and calls `then` when that is done, before anybody is woken by it.
    ///
    /// # Errors
    /// As for [`set_halt`](Self::set_halt).
    pub fn set_halt_then(
        &self,
        address: EndpointAddress,
        halted: bool,
        then: impl FnOnce(),
    ) -> Result<(), HaltError> {
        let change = |state: &mut State, rings: &mut Rings| {
            let port = state.port_mut(self.port);
            let pipe = port
                .and_then(|port| port.pipe_mut(address))
                .filter(|pipe| pipe.enabled.is_some())
                .ok_or(HaltError::NotEnabled(address))?;
            if pipe.service.is_some() {
                return Err(HaltError::Isochronous(address));
            }
            if halted {
                if address.direction() == Direction::In && !pipe.device.is_empty() {
                    return Err(HaltError::Queued(address));
                }
                pipe.halted = true;
            } else {
                pipe.recover_device();
            }
            state.advance(self.port, address, rings);
            Ok(())
        };
        self.bus.locked_then(change, then)
    }

    /// Whether the endpoint is halted. False for one that is not enabled.
    #[must_use]
    pub fn is_halted(&self, address: EndpointAddress) -> bool {
        self.bus.locked(|state, _| {
            let port = state.ports().get(&self.port);
            let pipe = port.and_then(|port| port.pipe(address));
            pipe.is_some_and(|pipe| pipe.halted)
        })
    }
}

impl Drop for DevicePort {
    fn drop(&mut self) {
        self.bus
            .locked(|state, rings| state.remove_port(self.port, rings));
    }
}

impl fmt::Debug for DevicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevicePort")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
