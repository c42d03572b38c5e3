//! What QEMU asks of the device, and what the device says.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dummy_hcd_tests::usbredir::{Answer, Request, Requests, Status};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_loopback::{
    BusDevice, BusError, Completed, CompletionQueue, Target, Transfer, TransferId,
};
use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket, TransferType};

use super::describe;
use super::port::Port;
use super::streams::Streams;

/// A device on an in-process bus, for QEMU.
#[derive(Debug)]
pub(super) struct Server {
    port: Arc<Port>,
    device: BusDevice,
    streams: Streams,
    /// Bulk and interrupt transfers, by the ids of QEMU's requests.
    queue: Arc<CompletionQueue>,
    in_flight: BTreeMap<u64, (EndpointAddress, TransferId)>,
    /// Interrupt IN endpoints that are asked for packets again and again.
    receiving: BTreeSet<EndpointAddress>,
}

/// What an interrupt IN transfer has for an id, besides its endpoint.
const INTERRUPT: u64 = 1 << 63;

/// Starts the threads of a server, which end when the port is closed.
pub(super) fn start(server: &Arc<Mutex<Server>>, port: &Arc<Port>) -> Vec<JoinHandle<()>> {
    let reader = {
        let (server, port) = (Arc::clone(server), Arc::clone(port));
        thread::spawn(move || {
            port.end(serve(&server, &port));
        })
    };
    let forwarder = {
        let (server, queue) = (Arc::clone(server), Arc::clone(&lock(server).queue));
        let port = Arc::clone(port);
        thread::spawn(move || {
            while port.is_open() {
                if let Some(completed) = queue.wait(Some(Duration::from_millis(50)))
                    && let Err(error) = lock(&server).forward(completed)
                {
                    port.end(Err(error));
                }
            }
        })
    };
    vec![reader, forwarder]
}

fn lock(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until the port is closed.
fn serve(server: &Mutex<Server>, port: &Port) -> io::Result<()> {
    let mut requests = Requests::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let received = port.read(&mut buffer)?;
        requests.push(&buffer[..received]);
        while let Some(request) = requests.take_next().map_err(io::Error::other)? {
            lock(server).answer(request)?;
        }
    }
}

/// What the protocol calls it.
pub(super) fn status_of(result: Result<(), BusError>) -> Status {
    match result {
        Ok(()) => Status::Success,
        Err(BusError::Stall) => Status::Stall,
        Err(BusError::Overflow) => Status::Babble,
        Err(BusError::Cancelled) => Status::Cancelled,
        Err(BusError::InvalidRequest) => Status::Invalid,
        Err(_) => Status::IoError,
    }
}

fn address(byte: u8) -> io::Result<EndpointAddress> {
    EndpointAddress::try_from(byte).map_err(io::Error::other)
}

impl Server {
    pub(super) fn new(port: Arc<Port>, device: BusDevice) -> Self {
        Self {
            streams: Streams::new(Arc::clone(&port), device.clone()),
            queue: Arc::new(CompletionQueue::new(device.bus())),
            port,
            device,
            in_flight: BTreeMap::new(),
            receiving: BTreeSet::new(),
        }
    }

    pub(super) fn let_pass(&mut self, microframes: u32) -> io::Result<()> {
        self.streams.let_pass(microframes)
    }

    pub(super) fn sent(&self, address: u8) -> Option<u64> {
        self.streams.sent(EndpointAddress::try_from(address).ok()?)
    }

    pub(super) fn disconnect(&mut self) -> io::Result<()> {
        self.streams.stop_all();
        self.queue.cancel_all();
        self.receiving.clear();
        self.port.send(&Answer::Disconnect)
    }

    /// Tells of the device and all that QEMU must know of it before.
    pub(super) fn connect(&mut self) -> io::Result<()> {
        self.describe()?;
        let device = describe::device(&self.device)?;
        self.port.send(&Answer::Connect(device))
    }

    /// The interfaces and endpoints as they are now.
    fn describe(&self) -> io::Result<()> {
        let settings = describe::settings(&self.device)?;
        let interfaces = describe::interfaces(&settings);
        self.port.send(&Answer::Interfaces(&interfaces))?;
        let endpoints = describe::endpoints(&settings);
        self.port.send(&Answer::Endpoints(&endpoints))
    }

