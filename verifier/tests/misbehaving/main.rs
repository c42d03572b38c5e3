//! Devices that break rules: the check of the rule says so, and no device keeps the verifier waiting or breaks it.

mod device;
mod limits;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use usbfs2_host::Host;
use usbfs2_loopback::{Bus, ControlResponse};
use usbfs2_protocol::standard::request;
use usbfs2_protocol::{Direction, SetupPacket};
use usbfs2_verifier::{BusPort, Options, Outcome, Report, verify};

use crate::device::{Behaviour, Device, Lines};

/// Long enough for a device that does answer.
const DEADLINE: Duration = Duration::from_millis(200);

fn run(behaviour: Behaviour) -> Option<Report> {
    run_within(behaviour, DEADLINE)
}

/// `None` where the host could not even enumerate the device.
fn run_within(behaviour: Behaviour, deadline: Duration) -> Option<Report> {
    let bus = Bus::new();
    let device = Device::plug(&bus, behaviour);
    let host = Host::on(&bus);
    let id = device.name().as_str().into();
    let port = BusPort::new(&bus, &device.name()).unwrap();
    let options = Options {
        deadline,
        rounds: 3,
        ..Options::default()
    };
    verify(&host, &id, &port, &options, |_| ()).ok()
}

fn keeps_rules(mut lines: Lines) -> Behaviour {
    Box::new(move |setup| Some(lines.answer(setup)))
}

fn failures(report: &Report) -> Vec<&str> {
    report.failures().map(|result| result.name).collect()
}

#[test]
fn a_device_that_keeps_the_rules_passes() {
    let report = run(keeps_rules(Lines::honest())).unwrap();
    let failed: Vec<_> = report.failures().collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(report.counts().not_possible == 0, "{report:#?}");
}

#[test]
fn each_lie_is_found_by_the_check_of_its_rule() {
    type Lie = fn(&mut Lines);
    let lies: &[(&str, Lie)] = &[
        ("device descriptor: versions in BCD", |lines| {
            lines.device[3] = 9
        }),
        ("device descriptor: versions in BCD", |lines| {
            lines.device[12] = 0x0a
        }),
        ("device descriptor: class codes", |lines| {
            lines.device[5] = 1
        }),
        ("configuration: total length", |lines| {
            lines.configuration[2] = 60
        }),
        ("configuration: attributes", |lines| {
            lines.configuration[7] = 0x00
        }),
        ("configuration: power", |lines| lines.configuration[8] = 251),
        ("interfaces: numbers", |lines| lines.configuration[4] = 2),
        ("interfaces: alternate settings", |lines| {
            lines.configuration[12] = 1
        }),
        ("interfaces: endpoint counts", |lines| {
            lines.configuration[13] = 3
        }),
        ("interfaces: class codes", |lines| {
            lines.configuration[14] = 0;
            lines.configuration[15] = 1;
        }),
        ("endpoints: addresses", |lines| {
            lines.configuration[20] = 0x91
        }),
        ("endpoints: addresses", |lines| {
            lines.configuration[27] = 0x81
        }),
        ("endpoints: attributes", |lines| {
            lines.configuration[21] = 0x0a
        }),
        ("endpoints: packet sizes", |lines| {
            lines.configuration[22] = 64
        }),
        ("endpoints: intervals", |lines| lines.configuration[21] = 3),
        ("endpoints: bandwidth of default settings", |lines| {
            lines.configuration[21] = 1;
            lines.configuration[24] = 1;
        }),
        ("device qualifier: fields", |lines| lines.qualifier = None),
        ("device qualifier: fields", |lines| {
            lines.qualifier = Some(vec![10, 6, 0, 2, 0, 0, 0, 64, 1, 1])
        }),
        ("other speed: endpoints", |lines| {
            if let Some(bytes) = &mut lines.other_speed {
                bytes[23] = 2;
            }
        }),
        ("other speed: interfaces", |lines| {
            if let Some(bytes) = &mut lines.other_speed {
                bytes[14] = 3;
            }
        }),
        ("strings: languages", |lines| lines.languages = vec![2, 3]),
        ("strings: every index exists", |lines| lines.device[14] = 7),
        ("strings: lengths", |lines| lines.string[0] = 40),
        ("strings: UTF-16", |lines| lines.string[3] = 0xd8),
        ("GET_STATUS of the device", |lines| lines.status = 0x80),
        ("self-powered as the configuration says", |lines| {
            lines.status = 1
        }),
    ];
    for (check, lie) in lies {
        let mut lines = Lines::honest();
        lie(&mut lines);
        let report = run(keeps_rules(lines)).expect(check);
        let failed = failures(&report);
        assert!(failed.contains(check), "{check}: only {failed:?} failed");
    }
}

