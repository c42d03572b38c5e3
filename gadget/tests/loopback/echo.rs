//! A vendor function that sends back what it receives, and the host that talks to it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use usbfs2_gadget::{
    Buffer, ControlRequest, ControlResponse, DeviceIds, Direction, EndpointAddress,
    EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError, Gadget, GadgetBuilder,
    InterfaceClass, Running, Speed, State,
};
use usbfs2_loopback::{Bus, BusDevice, Completed, CompletionQueue, Target, Transfer};

/// Stops a test that hangs; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const STORE: u8 = 1;
pub(crate) const FETCH: u8 = 2;
pub(crate) const PANIC: u8 = 3;

pub(crate) const IDS: DeviceIds = DeviceIds {
    vendor: 0x1209,
    product: 0x0001,
    release: 0x0123,
};

/// Receives on bulk OUT, sends the same on bulk IN; keeps what vendor request STORE brings for FETCH.
#[derive(Default)]
pub(crate) struct Echo {
    stored: Mutex<Vec<u8>>,
    pub(crate) runs: AtomicUsize,
    pub(crate) runs_ended: AtomicUsize,
    pub(crate) resets: AtomicUsize,
}

impl Function for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.name("Echo");
        interface.class_descriptor([4, 0x24, 0xaa, 0xbb]);
        interface.descriptor(0x22, *b"beside");
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
        interface.endpoint(EndpointRequest::bulk(Direction::In));
        let interval = Duration::from_millis(8);
        interface.endpoint(EndpointRequest::interrupt(Direction::In, 8, interval));
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        match request.setup.request {
            STORE => {
                *self.stored.lock().unwrap() = request.data.clone();
                ControlResponse::Acknowledge
            }
            FETCH => ControlResponse::Data(self.stored.lock().unwrap().clone()),
            PANIC => panic!("as asked"),
            _ => ControlResponse::Stall,
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let result = echo(&mut endpoints);
        self.runs_ended.fetch_add(1, Ordering::SeqCst);
        result
    }

    fn reset(&self) {
        self.resets.fetch_add(1, Ordering::SeqCst);
    }
}

fn echo(endpoints: &mut Endpoints) -> Result<(), FunctionError> {
    let mut output = endpoints.take(0)?;
    let mut input = endpoints.take(1)?;
    let mut buffer = Buffer::with_capacity(64 * 1024);
    loop {
        buffer = output.read(buffer)?;
        buffer = input.write(buffer)?;
    }
}

pub(crate) fn gadget() -> (Arc<Echo>, GadgetBuilder) {
    let echo = Arc::new(Echo::default());
    let builder = Gadget::builder(IDS)
        .manufacturer("usbfs2")
        .product("Echo chamber")
        .serial_number("0123456789AB")
        .function(echo.clone());
    (echo, builder)
}

/// A gadget on a bus of its own, enumerated and configured.
pub(crate) struct Setting {
    pub(crate) bus: Bus,
    pub(crate) running: Running,
    pub(crate) host: BusDevice,
}

impl Setting {
    pub(crate) fn new(builder: GadgetBuilder, speed: Speed) -> Self {
        let gadget = builder.build().unwrap();
        let bus = Bus::new();
        let running = gadget.start_on(&bus, speed).unwrap();
        let host = enumerate(&bus, &running);
        Self { bus, running, host }
    }
}

/// The only device on the bus, once it is configured.
pub(crate) fn enumerate(bus: &Bus, running: &Running) -> BusDevice {
    let host = bus.devices().into_iter().next().unwrap();
    let enumerated = host.enumerate(PATIENCE).unwrap();
    assert_eq!(enumerated.problem, None);
    running.wait_for_state(State::Configured, PATIENCE).unwrap();
    host
}

pub(crate) fn address(number: u8, direction: Direction) -> EndpointAddress {
    EndpointAddress::new(number, direction).unwrap()
}

/// One transfer of the host, waited for.
pub(crate) fn transfer(
    host: &BusDevice,
    address: EndpointAddress,
    transfer: Transfer,
) -> Completed {
    let queue = CompletionQueue::new(host.bus());
    host.submit(&queue, Target::Endpoint(address), transfer);
    queue.wait(Some(PATIENCE)).expect("a completion in time")
}

/// Sends `bytes` to the echo and expects them back.
pub(crate) fn exchange(host: &BusDevice, bytes: &[u8]) {
    let packet = usize::from(host.speed().bulk_max_packet_size().unwrap());
    let ends_with_full_packet = !bytes.is_empty() && bytes.len().is_multiple_of(packet);
    let sent = Transfer::send(bytes.to_vec()).zero_length_packet(ends_with_full_packet);
    let sent = transfer(host, address(1, Direction::Out), sent);
    assert_eq!(sent.status, Ok(()));
    let received = transfer(
        host,
        address(1, Direction::In),
        Transfer::receive(bytes.len()),
    );
    assert_eq!(received.status, Ok(()));
    assert_eq!(received.buffer, bytes);
}
