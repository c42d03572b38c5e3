//! Endpoint 0's file: events and control requests.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use usbfs2_protocol::{Direction, EndpointAddress, Recipient, SetupPacket, Speed};

use super::event::FileEvent;
use super::sys::endpoint_descriptor;
use crate::blocking::sys::EndableCalls;
use crate::blocking::{EndpointFile, FilePipe};
use crate::controller::{Controller, Event, NotEnabled};
use crate::describe::EndpointRequest;
use crate::descriptors;
use crate::function::ControlResponse;
use crate::keeper::{Mark, OpenFile};
use crate::kept::{Keeping, Replayed};
use crate::layout::Assigned;
use crate::pipe::Pipe;
use crate::running::Stopper;

/// Makes the thread of endpoint 0 end, whether it waits for an event or in the middle of a request.
#[derive(Debug)]
pub(super) struct Stop {
    event: OwnedFd,
    calls: EndableCalls,
}

impl Stop {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            calls: EndableCalls::default(),
        })
    }
}

impl Stopper for Arc<Stop> {
    fn stop(&self) {
        // Fails only when the counter is full, which is readable as well. It is never read, so that every
        // later wait ends at once.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        self.calls.end();
    }
}

/// An endpoint's file, open for as long as the gadget runs: it outlives configurations.
#[derive(Debug)]
pub(super) struct OpenEndpoint {
    pub(super) address: EndpointAddress,
    pub(super) request: EndpointRequest,
    pub(super) file: Arc<OpenFile>,
    /// The same file, non-blocking, to ask about the endpoint.
    pub(super) inquiry: File,
}

impl OpenEndpoint {
    /// Whether the endpoint works by its descriptor for this speed.
    fn works_at(&self, speed: Speed) -> Result<bool, Errno> {
        let actual = endpoint_descriptor(&self.inquiry)?;
        let expected = descriptors::endpoint(&self.request, self.address.to_byte(), speed);
        // Not the address, which is the controller's choice.
        Ok(actual[3..expected.len()] == expected[3..])
    }
}

/// The open files of the functions.
#[derive(Debug)]
pub(super) struct ControlFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// In the order of the descriptors.
    pub(super) endpoints: Vec<OpenEndpoint>,
    pub(super) stop: Arc<Stop>,
    pub(super) speed: Speed,
    /// Set when the kernel has ended the current configuration.
    pub(super) is_disabled: Arc<AtomicBool>,
    pub(super) keeping: Keeping,
}

impl ControlFile {
    /// What the host has done to the functions of the process before, then the request that process had not answered.
    fn next_replayed(&mut self) -> Option<Event> {
        let pending = match self.keeping.next()? {
            Replayed::Event(event) => return Some(event),
            Replayed::Pending(pending) => pending,
        };
        let Some(pending) = pending else {
            // One may have been told to the process before, and not noted yet when it was killed. This stalls or
            // acknowledges it; without a request, reading nothing does nothing.
            let _ = rustix::io::read(&self.file, &mut [0; 0]);
            return None;
        };
        match pending.data {
            Some(data) => Some(Event::Setup {
                setup: pending.setup,
                data,
            }),
            None => self.take_setup(pending.setup),
        }
    }

