//! The Debian package, installed: DKMS installs what it has built for the guest's kernel, the kernel loads it for the
//! mount, and udev gives a group the devices chosen for it.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::sys;
use dummy_hcd_tests::usbfs2::MOUNT;
use dummy_hcd_tests::wait;

use crate::runner::Test;
use crate::setup::{self, Plugged};

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::long(
        "package::installed_it_builds_loads_and_gives_a_group_its_devices",
        installed_it_builds_loads_and_gives,
    )]
}

/// The group "plugdev" of Debian.
const PLUGDEV: u32 = 46;
const RULES: &str = "/etc/udev/rules.d/70-usbfs2-local.rules";

fn installed_it_builds_loads_and_gives() -> Result<()> {
    let package = env::var("USBFS2_PACKAGE").context(
        "USBFS2_PACKAGE names no package: run the suite by cargo xtask test, or cargo xtask package",
    )?;
    // While its directory of modules is out of sight.
    modprobe::load("usb_f_ss_lb")?;
    let _module = OurModule::unload()?;
    let modules = ModulesOfItsOwn::mount()?;
    // In an emulated guest the compiler would take minutes: what DKMS has built of this package, for this kernel, on
    // the machine itself. This is where the package's installation looks for it.
    let built = env::var("USBFS2_DKMS_ARCHIVE").context("USBFS2_DKMS_ARCHIVE is not set")?;
    fs::create_dir_all("/usr/share/usbfs2-dkms")?;
    fs::copy(&built, "/usr/share/usbfs2-dkms/usbfs2-0.1.0.dkms.tar.gz").context(built)?;
    run("dpkg", &["--install", &package])?;
    let installed = modules.path.join("updates/dkms/usbfs2.ko");
    let compressed = installed.with_extension("ko.xz");
    ensure!(
        installed.exists() || compressed.exists(),
        "DKMS installed no {}",
        installed.display()
    );
    let said = run("dkms", &["status", "usbfs2"])?;
    ensure!(said.contains("installed"), "dkms status: {said}");
    fs::remove_dir_all("/usr/share/usbfs2-dkms")?;

    let plugged = {
        let _udev = Udev::start()?;
        // Who mounts it loads it, and tells udev of what is there.
        sys::mount(c"/dev/usbfs2")?;
        let plugged = setup::source_sink()?;
        expect_given(&plugged)?;
        run("umount", &[MOUNT])?;
        sys::mount(c"/dev/usbfs2")?;
        expect_given(&plugged)?;
        plugged
    };
    setup_works(&plugged)?;
    drop(plugged);
    sys::unmount(c"/dev/usbfs2")?;
    sys::delete_module(c"usbfs2")?;
    run("dpkg", &["--purge", "usbfs2-dkms"])?;
    ensure!(
        !installed.exists() && !compressed.exists(),
        "the module is left"
    );
    Ok(())
}

/// The chosen device is its group's, and another, the root hub, is not.
fn expect_given(plugged: &Plugged) -> Result<()> {
    let path = Path::new(MOUNT).join(plugged.device.name());
    wait::until("udev has given the device to its group", || {
        (fs::metadata(&path).ok()?.gid() == PLUGDEV).then_some(())
    })?;
    wait::until("the group may write", || {
        (fs::metadata(&path).ok()?.mode() & 0o070 == 0o070).then_some(())
    })?;
    for name in ["ep00", "1.0/ep00", "1.0/driver", "1.0/ep81"] {
        let about = fs::metadata(path.join(name)).with_context(|| name.to_owned())?;
        let mode = about.mode() & 0o777;
        ensure!(
            about.gid() == PLUGDEV && mode & 0o020 != 0 && mode & 0o002 == 0,
            "{name} is of group {}, mode {mode:o}",
            about.gid()
        );
    }
    let hub = format!("usb{}", plugged.device.name().trim_end_matches("-1"));
    let hub = fs::metadata(Path::new(MOUNT).join(hub))?;
    ensure!(hub.gid() == 0, "the root hub is given to {}", hub.gid());
    Ok(())
}

/// The module that was built moves data.
fn setup_works(plugged: &Plugged) -> Result<()> {
    let input = plugged.interface.open_in()?;
    let length = std::os::unix::fs::FileExt::read_at(&input, &mut [0; 1024], 0)?;
    ensure!(length == 1024, "{length} bytes of 1024");
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .with_context(|| format!("run {program}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{program} {}: {}\n{said}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

/// Takes the harness's module out, and puts it back when dropped.
struct OurModule {
    path: String,
}

impl OurModule {
    fn unload() -> Result<Self> {
        let path = env::var("USBFS2_MODULE").context("USBFS2_MODULE is not set")?;
        sys::unmount(c"/dev/usbfs2")?;
        sys::delete_module(c"usbfs2")?;
        Ok(Self { path })
    }
}

impl Drop for OurModule {
    fn drop(&mut self) {
        // What a test that failed has left; none of it is there after one that passed.
        let _ = sys::unmount(c"/dev/usbfs2");
        let _ = sys::delete_module(c"usbfs2");
        let loaded = run("insmod", &[&self.path]);
        let mounted = sys::mount(c"/dev/usbfs2");
        if loaded.is_err() || mounted.is_err() {
            eprintln!("the harness's module is not back: {loaded:?}, {mounted:?}");
        }
    }
}

/// A directory of modules with nothing in it but what a build needs: depmod reads every module there is, which takes
/// minutes in an emulated guest. Gone when dropped.
struct ModulesOfItsOwn {
    path: PathBuf,
}

impl ModulesOfItsOwn {
    fn mount() -> Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let path = Path::new("/lib/modules").join(release.trim());
        let headers = fs::read_link(path.join("build"))?;
        let mut kept = Vec::new();
        for entry in fs::read_dir(&path)? {
            let path = entry?.path();
            if path.to_string_lossy().contains("modules.builtin") || path.ends_with("modules.order")
            {
                kept.push((path.clone(), fs::read(&path)?));
            }
        }
        let target = path.to_string_lossy().into_owned();
        run("mount", &["-t", "tmpfs", "modules", &target])?;
        for (path, content) in kept {
            fs::write(path, content)?;
        }
        std::os::unix::fs::symlink(headers, path.join("build"))?;
        Ok(Self { path })
    }
}

impl Drop for ModulesOfItsOwn {
    fn drop(&mut self) {
        let _ = run("umount", &[&self.path.to_string_lossy()]);
    }
}

/// A udev with a rule that chooses the tests' gadget. Ended when dropped.
struct Udev;

impl Udev {
    fn start() -> Result<Self> {
        let rule = "SUBSYSTEM==\"usb\", ENV{DEVTYPE}==\"usb_device\", ATTR{idVendor}==\"1d6b\", \
                    ATTR{idProduct}==\"0104\", ENV{USBFS2_GROUP}=\"plugdev\"\n";
        fs::create_dir_all("/etc/udev/rules.d")?;
        fs::write(RULES, rule)?;
        run("/lib/systemd/systemd-udevd", &["--daemon"])?;
        Ok(Self)
    }
}

impl Drop for Udev {
    fn drop(&mut self) {
        let _ = run("udevadm", &["settle"]);
        let _ = run("udevadm", &["control", "--exit"]);
        let _ = fs::remove_file(RULES);
    }
}
