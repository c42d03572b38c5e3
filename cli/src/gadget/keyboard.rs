//! `usbfs2 gadget keyboard`.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use usbfs2_gadget::State;
use usbfs2_gadget::functions::Keyboard;

use super::{Attendance, KEYBOARD};
use crate::args::Backend;
use crate::output::note;

/// Types the text to each host.
pub(super) fn run(text: Option<&Path>, backend: Backend) -> Result<()> {
    let text = match text {
        Some(path) => {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => {
            let mut text = String::new();
            if io::stdin().is_terminal() {
                note!("type the text, then Ctrl-D");
            }
            io::stdin()
                .read_to_string(&mut text)
                .context("cannot read the text from standard input")?;
            text
        }
    };
    let keyboard = Keyboard::new();
    let gadget = KEYBOARD.builder().function(keyboard.clone()).build()?;
    // Before the first host is there, so that a text that cannot be typed ends here; it waits.
    keyboard.type_text(&text)?;
    let mut waits = true;
    Attendance::of(&gadget, &KEYBOARD, backend)
        .on_state(|before, now| {
            // A host that wakes up has had its text.
            if now == State::Configured && before != Some(State::Suspended) {
                if !waits && keyboard.pending() == 0 {
                    keyboard.type_text(&text)?;
                }
                waits = false;
            }
            Ok(())
        })
        .run()
}
