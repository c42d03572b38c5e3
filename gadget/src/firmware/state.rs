//! What the firmware's thread and endpoint 0's thread share, under one lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread::JoinHandle;
use std::time::Instant;

use usb_device::UsbError;
use usb_device::bus::PollResult;
use usbfs2_protocol::standard::descriptor_type;
use usbfs2_protocol::{EndpointAddress, SetupPacket};

use super::allocation::Allocation;
use super::control::ControlEndpoint;
use super::counters::FirmwareCounters;
use super::data::DataEndpoint;
use super::description::Description;
use super::endpoint0::Active;
use super::error::FirmwareError;
use super::quirk;
use super::request::{Origin, Outcome, Request};
use super::target::Target;
use super::{Shared, Wait, endpoint0};
use crate::function::ControlResponse;
use crate::pipe::Pipe;
use crate::running::{self, Status, Stopper};

/// The address told to the firmware: controllers keep SET_ADDRESS to themselves.
const ADDRESS: u8 = 1;

/// Bytes of a device descriptor (USB 2.0 9.6.1).
const DEVICE_LENGTH: u16 = 18;

/// Something for the firmware, in order.
#[derive(Debug)]
pub(super) enum BusEvent {
    Reset,
    Suspend,
    Resume,
    Request(Request),
}

/// How far the device has come.
#[derive(Debug)]
enum Phase {
    /// Classes allocate endpoints.
    Allocating,
    /// The firmware is being asked for its descriptors; this is the device descriptor.
    Learning { device: Option<Vec<u8>> },
    /// On a bus.
    Connected,
}

/// The thread of endpoint 0.
pub(super) struct Connection {
    pub(super) stopper: Box<dyn Stopper>,
    pub(super) thread: JoinHandle<()>,
}

pub(super) struct State {
    pub(super) target: Target,
    pub(super) allocation: Allocation,
    phase: Phase,
    pub(super) connection: Option<Connection>,
    description: Arc<Description>,
    control: ControlEndpoint,
    endpoints: Vec<DataEndpoint>,
    pub(super) events: VecDeque<BusEvent>,
    /// For endpoint 0's thread.
    pub(super) answer: Option<ControlResponse>,
    pub(super) counters: FirmwareCounters,
    /// Not told yet.
    pub(super) failure: Option<FirmwareError>,
    pub(super) is_stopped: bool,
    /// Endpoints have something new since the last poll.
    is_new: bool,
    pub(super) is_woken: bool,
    /// The firmware has moved data since its last poll, so that what it left unread is worth another look.
    has_progressed: bool,
    /// The firmware has read data since its last poll. A class may have it in a buffer of its own, and a microcontroller
    /// polls again anyway: so does this one, once.
    has_read: bool,
    is_suspended: bool,
    /// The firmware has been given an address since its last reset.
    is_addressed: bool,
    /// When a clock that wakes nobody may bring endpoints something: to look again at the latest then.
    pub(super) due: Option<Instant>,
    task: Waker,
}

impl State {
    pub(super) fn new(target: Target, allocation: Allocation, task: Waker) -> Self {
        Self {
            target,
            allocation,
            phase: Phase::Allocating,
            connection: None,
            description: Arc::default(),
            control: ControlEndpoint::new(8),
            endpoints: Vec::new(),
            events: VecDeque::new(),
            answer: None,
            counters: FirmwareCounters::default(),
            failure: None,
            is_stopped: false,
            is_new: false,
            is_woken: false,
            has_progressed: false,
            has_read: false,
            is_suspended: false,
            is_addressed: false,
            due: None,
            task,
        }
    }

    pub(super) fn add_control(&mut self, packet_size: u16) {
        self.control = ControlEndpoint::new(usize::from(packet_size));
    }

    pub(super) fn add_endpoint(&mut self, endpoint: DataEndpoint) {
        self.endpoints.push(endpoint);
    }

    /// The firmware is built, and is asked what it is.
    pub(super) fn built(&mut self) {
        self.phase = Phase::Learning { device: None };
        self.events.push_back(BusEvent::Reset);
        match self.allocation.take_refused() {
            Some(error) => self.fail(error),
            None => self.learn(descriptor_type::DEVICE, DEVICE_LENGTH),
        }
    }

    fn learn(&mut self, kind: u8, length: u16) {
        let setup = SetupPacket::get_descriptor(kind, 0, 0, length);
        let request = Request::new(Origin::Learning, setup);
        self.events.push_back(BusEvent::Request(request));
    }

    /// Ends the device, for this reason.
    pub(super) fn fail(&mut self, error: FirmwareError) {
        log::error!("{error}");
        self.failure.get_or_insert(error);
        self.is_stopped = true;
    }

    /// What a waiting firmware is told; `None` when there is nothing to do.
    pub(super) fn look(&mut self, status: &Status) -> Option<Result<Wait, FirmwareError>> {
        if let Some(error) = self.failure.take() {
            return Some(Err(error));
        }
        if self.is_stopped {
            return Some(Ok(Wait::Stopped));
        }
        self.collect(status);
        let has_unread = || self.endpoints.iter().any(DataEndpoint::has_unread);
        let is_ready = self.is_new
            || self.is_woken
            || self.has_read
            || !self.events.is_empty()
            || !self.control.is_idle()
            || (self.has_progressed && has_unread());
        is_ready.then_some(Ok(Wait::Ready))
    }

