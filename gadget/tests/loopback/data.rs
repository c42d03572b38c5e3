//! Bytes through endpoints.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use usbfs2_gadget::{
    Buffer, Direction, EndpointError, EndpointRequest, Endpoints, Function, FunctionBuilder,
    FunctionError, Gadget, InterfaceClass, Speed,
};
use usbfs2_loopback::{BusError, CompletionQueue, Target, Transfer};

use crate::echo::{IDS, PATIENCE, Setting, address, exchange, gadget, transfer};

#[test]
fn what_the_host_sends_comes_back_at_every_speed() {
    for speed in [Speed::Full, Speed::High, Speed::Super] {
        let setting = Setting::new(gadget().1, speed);
        for length in [0, 1, 63, 64, 65, 511, 512, 513, 1024, 65_535] {
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            exchange(&setting.host, &bytes);
        }
    }
}

type Body = Box<dyn Fn(Endpoints) -> Result<(), FunctionError> + Send + Sync>;

/// A function with a bulk endpoint each way whose run is the test's.
struct Scripted(Body);

impl Function for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
        interface.endpoint(EndpointRequest::bulk(Direction::In));
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        (self.0)(endpoints)
    }
}

fn scripted(
    body: impl Fn(Endpoints) -> Result<(), FunctionError> + Send + Sync + 'static,
) -> Setting {
    let function = Arc::new(Scripted(Box::new(body)));
    Setting::new(Gadget::builder(IDS).function(function), Speed::High)
}

#[test]
fn submissions_complete_once_each_and_in_order() {
    let (lengths, received) = channel();
    let lengths: Mutex<Sender<Vec<usize>>> = Mutex::new(lengths);
    let setting = scripted(move |mut endpoints| {
        let mut output = endpoints.take(0)?;
        for _ in 0..8 {
            output.submit(Buffer::with_capacity(512));
        }
        let lengths_seen = std::iter::from_fn(|| output.wait(None))
            .map(|completion| completion.actual_length)
            .collect();
        lengths.lock().unwrap().send(lengths_seen).unwrap();
        endpoints.session().wait_disabled();
        Ok(())
    });
    let queue = CompletionQueue::new(&setting.bus);
    let target = Target::Endpoint(address(1, Direction::Out));
    for length in 1..=8 {
        let bytes = Transfer::send(vec![0; length]);
        setting.host.submit(&queue, target, bytes);
    }
    let lengths = received.recv_timeout(PATIENCE).unwrap();
    assert_eq!(lengths, (1..=8).collect::<Vec<_>>());
}

#[test]
fn a_buffer_comes_back_with_its_memory() {
    let (capacities, received) = channel();
    let capacities = Mutex::new(capacities);
    let setting = scripted(move |mut endpoints| {
        let mut output = endpoints.take(0)?;
        let mut buffer = Buffer::with_capacity(8192);
        buffer.set_requested_length(512);
        let buffer = output.read(buffer)?;
        let seen = (
            buffer.capacity(),
            buffer.requested_length(),
            buffer.to_vec(),
        );
        capacities.lock().unwrap().send(seen).unwrap();
        Ok(())
    });
    transfer(
        &setting.host,
        address(1, Direction::Out),
        Transfer::send(b"four".to_vec()),
    );
    let seen = received.recv_timeout(PATIENCE).unwrap();
    assert_eq!(seen, (8192, 512, b"four".to_vec()));
}

#[test]
fn cancelled_transfers_say_so_and_the_endpoint_goes_on() {
    let (outcomes, received) = channel();
    let outcomes = Mutex::new(outcomes);
    let setting = scripted(move |mut endpoints| {
        let mut output = endpoints.take(0)?;
        let mut input = endpoints.take(1)?;
        output.submit(Buffer::with_capacity(512));
        output.submit(Buffer::with_capacity(512));
        assert!(output.wait(Some(Duration::ZERO)).is_none());
        output.cancel_all();
        let cancelled = std::iter::from_fn(|| output.wait(None))
            .filter(|one| matches!(one.status, Err(EndpointError::Cancelled)))
            .count();
        outcomes.lock().unwrap().send(cancelled).unwrap();
        let buffer = output.read(Buffer::with_capacity(512))?;
        input.write(buffer)?;
        endpoints.session().wait_disabled();
        Ok(())
    });
    assert_eq!(received.recv_timeout(PATIENCE), Ok(2));
    exchange(&setting.host, b"after");
}

#[test]
fn a_halted_endpoint_stalls_until_the_host_clears_it() {
    let setting = scripted(|mut endpoints| {
        let mut output = endpoints.take(0)?;
        let mut input = endpoints.take(1)?;
        input.set_halt()?;
        let buffer = output.read(Buffer::with_capacity(512))?;
        input.write(buffer)?;
        endpoints.session().wait_disabled();
        Ok(())
    });
    let input = address(1, Direction::In);
    // Answered from the moment the function has halted the endpoint; NAKed before.
    let stalled = transfer(
        &setting.host,
        address(1, Direction::Out),
        Transfer::send(vec![7]),
    );
    assert_eq!(stalled.status, Ok(()));
    let stalled = transfer(&setting.host, input, Transfer::receive(512));
    assert_eq!(stalled.status, Err(BusError::Stall));
    setting.host.clear_halt(input, PATIENCE).unwrap();
    let received = transfer(&setting.host, input, Transfer::receive(512));
    assert_eq!((received.status, received.buffer), (Ok(()), vec![7]));
}

#[test]
fn misuse_is_an_error_that_says_what_to_do() {
    let (messages, received) = channel();
    let messages = Mutex::new(messages);
    let setting = scripted(move |mut endpoints| {
        let mut output = endpoints.take(0)?;
        let mut input = endpoints.take(1)?;
        let wrong = output.write(Buffer::from(vec![1])).unwrap_err();
        input.submit(Buffer::from(vec![1]));
        let mixed = input.write(Buffer::from(vec![2])).unwrap_err();
        let halted = input.set_halt().unwrap_err();
        let absent = endpoints.take(0).unwrap_err();
        let errors = [wrong, mixed, halted, absent].map(|error| error.to_string());
        messages.lock().unwrap().send(errors).unwrap();
        Ok(())
    });
    let messages = received.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        messages,
        [
            "endpoint 0x01 is OUT: read from it",
            "1 submitted transfers are pending; collect them with wait first",
            "1 submitted transfers are pending; collect them with wait first",
            "endpoint 0 is not there: declared in the current alternate setting, taken once?",
        ]
    );
    drop(setting);
}