#[test]
fn a_device_that_accepts_everything_fails_every_check_of_invalid_requests() {
    let mut lines = Lines::honest();
    let report = run(Box::new(move |setup| {
        Some(match lines.answer(setup) {
            ControlResponse::Stall if setup.direction() == Direction::In => {
                ControlResponse::Data(vec![0; usize::from(setup.length.min(64))])
            }
            ControlResponse::Stall => ControlResponse::Acknowledge,
            answer => answer,
        })
    }))
    .unwrap();
    let failed = failures(&report);
    for check in [
        "unknown descriptor types",
        "interface and endpoint descriptors alone",
        "a configuration index that is none",
        "a string index that is none",
        "a language that is none",
        "unknown standard requests to the device",
        "unknown standard requests to an interface",
        "requests in the wrong direction",
        "requests of the reserved kind",
        "requests to reserved recipients",
        "unknown features of the device",
        "unknown features of an interface",
        "unknown features of an endpoint",
        "GET_STATUS of an interface that is none",
        "GET_INTERFACE of an interface that is none",
        "SET_INTERFACE of an interface that is none",
        "remote wake-up is refused where there is none",
        "an alternate setting that is none",
        "a configuration that is none",
        "not configured: GET_INTERFACE is refused",
    ] {
        assert!(failed.contains(&check), "{check} passed: {failed:#?}");
    }
}

#[test]
fn a_device_that_gives_less_than_it_has_is_found_out() {
    let mut lines = Lines::honest();
    let report = run(Box::new(move |setup| {
        Some(match lines.answer(setup) {
            // All right but for one length.
            ControlResponse::Data(mut bytes) if setup.length == 17 => {
                bytes.truncate(8);
                ControlResponse::Data(bytes)
            }
            answer => answer,
        })
    }))
    .unwrap();
    let failed = failures(&report);
    assert!(
        failed.contains(&"device descriptor at every length"),
        "{failed:?}"
    );
    assert!(
        failed.contains(&"configurations at every length"),
        "{failed:?}"
    );
}

#[test]
fn a_device_that_says_something_else_each_time_is_found_out() {
    let mut lines = Lines::honest();
    let mut rounds = 0;
    let report = run(Box::new(move |setup| {
        if setup.is_standard(request::SET_CONFIGURATION) {
            rounds += 1;
        }
        let answer = lines.answer(setup);
        if rounds > 12 {
            lines.string[2] = b'x';
        }
        Some(answer)
    }))
    .unwrap();
    let failed = failures(&report);
    assert_eq!(
        failed,
        [
            "configured again and again",
            "suspend and resume",
            "unplugged and enumerated again and again"
        ]
    );
}

#[test]
fn a_device_that_falls_silent_is_soon_asked_no_more() {
    for after in [12, 40, 100] {
        let mut lines = Lines::honest();
        let mut requests = 0;
        let started = Instant::now();
        let report = run(Box::new(move |setup| {
            requests += 1;
            (requests < after).then(|| lines.answer(setup))
        }));
        let report = report.unwrap();
        // Three requests without an answer, and those with which the bus looks after the device.
        assert!(started.elapsed() < Duration::from_secs(60));
        let last = report.results.last().unwrap();
        assert!(matches!(last.outcome, Outcome::NotPossible(_)), "{last:?}");
        let counts = report.counts();
        assert!(
            counts.failed > 0 && counts.not_possible > 0,
            "{after}: {counts:?}"
        );
    }
}

#[test]
fn a_device_that_never_answers_is_not_opened() {
    let started = Instant::now();
    assert!(run(Box::new(|_| None)).is_none());
    assert!(started.elapsed() < Duration::from_secs(60));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Answers of any bytes and refusals in any order.
    #[test]
    fn any_device_comes_to_a_result(
        answers in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 0..40), 1..30),
        honest in 12_usize..300,
    ) {
        let mut lines = Lines::honest();
        let mut requests = 0;
        let report = run_within(Box::new(move |setup: &SetupPacket| {
            requests += 1;
            if requests < honest {
                return Some(lines.answer(setup));
            }
            let answer = answers[requests % answers.len()].clone();
            Some(match (setup.direction(), answer.first()) {
                (_, Some(byte)) if byte % 4 == 0 => ControlResponse::Stall,
                (Direction::In, _) => ControlResponse::Data(answer),
                (Direction::Out, _) => ControlResponse::Acknowledge,
            })
        }), Duration::from_millis(20));
        let report = report.expect("the device is honest until it is configured");
        let counts = report.counts();
        prop_assert!(counts.failed + counts.not_possible > 0);
        prop_assert!(report.results.len() > 80);
    }
}
