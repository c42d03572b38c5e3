//! A function of a vendor's that does as the host says: an echo, a store, and notifications.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};
use usbfs2_gadget::{
    Buffer, ControlRequest, ControlResponse, Direction, Endpoint, EndpointError, EndpointRequest,
    Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass, Session,
};
use usbfs2_host::{EndpointAddress, Interface, TransferType};

/// Its vendor requests, to the interface.
pub(crate) mod request {
    use usbfs2_protocol::{Direction, Recipient, RequestKind, RequestType, SetupPacket};

    /// OUT: keeps the data.
    pub(crate) const STORE: u8 = 1;
    /// IN: gives it back.
    pub(crate) const LOAD: u8 = 2;
    /// OUT, without data: eight bytes of `wValue` on the interrupt endpoint.
    pub(crate) const NOTIFY: u8 = 3;
    /// OUT, without data: from now on, 0 ends each message of whole packets with a zero-length packet,
    /// 1 leaves it open.
    pub(crate) const LEAVE_OPEN: u8 = 4;
    /// Either way, without data: refused.
    pub(crate) const REFUSE: u8 = 5;

    /// One of them to an interface (USB 2.0 9.3), with `length` bytes of data to send.
    pub(crate) fn out(request: u8, value: u16, interface: u8, length: u16) -> SetupPacket {
        setup(Direction::Out, request, value, interface, length)
    }

    /// One of them, for up to `length` bytes.
    pub(crate) fn input(request: u8, interface: u8, length: u16) -> SetupPacket {
        setup(Direction::In, request, 0, interface, length)
    }

    fn setup(
        direction: Direction,
        request: u8,
        value: u16,
        interface: u8,
        length: u16,
    ) -> SetupPacket {
        SetupPacket {
            request_type: RequestType {
                direction,
                kind: RequestKind::Vendor,
                recipient: Recipient::Interface,
            },
            request,
            value,
            index: interface.into(),
            length,
        }
    }
}

/// The address of the first endpoint of this kind in the present setting.
pub(crate) fn address(
    interface: &Interface,
    direction: Direction,
    kind: TransferType,
) -> Result<EndpointAddress> {
    let endpoints = &interface.alternate_setting()?.endpoints;
    let found = endpoints.iter().find(|endpoint| {
        endpoint.address.direction() == direction && endpoint.transfer_type() == kind
    });
    Ok(found
        .with_context(|| format!("no {kind} {direction} endpoint"))?
        .address)
}

/// The longest message it echoes, short of a whole number of packets so that it always sees the end.
pub(crate) const LONGEST: usize = ROOM - 1;
const ROOM: usize = 16 * 1024;

/// What notifications have in bytes.
pub(crate) const NOTIFICATION: usize = 8;

/// The function. A run begins anew, with nothing in its pipes, when the host selects setting 0.
#[derive(Debug, Default)]
pub(crate) struct Vendor {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stored: Vec<u8>,
    notifications: VecDeque<u8>,
    leaves_open: bool,
}

impl Vendor {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends back what comes: its end is a short packet, as the end of what it answers is.
    fn echo(&self, output: &mut Endpoint, input: &mut Endpoint) -> Result<(), EndpointError> {
        let packet = input.max_packet_size();
        loop {
            let message = output.read(Buffer::with_capacity(ROOM))?;
            let whole = !message.is_empty() && message.len().is_multiple_of(packet);
            input.write(message)?;
            if whole && !self.state().leaves_open {
                input.write(Buffer::new())?;
            }
        }
    }

    fn notify(&self, interrupt: &mut Endpoint, session: &Session) -> Result<(), EndpointError> {
        loop {
            let idle = |state: &mut State| state.notifications.is_empty() && !session.is_disabled();
            let mut state = self
                .changed
                .wait_while(self.state(), idle)
                .unwrap_or_else(PoisonError::into_inner);
            let value = state.notifications.pop_front();
            drop(state);
            match value {
                Some(value) => interrupt.write(Buffer::from(vec![value; NOTIFICATION]))?,
                None => return Err(EndpointError::Disabled),
            };
        }
    }
}

impl Function for Vendor {
    fn name(&self) -> &str {
        "vendor"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.name("what the host says");
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
        interface.endpoint(EndpointRequest::bulk(Direction::In));
        let interval = std::time::Duration::from_millis(1);
        interface.endpoint(EndpointRequest::interrupt(Direction::In, 64, interval));
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        let mut state = self.state();
        match request.setup.request {
            request::STORE => state.stored.clone_from(&request.data),
            request::LOAD => return ControlResponse::Data(state.stored.clone()),
            request::NOTIFY => {
                let [value, _] = request.setup.value.to_le_bytes();
                state.notifications.push_back(value);
                self.changed.notify_all();
            }
            request::LEAVE_OPEN => state.leaves_open = request.setup.value == 1,
            _ => return ControlResponse::Stall,
        }
        ControlResponse::Acknowledge
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let (mut output, mut input) = (endpoints.take(0)?, endpoints.take(1)?);
        let mut interrupt = endpoints.take(2)?;
        let session = endpoints.session();
        let (echoed, notified) = thread::scope(|scope| {
            let notifying = scope.spawn(|| self.notify(&mut interrupt, &session));
            (self.echo(&mut output, &mut input), notifying.join())
        });
        echoed?;
        notified.map_err(|_| FunctionError::other("the notifying thread panicked"))??;
        Ok(())
    }

    fn disabled(&self) {
        // Under the lock, so that no thread is between its look and its sleep.
        let _state = self.state();
        self.changed.notify_all();
    }
}
