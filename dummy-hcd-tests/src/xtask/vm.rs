//! One guest from start to end.

use std::fs;
use std::io;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use thiserror::Error;

use crate::args::VmOptions;
use crate::console::{self, Console, Port};
use crate::guest::{self, Outcome};
use crate::kernel::Kernel;
use crate::qemu::{self, Accelerator, Machine};
use crate::{HARNESS_FAILED, apt, cache, dummy_hcd, initramfs, kvm, module, progress};

const PAST_DEADLINE: u8 = 124;
const INTERRUPTED: u8 = 130;

/// How many console lines an error shows.
const CONSOLE_LINES: usize = 40;

/// The guest died before it reached its command, which is then not to blame.
#[derive(Debug, Error)]
#[error("the guest died while booting; {qemu_said}the end of its console:\n{console}")]
pub(crate) struct DiedWhileBooting {
    qemu_said: String,
    console: String,
}

/// Runs the command of `options` in a guest and returns the exit status for this process.
pub(crate) fn run(options: &VmOptions) -> Result<u8> {
    run_with(options, io::stdout())
}

/// The same, with the command's output going to `sink`.
pub(crate) fn run_with(options: &VmOptions, sink: impl io::Write + Send + 'static) -> Result<u8> {
    apt::ensure_installed(apt::VM_PACKAGES)?;
    let cache = cache::directory()?;
    let kernel = Kernel::obtain(&cache, &options.kernel)?;
    let module = match options.no_module {
        true => None,
        false => Some(module::build(&cache, &kernel)?),
    };
    let patched = match options.isochronous {
        true => Some(dummy_hcd::build(&cache, &kernel)?),
        false => None,
    };
    let accelerator = kvm::accelerator(&cache, &kernel)?;

    let directory = tempfile::Builder::new()
        .prefix("usbfs2-vm-")
        .tempdir()
        .context("create a temporary directory")?;
    let job = directory.path().join("job");
    fs::create_dir(&job)?;
    let modules = guest::Modules {
        usbfs2: module.as_deref(),
        dummy_hcd: patched.as_deref(),
    };
    guest::write_job(&job, options, &kernel, &modules)?;
    let initramfs = directory.path().join("initramfs");
    initramfs::write(&kernel, &initramfs)?;

    let listen = |name| Port::listen(directory.path(), name);
    let (console_port, stdin, stdout, stderr) = (
        listen("console")?,
        listen("stdin")?,
        listen("stdout")?,
        listen("stderr")?,
    );
    let machine = Machine {
        image: kernel.image(),
        initramfs,
        job: job.clone(),
        console: console_port.path.clone(),
        stdin: stdin.path.clone(),
        stdout: stdout.path.clone(),
        stderr: stderr.path.clone(),
        monitor: directory.path().join("monitor.sock"),
        is_debug: kernel.is_debug(),
    };
    let console = Console::new(options.console);
    stdin.copy_from_stdin();
    let readers = [
        console_port.copy_to(console.clone()),
        stdout.copy_to(sink),
        stderr.copy_to(progress::stderr()),
    ];

    let how = match accelerator {
        _ if options.icount => "counting instructions",
        Accelerator::Kvm => "on KVM",
        Accelerator::Tcg => "emulated",
    };
    progress::say(&format!("booting {} ({how})", kernel.release()));
    let since = Instant::now();
    let mut child = qemu::guest(options, accelerator, &machine)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("run setpriv (package util-linux)")?;
    let deadline = options.deadline * kernel.patience();
    let end = wait(&mut child, deadline)?;
    console::release(&[
        machine.console,
        machine.stdin,
        machine.stdout,
        machine.stderr,
    ]);
    for reader in readers {
        // A reader only copies bytes: one that panicked has lost nothing but its stream.
        let _ = reader.join();
    }
    let mut qemu_said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        io::Read::read_to_string(&mut stderr, &mut qemu_said).context("read what QEMU said")?;
    }

    if let Some(target) = &options.results {
        guest::keep_results(&job, &console.bytes(), target)?;
    }
    match end {
        End::Interrupted => return Ok(INTERRUPTED),
        End::PastDeadline => {
            progress::say(&format!(
                "killed after {} s (--deadline); the end of its console:\n{}",
                deadline.as_secs(),
                console.tail(CONSOLE_LINES)
            ));
            return Ok(PAST_DEADLINE);
        }
        End::PoweredOff => {}
    }
    judge(&Outcome::read(&job), &console, &qemu_said, since.elapsed())
}

fn judge(outcome: &Outcome, console: &Console, qemu_said: &str, took: Duration) -> Result<u8> {
    if let Some(failure) = &outcome.failure {
        bail!(
            "the guest could not start the command: {failure}\n{}",
            console.tail(CONSOLE_LINES)
        );
    }
    let Some(status) = outcome.status else {
        if !outcome.started {
            return Err(DiedWhileBooting {
                qemu_said: qemu_said.to_owned(),
                console: console.tail(CONSOLE_LINES),
            }
            .into());
        }
        bail!(
            "the guest ended before its command did; {qemu_said}the end of its console:\n{}",
            console.tail(CONSOLE_LINES)
        );
    };
    let trouble = outcome.trouble();
    if !trouble.is_empty() {
        progress::say(&format!(
            "the kernel reported trouble ({} reports):\n{}",
            trouble.len(),
            trouble.join("\n")
        ));
        return Ok(if status == 0 { HARNESS_FAILED } else { status });
    }
    progress::say(&format!(
        "exit status {status} after {:.1} s",
        took.as_secs_f32()
    ));
    Ok(status)
}

#[derive(Debug)]
enum End {
    PoweredOff,
    PastDeadline,
    Interrupted,
}

fn wait(child: &mut Child, deadline: Duration) -> Result<End> {
    let interrupted = interruptions();
    let since = Instant::now();
    let end = loop {
        if child.try_wait().context("wait for QEMU")?.is_some() {
            // Ctrl-C reaches QEMU too, which may be the first to end.
            break if interrupted.load(Ordering::Relaxed) {
                End::Interrupted
            } else {
                End::PoweredOff
            };
        }
        if interrupted.load(Ordering::Relaxed) {
            break End::Interrupted;
        }
        if since.elapsed() > deadline {
            break End::PastDeadline;
        }
        thread::sleep(Duration::from_millis(20));
    };
    // Fails only if QEMU has ended, which is what is wanted.
    let _ = child.kill();
    child.wait().context("wait for QEMU")?;
    Ok(end)
}

/// Set by Ctrl-C and by a termination signal.
fn interruptions() -> &'static AtomicBool {
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    static HANDLER: OnceLock<()> = OnceLock::new();
    HANDLER.get_or_init(|| {
        // Without the handler Ctrl-C ends this process and QEMU with it, only less tidily.
        let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    });
    &INTERRUPTED
}
