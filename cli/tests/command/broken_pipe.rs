//! Output that nobody reads: `usbfs2 ... | head -1`.

use std::process::{Command, Output, Stdio};

use crate::outcome::USBFS2;

/// Runs with standard output, or standard error, a pipe that is broken from the start.
fn run(arguments: &[&str], breaks_errors: bool) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(USBFS2);
    command.args(arguments).stdin(Stdio::null());
    if breaks_errors {
        command.stderr(writer);
    } else {
        command.stdout(writer);
    }
    command.output().unwrap()
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    for arguments in [
        &["--help"][..],
        &["doctor"],
        &["doctor", "--json"],
        &["completions", "bash"],
        &["demo"],
    ] {
        let output = run(arguments, false);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_complaint_that_nobody_reads_is_a_failure_all_the_same() {
    let output = run(&["demo", "--text", "/nonexistent"], true);
    assert_eq!(output.status.code(), Some(1));
    let output = run(&["nonsense"], true);
    assert_eq!(output.status.code(), Some(2));
}
