//! `usbfs2 doctor`: what is missing on this machine and how to get it.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use usbfs2_host::{Host, HostError, mounts};

use crate::args::JsonArgs;
use crate::output::say;

/// What a part of the stack is good for, in the words of a heading.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    DriveDevices,
    BeADevice,
    DemoKernel,
}

impl Purpose {
    fn heading(self) -> &'static str {
        match self {
            Self::DriveDevices => {
                "To drive devices (either file system will do, but sound needs usbfs2):"
            }
            Self::BeADevice => "To be a device:",
            Self::DemoKernel => {
                "For `usbfs2 demo --kernel`, which brings all of the above in a VM:"
            }
        }
    }
}

/// One thing the stack can use.
#[derive(Serialize)]
struct Finding {
    purpose: Purpose,
    what: &'static str,
    present: bool,
    /// What was seen.
    detail: String,
    /// What to do, where it is missing.
    remedy: Option<String>,
}

/// Prints every finding. It fails only when the machine cannot be looked at: what is missing limits
/// what can be done, and `demo` needs none of it.
pub(crate) fn run(args: &JsonArgs) -> Result<()> {
    let findings = [
        usbfs(),
        mount(),
        module(),
        native_aio(),
        isochronous(),
        device_controller(),
        gadgetfs(),
        vm(),
    ];
    if args.json {
        say!("{}", serde_json::to_string_pretty(&findings)?)?;
        return Ok(());
    }
    let mut purpose = None;
    for finding in &findings {
        if purpose.replace(finding.purpose) != Some(finding.purpose) {
            say!("{}", finding.purpose.heading())?;
        }
        let mark = if finding.present { "ok" } else { "missing" };
        say!("  {mark:<8} {:<22} {}", finding.what, finding.detail)?;
        if let Some(remedy) = &finding.remedy {
            say!("           -> {remedy}")?;
        }
    }
    say!()?;
    match Host::system() {
        Ok(host) => say!(
            "Programs reach devices through {}: {}.",
            host.backend(),
            host.reason()
        )?,
        Err(HostError::NoUsb) => say!("Programs reach no devices on this machine as it is.")?,
        Err(error) => say!("Programs reach no devices on this machine: {error}.")?,
    }
    say!("`usbfs2 demo` needs nothing of all this.")?;
    Ok(())
}

fn usbfs() -> Finding {
    let present = Path::new("/dev/bus/usb").is_dir();
    Finding {
        purpose: Purpose::DriveDevices,
        what: "classic usbfs",
        present,
        detail: if present {
            "at /dev/bus/usb"
        } else {
            "no /dev/bus/usb"
        }
        .into(),
        remedy: (!present).then(|| {
            "needs a kernel with a USB host controller, and devtmpfs or udev on /dev".into()
        }),
    }
}

fn mount() -> Finding {
    // Unreadable, the table tells of no mount, and `Host::system` below says why.
    let at = mounts::usbfs2().unwrap_or_default().into_iter().next();
    Finding {
        purpose: Purpose::DriveDevices,
        what: "usbfs2 file system",
        present: at.is_some(),
        remedy: at.is_none().then(|| {
            "with the module, as root: mkdir -p /dev/usbfs2 && mount -t usbfs2 usbfs2 /dev/usbfs2"
                .into()
        }),
        detail: at.map_or_else(
            || "not mounted".into(),
            |place| format!("mounted at {}", place.display()),
        ),
    }
}

fn module() -> Finding {
    let present = mounts::usbfs2_is_loaded();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let build = "in a clone, as root: make -C usbfs2-module && make -C usbfs2-module modules_install && modprobe usbfs2";
    let has_headers = Path::new("/lib/modules")
        .join(release)
        .join("build")
        .exists();
    Finding {
        purpose: Purpose::DriveDevices,
        what: "usbfs2 kernel module",
        present,
        detail: match (present, has_headers) {
            (true, _) => "loaded".into(),
            (false, true) => "not loaded".into(),
            (false, false) => format!("not loaded, and no headers of kernel {release} to build it"),
        },
        remedy: (!present).then(|| {
            if has_headers {
                build.into()
            } else {
                format!("as root: apt-get install linux-headers-{release} make gcc; then {build}")
            }
        }),
    }
}

fn native_aio() -> Finding {
    let outcome = aio_rs::Context::new(1);
    Finding {
        purpose: Purpose::DriveDevices,
        what: "Linux AIO",
        present: outcome.is_ok(),
        detail: match &outcome {
            Ok(_) => "works; usbfs2 is used through it".into(),
            Err(error) => error.to_string(),
        },
        remedy: outcome.err().map(|_| {
            "needs CONFIG_AIO in the kernel, and room: as root, sysctl fs.aio-max-nr=1048576".into()
        }),
    }
}

fn isochronous() -> Finding {
    let present = mounts::usbfs2().is_ok_and(|mounts| !mounts.is_empty());
    Finding {
        purpose: Purpose::DriveDevices,
        what: "isochronous transfers",
        present,
        detail: if present {
            "through usbfs2; `usbfs2 audio` works"
        } else {
            "not through classic usbfs"
        }
        .into(),
        remedy: (!present)
            .then(|| "needed for `usbfs2 audio` alone: mount the usbfs2 file system".into()),
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
        purpose: Purpose::BeADevice,
        what: "USB device controller",
        present: !names.is_empty(),
        remedy: names.is_empty().then(|| {
            "needs a board with one (a UDC); to try it on this machine, as root: modprobe dummy_hcd"
                .into()
        }),
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
        purpose: Purpose::BeADevice,
        what: "gadgetfs",
        present,
        detail: if present { "loaded" } else { "not loaded" }.into(),
        remedy: (!present).then(|| {
            "as root: modprobe gadgetfs (CONFIG_USB_GADGETFS, which Debian's kernels have)".into()
        }),
    }
}

fn vm() -> Finding {
    let qemu = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .map(|folder| folder.join("qemu-system-x86_64"))
            .find(|file| file.is_file())
    });
    Finding {
        purpose: Purpose::DemoKernel,
        what: "QEMU",
        present: qemu.is_some(),
        remedy: qemu.is_none().then(|| {
            "as root: apt-get install qemu-system-x86, as `cargo xtask test` does by itself".into()
        }),
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
