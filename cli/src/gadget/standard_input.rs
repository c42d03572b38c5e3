//! What standard input says, line by line, while the gadget runs.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::thread;

use anyhow::{Context as _, Result};

use crate::output::note;

/// Has `obey` do what each line says, in a thread of its own: the end of the input is not the end of the
/// gadget. `lines` tells somebody at a terminal what there is to say.
pub(super) fn follow(lines: &str, mut obey: impl FnMut(&str) -> Result<()> + Send + 'static) {
    if io::stdin().is_terminal() {
        note!("type lines such as: {lines}");
    }
    // Not joined: it may sit in a read for ever, and the process ends without it.
    thread::spawn(move || {
        for (number, line) in (1..).zip(io::stdin().lock().lines()) {
            let done = line
                .context("cannot read standard input")
                .and_then(|line| obey(&line));
            if let Err(error) = done {
                note!("usbfs2: line {number}: {error:#}");
            }
        }
    });
}
