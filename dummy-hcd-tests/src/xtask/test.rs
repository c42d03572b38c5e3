//! `cargo xtask test`: every test there is.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

use dummy_hcd_tests::dissection::Dissection;

use crate::args::{
    BusSpeed, CheckModuleOptions, Controller, DEFAULT_CPUS, SOAK_TRANSFERS, SoakOptions,
    TestOptions, VmOptions,
};
use crate::kernel::Kernel;
use crate::tally::{Tally, Tee};
use crate::{apt, bench, cache, checkpatch, conformance, manuals, module, progress, soak, vm};

/// What the tests in the VM run, besides what the VM itself needs. The guest installs nothing.
const SUITE_PACKAGES: &[&str] = &[
    "alsa-utils",
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "gcc",
    "libc6-dev",
    "make",
    "mandoc",
    "python3",
    "sparse",
    "tshark",
];

/// The tests of the suite that run in a guest of their own.
#[derive(Debug)]
struct Part {
    /// Their names begin with this; none: all that are in no other part.
    names: &'static str,
    cpus: u8,
    controllers: &'static [Controller],
    speed: BusSpeed,
    isochronous: bool,
    icount: bool,
}

/// What also puts this project's gadgets on `dummy_hcd`; see [`DEFAULT_CPUS`].
const SAFE: Part = Part {
    names: "",
    cpus: DEFAULT_CPUS,
    controllers: &[],
    speed: BusSpeed::High,
    isochronous: false,
    icount: false,
};
/// The same where `dummy_hcd` runs at super speed.
const SUPER_SPEED: Part = Part {
    names: "super::",
    speed: BusSpeed::Super,
    ..SAFE
};
/// Where the module races against the kernel's own gadgets.
const RACES: Part = Part {
    names: "faults::",
    cpus: RACING_CPUS,
    ..SAFE
};
/// Where it drives controllers that are on a PCI bus and reach memory by themselves.
const CONTROLLERS: Part = Part {
    names: "controllers::",
    cpus: RACING_CPUS,
    controllers: &Controller::ALL,
    ..SAFE
};
/// What needs isochronous transfers on `dummy_hcd`. Sound has deadlines: where time is counted in instructions,
/// whoever meets them does so whatever else the machine does, and a run repeats.
const AUDIO: Part = Part {
    names: "audio::",
    isochronous: true,
    icount: true,
    ..SAFE
};
const RACING_CPUS: u8 = 2;
/// The ones with names of their own.
const PARTS: [Part; 4] = [RACES, CONTROLLERS, SUPER_SPEED, AUDIO];

/// Runs everything, or what the filter selects of the suite in the VM; goes on after a failure, and
/// returns the exit status.
pub(crate) fn run(options: &TestOptions) -> Result<u8> {
    apt::ensure_installed(SUITE_PACKAGES)?;
    apt::ensure_installed(conformance::PACKAGES)?;
    apt::ensure_installed(apt::VM_PACKAGES)?;
    let mut tally = Tally::default();
    let everything = options.filter.is_empty();

    if everything {
        progress::say("tests that need no kernel");
        let (output, succeeded) = cargo_test(&["--workspace", "--no-fail-fast"])?;
        tally.count("cargo test --workspace", &output, succeeded);
        check_module(&mut tally, &cache::directory()?, &options.kernel)?;
    }
    progress::say("building the command");
    let command = build(&["build", "--release", "-p", "usbfs2-cli"], "usbfs2")?;
    run_suite(&mut tally, options, &command)?;
    if everything {
        let conforms = conformance::check(&options.kernel, &command);
        tally.check("SCSI conformance as in docs/scsi-conformance.md", conforms);
        make_tours(&mut tally, options, command)?;
        soak_shortly(&mut tally, options);
        tally.check(
            "cargo xtask bench, a few rows",
            bench::check::run(&options.kernel),
        );
    }
    Ok(tally.finish())
}

/// Builds and checks the module for each kernel of `options`, and returns the exit status.
pub(crate) fn run_module_checks(options: &CheckModuleOptions) -> Result<u8> {
    apt::ensure_installed(SUITE_PACKAGES)?;
    apt::ensure_installed(apt::VM_PACKAGES)?;
    let cache = cache::directory()?;
    let mut tally = Tally::default();
    for series in &options.kernel {
        check_module(&mut tally, &cache, series)?;
    }
    tally.check(
        "checkpatch --strict",
        no_complaints(&checkpatch::run(&cache)?),
    );
    Ok(tally.finish())
}

fn check_module(tally: &mut Tally, cache: &Path, series: &str) -> Result<()> {
    let kernel = Kernel::obtain(cache, series)?;
    let what = format!(
        "module for {}: W=1 and sparse without a complaint",
        kernel.release()
    );
    let result =
        module::complaints(cache, &kernel).and_then(|complaints| no_complaints(&complaints));
    tally.check(&what, result);
    Ok(())
}

fn no_complaints(complaints: &str) -> Result<()> {
    ensure!(complaints.is_empty(), "{complaints}");
    Ok(())
}

