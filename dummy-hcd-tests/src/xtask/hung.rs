//! Which test it is that does not end.

use std::collections::BTreeSet;

/// The tests of libtest that were begun, have taken over a minute and have not ended.
pub(crate) fn still_running(output: &str) -> Vec<String> {
    let mut running = BTreeSet::new();
    for line in output.lines() {
        let Some(rest) = line.strip_prefix("test ") else {
            continue;
        };
        if let Some((name, _)) = rest.split_once(" has been running for over ") {
            running.insert(name);
        } else if let Some((name, _)) = rest.split_once(" ... ") {
            running.remove(name.trim_end());
        }
    }
    running.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_not_ended_is_named() {
        let output = "test a ... ok\ntest slow::b has been running for over 60 seconds\n\
                      test slow::c has been running for over 60 seconds\ntest slow::b ... ok\n";
        assert_eq!(still_running(output), ["slow::c"]);
        assert!(still_running("running 2 tests\ntest a ... ok\n").is_empty());
    }
}
