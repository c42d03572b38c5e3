//! `usbfs2 gadget`.

pub(crate) mod audio;
mod disk;
mod hid;
mod standard_input;

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use usbfs2_gadget::functions::{ConsumerControl, Gamepad, Keyboard, Mouse, Tablet};
use usbfs2_gadget::{DeviceIds, Function, Gadget, GadgetBuilder, GadgetfsOptions, Running, State};

use self::hid::Obey;
use crate::args::GadgetCommand;
use crate::interrupt;
use crate::output::note;

/// How often the state is looked at, and Ctrl-C.
const GLANCE: Duration = Duration::from_millis(100);

/// Is a device until Ctrl-C.
pub(crate) fn run(command: &GadgetCommand) -> Result<()> {
    match command {
        GadgetCommand::Keyboard { text } => keyboard(text.as_deref()),
        GadgetCommand::Mouse => obedient(0x0003, "Mouse", Mouse::new()),
        GadgetCommand::Tablet => obedient(0x0004, "Tablet", Tablet::new()),
        GadgetCommand::Gamepad => obedient(0x0005, "Gamepad", Gamepad::new()),
        GadgetCommand::MediaKeys => obedient(0x0006, "Media keys", ConsumerControl::new()),
        GadgetCommand::Disk(args) => disk::run(args),
        GadgetCommand::Audio(args) => audio::run(args),
    }
}

fn builder(product: u16, name: &str) -> GadgetBuilder {
    Gadget::builder(DeviceIds {
        vendor: 0x1209,
        product,
        release: 0x0100,
    })
    .manufacturer("usbfs2")
    .product(name)
}

fn keyboard(text: Option<&Path>) -> Result<()> {
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
    let gadget = builder(0x0001, "Keyboard")
        .function(keyboard.clone())
        .build()?;
    // Before the first host is there, so that a text that cannot be typed ends here; it waits.
    keyboard.type_text(&text)?;
    let mut waits = true;
    attend(&gadget, |before, now| {
        // A host that wakes up has had its text.
        if now == State::Configured && before != Some(State::Suspended) {
            if !waits && keyboard.pending() == 0 {
                keyboard.type_text(&text)?;
            }
            waits = false;
        }
        Ok(())
    })
}

/// A device that does what standard input says.
fn obedient<D: Obey + Function>(product: u16, name: &str, device: Arc<D>) -> Result<()> {
    let gadget = builder(product, name).function(device.clone()).build()?;
    standard_input::follow(D::LINES, move |line| hid::obey_line(&*device, line));
    attend(&gadget, |_, _| Ok(()))
}

/// Runs a gadget until Ctrl-C, says what its state is, and calls `on_state` at each change with the state
/// before and the one now.
fn attend(gadget: &Gadget, on_state: impl FnMut(Option<State>, State) -> Result<()>) -> Result<()> {
    attend_with(gadget, GLANCE, on_state, || Ok(()))
}

/// [`attend`], with something to do at every glance.
fn attend_with(
    gadget: &Gadget,
    glance: Duration,
    mut on_state: impl FnMut(Option<State>, State) -> Result<()>,
    mut on_glance: impl FnMut() -> Result<()>,
) -> Result<()> {
    interrupt::catch()?;
    let running: Running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
    note!("on {}; Ctrl-C unplugs", running.port_name());
    let mut last = None;
    let mut reported = 0;
    while !interrupt::requested() {
        let state = running.state();
        if last != Some(state) {
            note!("{state}");
            on_state(last, state)?;
            last = Some(state);
        }
        let failures = running.failures();
        for failure in &failures[reported.min(failures.len())..] {
            note!("usbfs2: {failure}");
        }
        reported = failures.len();
        if state == State::Stopped {
            bail!("the gadget stopped by itself");
        }
        on_glance()?;
        interrupt::wait(glance);
    }
    running.stop();
    Ok(())
}
