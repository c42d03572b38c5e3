//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs the project's tests on stock Debian kernels in QEMU.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Runs one command on a Debian kernel in QEMU with the usbfs2 module loaded
    Vm(VmOptions),
}

const VM_HELP: &str = "\
The guest sees this machine's files (changes it makes stay in its memory), runs as root in the current
directory with the current PATH, and has usbfs2, dummy_hcd and libcomposite loaded, configfs, debugfs
and /dev/usbfs2 mounted. What it writes to $USBFS2_VM_RESULTS is kept with --results.

Exit status: the command's own; 70 if the VM itself failed or its kernel reported a BUG, WARNING or
hung task; 124 past the deadline; 130 after Ctrl-C.

Examples:
  cargo xtask vm -- ls -lR /dev/usbfs2
  cargo xtask vm --kernel 6.1 -- bash my-test.sh
  cargo xtask vm                        a shell (line by line, without job control)";

#[derive(Debug, Clone, Args)]
#[command(after_help = VM_HELP)]
pub(crate) struct VmOptions {
    /// Kernel series: the newest package of that series from the machine's suite or its backports
    #[arg(long, value_name = "SERIES", default_value = "6.12")]
    pub(crate) kernel: String,

    /// Count instructions instead of time: one guest nanosecond is one instruction, figures repeat
    #[arg(long)]
    pub(crate) icount: bool,

    /// Boot without building or loading the usbfs2 module
    #[arg(long)]
    pub(crate) no_module: bool,

    /// Highest speed of the emulated buses
    #[arg(long, value_enum, default_value_t = BusSpeed::High)]
    pub(crate) speed: BusSpeed,

    /// Number of dummy_hcd buses, each with its device controller dummy_udc.N
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) buses: u8,

    /// Processors of the guest (one with --icount)
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) cpus: u8,

    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 3072)]
    pub(crate) memory: u32,

    /// Seconds until the guest is killed, boot included
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = seconds)]
    pub(crate) deadline: Duration,

    /// Keep the guest's results directory, kernel log and console here
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,

    /// Show the guest's console on stderr while it runs
    #[arg(long)]
    pub(crate) console: bool,

    /// The command and its arguments; a shell when left out
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// The speed `dummy_hcd` runs at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BusSpeed {
    /// 12 Mbit/s
    Full,
    /// 480 Mbit/s
    High,
    /// 5 Gbit/s
    Super,
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}
