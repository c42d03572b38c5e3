//! Whatever a device says of itself, the checks come to a result.

use proptest::prelude::*;
use usbfs2_host::Speed;

use super::checks;
use crate::check::Body;
use crate::finding::Finding;
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

proptest! {
    #[test]
    fn any_answers_come_to_a_result(
        speed in speeds(),
        answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..8),
    ) {
        let mut turn = 0;
        let reading = Reading::take(speed, &mut |_| {
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
            ..Reading::take(speed, &mut |_| Ok(vec![18, 1, 0, 2]))
        };
        prop_assert!(run_all(&reading) > 0);
    }
}