fn run_suite(tally: &mut Tally, options: &TestOptions, command: &str) -> Result<()> {
    progress::say("building the suite for the VM");
    let arguments = [
        "test",
        "-p",
        "dummy-hcd-tests",
        "--test",
        "suite",
        "--no-run",
    ];
    let suite = build(&arguments, "suite")?;
    let example = "composite_gadget";
    let composite = build(
        &["build", "-p", "usbfs2-examples", "--bin", example],
        example,
    )?;
    let suite = [
        "env".to_owned(),
        "USBFS2_WORLD=kernel".to_owned(),
        format!("USBFS2_COMMAND={command}"),
        format!("USBFS2_COMPOSITE={composite}"),
        suite,
    ];
    if let Some(first) = options.filter.first() {
        let part = PARTS.iter().find(|part| first.starts_with(part.names));
        let part = part.unwrap_or(&SAFE);
        run_part(tally, options, &suite, &options.filter, part);
        return Ok(());
    }
    let others = PARTS.iter().flat_map(|part| ["--skip", part.names]);
    let others: Vec<String> = others.map(str::to_owned).collect();
    run_part(tally, options, &suite, &others, &SAFE);
    for part in &PARTS {
        run_part(tally, options, &suite, &[part.names.to_owned()], part);
    }
    Ok(())
}

/// Runs the tests of the suite that `arguments` select, in a guest of its own.
fn run_part(
    tally: &mut Tally,
    options: &TestOptions,
    suite: &[String],
    arguments: &[String],
    part: &Part,
) {
    let tee = Tee::default();
    let command = [suite, arguments].concat();
    // A guest that dies fails its suite; the counts so far and the checks stay worth showing.
    let succeeded = match run_in_vm(options, part, command, || Box::new(tee.clone())) {
        Ok(()) => true,
        Err(error) => {
            progress::say(&format!("{error:#}"));
            false
        }
    };
    tally.count("the suite in the VM", &tee.text(), succeeded);
}

/// Makes the tour of `usbfs2 demo` in both worlds, on record in the first.
fn make_tours(tally: &mut Tally, options: &TestOptions, program: String) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let capture = directory.path().join("demo.pcapng");
    let tour = Command::new(&program)
        .args(["demo", "--capture"])
        .arg(&capture)
        .stdin(Stdio::null())
        .status();
    let tour = tour.context("run the command").and_then(|status| {
        ensure!(status.success(), "{status}");
        Ok(())
    });
    tally.check("usbfs2 demo", tour);
    tally.check("tshark dissects the demo", dissects_the_tour(&capture));
    tally.check("manual pages without a warning", manuals::check(&program));
    let command = vec![program, "demo".to_owned(), "--kernel".to_owned()];
    tally.check(
        "usbfs2 demo --kernel",
        run_in_vm(options, &SAFE, command, || Box::new(io::stdout())),
    );
    Ok(())
}

/// A hundredth of what docs/soak.md tells of.
fn soak_shortly(tally: &mut Tally, options: &TestOptions) {
    let options = SoakOptions {
        kernel: options.kernel.clone(),
        transfers: SOAK_TRANSFERS / 100,
    };
    let result = soak::run(&options).and_then(|status| {
        ensure!(status == 0, "exit status {status}");
        Ok(())
    });
    tally.check(
        &format!("a soak of {} transfers", options.transfers),
        result,
    );
}

/// Whether Wireshark's dissectors know a capture of the tour for what it is: a keyboard with its reports and a
/// disk with its commands, written and read.
fn dissects_the_tour(capture: &Path) -> Result<()> {
    let seen = Dissection::of(capture)?;
    let complete = seen.device_descriptors >= 2
        && seen.configurations >= 2
        // A key down and up for each character of the README.
        && seen.reports > 2 * 4000
        && seen.reads > 0
        && seen.writes > 0
        && seen.statuses > 0;
    ensure!(complete, "tshark saw only {seen:?}");
    Ok(())
}

fn run_in_vm(
    options: &TestOptions,
    part: &Part,
    command: Vec<String>,
    sink: impl Fn() -> Box<dyn io::Write + Send>,
) -> Result<()> {
    let options = VmOptions {
        kernel: options.kernel.clone(),
        cpus: part.cpus,
        controllers: part.controllers.to_vec(),
        speed: part.speed,
        isochronous: part.isochronous,
        icount: part.icount,
        command,
        ..VmOptions::default()
    };
    let mut result = vm::run_with(&options, sink());
    // The emulator is known to crash a kernel that patches itself at boot; nothing of ours has run then.
    if let Err(error) = &result
        && error.is::<vm::DiedWhileBooting>()
    {
        progress::say(&format!("{error}\ntrying once more"));
        result = vm::run_with(&options, sink());
    }
    let status = result?;
    ensure!(status == 0, "exit status {status}");
    Ok(())
}

/// Runs cargo and returns the program it made of this target.
pub(crate) fn build(arguments: &[&str], target: &str) -> Result<String> {
    let output = cargo()
        .args(arguments)
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo")?;
    ensure!(output.status.success(), "{target} does not compile");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value =
            serde_json::from_str(line).context("read cargo's messages")?;
        if message["target"]["name"] == target
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.to_owned());
        }
    }
    anyhow::bail!("cargo named no program for {target}")
}

/// Runs `cargo test`, shows its output as it comes, and returns it.
fn cargo_test(arguments: &[&str]) -> Result<(String, bool)> {
    let mut child = cargo()
        .arg("test")
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .context("run cargo")?;
    let mut stdout = child
        .stdout
        .take()
        .context("the child's output is a pipe")?;
    let mut tee = Tee::default();
    let kept = tee.clone();
    let reader = thread::spawn(move || {
        let mut buffer = [0; 16384];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            // A terminal that has gone away is no reason to stop counting.
            let _ = tee.write_all(&buffer[..count]).and_then(|()| tee.flush());
        }
    });
    let status = child.wait().context("wait for cargo")?;
    let _ = reader.join();
    Ok((kept.text(), status.success()))
}

/// The cargo that runs this program.
fn cargo() -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(workspace()).stdin(Stdio::null());
    command
}

/// The project's directory.
pub(crate) fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
