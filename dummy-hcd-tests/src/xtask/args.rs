//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The series of the VM when none is asked for.
const DEFAULT_KERNEL: &str = "6.12";

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
    /// Runs every test: those without a kernel, the module's build checks, and the suite in the VM
    Test(TestOptions),
    /// Moves ten million transfers over the module and fails if memory or live requests grow
    Soak(SoakOptions),
    /// Does everything to the module at random, and holds every result against what can be true
    Stress(StressOptions),
    /// Makes random system calls on every file of the mount, with hostile devices on the other end
    FuzzKernel(FuzzKernelOptions),
    /// Measures what a transfer, or a second of sound, costs on this project's stack and on its peers
    Bench(BenchOptions),
    /// Fuzzes parsers and state machines with libFuzzer, each target for a minute
    Fuzz(FuzzOptions),
    /// Draws docs/demo.svg, the picture in the README, from a run of the demo
    Picture,
    /// Builds the Debian package usbfs2-dkms and puts it into target/
    Package,
    /// Asks sg3-utils and libiscsi's tests about our disk, and writes docs/scsi-conformance.md
    Conformance(ConformanceOptions),
    /// Runs every case of the kernel's usbtest on the kernel's source and sink and on ours
    Usbtest(UsbtestOptions),
    /// Builds the module with W=1 and sparse for each kernel and runs checkpatch over it
    CheckModule(CheckModuleOptions),
    /// Puts a kernel for the VM into the cache: Debian's, or one that looks for mistakes as it runs
    Kernel(KernelOptions),
}

const TEST_HELP: &str = "\
--kernel all runs what needs a kernel on each series the module is kept working on. --kernel debug runs the
suite on the kernel of `cargo xtask kernel --debug`, several times slower, with tests of its own: `mistakes`, of the
checks themselves, and `failslab::`, of memory that is short.";

#[derive(Debug, Clone, Args)]
#[command(after_help = TEST_HELP)]
pub(crate) struct TestOptions {
    /// Kernel series of the VM, `all`, or `debug`
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL)]
    pub(crate) kernel: String,

    /// Runs only the suite in the VM, and of it what this selects: a part of a test's name, `--skip NAME`
    ///
    /// A name that begins with `controllers::` gets QEMU's host controllers, one with `faults::` two processors and
    /// isochronous transfers, `super::` super speed, `audio::` isochronous transfers and a clock of instructions,
    /// `super_iso::` both, as in the whole run.
    #[arg(last = true, value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
}

/// What `docs/soak.md` was made with.
pub(crate) const SOAK_TRANSFERS: u64 = 10_000_000;

#[derive(Debug, Clone, Args)]
pub(crate) struct SoakOptions {
    /// Kernel series of the VM
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL)]
    pub(crate) kernel: String,

    /// Transfers to complete; docs/soak.md is the output for the default
    #[arg(long, value_name = "N", default_value_t = SOAK_TRANSFERS, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) transfers: u64,
}

/// What `docs/stress.md` was made with.
pub(crate) const STRESS_OPERATIONS: u64 = 1_000_000;
/// The processors on which the module's threads meet: only gadgets of the kernel's take part, with long packets.
pub(crate) const STRESS_CPUS: u8 = 2;

#[derive(Debug, Clone, Args)]
pub(crate) struct StressOptions {
    /// Kernel series of the VM
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL)]
    pub(crate) kernel: String,

    /// Processors of the guest
    #[arg(long, value_name = "N", default_value_t = STRESS_CPUS, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) cpus: u8,

    /// What the steps follow from; another one each time when left out
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Operations to make, of all threads together
    #[arg(long, value_name = "N", default_value_t = STRESS_OPERATIONS, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) operations: u64,

    /// Put the figures into docs/stress.md
    #[arg(long)]
    pub(crate) record: bool,
}

/// What `docs/fuzz-kernel.md` was made with.
pub(crate) const FUZZ_KERNEL_MINUTES: f64 = 30.0;

