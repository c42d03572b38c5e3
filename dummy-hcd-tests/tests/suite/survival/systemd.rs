//! The unit of docs/systemd, run by systemd itself, in namespaces of its own: there it is process 1, and this guest's
//! process 1 is not its concern.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait;
use tempfile::TempDir;

use super::{SECTOR, program_in};
use crate::command::path;
use crate::kernel_disks::KernelDisk;
use crate::kernel_drivers::succeed;
use crate::runner::{FIGURE, Test};

const UNIT: &str = include_str!("../../../../docs/systemd/usbfs2-gadget@.service");
const KILLS: usize = 2;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new(
        "survival::systemd_keeps_a_disk_whose_process_is_killed",
        disk_is_kept,
    )]
}

/// systemd with one service. Killed when dropped, and all its processes with it.
struct Systemd(Child);

impl Systemd {
    /// Runs the gadget of this kind, the command being `program`, with these options.
    fn start(directory: &TempDir, program: &Path, kind: &str, options: &str) -> Result<Self> {
        let units = directory.path().join("units");
        let drop_in = units.join(format!("usbfs2-gadget@{kind}.service.d"));
        fs::create_dir_all(&drop_in)?;
        let program = program.parent().context("the program is in no directory")?;
        let settings = format!(
            "[Service]\nEnvironment=PATH={}:/usr/sbin:/usr/bin:/sbin:/bin\nEnvironment=\"OPTIONS={options}\"\n",
            program.display()
        );
        fs::write(drop_in.join("test.conf"), settings)?;
        fs::write(units.join("usbfs2-gadget@.service"), UNIT)?;
        // What every service needs and conflicts with, and nothing of the machine's own.
        for target in ["sysinit", "basic", "shutdown", "boot"] {
            let text = "[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n";
            fs::write(units.join(format!("{target}.target")), text)?;
        }
        let wants = units.join("boot.target.wants");
        fs::create_dir(&wants)?;
        symlink(
            units.join("usbfs2-gadget@.service"),
            wants.join(format!("usbfs2-gadget@{kind}.service")),
        )?;
        let none = directory.path().join("none");
        let script = "mount -t proc proc /proc && mount -t cgroup2 cgroup2 /sys/fs/cgroup && \
                      exec /lib/systemd/systemd --system --unit=boot.target --log-target=kmsg --show-status=no";
        let child = Command::new("unshare")
            .args([
                "--fork",
                "--pid",
                "--kill-child",
                "--mount",
                "--uts",
                "--cgroup",
            ])
            .args(["sh", "-c", script])
            // It leaves the hardware alone then.
            .env("container", "usbfs2")
            .env("SYSTEMD_UNIT_PATH", &units)
            // None of the machine's own, which take longer than all else.
            .env("SYSTEMD_GENERATOR_PATH", &none)
            .env("SYSTEMD_ENVIRONMENT_GENERATOR_PATH", &none)
            .stdin(Stdio::null())
            .spawn()
            .context("run unshare (package util-linux)")?;
        Ok(Self(child))
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process that runs `usbfs2 gadget run KIND`.
fn process_of(kind: &str) -> Option<u32> {
    let mut processes = fs::read_dir("/proc").ok()?.flatten();
    processes.find_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let arguments = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let is_ours = arguments.starts_with(&format!("usbfs2\0gadget\0run\0{kind}\0"));
        is_ours.then_some(process)
    })
}

fn disk_is_kept() -> Result<()> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let image = directory.path().join("image");
    fs::write(&image, (0..=255).cycle().take(1 << 20).collect::<Vec<u8>>())?;
    let program = program_in(&directory)?;
    let options = format!("--image {}", path(&image)?);
    let systemd = Systemd::start(&directory, &program, "disk", &options)?;
    wait::until("systemd runs the program", || process_of("disk"))?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, "usb-storage")?;
    let number = device.attribute("devnum")?;
    let disk = wait::until("the kernel has the disk", || {
        KernelDisk::of(&device).remove(&0)
    })?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(disk.node())?;
    // O_DIRECT wants whole sectors in memory, too.
    let mut memory = vec![0; 2 * SECTOR];
    let begin = memory.as_ptr().align_offset(SECTOR);
    let sector = &mut memory[begin..begin + SECTOR];

    let mut longest = Duration::ZERO;
    for _ in 0..KILLS {
        let killed = process_of("disk").context("systemd runs no program")?;
        let since = Instant::now();
        succeed("kill", &["-KILL", &killed.to_string()])?;
        sector.fill(0);
        file.read_exact_at(sector, 512 * SECTOR as u64)?;
        longest = longest.max(since.elapsed());
        let expected = (0..=255).cycle().take(SECTOR);
        ensure!(sector.iter().copied().eq(expected), "{sector:02x?} is read");
        let next = process_of("disk");
        ensure!(
            next.is_some_and(|next| next != killed),
            "no other process: {next:?}"
        );
    }
    ensure!(
        device.attribute("devnum")? == number,
        "the host has enumerated the device again"
    );
    println!("{FIGURE}{KILLS} kills below systemd; from kill to a sector read at most {longest:?}");
    drop(file);

    // Asked to end, the process takes back what systemd has, and the device goes.
    let process = process_of("disk").context("no program")?;
    succeed("kill", &["-TERM", &process.to_string()])?;
    device.wait_unplugged()?;
    drop(systemd);
    Ok(())
}
