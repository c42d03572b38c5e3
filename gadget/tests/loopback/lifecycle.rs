//! Configured, reset, unplugged, stopped, and again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use usbfs2_gadget::{
    Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass, Session, Speed, State,
};

use crate::echo::{PATIENCE, Setting, enumerate, exchange, gadget};

#[test]
fn fifty_plugs_are_fifty_runs() {
    let (echo, builder) = gadget();
    let Setting {
        bus, running, host, ..
    } = Setting::new(builder, Speed::High);
    exchange(&host, b"first");
    let cable = bus.cable(running.port_name()).unwrap();
    for round in 1..=50 {
        cable.pull();
        running.wait_for_state(State::Detached, PATIENCE).unwrap();
        cable.plug();
        let host = enumerate(&bus, &running);
        exchange(&host, format!("round {round}").as_bytes());
    }
    assert_eq!(echo.runs.load(Ordering::SeqCst), 51);
    running.stop();
    assert_eq!(echo.runs_ended.load(Ordering::SeqCst), 51);
    assert!(echo.resets.load(Ordering::SeqCst) >= 50);
}

#[test]
fn deconfiguring_ends_the_run_and_configuring_starts_another() {
    let (echo, builder) = gadget();
    let setting = Setting::new(builder, Speed::High);
    exchange(&setting.host, b"running");
    for _ in 0..10 {
        setting.host.set_configuration(0, PATIENCE).unwrap();
        setting
            .running
            .wait_for_state(State::Connected, PATIENCE)
            .unwrap();
        setting.host.set_configuration(1, PATIENCE).unwrap();
        exchange(&setting.host, b"again");
    }
    assert_eq!(echo.runs.load(Ordering::SeqCst), 11);
}

#[test]
fn selecting_the_same_configuration_again_restarts_the_run() {
    let (echo, builder) = gadget();
    let setting = Setting::new(builder, Speed::High);
    exchange(&setting.host, b"odd toggles");
    setting.host.set_configuration(1, PATIENCE).unwrap();
    exchange(&setting.host, b"toggles start again");
    assert_eq!(echo.runs.load(Ordering::SeqCst), 2);
}

#[test]
fn suspend_and_resume_keep_the_configuration() {
    let (echo, builder) = gadget();
    let setting = Setting::new(builder, Speed::High);
    setting.host.suspend();
    setting
        .running
        .wait_for_state(State::Suspended, PATIENCE)
        .unwrap();
    setting.host.resume();
    setting
        .running
        .wait_for_state(State::Configured, PATIENCE)
        .unwrap();
    exchange(&setting.host, b"awake");
    assert_eq!(echo.runs.load(Ordering::SeqCst), 1);
}

#[test]
fn dropping_a_running_gadget_unplugs_it_and_ends_its_runs() {
    let (echo, builder) = gadget();
    let setting = Setting::new(builder, Speed::High);
    exchange(&setting.host, b"running");
    drop(setting.running);
    assert_eq!(echo.runs_ended.load(Ordering::SeqCst), 1);
    assert!(!setting.host.is_plugged());
    assert!(setting.bus.devices().is_empty());
}

#[test]
fn a_gadget_can_be_started_again_after_it_stopped() {
    let (echo, builder) = gadget();
    let gadget = builder.build().unwrap();
    let bus = usbfs2_loopback::Bus::new();
    for _ in 0..5 {
        let running = gadget.start_on(&bus, Speed::High).unwrap();
        exchange(&enumerate(&bus, &running), b"started");
        running.stop();
    }
    assert_eq!(echo.runs_ended.load(Ordering::SeqCst), 5);
}

#[test]
fn waiting_for_a_state_that_does_not_come_says_what_is_instead() {
    let gadget = gadget().1.build().unwrap();
    let bus = usbfs2_loopback::Bus::new();
    let running = gadget.start_on(&bus, Speed::High).unwrap();
    let timeout = running
        .wait_for_state(State::Suspended, Duration::from_millis(1))
        .unwrap_err();
    assert_eq!(timeout.wanted, State::Suspended);
    assert!(timeout.to_string().contains("not suspended"), "{timeout}");
}

/// Sleeps on a condition variable of its own, as a function does that waits for its user.
#[derive(Default)]
struct Sleeper {
    session: Mutex<Option<Session>>,
    woken: Condvar,
}

impl Function for Sleeper {
    fn name(&self) -> &str {
        "sleeper"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        builder.interface(InterfaceClass::VENDOR);
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        let session = endpoints.session();
        let mut guard = self.session.lock().unwrap();
        *guard = Some(session.clone());
        self.woken.notify_all();
        while !session.is_disabled() {
            guard = self.woken.wait(guard).unwrap();
        }
        *guard = None;
        self.woken.notify_all();
        Ok(())
    }

    fn disabled(&self) {
        let _guard = self.session.lock().unwrap();
        self.woken.notify_all();
    }
}

#[test]
fn disabled_wakes_a_function_that_sleeps_on_its_own() {
    let sleeper = Arc::new(Sleeper::default());
    let setting = Setting::new(gadget().1.function(sleeper.clone()), Speed::High);
    let is_running = |wanted: bool| {
        let guard = sleeper.session.lock().unwrap();
        let waiting = sleeper
            .woken
            .wait_timeout_while(guard, PATIENCE, |session| session.is_some() != wanted);
        assert!(!waiting.unwrap().1.timed_out(), "running: {wanted}");
    };
    is_running(true);
    setting.host.set_configuration(0, PATIENCE).unwrap();
    is_running(false);
    setting.host.set_configuration(1, PATIENCE).unwrap();
    is_running(true);
    setting.running.stop();
    is_running(false);
}