    pub(super) fn collect(&mut self, status: &Status) {
        let mut cx = Context::from_waker(&self.task);
        self.due = None;
        for endpoint in &mut self.endpoints {
            let counters = &mut self.counters;
            self.is_new |= endpoint.collect(&mut cx, counters, &mut self.due, status);
        }
    }

    /// The firmware's poll.
    pub(super) fn poll(&mut self, shared: &Arc<Shared>) -> PollResult {
        self.collect(&shared.status);
        let is_new = std::mem::take(&mut self.is_new);
        self.is_woken = false;
        self.has_progressed = false;
        let has_read = std::mem::take(&mut self.has_read);
        if let Some(outcome) = self.control.overdue() {
            self.finish(outcome, shared);
        }
        if self.is_stopped {
            if self.connection.is_none() {
                shared.status.set_state(running::State::Stopped);
            }
            return PollResult::None;
        }
        if self.control.is_idle() {
            match self.next_event() {
                Some(BusEvent::Reset) => {
                    self.is_addressed = false;
                    self.is_suspended = false;
                    return PollResult::Reset;
                }
                Some(BusEvent::Suspend) => {
                    self.is_suspended = true;
                    return PollResult::Suspend;
                }
                Some(BusEvent::Resume) => {
                    self.is_suspended = false;
                    return PollResult::Resume;
                }
                Some(BusEvent::Request(mut request)) => {
                    // Until its reset the class went on with what the host has given up.
                    if let Origin::Recovery(interface) = request.origin {
                        self.flush(interface);
                    }
                    for active in std::mem::take(&mut request.pipes) {
                        self.open(active);
                    }
                    for &address in &request.restarts {
                        if let Ok(endpoint) = self.endpoint(address) {
                            endpoint.hold();
                        }
                    }
                    self.control.offer(request);
                }
                None => {}
            }
        }
        // While suspended, data left unread is no reason to wake the firmware.
        if self.is_suspended && !is_new && self.control.is_idle() {
            return PollResult::None;
        }
        self.is_suspended = false;
        let control = self.control.events();
        let mut ep_out = u16::from(control.out);
        let mut ep_in_complete = u16::from(control.in_complete);
        for endpoint in &mut self.endpoints {
            let (has_data, is_sent) = endpoint.show();
            let number = u32::from(endpoint.address.number());
            ep_out |= u16::from(has_data) << number;
            ep_in_complete |= u16::from(is_sent) << number;
        }
        let ep_setup = u16::from(control.setup);
        if ep_out | ep_in_complete | ep_setup == 0 && !has_read {
            return PollResult::None;
        }
        PollResult::Data {
            ep_out,
            ep_in_complete,
            ep_setup,
        }
    }

    fn next_event(&mut self) -> Option<BusEvent> {
        if let Some(BusEvent::Request(request)) = self.events.front()
            && matches!(request.origin, Origin::Host | Origin::Recovery(_))
            && !self.is_addressed
        {
            self.is_addressed = true;
            let request = Request::new(Origin::Controller, SetupPacket::set_address(ADDRESS));
            return Some(BusEvent::Request(request));
        }
        self.events.pop_front()
    }

    /// A request has come to its end.
    fn finish(&mut self, outcome: Outcome, shared: &Arc<Shared>) {
        let setup = outcome.setup;
        match outcome.origin {
            Origin::Controller => {}
            Origin::Learning => self.learned(outcome, shared),
            Origin::Recovery(_) => self.answer(ControlResponse::Acknowledge, shared),
            Origin::Host => {
                if outcome.is_unanswered {
                    self.counters.requests_unanswered += 1;
                    log::error!(
                        "the firmware did not answer {setup}, which is stalled: does a class write more than \
                         the {} bytes of the control buffer?",
                        super::CONTROL_BUFFER
                    );
                }
                if outcome.response == ControlResponse::Stall
                    && let Some(interface) = quirk::storage_reset(&setup, &self.description)
                {
                    self.reset_storage(interface);
                    return;
                }
                self.answer(outcome.response, shared);
            }
        }
    }

    /// Carries out a Bulk-Only Mass Storage Reset that the class has refused: see [`quirk`].
    fn reset_storage(&mut self, interface: u8) {
        self.counters.storage_resets += 1;
        self.flush(interface);
        let setup = SetupPacket::set_configuration(self.description.configuration_value());
        let request = Request::new(Origin::Recovery(interface), setup);
        self.events.push_front(BusEvent::Request(request));
        self.events.push_front(BusEvent::Reset);
    }

    /// Drops what is on its way through an interface's endpoints.
    fn flush(&mut self, interface: u8) {
        let description = Arc::clone(&self.description);
        for described in description.setting(interface, 0) {
            let address = described.assigned.address;
            let mut endpoints = self.endpoints.iter_mut();
            if let Some(endpoint) = endpoints.find(|endpoint| endpoint.address == address) {
                endpoint.flush(&self.task, &mut self.counters);
            }
        }
    }