    /// Waits for the next event; `None` at stop.
    fn read_event(&mut self) -> Option<io::Result<FileEvent>> {
        loop {
            let mut fds = [
                PollFd::new(&self.file, PollFlags::IN),
                PollFd::new(&self.stop.event, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Some(Err(error.into())),
            }
            if !fds[1].revents().is_empty() {
                return None;
            }
            let mut bytes = [0; FileEvent::LENGTH];
            match rustix::io::read(&self.file, &mut bytes) {
                Ok(FileEvent::LENGTH) => match FileEvent::parse(bytes) {
                    Ok(event) => return Some(Ok(event)),
                    Err(unknown) => {
                        log::warn!("FunctionFS sent an event of unknown type {unknown}")
                    }
                },
                Ok(length) => log::warn!("FunctionFS sent {length} bytes of an event"),
                // Nothing there, or the request that was told last is void.
                Err(Errno::AGAIN | Errno::INTR | Errno::IDRM) => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    }

    /// A setup event with the data stage of an OUT request; `None` when the host gave the request up.
    fn take_setup(&mut self, setup: SetupPacket) -> Option<Event> {
        if setup.direction() == Direction::In || setup.length == 0 {
            self.keeping.asked(setup, Some(&[]));
            return Some(Event::Setup {
                setup,
                data: Vec::new(),
            });
        }
        self.keeping.asked(setup, None);
        let mut data = vec![0; usize::from(setup.length)];
        let read = || rustix::io::read(&self.file, &mut data);
        match self.stop.calls.run(read)? {
            Ok(length) => {
                data.truncate(length);
                self.keeping.asked(setup, Some(&data));
                Some(Event::Setup { setup, data })
            }
            Err(error) => {
                self.not_answered(&setup, error);
                None
            }
        }
    }

    /// Deals with a read or write that should have answered a request.
    fn not_answered(&self, setup: &SetupPacket, error: Errno) {
        match error {
            // That is how a stall succeeds.
            Errno::L2HLT => {}
            // The next event has made it void.
            Errno::IDRM => log::debug!("{setup} was not answered, the host has given it up"),
            error => {
                log::debug!("{setup} was not answered: {error}");
                // Unless it is stalled the kernel goes on waiting for the answer, and tells no event. A request
                // that is over cannot be stalled, which is as well.
                let _ = self.stall(setup);
            }
        }
    }

    /// I/O in the wrong direction stalls.
    fn stall(&self, setup: &SetupPacket) -> Result<usize, Errno> {
        match setup.direction() {
            Direction::In => rustix::io::read(&self.file, &mut [0; 0]),
            Direction::Out => rustix::io::write(&self.file, &[]),
        }
    }

    /// The request as the functions know it. The kernel has put in their own interface numbers, and for an endpoint
    /// its place among the descriptors, counted from 1.
    fn translated(&self, mut setup: SetupPacket) -> SetupPacket {
        if setup.request_type.recipient == Recipient::Endpoint {
            let place = usize::from(setup.index).checked_sub(1);
            let endpoint = place.and_then(|place| self.endpoints.get(place));
            setup.index = endpoint.map_or(0, |one| u16::from(one.address.to_byte()));
        }
        setup
    }

    /// The endpoints have been enabled: at which speed, they tell. Of speeds at which none differs it is
    /// the fastest.
    pub(super) fn learn_speed(&mut self) {
        for speed in [Speed::Super, Speed::High, Speed::Full] {
            let mut endpoints = self.endpoints.iter();
            match endpoints.try_fold(true, |all, one| Ok(all && one.works_at(speed)?)) {
                Ok(true) => {
                    self.speed = speed;
                    return;
                }
                Ok(false) => {}
                Err::<_, Errno>(error) => {
                    // Disabled again: an event that says so is on its way.
                    log::debug!("asking for the speed: {error}");
                    return;
                }
            }
        }
        log::warn!("the endpoints work by descriptors that are not theirs; the speed is unknown");
    }
}

impl Controller for ControlFile {
    fn is_composed(&self) -> bool {
        true
    }

    fn speed(&self) -> Speed {
        self.speed
    }

    fn mark(&self, function: usize) -> Option<Mark> {
        self.keeping.mark(function)
    }

    fn next_event(&mut self) -> Event {
        if let Some(event) = self.next_replayed() {
            return event;
        }
        loop {
            let event = match self.read_event() {
                None => return Event::Stop,
                Some(Ok(event)) => event,
                Some(Err(error)) => {
                    return Event::Failed(format!("{}: {error}", self.path.display()));
                }
            };
            match event {
                FileEvent::Bind => log::debug!("{} is on a controller", self.path.display()),
                FileEvent::Enable => {
                    self.is_disabled = Arc::default();
                    self.learn_speed();
                    self.keeping.connected(self.speed);
                    return Event::Configured;
                }
                // FunctionFS tells nothing more of the host until it selects the configuration again.
                FileEvent::Disable | FileEvent::Unbind => {
                    self.keeping.disconnected();
                    return Event::Disconnect;
                }
                FileEvent::Suspend => return Event::Suspend,
                FileEvent::Resume => return Event::Resume,
                FileEvent::Setup(setup) => {
                    if let Some(event) = self.take_setup(self.translated(setup)) {
                        return event;
                    }
                }
            }
        }
    }

    fn respond(&mut self, setup: &SetupPacket, response: ControlResponse) {
        if self.keeping.is_replaying() {
            return;
        }
        let accepted = response != ControlResponse::Stall;
        self.answer(setup, response);
        self.keeping.answered(accepted);
    }

    fn enable(
        &mut self,
        assigned: &Assigned,
        request: &EndpointRequest,
    ) -> Result<Arc<dyn Pipe>, NotEnabled> {
        let mut endpoints = self.endpoints.iter();
        let endpoint = endpoints
            .find(|one| one.address == assigned.address)
            .ok_or_else(|| format!("endpoint {} was never opened", assigned.address))?;
        let endpoint = EndpointFile {
            file: Arc::clone(&endpoint.file),
            address: assigned.address,
            transfer_type: request.transfer_type,
            max_packet_size: usize::from(request.packet_size_at(self.speed)),
            is_disabled: Arc::clone(&self.is_disabled),
        };
        FilePipe::new(endpoint)
            .map(|pipe| Arc::new(pipe) as Arc<dyn Pipe>)
            .map_err(|error| format!("preparing {}: {error}", assigned.address).into())
    }
}

impl ControlFile {
    fn answer(&self, setup: &SetupPacket, response: ControlResponse) {
        let result = match (setup.direction(), response) {
            (_, ControlResponse::Stall)
                if setup.length == 0 || setup.direction() == Direction::In =>
            {
                Some(self.stall(setup))
            }
            (Direction::In, ControlResponse::Data(bytes)) => {
                let write = || rustix::io::write(&self.file, &bytes);
                self.stop.calls.run(write)
            }
            (Direction::Out, ControlResponse::Acknowledge) if setup.length == 0 => {
                let acknowledge = || rustix::io::read(&self.file, &mut [0; 0]);
                self.stop.calls.run(acknowledge)
            }
            // The controller acknowledges an OUT request with data after its last packet.
            (_, response) => {
                if response == ControlResponse::Stall {
                    log::warn!("FunctionFS cannot stall {setup}, whose data has been taken");
                }
                None
            }
        };
        if let Some(Err(error)) = result {
            self.not_answered(setup, error);
        }
    }
}
