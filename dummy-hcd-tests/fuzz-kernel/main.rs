//! The program that `cargo xtask fuzz-kernel` runs in the VM: processes of root and of a plain user make system calls at
//! random on every file of the mount, while gadgets of the kernel's and a device that lies are plugged in and out.
//! The kernel must have nothing to say about it, nothing may hang, and the module must be empty in the end.
//!
//! | file | what it knows |
//! |---|---|
//! | `conductor.rs` | the processes, the gadgets, and what must be true in the end |
//! | `caller/` | a process that makes calls, and their arguments |
//! | `liar.rs`, `descriptors.rs`, `endpoints.rs` | the device that lies |
//! | `report.rs` | the page |
//! | `sys/` | the calls |

mod caller;
mod conductor;
mod descriptors;
mod endpoints;
mod liar;
mod report;
#[allow(unsafe_code)]
mod sys;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Fuzzes the module
    Run(Run),
    /// Makes calls until it is killed
    Caller(Seed),
    /// Is the device that lies
    Liar(Seed),
}

#[derive(Debug, Args)]
struct Run {
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    seconds: u64,
}

#[derive(Debug, Args)]
struct Seed {
    #[arg(long)]
    seed: u64,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().role {
        Role::Run(run) => conductor::run(run.seed, run.seconds),
        Role::Caller(seed) => caller::run(seed.seed),
        Role::Liar(seed) => liar::run(seed.seed),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz-kernel: {error:#}");
            ExitCode::FAILURE
        }
    }
}
