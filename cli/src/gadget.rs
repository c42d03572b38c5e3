//! `usbfs2 gadget`.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::scsi::FileMedium;
use usbfs2_gadget::{DeviceIds, Gadget, GadgetBuilder, GadgetfsOptions, Running, State};

use crate::args::{GadgetCommand, GadgetDiskArgs};
use crate::interrupt;

/// How often the state is looked at, and Ctrl-C.
const GLANCE: Duration = Duration::from_millis(100);

/// Is a device until Ctrl-C.
pub(crate) fn run(command: &GadgetCommand) -> Result<()> {
    match command {
        GadgetCommand::Keyboard { text } => keyboard(text.as_deref()),
        GadgetCommand::Disk(args) => disk(args),
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
    attend(&gadget, |state| {
        if state == State::Configured && keyboard.pending() == 0 {
            keyboard.type_text(&text)?;
        }
        Ok(())
    })
}

fn disk(args: &GadgetDiskArgs) -> Result<()> {
    let medium = match args.size {
        Some(size) if !args.image.exists() => FileMedium::create(&args.image, size)?,
        Some(_) => bail!(
            "{} is there already: leave --size out to use it",
            args.image.display()
        ),
        None if args.read_only => FileMedium::open_read_only(&args.image)?,
        None => FileMedium::open(&args.image)?,
    };
    let options = DiskOptions {
        read_only: args.read_only,
        removable: args.removable,
        ..DiskOptions::default()
    };
    let gadget = builder(0x0002, "Disk")
        .serial_number("000000000001")
        .function(Disk::new(medium, options)?)
        .build()?;
    attend(&gadget, |_| Ok(()))
}

/// Runs a gadget until Ctrl-C, says what its state is, and calls `on_state` at each change.
fn attend(gadget: &Gadget, mut on_state: impl FnMut(State) -> Result<()>) -> Result<()> {
    interrupt::catch()?;
    let running: Running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
    eprintln!("on {}; Ctrl-C unplugs", running.port_name());
    let mut last = None;
    let mut reported = 0;
    while !interrupt::requested() {
        let state = running.state();
        if last != Some(state) {
            eprintln!("{state}");
            on_state(state)?;
            last = Some(state);
        }
        let failures = running.failures();
        for failure in &failures[reported.min(failures.len())..] {
            eprintln!("usbfs2: {failure}");
        }
        reported = failures.len();
        if state == State::Stopped {
            bail!("the gadget stopped by itself");
        }
        interrupt::wait(GLANCE);
    }
    running.stop();
    Ok(())
}
