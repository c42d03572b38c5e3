//! A port of the bus and the device in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket, Speed, TransferType};

use crate::control::{ControlPipe, Known, Turn};
use crate::enumerate::{Enumerated, interface_endpoints};
use crate::mailbox::Mailbox;
use crate::monitor::SeenAs;
use crate::pipe::{Flow, Pipe, Wire};
use crate::{
    BusError, Completed, ControlResponse, DeviceEvent, EndpointCounters, PlugId, RespondError,
};

/// An event on its way to the device.
#[derive(Debug)]
pub(crate) struct QueuedEvent {
    pub(crate) event: DeviceEvent,
    /// The number of the control transfer a setup event belongs to.
    pub(crate) request: Option<u64>,
}

/// A port and its device, from [`Bus::plug`](crate::Bus::plug) until the device port is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) speed: Speed,
    pub(crate) events: Arc<Mailbox<QueuedEvent>>,
    /// `None` while the cable is out.
    pub(crate) plug: Option<Plug>,
    pub(crate) control: ControlPipe,
    /// Endpoints 1 to 15, OUT then IN of each number.
    pipes: Vec<Pipe>,
}

/// What holds from one plug until unplugged.
#[derive(Debug)]
pub(crate) struct Plug {
    pub(crate) id: PlugId,
    /// The device's address on the bus.
    pub(crate) device: u8,
    pub(crate) suspended: bool,
    pub(crate) configuration: Option<u8>,
    /// Interfaces whose alternate setting is not 0.
    pub(crate) alternates: BTreeMap<u8, u8>,
    /// Claimed interfaces, and which claim it is.
    pub(crate) claims: BTreeMap<u8, u64>,
    pub(crate) enumerated: Option<Arc<Enumerated>>,
    /// Held while somebody enumerates.
    pub(crate) enumeration: Arc<Mutex<()>>,
}

impl Plug {
    pub(crate) fn new(id: PlugId, device: u8) -> Self {
        Self {
            id,
            device,
            suspended: false,
            configuration: None,
            alternates: BTreeMap::new(),
            claims: BTreeMap::new(),
            enumerated: None,
            enumeration: Arc::default(),
        }
    }
}

const HIGHEST_ENDPOINT: u8 = 15;

impl Port {
    pub(crate) fn new(speed: Speed) -> Self {
        Self {
            speed,
            events: Mailbox::new(),
            plug: None,
            control: ControlPipe::default(),
            pipes: (0..2 * HIGHEST_ENDPOINT).map(|_| Pipe::default()).collect(),
        }
    }

    fn place(address: EndpointAddress) -> Option<usize> {
        let number = usize::from(address.number()).checked_sub(1)?;
        Some(2 * number + usize::from(address.direction() == Direction::In))
    }

    /// The pipe at `address`; `None` for endpoint 0.
    pub(crate) fn pipe(&self, address: EndpointAddress) -> Option<&Pipe> {
        self.pipes.get(Self::place(address)?)
    }

    pub(crate) fn pipe_mut(&mut self, address: EndpointAddress) -> Option<&mut Pipe> {
        self.pipes.get_mut(Self::place(address)?)
    }

    /// Every endpoint's pipe but endpoint 0's, by address as a USB analyser sorts them.
    pub(crate) fn addresses() -> impl Iterator<Item = EndpointAddress> {
        (1..=HIGHEST_ENDPOINT)
            .flat_map(|number| [Direction::Out, Direction::In].map(|direction| (number, direction)))
            .filter_map(|(number, direction)| EndpointAddress::new(number, direction).ok())
    }

    pub(crate) fn pipes_mut(&mut self) -> impl Iterator<Item = &mut Pipe> {
        self.pipes.iter_mut()
    }

    pub(crate) fn counters(&self) -> Vec<(EndpointAddress, EndpointCounters)> {
        let control = (EndpointAddress::CONTROL, self.control.schedule.counters());
        let pipes = Self::addresses()
            .filter_map(|address| Some((address, self.pipe(address)?.schedule.counters())));
        std::iter::once(control)
            .chain(pipes)
            .filter(|(_, counters)| *counters != EndpointCounters::default())
            .collect()
    }

    pub(crate) fn planned_faults(&self) -> usize {
        let pipes = self.pipes.iter().map(|pipe| pipe.schedule.planned());
        self.control.schedule.planned() + pipes.sum::<usize>()
    }

    pub(crate) fn event(&self, event: DeviceEvent, wire: &mut Wire<'_>) {
        self.queue_event(
            QueuedEvent {
                event,
                request: None,
            },
            wire,
        );
    }