    fn answer(&mut self, response: ControlResponse, shared: &Shared) {
        self.answer = Some(response);
        shared.answered.notify_all();
    }

    fn learned(&mut self, outcome: Outcome, shared: &Arc<Shared>) {
        if self.is_stopped {
            return;
        }
        let Outcome {
            setup, response, ..
        } = outcome;
        let ControlResponse::Data(bytes) = response else {
            return self.fail(FirmwareError::NotAnswered { setup });
        };
        let Phase::Learning { device } = &mut self.phase else {
            return;
        };
        match device.take() {
            None => {
                *device = Some(bytes);
                self.learn(descriptor_type::CONFIGURATION, u16::MAX);
            }
            Some(device) => {
                if let Err(error) = self.connect(device, bytes, shared) {
                    self.fail(error);
                }
            }
        }
    }

    /// Everything is known: puts the device on the bus.
    fn connect(
        &mut self,
        device: Vec<u8>,
        configuration: Vec<u8>,
        shared: &Arc<Shared>,
    ) -> Result<(), FirmwareError> {
        let speed = self.target.speed();
        let description = Description::read(device, configuration, &self.allocation, speed)?;
        let Some(plugged) = self.target.connect(&description, self.allocation.udc())? else {
            // It fits, which was the question.
            self.is_stopped = true;
            shared.status.set_state(running::State::Stopped);
            return Ok(());
        };
        self.description = Arc::new(description);
        self.phase = Phase::Connected;
        self.events.push_back(BusEvent::Reset);
        let description = Arc::clone(&self.description);
        let place = plugged.place.clone();
        self.connection = Some(endpoint0::start(plugged, description, Arc::clone(shared))?);
        // Connected once only.
        shared.place.get_or_init(|| place);
        shared.status.notify();
        Ok(())
    }

    fn endpoint(&mut self, address: EndpointAddress) -> Result<&mut DataEndpoint, UsbError> {
        let mut endpoints = self.endpoints.iter_mut();
        let found = endpoints.find(|endpoint| endpoint.address == address);
        found.ok_or(UsbError::InvalidEndpoint)
    }

    /// An endpoint is enabled.
    pub(super) fn open(&mut self, active: Active) {
        let mut endpoints = self.endpoints.iter_mut();
        if let Some(endpoint) = endpoints.find(|endpoint| endpoint.address == active.address) {
            endpoint.open(active.pipe, active.packet_size, &mut self.counters);
        }
    }

    /// A setting was not selected, with which these endpoints would have begun afresh.
    pub(super) fn release(&mut self, addresses: &[EndpointAddress]) {
        for &address in addresses {
            if let Ok(endpoint) = self.endpoint(address) {
                endpoint.release();
            }
        }
    }

    /// The endpoint that has this pipe, if it still does, is disabled.
    pub(super) fn close(&mut self, pipe: &Arc<dyn Pipe>) {
        for endpoint in &mut self.endpoints {
            if endpoint.has_pipe(pipe) {
                drop(endpoint.close(&mut self.counters));
            }
        }
    }

    /// The firmware's writes.
    pub(super) fn write(
        &mut self,
        address: EndpointAddress,
        packet: &[u8],
        shared: &Arc<Shared>,
    ) -> Result<usize, UsbError> {
        if address.number() != 0 {
            let length = self.endpoint(address)?.write(packet)?;
            self.has_progressed = true;
            return Ok(length);
        }
        if let Some(outcome) = self.control.write(packet)? {
            self.finish(outcome, shared);
        }
        Ok(packet.len())
    }

    /// The firmware's reads.
    pub(super) fn read(
        &mut self,
        address: EndpointAddress,
        buffer: &mut [u8],
    ) -> Result<usize, UsbError> {
        if address.number() == 0 {
            return self.control.read(buffer);
        }
        let length = self.endpoint(address)?.read(buffer)?;
        self.has_progressed = true;
        self.has_read = true;
        Ok(length)
    }

    /// The firmware halts an endpoint or ends its halt, or stalls a request.
    pub(super) fn set_stalled(
        &mut self,
        address: EndpointAddress,
        stalled: bool,
        shared: &Arc<Shared>,
    ) {
        if address.number() == 0 {
            // The next setup packet ends a stall by itself.
            if let Some(outcome) = stalled.then(|| self.control.stall()).flatten() {
                self.finish(outcome, shared);
            }
            return;
        }
        let mut endpoints = self.endpoints.iter_mut();
        if let Some(endpoint) = endpoints.find(|endpoint| endpoint.address == address) {
            endpoint.change_halt(stalled, &self.task, &mut self.counters);
        }
    }

    pub(super) fn is_stalled(&mut self, address: EndpointAddress) -> bool {
        self.endpoint(address)
            .is_ok_and(|endpoint| endpoint.is_halted())
    }

    pub(super) fn set_packets_per_transfer(
        &mut self,
        address: EndpointAddress,
        packets: usize,
    ) -> Result<(), UsbError> {
        self.endpoint(address)?.set_packets_per_transfer(packets)
    }
}
