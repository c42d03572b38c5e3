//! Whatever a device says of itself, the checks come to a result.

use proptest::prelude::*;
use usbfs2_host::Speed;

use super::checks;
use crate::check::Body;
use crate::finding::{Finding, Outcome};
use crate::reading::Reading;

/// A configuration with two bulk endpoints, which mutations start from.
const HONEST: [u8; 32] = [
    9, 2, 32, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 2, 0xff, 0, 0, 0, 7, 5, 0x81, 2, 0, 2, 0, 7, 5, 1,
    2, 0, 2, 0,
];

fn speeds() -> impl Strategy<Value = Option<Speed>> {
    prop_oneof![
        Just(None),
        Just(Some(Speed::Low)),
        Just(Some(Speed::Full)),
        Just(Some(Speed::High)),
        Just(Some(Speed::Super)),
    ]
}

/// Runs every check on what a device said.
fn run_all(reading: &Reading) -> usize {
    let mut failed = 0;
    for check in checks() {
        if let Body::Descriptors(run) = check.body
            && matches!(run(reading), Err(Finding::Failed { .. }))
        {
            failed += 1;
        }
    }
    failed
}

/// How the check of this name ends for a device of USB 2.0 with this configuration and these capabilities.
fn outcome(name: &str, speed: Speed, configuration: &[u8], capabilities: &[u8]) -> Outcome {
    let mut object_store = vec![5, 15, 0, 0, 1];
    object_store.extend(capabilities);
    object_store[2] = u8::try_from(object_store.len()).unwrap();
    let reading = Reading {
        configurations: vec![Ok(configuration.to_vec())],
        object_store: Ok(object_store),
        ..Reading::take(Some(speed), 0, &mut |_| Ok(vec![18, 1, 0, 2]))
    };
    let check = checks().into_iter().find(|check| check.name == name);
    match check.map(|check| check.body) {
        Some(Body::Descriptors(run)) => Outcome::from(run(&reading)),
        _ => panic!("no check of this name"),
    }
}

#[test]
fn capabilities_of_super_speed_are_for_devices_that_have_it() {
    let check = |speed, capabilities: &[u8]| {
        let name = "object store: capabilities of the speed";
        outcome(name, speed, &HONEST, capabilities).name()
    };
    // A platform capability alone, as of WebUSB.
    let platform = [4, 16, 5, 0];
    let super_speed = [10, 16, 3, 0, 0, 0, 0, 0, 0, 0];
    let both = [&[7, 16, 2, 0, 0, 0, 0][..], &super_speed].concat();
    assert_eq!(check(Speed::High, &platform), "not applicable");
    assert_eq!(check(Speed::Super, &platform), "failed");
    assert_eq!(check(Speed::High, &super_speed), "failed");
    assert_eq!(check(Speed::High, &both), "passed");
    assert_eq!(check(Speed::Super, &both), "passed");
}

#[test]
fn the_power_that_may_be_drawn_grows_with_the_speed() {
    for (speed, most) in [
        (Speed::High, 250),
        (Speed::Super, 112),
        (Speed::SuperPlus, 187),
    ] {
        for (power, expected) in [(most, "passed"), (most + 1, "failed")] {
            let mut bytes = HONEST;
            bytes[8] = power;
            let seen = outcome("configuration: power", speed, &bytes, &[]);
            assert_eq!(seen.name(), expected, "{power} at {speed}");
        }
    }
}

#[test]
fn intervals_of_low_speed_cite_their_own_section() {
    let mut bytes = HONEST;
    bytes[21] = 3;
    bytes[24] = 9;
    let seen = outcome("endpoints: intervals", Speed::Low, &bytes, &[]).to_string();
    assert!(
        seen.contains("from 10 to 255") && seen.contains("USB 2.0 5.7.4"),
        "{seen}"
    );
}

/// More strings than a round compares are no difference; one that changed is.
#[test]
fn some_strings_are_enough_to_compare() {
    let take = |most, text: u8| {
        Reading::take(Some(Speed::High), most, &mut |setup| {
            Ok(match setup.value.to_be_bytes() {
                [1, _] => vec![18, 1, 0, 2, 0, 0, 0, 64, 9, 18, 1, 0, 0, 1, 1, 2, 3, 0],
                [3, 0] => vec![4, 3, 9, 4],
                [3, _] => vec![4, 3, text, 0],
                _ => Vec::new(),
            })
        })
    };
    let before = take(usize::MAX, b'a');
    let now = take(2, b'a');
    assert_eq!((before.strings.len(), now.strings.len()), (3, 2));
    assert_eq!(before.same(&now), Ok(()));
    assert!(before.same(&take(2, b'b')).is_err());
}

proptest! {
    #[test]
    fn any_answers_come_to_a_result(
        speed in speeds(),
        answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..8),
    ) {
        let mut turn = 0;
        let reading = Reading::take(speed, usize::MAX, &mut |_| {
            turn += 1;
            Ok(answers[turn % answers.len()].clone())
        });
        // Arbitrary bytes break some rule.
        prop_assert!(run_all(&reading) > 0);
    }

    #[test]
    fn a_configuration_changed_anywhere_comes_to_a_result(
        speed in speeds(),
        at in 0..HONEST.len(),
        byte: u8,
        length in 0..=HONEST.len(),
    ) {
        let mut bytes = HONEST.to_vec();
        bytes[at] = byte;
        bytes.truncate(length);
        let reading = Reading {
            configurations: vec![Ok(bytes.clone())],
            other_speed: vec![Ok(bytes)],
            ..Reading::take(speed, usize::MAX, &mut |_| Ok(vec![18, 1, 0, 2]))
        };
        prop_assert!(run_all(&reading) > 0);
    }
}
