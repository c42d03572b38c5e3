//! The tour in a VM: the same program, started again where the module, gadgetfs and dummy_hcd are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use usbfs2_host::mounts;

use crate::args::DemoArgs;

/// Whether this machine is such a place: usbfs2 mounted, and a device controller joined to a host.
pub(crate) fn is_here() -> bool {
    let mounted = mounts::usbfs2().is_ok_and(|mounts| !mounts.is_empty());
    mounted && Path::new("/sys/class/udc/dummy_udc.0").exists()
}

/// Starts this program in the VM and waits for it.
pub(crate) fn run_in_vm(args: &DemoArgs) -> Result<()> {
    let workspace = workspace()?;
    let program = env::current_exe().context("cannot tell where this program is")?;
    let mut tour = Command::new("cargo");
    tour.current_dir(&workspace)
        // Counting instructions: a packet of sound each millisecond is more than an emulated machine is otherwise in time
        // for, and nobody sends one again.
        .args(["xtask", "vm", "--isochronous", "--icount", "--"])
        .arg(program)
        .args(["demo", "--kernel"]);
    for (flag, file) in [
        ("--text", &args.text),
        ("--image", &args.image),
        ("--wav", &args.wav),
    ] {
        if let Some(file) = file {
            // The VM shares this machine's files, but the program runs elsewhere in them.
            let file = fs::canonicalize(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            tour.arg(flag).arg(file);
        }
    }
    let status = tour
        .status()
        .context("cannot run cargo, which starts the VM")?;
    ensure!(status.success(), "the tour in the VM failed");
    Ok(())
}

/// The project's directory, which has the module and what boots the VM.
fn workspace() -> Result<PathBuf> {
    let here = env::current_dir()?;
    for folder in here.ancestors() {
        if folder.join("usbfs2-module/Makefile").exists() && folder.join("Cargo.toml").exists() {
            return Ok(folder.to_owned());
        }
    }
    bail!(
        "the module and the VM are not here: run `usbfs2 demo --kernel` inside a clone of the project"
    )
}