#[derive(Debug, Clone, Args)]
pub(crate) struct FuzzKernelOptions {
    /// Kernel series of the VM
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL)]
    pub(crate) kernel: String,

    /// What the calls follow from; another one each time when left out
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// How long to go on
    #[arg(long, value_name = "M", default_value_t = FUZZ_KERNEL_MINUTES)]
    pub(crate) minutes: f64,

    /// Put the figures into docs/fuzz-kernel.md
    #[arg(long)]
    pub(crate) record: bool,
}

const FUZZ_HELP: &str = "\
Installs cargo-fuzz into ~/.cache/usbfs2 and works with the compiler that is there. An input that breaks
something is written to fuzz/artifacts and makes the exit status 1; `cargo test -p usbfs2-fuzz-targets` runs
the committed corpora in fuzz/corpus without any of this.";

#[derive(Debug, Clone, Args)]
#[command(after_help = FUZZ_HELP)]
pub(crate) struct FuzzOptions {
    /// The targets to fuzz; all when left out
    #[arg(value_name = "TARGET")]
    pub(crate) target: Vec<String>,

    /// Seconds for each target
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,

    /// Add to the committed corpora what reaches more than they do
    #[arg(long)]
    pub(crate) keep: bool,

    /// Put the figures into docs/fuzzing.md
    #[arg(long)]
    pub(crate) record: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ConformanceOptions {
    /// Kernel series of the VM
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL)]
    pub(crate) kernel: String,

    /// The usbfs2 command that is the disk; built when left out
    #[arg(long, value_name = "FILE")]
    pub(crate) command: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct UsbtestOptions {
    /// Kernel series of the VM
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL)]
    pub(crate) kernel: String,

    /// Write docs/usbtest.md instead of showing the table
    #[arg(long)]
    pub(crate) document: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckModuleOptions {
    /// Kernel series, `all`, or `debug`; may be given more than once
    #[arg(long, value_name = "SERIES", default_values = ["6.1", DEFAULT_KERNEL])]
    pub(crate) kernel: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct KernelOptions {
    /// Kernel series
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL, conflicts_with = "debug")]
    pub(crate) kernel: String,

    /// Build a 6.12 from Debian's sources with KASAN, lockdep, kmemleak and more; ten minutes on two processors
    #[arg(long)]
    pub(crate) debug: bool,
}

const BENCH_HELP: &str = "\
The guest counts instructions instead of time, so that figures repeat whatever else the machine does.
A row is named case/speed/direction/bytes/depth/stack, as in bulk/high/in/4096/16/libusb-zerocopy; a filter
is any of these words. A full run takes some minutes.

Exit status: 1 if a row's measurements are more than 1 % apart; 70 if the VM failed.

Examples:
  cargo xtask bench
  cargo xtask bench --case bulk/high/4096 --case storage
  cargo xtask bench --case audio
  cargo xtask bench --json rows.json --plot rows.svg
  cargo xtask bench --profile --case bulk/high/in/4096/16";

#[derive(Debug, Clone, Args)]
#[command(after_help = BENCH_HELP)]
pub(crate) struct BenchOptions {
    /// Kernel series of the VM
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL)]
    pub(crate) kernel: String,

    /// Measure only the rows that have all words of this filter, separated by `/`; may be given more than once
    #[arg(long, value_name = "FILTER")]
    pub(crate) case: Vec<String>,

    /// Show which functions the instructions go to, kernel and program, instead of measuring
    #[arg(long, conflicts_with_all = ["json", "plot", "document"])]
    pub(crate) profile: bool,

    /// Draw the rows as an SVG
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,

    /// Rewrite the tables of docs/benchmarks.md and its plot, from a full run; with --case audio that part alone
    #[arg(long)]
    pub(crate) document: bool,

    /// Write the rows as a JSON array to FILE, or to standard output instead of the table
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub(crate) json: Option<PathBuf>,
}

