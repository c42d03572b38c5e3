//! The `usbfs2` command.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod audio;
mod capture;
mod demo;
mod disk;
mod doctor;
mod files;
mod gadget;
mod hid;
mod image;
mod interrupt;
mod list;
mod man;
mod output;
mod progress;
mod select;
mod verify;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{CommandFactory, Parser};
use usbfs2_host::{Host, HostError};

use crate::args::{Cli, Command};
use crate::output::note;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output, `head` say, has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            note!("usbfs2: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(&host()?, &args),
        Command::Hid(command) => hid::run(&host()?, &command),
        Command::Disk(command) => disk::run(&host()?, &command),
        Command::Audio(command) => audio::run(&command),
        Command::Gadget(command) => gadget::run(&command),
        Command::Capture(args) => capture::run(&host()?, &args),
        Command::Verify(args) => verify::run(&host()?, &args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Man { directory } => man::run(&directory),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "usbfs2", &mut script);
            io::stdout().write_all(&script)?;
            Ok(())
        }
    }
}

fn host() -> Result<Host> {
    match Host::system() {
        Err(HostError::NoUsb) => bail!(
            "this machine offers no USB to programs: `usbfs2 doctor` says what is missing and how to get it"
        ),
        outcome => Ok(outcome?),
    }
}

/// Whether our own output broke. A halted endpoint is also of the kind `BrokenPipe`, but not the system's.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        error.kind() == ErrorKind::BrokenPipe && error.raw_os_error().is_some()
    })
}
