//! The command lines of this program's processes.

use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) role: Role,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Stresses the module
    Run(Run),
    /// Uses one device
    Worker(Worker),
    /// Has an endpoint as its standard input
    Companion(Companion),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    /// What the steps follow from
    #[arg(long)]
    pub(crate) seed: u64,

    /// Steps to make, of all threads together
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) operations: u64,
}

/// What a device does with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Sends without end, takes everything
    SourceSink,
    /// Sends back what it takes
    Loopback,
}

impl Kind {
    /// As clap has it.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Worker {
    #[arg(long)]
    pub(crate) seed: u64,
    /// The bus of `dummy_hcd`
    #[arg(long)]
    pub(crate) bus: u8,
    #[arg(long, value_enum)]
    pub(crate) kind: Kind,
    /// It is a gadget of this project's
    #[arg(long)]
    pub(crate) is_ours: bool,
    /// The device's name: "1-1"
    #[arg(long)]
    pub(crate) device: String,
    /// Which process this is of those that use the device one after the other
    #[arg(long)]
    pub(crate) nonce: u32,
    /// Steps that each thread has made, in the order of `THREADS`
    #[arg(long, value_delimiter = ',')]
    pub(crate) from: Vec<u64>,
    /// Steps that each thread shall have made in the end
    #[arg(long, value_delimiter = ',')]
    pub(crate) to: Vec<u64>,
}

/// The threads of a worker.
pub(crate) const THREADS: [&str; 4] = ["in", "out", "steer", "packets"];

#[derive(Debug, Clone, Args)]
pub(crate) struct Companion {
    #[arg(value_enum)]
    pub(crate) what: What,
    /// How long it lives
    #[arg(long)]
    pub(crate) milliseconds: u64,
}

/// What a companion does with its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Nothing
    Hold,
    /// Starts reads and ends with them in flight
    Read,
    /// Starts writes and ends with them in flight
    Write,
    /// Starts reads and becomes another program
    ReadExec,
    /// Starts writes and becomes another program
    WriteExec,
}