    fn answer(&mut self, request: Request) -> io::Result<()> {
        match request {
            Request::Hello { .. } => {
                self.port.send(&Answer::Hello)?;
                self.connect()
            }
            // The host selects a configuration next, which is what the gadget starts afresh for.
            Request::Reset | Request::Other { .. } => Ok(()),
            Request::SetConfiguration { id, value } => {
                self.forget_transfers();
                let result = self.device.set_configuration(value, DEADLINE);
                self.describe()?;
                self.port.send(&Answer::Configuration {
                    id,
                    status: status_of(result),
                    value: self.device.active_configuration().unwrap_or(0),
                })
            }
            Request::GetConfiguration { id } => self.port.send(&Answer::Configuration {
                id,
                status: Status::Success,
                value: self.device.active_configuration().unwrap_or(0),
            }),
            Request::SetAlternate {
                id,
                interface,
                alternate,
            } => {
                let result = self.device.set_interface(interface, alternate, DEADLINE);
                self.describe()?;
                self.alternate(id, status_of(result), interface)
            }
            Request::GetAlternate { id, interface } => {
                self.alternate(id, Status::Success, interface)
            }
            Request::Control { id, setup, data } => self.control(id, setup, &data),
            Request::StartIsochronous { endpoint } => {
                let known = self.start_stream(address(endpoint)?)?;
                self.port.send(&Answer::IsochronousStream {
                    status: match known {
                        true => Status::Success,
                        false => Status::Invalid,
                    },
                    endpoint,
                })
            }
            Request::StopIsochronous { endpoint } => {
                self.streams.stop(address(endpoint)?);
                let status = Status::Success;
                self.port
                    .send(&Answer::IsochronousStream { status, endpoint })
            }
            Request::Isochronous { endpoint, data } => self.streams.take(address(endpoint)?, data),
            Request::StartInterrupt { endpoint } => {
                let from = address(endpoint)?;
                if self.receiving.insert(from) {
                    self.receive(from)?;
                }
                let status = Status::Success;
                self.port
                    .send(&Answer::InterruptReceiving { status, endpoint })
            }
            Request::StopInterrupt { endpoint } => {
                self.receiving.remove(&address(endpoint)?);
                self.cancel(INTERRUPT | u64::from(endpoint));
                let status = Status::Success;
                self.port
                    .send(&Answer::InterruptReceiving { status, endpoint })
            }
            Request::Bulk {
                id,
                endpoint,
                length,
                data,
            } => {
                let transfer = match endpoint & 0x80 {
                    0 => Transfer::send(data),
                    _ => Transfer::receive(length),
                };
                self.submit(id, address(endpoint)?, transfer);
                Ok(())
            }
            Request::Interrupt { id, endpoint, data } => {
                self.submit(id, address(endpoint)?, Transfer::send(data));
                Ok(())
            }
            Request::Cancel { id } => {
                self.cancel(id);
                Ok(())
            }
        }
    }

    fn alternate(&self, id: u64, status: Status, interface: u8) -> io::Result<()> {
        self.port.send(&Answer::Alternate {
            id,
            status,
            interface,
            alternate: self.device.alternate_setting(interface),
        })
    }

    fn control(&self, id: u64, setup: [u8; 8], data: &[u8]) -> io::Result<()> {
        let packet = SetupPacket::from_bytes(setup);
        let result = self.device.control(packet, data, DEADLINE);
        // The bus gives back what was sent, too. QEMU takes nothing but an answer's header for that, and its parser
        // loses its place over more, which ends the emulator (an assertion in usbredir_chardev_read).
        let (came, length) = match packet.request_type.direction {
            Direction::In => {
                let came = result.as_deref().unwrap_or_default();
                (came, came.len())
            }
            Direction::Out => (&[][..], data.len()),
        };
        self.port.send(&Answer::Control {
            id,
            setup,
            status: status_of(result.as_ref().map(drop).map_err(|error| *error)),
            length: u16::try_from(length).unwrap_or(u16::MAX),
            data: came,
        })
    }

    /// Whether there is such an endpoint.
    fn start_stream(&mut self, address: EndpointAddress) -> io::Result<bool> {
        let endpoint = describe::endpoint(&self.device, address)?;
        let endpoint =
            endpoint.filter(|endpoint| endpoint.transfer_type() == TransferType::Isochronous);
        if let Some(endpoint) = &endpoint {
            self.streams.start(endpoint);
        }
        Ok(endpoint.is_some())
    }

    fn receive(&mut self, from: EndpointAddress) -> io::Result<()> {
        let endpoint = describe::endpoint(&self.device, from)?;
        let length = endpoint.map_or(0, |endpoint| endpoint.max_packet_size().into());
        let id = INTERRUPT | u64::from(from.to_byte());
        self.submit(id, from, Transfer::receive(length));
        Ok(())
    }

    fn submit(&mut self, id: u64, to: EndpointAddress, transfer: Transfer) {
        let transfer = transfer.user_data(id);
        let target = Target::Endpoint(to);
        let submitted = self.device.submit(&self.queue, target, transfer);
        self.in_flight.insert(id, (to, submitted));
    }

    fn cancel(&mut self, id: u64) {
        if let Some((_, transfer)) = self.in_flight.get(&id) {
            self.device.cancel(*transfer);
        }
    }

    /// A new configuration ends them; QEMU has forgotten them too.
    fn forget_transfers(&mut self) {
        self.streams.stop_all();
        self.receiving.clear();
    }

    /// Tells QEMU how a bulk or interrupt transfer ended.
    fn forward(&mut self, completed: Completed) -> io::Result<()> {
        let id = completed.user_data;
        let Some((address, _)) = self.in_flight.remove(&id) else {
            return Ok(());
        };
        let status = status_of(completed.status);
        let endpoint = address.to_byte();
        let data = match address.direction() {
            Direction::In => completed.buffer.as_slice(),
            Direction::Out => &[],
        };
        if id & INTERRUPT != 0 {
            if !self.receiving.contains(&address) {
                return Ok(());
            }
            self.port.send(&Answer::Interrupt {
                id: 0,
                endpoint,
                status,
                length: u16::try_from(data.len()).unwrap_or(u16::MAX),
                data,
            })?;
            return match completed.status {
                Ok(()) => self.receive(address),
                // Until the halt is cleared and it is started anew.
                Err(_) => {
                    self.receiving.remove(&address);
                    let status = Status::Stall;
                    self.port
                        .send(&Answer::InterruptReceiving { status, endpoint })
                }
            };
        }
        self.port.send(&Answer::Bulk {
            id,
            endpoint,
            status,
            length: u32::try_from(completed.actual_length).unwrap_or(u32::MAX),
            data,
        })
    }
}
