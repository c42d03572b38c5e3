//! Endpoint 0's file: events and control requests.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use usbfs2_protocol::standard::request;
use usbfs2_protocol::{Direction, SetupPacket, Speed};

use super::event::FileEvent;
use crate::blocking::{EndpointFile, FilePipe, sys};
use crate::controller::{Controller, Event, NotEnabled};
use crate::describe::EndpointRequest;
use crate::descriptors;
use crate::function::ControlResponse;
use crate::keeper::{Mark, OpenFile};
use crate::kept::{Found, Keeping, Kept, Replayed, Request};
use crate::layout::Assigned;
use crate::pipe::Pipe;
use crate::running::Stopper;
use crate::udc::Udc;

/// Message tag of the write that configures an endpoint.
const ENDPOINT_TAG: u32 = 1;

/// How often to look for the data stage of an OUT request, which poll() does not announce. It is on its
/// way already, so it is there at the first or second look.
const DATA_STAGE_INTERVAL: Duration = Duration::from_millis(1);

/// How long a host takes to collect an answer, at most: many microframes; where a virtual machine's processor is the
/// host's controller, as long as that may be kept from running.
const ANSWER_TIME: Duration = Duration::from_millis(100);

/// Makes the thread of endpoint 0 end.
#[derive(Debug, Clone)]
pub(super) struct StopFd(Arc<OwnedFd>);

impl StopFd {
    pub(super) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(fd)))
    }

    /// Whether `stop` was called, waiting for it up to `timeout`.
    fn is_set_within(&self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).ok();
        let mut fds = [PollFd::new(&*self.0, PollFlags::IN)];
        matches!(poll(&mut fds, timeout.as_ref()), Ok(1..))
    }
}