    fn queue_event(&self, event: QueuedEvent, wire: &mut Wire<'_>) {
        self.events.push(event);
        wire.rings.add(Arc::clone(&self.events));
    }

    /// A setup packet the device has not seen is overwritten by the next one, or by the bus going away.
    pub(crate) fn forget_setup(&self) {
        self.events.retain(|event| event.request.is_none());
    }

    /// Whether traffic flows.
    fn is_live(&self) -> bool {
        self.plug.as_ref().is_some_and(|plug| !plug.suspended)
    }

    /// What a monitor sees of a host transfer to `address`.
    pub(crate) fn seen_as(&self, address: EndpointAddress) -> Option<SeenAs> {
        let transfer_type = match self.pipe(address) {
            None => TransferType::Control,
            Some(pipe) => pipe
                .enabled
                .map_or(TransferType::Bulk, |endpoint| endpoint.transfer_type),
        };
        let service = self.pipe(address).and_then(|pipe| pipe.service);
        Some(SeenAs {
            device: self.plug.as_ref()?.device,
            transfer_type,
            interval: service.map_or(0, |service| service.interval),
        })
    }

    /// Serves one endpoint as far as both sides allow.
    pub(crate) fn advance(&mut self, address: EndpointAddress, wire: &mut Wire<'_>) -> Flow {
        let live = self.is_live();
        match self.pipe_mut(address) {
            Some(pipe) => pipe.advance(live, wire),
            None if live => self.advance_control(wire),
            None => Flow::Waits,
        }
    }

    fn advance_control(&mut self, wire: &mut Wire<'_>) -> Flow {
        loop {
            match self.control.turn(wire) {
                Turn::Wait => return Flow::Waits,
                Turn::Unplug => return Flow::Unplugged,
                Turn::Ended => {}
                Turn::Begin(setup, data) => {
                    let Some(response) = self.answer_as_udc(&setup) else {
                        self.give_to_device(setup, data, wire);
                        return Flow::Waits;
                    };
                    if self.conclude(response, wire) == Flow::Unplugged {
                        return Flow::Unplugged;
                    }
                }
            }
        }
    }

    fn give_to_device(&mut self, setup: SetupPacket, data: Vec<u8>, wire: &mut Wire<'_>) {
        if let Some(first) = self.control.queue.front_mut() {
            first.at_device = true;
            let request = Some(first.pending.id.number);
            let event = DeviceEvent::Setup { setup, data };
            self.queue_event(QueuedEvent { event, request }, wire);
        }
    }

    /// The requests a UDC answers without asking the gadget.
    fn answer_as_udc(&self, setup: &SetupPacket) -> Option<ControlResponse> {
        let (Known::EndpointStatus(address) | Known::SetHalt(address) | Known::ClearHalt(address)) =
            (match Known::of(setup)? {
                Known::SetAddress => return Some(ControlResponse::Acknowledge),
                known => known,
            })
        else {
            return None;
        };
        let halted = match self.pipe(address) {
            None => false,
            // Isochronous endpoints have no halt to set or clear (USB 2.0 5.6.5).
            Some(pipe)
                if pipe.service.is_some() && setup.request_type.direction == Direction::Out =>
            {
                return Some(ControlResponse::Stall);
            }
            Some(pipe) if pipe.enabled.is_some() => pipe.halted,
            Some(_) => return Some(ControlResponse::Stall),
        };
        Some(match setup.request_type.direction {
            Direction::In => ControlResponse::Data(vec![u8::from(halted), 0]),
            Direction::Out => ControlResponse::Acknowledge,
        })
    }

    /// Ends the first control request with `response`, and does what it means to the host.
    fn conclude(&mut self, response: ControlResponse, wire: &mut Wire<'_>) -> Flow {
        let setup = match self.control.answer(response, wire) {
            Ok(Some(setup)) => setup,
            Ok(None) => return Flow::Waits,
            Err(flow) => return flow,
        };
        match Known::of(&setup) {
            Some(Known::SetHalt(address)) => {
                if let Some(pipe) = self.pipe_mut(address) {
                    pipe.halted = true;
                    return self.advance(address, wire);
                }
            }
            Some(Known::ClearHalt(address)) => {
                if let Some(pipe) = self.pipe_mut(address) {
                    pipe.recover_device();
                    pipe.recover_host(wire);
                }
            }
            Some(Known::SetConfiguration(value)) => {
                for pipe in self.pipes_mut() {
                    pipe.recover_host(wire);
                }
                if let Some(plug) = &mut self.plug {
                    plug.configuration = (value != 0).then_some(value);
                    plug.alternates.clear();
                    plug.claims.clear();
                }
            }
            Some(Known::SetInterface {
                interface,
                alternate,
            }) => {
                self.recover_interface(interface, wire);
                if let Some(plug) = &mut self.plug {
                    plug.alternates.insert(interface, alternate);
                }
            }
            Some(Known::SetAddress | Known::EndpointStatus(_)) | None => {}
        }
        Flow::Waits
    }

