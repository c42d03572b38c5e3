//! SET_INTERFACE (USB 2.0 9.4.10).

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use usbfs2_gadget::{
    Buffer, Direction, EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError,
    Gadget, InterfaceClass, SetupPacket, Speed,
};
use usbfs2_loopback::Transfer;

use crate::echo::{IDS, PATIENCE, Setting, address, transfer};

/// Two interfaces: a counter on endpoint 0, and a stream with a setting without endpoints and one with.
/// Tells which endpoints each run got.
struct Streamer {
    runs: Mutex<Sender<[bool; 3]>>,
}

impl Function for Streamer {
    fn name(&self) -> &str {
        "streamer"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut counter = builder.interface(InterfaceClass::VENDOR);
        counter.endpoint(EndpointRequest::bulk(Direction::In));
        let mut stream = builder.interface(InterfaceClass::VENDOR);
        stream.alternate_setting(InterfaceClass::VENDOR);
        stream.endpoint(EndpointRequest::bulk(Direction::In));
        stream.alternate_setting(InterfaceClass::VENDOR);
        stream.endpoint(EndpointRequest::bulk(Direction::In));
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let [counter, first, second] = [0, 1, 2].map(|index| endpoints.take(index).ok());
        let got = [counter.is_some(), first.is_some(), second.is_some()];
        self.runs.lock().unwrap().send(got).unwrap();
        // Alive to the end of the run: dropping an endpoint disables it.
        let mut stream = first.or(second);
        if let Some(stream) = &mut stream {
            stream.submit(Buffer::from(vec![7; 3]));
        }
        let mut counter = counter.expect("always enabled");
        for count in 0.. {
            counter.write(Buffer::from(vec![count]))?;
        }
        Ok(())
    }
}

fn setting() -> (Setting, Receiver<[bool; 3]>) {
    let (runs, told) = channel();
    let function = Arc::new(Streamer {
        runs: Mutex::new(runs),
    });
    let builder = Gadget::builder(IDS).function(function);
    (Setting::new(builder, Speed::High), told)
}

#[test]
fn a_run_has_the_endpoints_of_the_selected_setting() {
    let (setting, told) = setting();
    let next_run = || told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next_run(), [true, false, false]);
    let select = |alternate| setting.host.set_interface(1, alternate, PATIENCE).unwrap();
    select(1);
    assert_eq!(next_run(), [true, true, false]);
    let current = SetupPacket::get_interface(1);
    assert_eq!(setting.host.control(current, &[], PATIENCE), Ok(vec![1]));
    // Settings of one interface share the address.
    select(2);
    assert_eq!(next_run(), [true, false, true]);
    let received = transfer(
        &setting.host,
        address(2, Direction::In),
        Transfer::receive(512),
    );
    assert_eq!((received.status, received.buffer), (Ok(()), vec![7; 3]));
    select(0);
    assert_eq!(next_run(), [true, false, false]);
    // A new configuration starts from the default settings.
    select(1);
    assert_eq!(next_run(), [true, true, false]);
    setting.host.set_configuration(1, PATIENCE).unwrap();
    assert_eq!(next_run(), [true, false, false]);
    assert_eq!(setting.host.control(current, &[], PATIENCE), Ok(vec![0]));
}

#[test]
fn other_interfaces_keep_their_data_toggles() {
    let (setting, told) = setting();
    let counter = address(1, Direction::In);
    for alternate in [1, 0, 2, 0, 1] {
        told.recv_timeout(PATIENCE).unwrap();
        // An odd number of packets, so that a toggle that started afresh would show as a lost packet.
        let received = transfer(&setting.host, counter, Transfer::receive(512));
        assert_eq!((received.status, received.buffer), (Ok(()), vec![0]));
        setting.host.set_interface(1, alternate, PATIENCE).unwrap();
    }
}

/// As [`Streamer`], with a run for each interface.
struct Independent {
    runs: Mutex<Sender<(u8, u8)>>,
}

impl Function for Independent {
    fn name(&self) -> &str {
        "independent"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        builder.independent_interfaces();
        for _ in 0..2 {
            let mut stream = builder.interface(InterfaceClass::VENDOR);
            stream.alternate_setting(InterfaceClass::VENDOR);
            stream.endpoint(EndpointRequest::bulk(Direction::In));
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let interface = endpoints.interface().expect("a run for each interface");
        let setting = endpoints.alternate_setting(interface);
        let told = (interface.number(), setting);
        self.runs.lock().unwrap().send(told).unwrap();
        if setting == 0 {
            endpoints.session().wait_disabled();
            return Ok(());
        }
        let mut stream = endpoints.take(interface.index())?;
        for count in 0.. {
            stream.write(Buffer::from(vec![interface.number(), count]))?;
        }
        Ok(())
    }
}

#[test]
fn a_stream_goes_on_while_another_interface_changes_its_setting() {
    let (runs, told) = channel();
    let function = Arc::new(Independent {
        runs: Mutex::new(runs),
    });
    let setting = Setting::new(Gadget::builder(IDS).function(function), Speed::High);
    let next_run = || told.recv_timeout(PATIENCE).unwrap();
    let mut first = [next_run(), next_run()];
    first.sort_unstable();
    assert_eq!(first, [(0, 0), (1, 0)]);
    let select = |interface, alternate| {
        let selected = setting.host.set_interface(interface, alternate, PATIENCE);
        selected.unwrap();
        assert_eq!(next_run(), (interface, alternate));
    };
    let read = |endpoint| {
        let from = address(endpoint, Direction::In);
        let received = transfer(&setting.host, from, Transfer::receive(512));
        assert_eq!(received.status, Ok(()));
        received.buffer
    };
    select(0, 1);
    assert_eq!(read(1), [0, 0]);
    for round in 1..=3 {
        select(1, 1);
        assert_eq!(read(2), [1, 0]);
        // What was on its way when the other started or stopped is not lost, and nothing starts again.
        assert_eq!(read(1), [0, round]);
        select(1, 0);
    }
}
