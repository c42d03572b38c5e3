//! A device that does what an input says, at the device's end of the in-process bus.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use usbfs2_loopback::{
    Bus, CompletionQueue, ControlResponse, DeviceEvent, DevicePort, EndpointSpec, PortOptions,
    Transfer,
};
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper};
use usbfs2_protocol::standard::{descriptor_type, request};
use usbfs2_protocol::{Direction, EndpointAddress, RequestKind, SetupPacket, Speed, TransferType};

use crate::script::Script;

/// By then a driver that is about to send something has sent it.
const SOON: Duration = Duration::from_millis(10);

/// What a device has to say, whatever it is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    pub(crate) device: Vec<u8>,
    pub(crate) configuration: Vec<u8>,
    /// Its endpoints, which it enables when it is configured.
    pub(crate) endpoints: Vec<EndpointSpec>,
    /// Its answers to every other control request, one after the other; then it refuses.
    pub(crate) control: Vec<u8>,
    /// What it sends on its IN endpoint; then somebody pulls its cable.
    pub(crate) data: Vec<u8>,
}

/// A device on the bus, until dropped.
pub(crate) struct Puppet {
    port: Arc<DevicePort>,
    thread: Option<JoinHandle<()>>,
}

impl Puppet {
    pub(crate) fn plug(bus: &Bus, lines: Lines) -> Self {
        let port = bus.plug(PortOptions::new(Speed::High).plugged(false));
        let port = Arc::new(port.expect("the bus has room"));
        let device = Arc::clone(&port);
        let thread = thread::spawn(move || play(&device, &lines));
        port.cable().plug();
        Self {
            port,
            thread: Some(thread),
        }
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        // Its threads end with the cable out, whoever pulled it.
        self.port.cable().pull();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))), "the device panicked");
    }
}

/// Answers control requests until the cable is out.
fn play(port: &Arc<DevicePort>, lines: &Lines) {
    let mut control = Script::new(&lines.control);
    let mut data = None;
    while let Some(event) = port.next_event(None) {
        let setup = match event {
            DeviceEvent::Setup { setup, .. } => setup,
            DeviceEvent::Disconnect => break,
            _ => continue,
        };
        let response = answer(&setup, lines, &mut control);
        let configures = (setup.request_type.kind, setup.request)
            == (RequestKind::Standard, request::SET_CONFIGURATION);
        if configures && data.is_none() {
            for endpoint in &lines.endpoints {
                // An error says that high speed has no such endpoint: then it says nothing.
                let _ = port.enable(*endpoint);
            }
            data = Some(thread::spawn({
                let (port, lines) = (Arc::clone(port), lines.clone());
                move || send(&port, &lines)
            }));
        }
        // An error says that the host did not wait for the answer.
        let _ = port.respond(response);
    }
    if let Some(data) = data {
        assert!(data.join().is_ok(), "the device panicked");
    }
}

fn answer(setup: &SetupPacket, lines: &Lines, control: &mut Script<'_>) -> ControlResponse {
    let [_, kind] = setup.value.to_le_bytes();
    if setup.request_type.kind == RequestKind::Standard {
        match (setup.request, kind) {
            (request::SET_CONFIGURATION, _) => return ControlResponse::Acknowledge,
            (request::GET_DESCRIPTOR, descriptor_type::DEVICE) => {
                return ControlResponse::Data(lines.device.clone());
            }
            (request::GET_DESCRIPTOR, descriptor_type::CONFIGURATION) => {
                return ControlResponse::Data(lines.configuration.clone());
            }
            _ => {}
        }
    }
    let is_in = setup.request_type.direction == Direction::In;
    match control.byte() {
        1..=0x3f => ControlResponse::Acknowledge,
        0x40.. if is_in => ControlResponse::Data(control.counted().to_vec()),
        0x40.. => ControlResponse::Acknowledge,
        0 => ControlResponse::Stall,
    }
}

/// Sends what the data say on the IN endpoint and takes everything on the OUT endpoint.
fn send(port: &Arc<DevicePort>, lines: &Lines) {
    let address = |direction| {
        let mut addresses = lines.endpoints.iter().map(|endpoint| endpoint.address);
        addresses.find(|address| address.direction() == direction)
    };
    let (bulk_in, bulk_out) = (address(Direction::In), address(Direction::Out));
    let [sent, taken] = [
        CompletionQueue::new(port.bus()),
        CompletionQueue::new(port.bus()),
    ];
    let mut host = bulk_out.map(|address| Host::listen(port, address, &taken));
    let mut script = Script::new(&lines.data);
    let Some(bulk_in) = bulk_in else {
        return;
    };
    while !script.is_over() {
        let bytes = match script.byte() % 8 {
            0 => {
                // An error says that the cable is out.
                if port.set_halt(bulk_in, true).is_err() {
                    return;
                }
                continue;
            }
            1 => Vec::new(),
            2 => vec![script.byte(); usize::from(script.word())],
            3..=5 => script.counted().to_vec(),
            _ => {
                let (status, residue) = (script.byte() % 3, script.byte());
                match host.as_mut().and_then(Host::command) {
                    Some(command) => csw(&command, status, residue),
                    None => continue,
                }
            }
        };
        port.submit(&sent, bulk_in, Transfer::send(bytes));
        if sent.wait(None).is_none_or(|sent| sent.status.is_err()) {
            return;
        }
    }
    port.cable().pull();
}

fn csw(command: &CommandBlockWrapper, status: u8, residue: u8) -> Vec<u8> {
    let wrapper = CommandStatusWrapper {
        tag: command.tag,
        data_residue: u32::from(residue),
        status: match status {
            0 => CommandStatus::Passed,
            1 => CommandStatus::Failed,
            _ => CommandStatus::PhaseError,
        },
    };
    wrapper.to_bytes().to_vec()
}

/// What the host sends.
struct Host<'a> {
    port: &'a DevicePort,
    address: EndpointAddress,
    queue: &'a CompletionQueue,
    last: Option<CommandBlockWrapper>,
}

impl<'a> Host<'a> {
    /// Transfers queued: a command, and its data in one.
    const DEPTH: usize = 4;
    const ROOM: usize = 1 << 17;

    fn listen(port: &'a DevicePort, address: EndpointAddress, queue: &'a CompletionQueue) -> Self {
        let host = Self {
            port,
            address,
            queue,
            last: None,
        };
        for _ in 0..Self::DEPTH {
            host.submit();
        }
        host
    }

    fn submit(&self) {
        let transfer = Transfer::receive(Self::ROOM);
        self.port.submit(self.queue, self.address, transfer);
    }

    /// The command block wrapper that came last, or comes soon where the last one was asked for already: a
    /// device that waited for it would be silent, and the driver's patience is long.
    fn command(&mut self) -> Option<CommandBlockWrapper> {
        let mut fresh = false;
        while !fresh && let Some(taken) = self.queue.wait(Some(SOON)) {
            if taken.status.is_err() {
                return None;
            }
            self.submit();
            if let Ok(command) = CommandBlockWrapper::parse(&taken.buffer) {
                (self.last, fresh) = (Some(command), true);
            }
        }
        self.last
    }
}

/// An endpoint of high speed.
pub(crate) fn endpoint(address: u8, transfer_type: TransferType, packet: u16) -> EndpointSpec {
    EndpointSpec {
        address: EndpointAddress::try_from(address).expect("an endpoint address"),
        transfer_type,
        max_packet_size: packet,
        interval: 1,
    }
}
