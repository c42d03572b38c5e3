//! Slow devices, and verifications that are stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use usbfs2_host::Host;
use usbfs2_loopback::Bus;
use usbfs2_protocol::Direction;
use usbfs2_protocol::standard::request;
use usbfs2_verifier::{BusPort, CheckResult, Options, Outcome, Report, Stop, verify};

use crate::device::{Behaviour, Device, Lines};
use crate::{failures, keeps_rules};

/// Enough for the device to be configured and opened.
const HONEST_REQUESTS: usize = 12;
/// Enough for its descriptors to be read too.
const READING: usize = 40;

fn run(behaviour: Behaviour, options: &Options, on_result: impl FnMut(&CheckResult)) -> Report {
    let bus = Bus::new();
    let device = Device::plug(&bus, behaviour);
    let host = Host::on(&bus);
    let id = device.name().as_str().into();
    let port = BusPort::new(&bus, &device.name()).unwrap();
    verify(&host, &id, &port, options, on_result).unwrap()
}

/// A device of many strings, which answers the requests for data whose number `answer` says so of. It answers all
/// others, for which the host has a deadline of its own.
fn with_strings(mut answer: impl FnMut(usize) -> bool + Send + 'static) -> Behaviour {
    let mut lines = Lines::honest();
    // As many languages as are asked for.
    lines.languages = vec![18, 3];
    for language in 1..=8 {
        lines.languages.extend([language, 4]);
    }
    let mut requests = 0;
    Box::new(move |setup| {
        requests += usize::from(setup.direction() == Direction::In);
        let answers = setup.direction() == Direction::Out || answer(requests);
        answers.then(|| lines.answer(setup))
    })
}

#[test]
fn a_check_of_a_slow_device_ends() {
    const CHECK: &str = "configurations at every length";
    let over = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&over);
    let options = Options {
        budget: Duration::from_secs(1),
        // The one check is enough.
        stop: Stop::when(move || asked.load(Ordering::SeqCst)),
        ..Options::default()
    };
    let behaviour = with_strings(|requests| {
        if requests > READING {
            thread::sleep(Duration::from_millis(50));
        }
        true
    });
    let report = run(behaviour, &options, |result| {
        over.store(result.name == CHECK, Ordering::SeqCst);
    });
    let slow = &report.result(CHECK).unwrap().outcome;
    assert!(
        matches!(slow, Outcome::Failed { seen, .. } if seen == "it took longer than 1s"),
        "{slow:?}"
    );
}

#[test]
fn a_device_that_answers_every_third_request_comes_to_an_end() {
    let options = Options {
        deadline: Duration::from_millis(20),
        budget: Duration::from_millis(60),
        rounds: 200,
        ..Options::default()
    };
    let behaviour =
        with_strings(|requests| requests <= HONEST_REQUESTS || requests.is_multiple_of(3));
    let started = Instant::now();
    let report = run(behaviour, &options, |_| ());
    assert!(!failures(&report).is_empty());
    assert!(started.elapsed() < Duration::from_secs(120));
}

#[test]
fn no_check_begins_once_the_end_is_wanted() {
    let over = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&over);
    let options = Options {
        stop: Stop::when(move || asked.load(Ordering::SeqCst)),
        ..Options::default()
    };
    let mut results = 0;
    let report = run(keeps_rules(Lines::honest()), &options, |_| {
        results += 1;
        over.store(results == 30, Ordering::SeqCst);
    });
    assert_eq!(report.results.len(), 30);
}

#[test]
fn a_verification_stopped_in_a_check_leaves_the_device_configured() {
    let over = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&over);
    let options = Options {
        stop: Stop::when(move || asked.load(Ordering::SeqCst)),
        ..Options::default()
    };
    let lines = Arc::new(Mutex::new(Lines::honest()));
    let own = Arc::clone(&lines);
    let behaviour: Behaviour = Box::new(move |setup| {
        if setup.is_standard(request::SET_CONFIGURATION) && setup.value == 0 {
            over.store(true, Ordering::SeqCst);
        }
        Some(own.lock().unwrap().answer(setup))
    });
    let report = run(behaviour, &options, |_| ());
    let last = report.results.last().unwrap();
    assert_eq!(last.name, "not configured: descriptors and status");
    assert_eq!(
        last.outcome,
        Outcome::NotPossible("the verification was stopped".to_owned())
    );
    assert_eq!(lines.lock().unwrap().active, 1);
}
