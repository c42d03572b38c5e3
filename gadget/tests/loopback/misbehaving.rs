//! Functions that fail, panic or dawdle do not take the gadget with them.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use usbfs2_gadget::{
    Direction, EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError,
    InterfaceClass, RequestKind, Running, SetupPacket, Speed, State,
};
use usbfs2_loopback::BusError;

use crate::echo::{PANIC, PATIENCE, Setting, exchange, gadget};

enum Manner {
    Fails,
    Panics,
    /// Ignores everything until released.
    Dawdles(Mutex<Receiver<()>>),
}

struct Misbehaving {
    manner: Manner,
    started: Mutex<Sender<()>>,
}

impl Function for Misbehaving {
    fn name(&self) -> &str {
        "misbehaving"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::In));
    }

    fn run(&self, _endpoints: Endpoints) -> Result<(), FunctionError> {
        self.started.lock().unwrap().send(()).unwrap();
        match &self.manner {
            Manner::Fails => Err(FunctionError::other("out of paper")),
            Manner::Panics => panic!("out of ideas"),
            Manner::Dawdles(released) => {
                released.lock().unwrap().recv().unwrap();
                Ok(())
            }
        }
    }
}

fn setting(manner: Manner) -> (Setting, Receiver<()>) {
    let (started, starts) = channel();
    let function = Arc::new(Misbehaving {
        manner,
        started: Mutex::new(started),
    });
    (
        Setting::new(gadget().1.function(function), Speed::High),
        starts,
    )
}

/// Waits for failures, which `run` reports after the host has been answered.
fn first_failure(running: &Running) -> String {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(failure) = running.failures().first() {
            return failure.to_string();
        }
        assert!(std::time::Instant::now() < deadline, "no failure reported");
        std::thread::yield_now();
    }
}

#[test]
fn a_failing_run_is_reported_and_the_others_go_on() {
    let (setting, _starts) = setting(Manner::Fails);
    assert_eq!(
        first_failure(&setting.running),
        "function misbehaving: out of paper"
    );
    exchange(&setting.host, b"still here");
    assert_eq!(setting.running.state(), State::Configured);
}

#[test]
fn a_panicking_run_is_reported_and_starts_again_with_the_next_configuration() {
    let (setting, starts) = setting(Manner::Panics);
    assert_eq!(
        first_failure(&setting.running),
        "function misbehaving: run panicked: out of ideas"
    );
    starts.recv_timeout(PATIENCE).unwrap();
    setting.host.set_configuration(1, PATIENCE).unwrap();
    starts.recv_timeout(PATIENCE).unwrap();
    exchange(&setting.host, b"still here");
}

#[test]
fn a_panic_in_control_is_a_stall() {
    let setting = Setting::new(gadget().1, Speed::High);
    let setup = SetupPacket::device_in(RequestKind::Vendor, PANIC, 0, 0, 8);
    assert_eq!(
        setting.host.control(setup, &[], PATIENCE),
        Err(BusError::Stall)
    );
    assert_eq!(
        first_failure(&setting.running),
        "function echo: control panicked: as asked"
    );
    exchange(&setting.host, b"still here");
}

#[test]
fn a_dawdling_run_does_not_hold_up_endpoint_0_or_the_others() {
    let (release, released) = channel();
    let (setting, starts) = setting(Manner::Dawdles(Mutex::new(released)));
    starts.recv_timeout(PATIENCE).unwrap();
    for _ in 0..3 {
        setting.host.set_configuration(1, PATIENCE).unwrap();
        exchange(&setting.host, b"served");
    }
    // Of the three runs it missed, only the last has endpoints left.
    release.send(()).unwrap();
    starts.recv_timeout(PATIENCE).unwrap();
    assert!(starts.try_recv().is_err());
    release.send(()).unwrap();
    setting.running.stop();
}
