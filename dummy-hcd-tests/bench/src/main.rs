//! The guest's side of `cargo xtask bench`: moves data from and to the kernel's gadgets by every way there is from
//! user space, and measures each alike.
//!
//! The first process, the conductor, plugs gadgets in and starts a worker for each stack; a worker times its rows,
//! another counts their system calls. What comes out is printed as one JSON object a line
//! (`dummy_hcd_tests::bench_row::Event`).

mod clock;
mod conductor;
mod gadgets;
mod plan;
mod stacks;
#[allow(unsafe_code)]
mod sys;
mod syscalls;
mod target;
mod worker;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

/// The guest's side of `cargo xtask bench`
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Measures the selected rows
    Run {
        /// Words of a row, separated by `/`; a row that has all words of one filter is selected
        #[arg(long, value_name = "FILTER")]
        case: Vec<String>,
        /// Runs each row once, with marks for a profiler outside of the guest
        #[arg(long)]
        profile: bool,
        /// Measures the rows that need a dummy_hcd with isochronous transfers, and no other
        #[arg(long)]
        isochronous: bool,
    },
    /// Measures one stack's rows, as the conductor says
    Work {
        /// The orders, in JSON
        job: String,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().action {
        Action::Run {
            case,
            profile,
            isochronous,
        } => conductor::run(&case, profile, isochronous),
        Action::Work { job } => work(&job),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("usbfs2-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(job: &str) -> Result<()> {
    let job = serde_json::from_str(job).context("read the orders")?;
    worker::run(&job, |finding| {
        let mut line = serde_json::to_vec(finding)?;
        line.push(b'\n');
        std::io::stdout()
            .write_all(&line)
            .context("answer the conductor")
    })
}
