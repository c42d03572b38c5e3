//! `usbfs2 doctor`: what is missing on this machine and how to get it.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use usbfs2_host::Host;

use crate::args::JsonArgs;

/// One thing the stack can use.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    present: bool,
    /// What was seen.
    detail: String,
    /// What to do, where it is missing.
    remedy: Option<&'static str>,
}

/// Prints every finding. It fails only when the machine cannot be looked at: what is missing limits
/// what can be done, and `demo` needs none of it.
pub(crate) fn run(args: &JsonArgs) -> Result<()> {
    let findings = [
        native_aio(),
        module(),
        mount(),
        usbfs(),
        device_controller(),
        gadgetfs(),
        vm(),
    ];
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
        return Ok(());
    }
    for finding in &findings {
        let mark = if finding.present {
            "ok     "
        } else {
            "missing"
        };
        println!("{mark}  {:<24} {}", finding.what, finding.detail);
        if let Some(remedy) = finding.remedy {
            println!("         {:<24} {remedy}", "");
        }
    }
    match Host::system() {
        Ok(host) => println!("\nHost programs use {}: {}.", host.backend(), host.reason()),
        Err(error) => println!("\nHost programs have no way to real devices here: {error}."),
    }
    println!("`usbfs2 demo` needs nothing of the above.");
    Ok(())
}

fn native_aio() -> Finding {
    let outcome = aio_rs::Context::new(1);
    Finding {
        what: "asynchronous I/O",
        present: outcome.is_ok(),
        detail: match &outcome {
            Ok(_) => "the kernel has Linux AIO".into(),
            Err(error) => error.to_string(),
        },
        remedy: outcome.err().map(|_| {
            "the kernel needs CONFIG_AIO, and room under /proc/sys/fs/aio-max-nr: sysctl fs.aio-max-nr=1048576"
        }),
    }
}

fn module() -> Finding {
    let present = listed(Path::new("/proc/filesystems"), "usbfs2");
    Finding {
        what: "kernel module usbfs2",
        present,
        detail: if present { "loaded" } else { "not loaded" }.into(),
        remedy: (!present).then_some(
            "in a clone: make -C usbfs2-module && make -C usbfs2-module modules_install && modprobe usbfs2",
        ),
    }
}

fn mount() -> Finding {
    let at = fs::read_to_string("/proc/mounts").ok().and_then(|mounts| {
        mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let place = fields.next()?;
            (fields.next()? == "usbfs2").then(|| place.to_owned())
        })
    });
    Finding {
        what: "usbfs2 file system",
        present: at.is_some(),
        remedy: at
            .is_none()
            .then_some("mkdir -p /dev/usbfs2 && mount -t usbfs2 usbfs2 /dev/usbfs2"),
        detail: at.map_or_else(
            || "not mounted".into(),
            |place| format!("mounted at {place}"),
        ),
    }
}

fn usbfs() -> Finding {
    let present = Path::new("/dev/bus/usb").is_dir();
    Finding {
        what: "classic usbfs",
        present,
        detail: if present {
            "/dev/bus/usb"
        } else {
            "no /dev/bus/usb"
        }
        .into(),
        remedy: (!present).then_some("the kernel needs a USB host controller and devtmpfs or udev"),
    }
}

fn device_controller() -> Finding {
    let names: Vec<String> = fs::read_dir("/sys/class/udc")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    Finding {
        what: "USB device controller",
        present: !names.is_empty(),
        remedy: names.is_empty().then_some(
            "to be a device: a board with a UDC, or modprobe dummy_hcd to try it on this machine",
        ),
        detail: if names.is_empty() {
            "none in /sys/class/udc".into()
        } else {
            names.join(", ")
        },
    }
}

fn gadgetfs() -> Finding {
    let present = listed(Path::new("/proc/filesystems"), "gadgetfs");
    Finding {
        what: "gadgetfs",
        present,
        detail: if present {
            "available"
        } else {
            "not in the running kernel"
        }
        .into(),
        remedy: (!present)
            .then_some("modprobe gadgetfs (CONFIG_USB_GADGETFS; Debian's kernels have it)"),
    }
}

fn vm() -> Finding {
    let qemu = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .map(|folder| folder.join("qemu-system-x86_64"))
            .find(|file| file.is_file())
    });
    Finding {
        what: "QEMU",
        present: qemu.is_some(),
        remedy: qemu
            .is_none()
            .then_some("for `demo --kernel`: apt-get install qemu-system-x86, which `cargo xtask test` does by itself"),
        detail: qemu.map_or_else(|| "not installed".into(), |file| file.display().to_string()),
    }
}

/// Whether a line of a /proc table ends in this word.
fn listed(table: &Path, word: &str) -> bool {
    fs::read_to_string(table).is_ok_and(|text| {
        text.lines()
            .any(|line| line.split_whitespace().next_back() == Some(word))
    })
}