    /// What the host does before it sends a request: endpoints about to change carry no transfers.
    pub(crate) fn prepare(&mut self, setup: &SetupPacket, wire: &mut Wire<'_>) {
        match Known::of(setup) {
            Some(Known::ClearHalt(address)) => {
                let pipe = self.pipe_mut(address);
                if let Some(pipe) = pipe.filter(|pipe| pipe.service.is_none()) {
                    pipe.end_host(BusError::Cancelled, wire);
                }
            }
            Some(Known::SetConfiguration(_)) => {
                for pipe in self.pipes_mut() {
                    pipe.end_host(BusError::Cancelled, wire);
                }
            }
            Some(Known::SetInterface { interface, .. }) => {
                for address in self.endpoints_of(interface) {
                    if let Some(pipe) = self.pipe_mut(address) {
                        pipe.end_host(BusError::Cancelled, wire);
                    }
                }
            }
            _ => {}
        }
    }

    fn recover_interface(&mut self, interface: u8, wire: &mut Wire<'_>) {
        for address in self.endpoints_of(interface) {
            if let Some(pipe) = self.pipe_mut(address) {
                pipe.recover_host(wire);
            }
        }
    }

    fn endpoints_of(&self, interface: u8) -> Vec<EndpointAddress> {
        self.active_configuration()
            .map(|configuration| interface_endpoints(configuration, interface))
            .unwrap_or_default()
    }

    /// Cancels what was submitted to `queue`. Returns whether there was any.
    pub(crate) fn cancel_queue(
        &mut self,
        queue: &Arc<Mailbox<Completed>>,
        wire: &mut Wire<'_>,
    ) -> bool {
        let mut any = false;
        for id in self.control.queued_on(queue) {
            any = true;
            if self.control.cancel(id, wire) == Some(true) {
                self.forget_setup();
            }
        }
        for pipe in self.pipes_mut() {
            any |= pipe.cancel_queue(queue, wire);
        }
        any
    }

    /// The bytes of the active configuration.
    pub(crate) fn active_configuration(&self) -> Option<&[u8]> {
        let plug = self.plug.as_ref()?;
        let value = plug.configuration?;
        plug.enumerated.as_ref()?.configuration(value)
    }

    /// The device's answer to control request number `request`.
    pub(crate) fn respond(
        &mut self,
        request: u64,
        response: ControlResponse,
        wire: &mut Wire<'_>,
    ) -> Result<Flow, RespondError> {
        let first = self
            .control
            .queue
            .front()
            .filter(|first| first.at_device && first.pending.id.number == request)
            .ok_or(RespondError::Superseded)?;
        let is_in = first.setup.request_type.direction == Direction::In;
        if matches!(response, ControlResponse::Data(_)) && !is_in {
            return Err(RespondError::NotIn);
        }
        if self.conclude(response, wire) == Flow::Unplugged {
            return Ok(Flow::Unplugged);
        }
        Ok(self.advance(EndpointAddress::CONTROL, wire))
    }

    pub(crate) fn plug_in(&mut self, id: PlugId, device: u8, wire: &mut Wire<'_>) {
        self.plug = Some(Plug::new(id, device));
        self.event(DeviceEvent::Reset, wire);
    }

    /// The host resets the port (USB 2.0 7.1.7.5): what is in flight is cancelled, and the device has no configuration.
    pub(crate) fn reset(&mut self, wire: &mut Wire<'_>) {
        self.control.end_all(BusError::Cancelled, wire);
        for pipe in self.pipes_mut() {
            pipe.recover_host(wire);
            pipe.disable(wire);
        }
        self.forget_setup();
        if let Some(plug) = &mut self.plug {
            plug.configuration = None;
            plug.alternates.clear();
            plug.suspended = false;
        }
        self.event(DeviceEvent::Reset, wire);
    }

    /// Ends everything. Returns the plug that ended.
    pub(crate) fn unplug(&mut self, wire: &mut Wire<'_>) -> Option<PlugId> {
        let plug = self.plug.take()?;
        self.control.unplug(wire);
        for pipe in self.pipes_mut() {
            pipe.unplug(wire);
        }
        self.forget_setup();
        self.event(DeviceEvent::Disconnect, wire);
        Some(plug.id)
    }
}
