//! The `usbfs2` command.

mod args;
mod demo;
mod disk;
mod doctor;
mod gadget;
mod hid;
mod interrupt;
mod list;
mod progress;
mod select;

use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use usbfs2_host::Host;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output, `head` say, has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("usbfs2: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(&Host::system()?, &args),
        Command::Hid(command) => hid::run(&Host::system()?, &command),
        Command::Disk(command) => disk::run(&Host::system()?, &command),
        Command::Gadget(command) => gadget::run(&command),
        Command::Doctor(args) => doctor::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "usbfs2", &mut std::io::stdout());
            Ok(())
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