impl Stopper for StopFd {
    fn stop(&self) {
        // Fails only when the counter is full, which is readable as well. It is never read, so that every
        // later wait ends at once.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

/// What is needed to open endpoints.
pub(super) struct EndpointFiles {
    pub(super) directory: PathBuf,
    pub(super) udc: Udc,
    pub(super) has_high_speed: bool,
}

/// The open file, and the endpoints' beside it.
pub(super) struct ControlFile {
    file: File,
    stop: StopFd,
    endpoints: EndpointFiles,
    keeping: Keeping,
    speed: Speed,
    /// Events read but not told yet.
    events: VecDeque<FileEvent>,
    /// The request whose event comes next has been dealt with unseen, by `leave_request`.
    next_is_void: bool,
    /// The request told last needs no answer any more.
    is_answered: bool,
    /// When the last answer was given to the kernel.
    answered_at: Option<Instant>,
}

impl ControlFile {
    /// Takes over the file after the set-up write.
    ///
    /// # Errors
    /// When the first read fails.
    pub(super) fn new(
        file: File,
        stop: StopFd,
        endpoints: EndpointFiles,
        kept: Option<Kept>,
    ) -> io::Result<Self> {
        let mut control = Self::of(file, stop, endpoints, Keeping::new(kept));
        // The kernel stalls what it does not answer itself until somebody has read once.
        control.read_event()?;
        Ok(control)
    }

    /// Takes over the file that the process before this one has left with its keeper.
    pub(super) fn restored(found: Found, stop: StopFd, endpoints: EndpointFiles) -> Self {
        let Found {
            kept,
            control,
            in_hand,
        } = found;
        let speed = kept.history().speed;
        let keeping = Keeping::restored(kept, [Event::Reset, Event::Restored { in_hand }]);
        let mut control = Self::of(control, stop, endpoints, keeping);
        control.speed = speed.unwrap_or(Speed::Full);
        control
    }

    fn of(file: File, stop: StopFd, endpoints: EndpointFiles, keeping: Keeping) -> Self {
        Self {
            file,
            stop,
            endpoints,
            keeping,
            speed: Speed::Full,
            events: VecDeque::new(),
            next_is_void: false,
            is_answered: false,
            answered_at: None,
        }
    }

    /// Reads one event, if there is one.
    fn read_event(&mut self) -> io::Result<()> {
        let mut bytes = [0; FileEvent::LENGTH];
        match self.file.read(&mut bytes) {
            Ok(FileEvent::LENGTH) => match FileEvent::parse(bytes) {
                Ok(event) => {
                    if let FileEvent::Setup(setup) = event {
                        // At once: a process killed before this leaves a request that nobody knows.
                        self.keeping.asked(setup, None);
                    }
                    self.events.push_back(event);
                }
                Err(unknown) => log::warn!("gadgetfs sent an event of unknown type {unknown}"),
            },
            Ok(length) => log::warn!("gadgetfs sent {length} bytes of an event"),
            Err(error) => match Errno::from_io_error(&error) {
                // Nothing there, or the request that was being answered is void.
                Some(Errno::AGAIN | Errno::INTR | Errno::IDRM) => {}
                _ => return Err(error),
            },
        }
        Ok(())
    }

    /// Waits until the file has an event, or stop.
    fn wait(&mut self) -> io::Result<bool> {
        let mut fds = [
            PollFd::new(&self.file, PollFlags::IN | PollFlags::OUT),
            PollFd::new(&*self.stop.0, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !fds[1].revents().is_empty() {
            return Ok(false);
        }
        let revents = fds[0].revents();
        if revents.intersects(PollFlags::ERR | PollFlags::NVAL) {
            return Err(io::Error::other("the controller is gone"));
        }
        if revents.contains(PollFlags::IN) {
            self.read_event()?;
        } else {
            // POLLOUT: the kernel has a request to answer that we gave up. POLLHUP: and the host did so, too.
            self.leave_request(true);
        }
        Ok(true)
    }

    /// The data stage of an OUT request; `None` when the host gave it up or stop came first.
    fn data_stage(&mut self, setup: &SetupPacket) -> Option<Vec<u8>> {
        let mut data = vec![0; usize::from(setup.length)];
        loop {
            match self.file.read(&mut data) {
                Ok(length) => {
                    data.truncate(length);
                    return Some(data);
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN) => {
                        if self.stop.is_set_within(DATA_STAGE_INTERVAL) {
                            return None;
                        }
                    }
                    Some(Errno::INTR) => {}
                    _ => {
                        self.not_answered(setup, &error);
                        return None;
                    }
                },
            }
        }
    }

    /// Deals with a read or write that should have answered a request.
    fn not_answered(&mut self, setup: &SetupPacket, error: &io::Error) {
        // That is how a stall succeeds.
        if Errno::from_io_error(error) != Some(Errno::L2HLT) {
            log::debug!("{setup} was not answered, the host has given it up: {error}");
            self.leave_request(true);
        }
    }

    /// Makes the kernel forget the request it is waiting to be answered, and tell events again.
    ///
    /// A request given up by the host makes room for the next, which the kernel then takes for the one
    /// being answered, although it tells its event only afterwards. This stalls it, or acknowledges it if
    /// nothing is to be read. Without a request to answer, reading nothing does nothing.
    ///
    /// `has_next` says whether the host is known to have sent the next one.
    fn leave_request(&mut self, mut has_next: bool) {
        loop {
            match rustix::io::read(&self.file, &mut [0; 0]) {
                Err(Errno::IDRM) => has_next = true,
                Err(Errno::INTR) => {}
                Ok(_) | Err(Errno::L2HLT) => {
                    self.next_is_void = has_next;
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Takes a setup event; `None` when there is nothing to tell.
    fn take_setup(&mut self, setup: SetupPacket) -> Option<Event> {
        let is_void = std::mem::take(&mut self.next_is_void);
        let data = match (setup.direction(), setup.length) {
            (Direction::In, _) if is_void => {
                // Its stall has been sent. Data for a host that no longer asks would lie in the kernel until
                // the next request, or be there when the file is closed, which gadgetfs does not survive.
                self.stall(&setup);
                self.keeping.answered(false);
                return None;
            }
            (Direction::In, _) | (Direction::Out, 0) => Vec::new(),
            (Direction::Out, _) => match self.data_stage(&setup) {
                Some(data) => data,
                None => {
                    self.keeping.answered(false);
                    return None;
                }
            },
        };
        self.is_answered = is_void;
        if is_void {
            self.stall(&setup);
        } else if !data.is_empty() {
            self.keeping.asked(setup, Some(&data));
        }
        Some(Event::Setup { setup, data })
    }

    /// What the host has done to the gadget of the process before, then the request that process had not answered.
    fn next_replayed(&mut self) -> Option<Event> {
        let pending = match self.keeping.next()? {
            Replayed::Event(event) => return Some(event),
            Replayed::Pending(pending) => pending,
        };
        if let Some(kept) = self.keeping.kept() {
            kept.forget_the_rest();
        }
        let Some(Request { setup, data }) = pending else {
            // One may have been read by the process before and not been noted when it was killed. What only may be
            // refused by writing is refused first: reading would acknowledge what nobody has done.
            let _ = rustix::io::write(&self.file, &[]);
            self.leave_request(false);
            return None;
        };
        let has_data = setup.direction() == Direction::Out && setup.length > 0;
        let data = match data {
            Some(data) => data,
            // If the data has been read after all, the kernel takes this for a read of events, which are longer.
            None if has_data && usize::from(setup.length) < FileEvent::LENGTH => {
                self.data_stage(&setup)?
            }
            None if has_data => {
                self.leave_request(false);
                return None;
            }
            None => Vec::new(),
        };
        self.is_answered = false;
        Some(Event::Setup { setup, data })
    }

    /// Ends a request that the host does not wait for. A stall leaves nothing behind.
    fn stall(&mut self, setup: &SetupPacket) {
        let result = match setup.direction() {
            Direction::In => rustix::io::read(&self.file, &mut [0; 0]),
            Direction::Out if setup.is_standard(request::SET_CONFIGURATION) => {
                rustix::io::read(&self.file, &mut [0; 0])
            }
            Direction::Out => rustix::io::write(&self.file, &[]),
        };
        log::debug!("{setup} came too late: {result:?}");
    }
}

impl Drop for ControlFile {
    /// gadgetfs frees its request without taking it back from the controller first, so let the host collect
    /// the last answer before the file is closed.
    fn drop(&mut self) {
        let since = self.answered_at.map(|answered_at| answered_at.elapsed());
        if let Some(left) = since.and_then(|since| ANSWER_TIME.checked_sub(since)) {
            thread::sleep(left);
        }
    }
}

impl Controller for ControlFile {
    /// gadgetfs acknowledges an OUT request with data by itself. If the host sends its next request before this
    /// thread has read that one's event and data, the kernel drops them; so every microsecond counts.
    fn prepare_thread(&self) {
        sys::come_first();
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
            match self.events.pop_front() {
                Some(FileEvent::Connect(speed)) => {
                    self.next_is_void = false;
                    self.speed = speed;
                    self.keeping.connected(speed);
                    return Event::Reset;
                }
                Some(FileEvent::Disconnect) => {
                    self.next_is_void = false;
                    self.keeping.disconnected();
                    return Event::Disconnect;
                }
                Some(FileEvent::Suspend) => return Event::Suspend,
                Some(FileEvent::Setup(setup)) => {
                    if let Some(event) = self.take_setup(setup) {
                        return event;
                    }
                }
                Some(FileEvent::Nop) => {}
                None => match self.wait() {
                    Ok(true) => {}
                    Ok(false) => return Event::Stop,
                    Err(error) => {
                        let controller = self.endpoints.udc.name();
                        return Event::Failed(format!("endpoint 0 of {controller}: {error}"));
                    }
                },
            }
        }
    }

    fn respond(&mut self, setup: &SetupPacket, response: ControlResponse) {
        if self.keeping.is_replaying() {
            return;
        }
        let accepted = response != ControlResponse::Stall && !self.is_answered;
        if !self.is_answered {
            self.answer(setup, response);
        }
        self.keeping.answered(accepted);
    }

    fn enable(
        &mut self,
        assigned: &Assigned,
        request: &EndpointRequest,
    ) -> Result<Arc<dyn Pipe>, NotEnabled> {
        let endpoint = EndpointFile {
            file: Arc::new(self.endpoint_file(assigned, request)?),
            address: assigned.address,
            transfer_type: request.transfer_type,
            max_packet_size: usize::from(request.packet_size_at(self.speed)),
            is_disabled: Arc::default(),
        };
        FilePipe::new(endpoint)
            .map(|pipe| Arc::new(pipe) as Arc<dyn Pipe>)
            .map_err(|error| format!("preparing {}: {error}", assigned.address).into())
    }
}

impl ControlFile {
    fn answer(&mut self, setup: &SetupPacket, response: ControlResponse) {
        self.answered_at = Some(Instant::now());
        // Reading nothing acknowledges an OUT request and stalls an IN request, writing the reverse.
        let result = match (setup.direction(), response) {
            (Direction::In, ControlResponse::Data(bytes)) => self.file.write(&bytes),
            (Direction::In, ControlResponse::Acknowledge) => self.file.write(&[]),
            (Direction::In, ControlResponse::Stall) => self.file.read(&mut []),
            // Acknowledged with its last packet.
            (Direction::Out, response) if setup.length > 0 => {
                if response == ControlResponse::Stall {
                    log::warn!("gadgetfs cannot stall {setup}, which carried data");
                }
                return;
            }
            (Direction::Out, ControlResponse::Stall)
                if !setup.is_standard(request::SET_CONFIGURATION) =>
            {
                self.file.write(&[])
            }
            // The kernel has accepted SET_CONFIGURATION by itself.
            (Direction::Out, _) => self.file.read(&mut []),
        };
        if let Err(error) = result {
            self.not_answered(setup, &error);
        }
    }

    /// The file of an enabled endpoint: that of the process before this one, or a new one.
    fn endpoint_file(
        &self,
        assigned: &Assigned,
        request: &EndpointRequest,
    ) -> Result<OpenFile, NotEnabled> {
        let EndpointFiles {
            directory,
            udc,
            has_high_speed,
        } = &self.endpoints;
        let name = udc.endpoints()[assigned.udc_endpoint].name();
        if let Some(file) = self
            .keeping
            .kept()
            .and_then(|kept| kept.take_endpoint(name))
        {
            return Ok(file);
        }
        let path = directory.join(name);
        let failed = |action: &str, error: io::Error| {
            format!(
                "{action} {} for {}: {error}",
                path.display(),
                assigned.address
            )
        };
        let mut file = super::open_when_released(&path, rustix::fs::OFlags::empty())
            .map_err(|error| failed("opening", error))?;

        let address = assigned.address.to_byte();
        let mut message = ENDPOINT_TAG.to_ne_bytes().to_vec();
        message.extend(descriptors::endpoint(request, address, Speed::Full));
        if *has_high_speed {
            message.extend(descriptors::endpoint(request, address, Speed::High));
        }
        file.write_all(&message)
            .map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::SHUTDOWN) => NotEnabled::Unplugged,
                _ => failed("configuring", error).into(),
            })?;
        Ok(match self.keeping.kept() {
            Some(kept) => kept.keep_endpoint(name, file),
            None => file.into(),
        })
    }
}
