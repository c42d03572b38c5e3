//! The thread of endpoint 0: takes what happens on the bus to the firmware, and the firmware's answers back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use usbfs2_protocol::standard::request;
use usbfs2_protocol::{Direction, EndpointAddress, Recipient, SetupPacket};

use super::description::{DescribedEndpoint, Description};
use super::error::FirmwareError;
use super::request::{Origin, Request};
use super::state::{BusEvent, Connection};
use super::{CONTROL_BUFFER, Shared};
use crate::controller::{Controller, Event, NotEnabled, Plugged};
use crate::function::ControlResponse;
use crate::pipe::Pipe;
use crate::running::State;
use crate::start::StartError;

/// Starts the thread for a device that has just been put on a bus.
pub(super) fn start(
    plugged: Plugged,
    description: Arc<Description>,
    shared: Arc<Shared>,
) -> Result<Connection, FirmwareError> {
    let Plugged {
        controller,
        stopper,
        place: _,
    } = plugged;
    let endpoint0 = Endpoint0 {
        shared,
        controller,
        description,
        settings: BTreeMap::new(),
        active: Vec::new(),
        is_attached: false,
        is_suspended: false,
    };
    let thread = thread::Builder::new()
        .name("usb endpoint 0".to_owned())
        .spawn(move || endpoint0.serve())
        .map_err(StartError::Thread)?;
    Ok(Connection { stopper, thread })
}

struct Endpoint0 {
    shared: Arc<Shared>,
    controller: Box<dyn Controller>,
    description: Arc<Description>,
    /// By interface; empty when not configured.
    settings: BTreeMap<u8, u8>,
    active: Vec<Active>,
    is_attached: bool,
    is_suspended: bool,
}

/// An enabled endpoint.
#[derive(Debug, Clone)]
pub(super) struct Active {
    interface: u8,
    pub(super) address: EndpointAddress,
    /// At the speed the host runs the device at, in bytes.
    pub(super) packet_size: u16,
    pub(super) pipe: Arc<dyn Pipe>,
}

/// What a request does to the endpoints if the firmware accepts it.
enum Change {
    Nothing,
    Configure,
    Deconfigure,
    Setting { interface: u8, setting: u8 },
}

impl Endpoint0 {
    fn serve(mut self) {
        self.controller.prepare_thread();
        loop {
            let event = self.controller.next_event();
            log::trace!("{event:?}");
            self.is_suspended = matches!(event, Event::Suspend);
            match event {
                Event::Setup { setup, data } => {
                    self.is_attached = true;
                    let response = self.answer(&setup, data);
                    self.controller.respond(&setup, response);
                }
                Event::Reset => {
                    self.is_attached = true;
                    self.shared.lock().counters.resets += 1;
                    self.forget();
                }
                Event::Disconnect => {
                    self.is_attached = false;
                    self.forget();
                }
                Event::Suspend => self.shared.tell(BusEvent::Suspend),
                Event::Resume => self.shared.tell(BusEvent::Resume),
                // What the host had set follows as the requests it used. What it waits for nobody here knows.
                Event::Restored { .. } => {}
                // Told of composite gadgets only, which these backends are not.
                Event::Configured => {}
                Event::Stop => break,
                Event::Failed(message) => {
                    self.shared.lock().fail(FirmwareError::Failed(message));
                    break;
                }
            }
            self.shared.status.set_state(self.state());
        }
        self.deconfigure();
        let Self {
            controller, shared, ..
        } = self;
        drop(controller);
        shared.status.set_state(State::Stopped);
        shared.lock().is_stopped = true;
        shared.signal.notify();
    }

    fn state(&self) -> State {
        match (
            self.is_suspended,
            self.settings.is_empty(),
            self.is_attached,
        ) {
            (true, ..) => State::Suspended,
            (_, false, _) => State::Configured,
            (_, true, true) => State::Connected,
            (_, true, false) => State::Detached,
        }
    }

    /// The bus was reset, or the host is gone.
    fn forget(&mut self) {
        self.deconfigure();
        self.shared.tell(BusEvent::Reset);
    }

    /// Has the firmware answer, and does what the request says if it accepts.
    fn answer(&mut self, setup: &SetupPacket, data: Vec<u8>) -> ControlResponse {
        self.shared.lock().counters.setups += 1;
        if data.len().max(sent_length(setup)) > CONTROL_BUFFER {
            log::error!(
                "{setup} carries more than the {CONTROL_BUFFER} bytes of usb-device's control buffer, and is \
                 stalled"
            );
            self.shared.lock().counters.requests_unanswered += 1;
            return self.stalled(setup);
        }
        let change = self.change(setup);
        let fresh = match self.prepare(&change) {
            Ok(fresh) => fresh,
            Err(why) => {
                self.shared.status.not_enabled(None, why);
                return self.stalled(setup);
            }
        };
        let restarts = self.restarts(&change);
        let request = Request {
            data,
            pipes: fresh.clone(),
            restarts: restarts.clone(),
            ..Request::new(Origin::Host, *setup)
        };
        let response = self.shared.ask(request);
        if response == ControlResponse::Stall {
            self.shared.lock().release(&restarts);
            self.disable(fresh);
            return self.stalled(setup);
        }
        for one in &fresh {
            one.pipe.wait_begun();
        }
        match change {
            Change::Nothing => {}
            Change::Deconfigure => self.deconfigure(),
            Change::Configure => {
                self.active = fresh;
                self.settings = self.description.default_settings().collect();
            }
            Change::Setting { interface, setting } => {
                if let Err(why) = self.switch(interface, setting, fresh) {
                    self.shared.lock().release(&restarts);
                    self.shared.status.not_enabled(None, why);
                    return self.stalled(setup);
                }
            }
        }
        response
    }

