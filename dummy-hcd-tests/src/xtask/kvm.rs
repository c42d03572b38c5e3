//! Whether KVM works here: `/dev/kvm` may exist and still run no ordinary guest.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::console::{Console, Port};
use crate::kernel::Kernel;
use crate::progress::Step;
use crate::qemu::{self, Accelerator};

/// A kernel on working KVM prints its first line within one second.
const FIRST_LINE_WITHIN: Duration = Duration::from_secs(5);

/// What the guests of this machine run on; tried once per boot of the machine.
pub(crate) fn accelerator(cache: &Path, kernel: &Kernel) -> Result<Accelerator> {
    if OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return Ok(Accelerator::Tcg);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("read the machine's boot id")?;
    let answer_file = cache.join("kvm");
    if let Ok(answer) = fs::read_to_string(&answer_file)
        && let Some(answer) = answer.strip_prefix(boot.trim())
    {
        return Ok(if answer.trim() == "works" {
            Accelerator::Kvm
        } else {
            Accelerator::Tcg
        });
    }
    let works = probe(kernel)?;
    let answer = if works { "works" } else { "does not work" };
    fs::write(&answer_file, format!("{} {answer}\n", boot.trim()))
        .with_context(|| format!("write {}", answer_file.display()))?;
    Ok(if works {
        Accelerator::Kvm
    } else {
        Accelerator::Tcg
    })
}

fn probe(kernel: &Kernel) -> Result<bool> {
    let step = Step::begin("trying KVM");
    let directory = tempfile::tempdir().context("create a temporary directory")?;
    let port = Port::listen(directory.path(), "console")?;
    let path = port.path.clone();
    let console = Console::new(false);
    let reader = port.copy_to(console.clone());
    let mut command = qemu::command();
    command.args([
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-m",
        "256M",
        "-append",
        "earlyprintk=serial console=ttyS0",
    ]);
    command.arg("-kernel").arg(kernel.image());
    command.args([
        "-chardev",
        &format!("socket,id=console,path={}", path.display()),
        "-serial",
        "chardev:console",
    ]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("run setpriv")?;
    let works = first_line_comes(&mut child, &console)?;
    child.kill().context("kill the KVM guest")?;
    child.wait().context("wait for the KVM guest")?;
    crate::console::release(&[path]);
    // The reader ends with the socket; a panic in it would have shown as a missing line.
    let _ = reader.join();
    step.done();
    Ok(works)
}

fn first_line_comes(child: &mut Child, console: &Console) -> Result<bool> {
    let since = Instant::now();
    while since.elapsed() < FIRST_LINE_WITHIN {
        if console.text().contains("Linux version") {
            return Ok(true);
        }
        if child
            .try_wait()
            .context("wait for the KVM guest")?
            .is_some()
        {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(false)
}