const DEFAULT_BUSES: u8 = 2;
/// With two, `dummy_hcd` may stop the guest for good: its timer gives back the request of a small IN packet
/// unlocked, while `dummy_queue` on the other processor fills in the same structure for the next one, and the
/// gadget's completion runs with the controller for its context (Linux 6.12).
pub(crate) const DEFAULT_CPUS: u8 = 1;
const DEFAULT_MEMORY_MIB: u32 = 3072;
const DEFAULT_DEADLINE: Duration = Duration::from_secs(1800);

const VM_HELP: &str = "\
The guest sees this machine's files (changes it makes stay in its memory), runs as root in the current
directory with the current PATH, and has usbfs2, dummy_hcd and libcomposite loaded, configfs, debugfs
and /dev/usbfs2 mounted. What it writes to $USBFS2_VM_RESULTS is kept with --results.

With --controller, $USBFS2_QMP is a port to QEMU's own monitor (QMP, one JSON object a line): device_add
and device_del are the cable. A file in $USBFS2_MEDIA is media/NAME to QEMU, as blockdev-add wants it.
$USBFS2_USBREDIR is a port to a usb-redir device that has chardev socket usbredir.sock (chardev-add).

Exit status: the command's own; 70 if the VM itself failed or its kernel reported a BUG, WARNING or
hung task; 124 past the deadline; 130 after Ctrl-C.

Examples:
  cargo xtask vm -- ls -lR /dev/usbfs2
  cargo xtask vm --kernel 6.1 -- bash my-test.sh
  cargo xtask vm --controller xhci --controller uhci -- bash my-test.sh
  cargo xtask vm --isochronous --icount -- aplay -l
  cargo xtask vm                        a shell (line by line, without job control)";

#[derive(Debug, Clone, Args)]
#[command(after_help = VM_HELP)]
pub(crate) struct VmOptions {
    /// Kernel series: the newest package of that series from the machine's suite, its backports or the next
    /// release; or `debug`
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL)]
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

    /// Load dummy_hcd with our patch for isochronous transfers, and the kernel's sound drivers of both ends
    #[arg(long)]
    pub(crate) isochronous: bool,

    /// Number of dummy_hcd buses, each with its device controller dummy_udc.N
    #[arg(long, value_name = "N", default_value_t = DEFAULT_BUSES, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) buses: u8,

    /// Adds a host controller of QEMU's, to plug its devices into through $USBFS2_QMP; may be repeated
    #[arg(long = "controller", value_name = "KIND", value_enum)]
    pub(crate) controllers: Vec<Controller>,

    /// Adds to the parameters of the guest's kernel, as swiotlb=force does; may be repeated
    #[arg(long = "parameter", value_name = "WORD")]
    pub(crate) parameters: Vec<String>,

    /// Processors of the guest (one with --icount)
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CPUS, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) cpus: u8,

    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_MEMORY_MIB)]
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

    /// A plugin for QEMU, as its option -plugin has it
    #[arg(skip)]
    pub(crate) plugin: Option<String>,

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

/// A host controller that QEMU emulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Controller {
    /// USB 3, 5 Gbit/s and below
    Xhci,
    /// USB 2, 480 Mbit/s
    Ehci,
    /// USB 1, 12 Mbit/s and below
    Uhci,
}

impl Controller {
    /// Every one, for the tests that run once on each.
    pub(crate) const ALL: [Self; 3] = [Self::Xhci, Self::Ehci, Self::Uhci];

    /// What its bus is called in QEMU, where ".0" is added, and by whoever plugs something in there.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Xhci => "xhci",
            Self::Ehci => "ehci",
            Self::Uhci => "uhci",
        }
    }
}

impl Default for VmOptions {
    /// What the command line means when it says nothing.
    fn default() -> Self {
        Self {
            kernel: DEFAULT_KERNEL.to_owned(),
            icount: false,
            no_module: false,
            speed: BusSpeed::High,
            isochronous: false,
            buses: DEFAULT_BUSES,
            controllers: Vec::new(),
            parameters: Vec::new(),
            cpus: DEFAULT_CPUS,
            memory: DEFAULT_MEMORY_MIB,
            deadline: DEFAULT_DEADLINE,
            results: None,
            console: false,
            plugin: None,
            command: Vec::new(),
        }
    }
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}