    /// The endpoints of the setting to be that the one in force has too.
    fn restarts(&self, change: &Change) -> Vec<EndpointAddress> {
        let Change::Setting { interface, setting } = *change else {
            return Vec::new();
        };
        let active = self.active.iter().filter(|one| one.interface == interface);
        let active: Vec<EndpointAddress> = active.map(|one| one.address).collect();
        let endpoints = self.description.setting(interface, setting);
        let addresses = endpoints.map(|endpoint| endpoint.assigned.address);
        addresses
            .filter(|address| active.contains(address))
            .collect()
    }

    fn stalled(&self, setup: &SetupPacket) -> ControlResponse {
        let mut state = self.shared.lock();
        state.counters.requests_stalled += 1;
        if sent_length(setup) > 0 && state.target.acknowledges_data() {
            state.counters.stalls_too_late += 1;
        }
        ControlResponse::Stall
    }

    fn change(&self, setup: &SetupPacket) -> Change {
        let [value, _] = setup.value.to_le_bytes();
        match setup.request_type.recipient {
            Recipient::Device if setup.is_standard(request::SET_CONFIGURATION) => match value {
                0 => Change::Deconfigure,
                value if value == self.description.configuration_value() => Change::Configure,
                _ => Change::Nothing,
            },
            Recipient::Interface if setup.is_standard(request::SET_INTERFACE) => {
                let interface = setup.interface().unwrap_or_default();
                let is_there = self.settings.contains_key(&interface)
                    && self.description.has_setting(interface, value);
                if is_there {
                    Change::Setting {
                        interface,
                        setting: value,
                    }
                } else {
                    Change::Nothing
                }
            }
            _ => Change::Nothing,
        }
    }

    /// Enables what the host may use as soon as the request is acknowledged.
    fn prepare(&mut self, change: &Change) -> Result<Vec<Active>, NotEnabled> {
        let description = Arc::clone(&self.description);
        let mut fresh = Vec::new();
        let mut wanted: Vec<(u8, DescribedEndpoint)> = Vec::new();
        let mut want = |interface, setting| {
            let endpoints = description.setting(interface, setting).cloned();
            wanted.extend(endpoints.map(|endpoint| (interface, endpoint)));
        };
        match *change {
            Change::Nothing | Change::Deconfigure => {}
            Change::Configure => {
                // Selecting the current configuration again starts its endpoints afresh (USB 2.0 9.1.1.5).
                self.deconfigure();
                for (interface, setting) in description.default_settings() {
                    want(interface, setting);
                }
            }
            Change::Setting { interface, setting } => want(interface, setting),
        }
        for (interface, endpoint) in wanted {
            let address = endpoint.assigned.address;
            if self.active.iter().any(|one| one.address == address) {
                continue;
            }
            match self.enable(interface, &endpoint) {
                Ok(active) => fresh.push(active),
                Err(why) => {
                    self.disable(fresh);
                    return Err(why);
                }
            }
        }
        Ok(fresh)
    }

    fn enable(
        &mut self,
        interface: u8,
        endpoint: &DescribedEndpoint,
    ) -> Result<Active, NotEnabled> {
        let pipe = self
            .controller
            .enable(&endpoint.assigned, &endpoint.request)?;
        Ok(Active {
            interface,
            address: endpoint.assigned.address,
            packet_size: endpoint.request.packet_size_at(self.controller.speed()),
            pipe,
        })
    }

    /// Leaves an interface's old setting for one whose other endpoints are enabled already. Those that both have
    /// start afresh, as the host's do.
    fn switch(&mut self, interface: u8, setting: u8, fresh: Vec<Active>) -> Result<(), NotEnabled> {
        let active = std::mem::take(&mut self.active).into_iter();
        let (old, kept): (Vec<_>, Vec<_>) = active.partition(|one| one.interface == interface);
        self.active = kept;
        let old_addresses: Vec<EndpointAddress> = old.iter().map(|one| one.address).collect();
        self.disable(old);
        self.active.extend(fresh);
        self.settings.insert(interface, setting);
        let description = Arc::clone(&self.description);
        for endpoint in description.setting(interface, setting) {
            let address = endpoint.assigned.address;
            if old_addresses.contains(&address) {
                let active = self.enable(interface, endpoint)?;
                self.shared.lock().open(active.clone());
                self.active.push(active);
            }
        }
        Ok(())
    }

    fn deconfigure(&mut self) {
        self.settings.clear();
        let active = std::mem::take(&mut self.active);
        self.disable(active);
    }

    /// Disables endpoints: first the firmware's view of them, so that nothing new goes there.
    fn disable(&self, active: Vec<Active>) {
        for one in &active {
            self.shared.lock().close(&one.pipe);
        }
        for one in active {
            one.pipe.disable();
        }
    }
}

/// Bytes that the host sends with the request.
fn sent_length(setup: &SetupPacket) -> usize {
    match setup.direction() {
        Direction::Out => usize::from(setup.length),
        Direction::In => 0,
    }
}
