//! Files that the `usbfs2` command writes to a disk, the kernel reads, and the other way round.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait;

use crate::command::{Running, path, run, succeed, usbfs2};
use crate::kernel_drivers::{block_device, succeed as tool};
use crate::runner::Test;
use crate::scenarios::random::Random;

const MIB: u64 = 1 << 20;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::long(
            "disk_files::the_kernel_reads_what_the_command_copied_and_back",
            kernel_and_command_agree,
        ),
        Test::long(
            "disk_files::ctrl_c_leaves_a_clean_file_system",
            ctrl_c_leaves_a_clean_file_system,
        ),
    ]
}

/// A disk of the command's that is plugged in.
struct Disk {
    gadget: Running,
    device: SysfsDevice,
}

impl Disk {
    fn plug(image: &Path) -> Result<Self> {
        let gadget = Running::start(&["gadget", "disk", "--image", path(image)?])?;
        let device = SysfsDevice::wait(0)?;
        device.wait_driver(0, "usb-storage")?;
        Ok(Self { gadget, device })
    }

    /// A place on it, as the command has it.
    fn place(&self, file: &str) -> String {
        format!("{}:/{file}", self.device.name())
    }

    fn unplug(self) -> Result<()> {
        self.gadget.end()?;
        Ok(SysfsDevice::wait_gone(0)?)
    }
}

/// Runs `work` with the disk mounted by the kernel.
fn mounted<T>(node: &Path, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let directory = tempfile::tempdir()?;
    tool("mount", &[node, directory.path()])?;
    let outcome = work(directory.path());
    tool("umount", &[directory.path()])?;
    outcome
}

/// The kernel's node of the disk, or of its first partition.
fn node(device: &SysfsDevice, partitioned: bool) -> Result<PathBuf> {
    let node = wait::until("the disk has a block device", || {
        let mut node = block_device(device)?.into_os_string();
        if partitioned {
            node.push("1");
        }
        Some(PathBuf::from(node)).filter(|node| node.exists())
    })?;
    Ok(node)
}

fn kernel_and_command_agree() -> Result<()> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let tree = directory.path().join("tree");
    fs::create_dir_all(tree.join("A long name of a directory"))?;
    let mut content = vec![0; 700_001];
    Random::new(11).fill(&mut content);
    let names = ["short", "A long name of a directory/\u{e4}\u{f6}\u{fc}.bin"];
    for name in names {
        fs::write(tree.join(name), &content)?;
    }
    for (size, partitioned, bits) in [(16, false, "16"), (64, true, "32")] {
        let image = directory.path().join(format!("image{bits}"));
        File::create(&image)?.set_len(size * MIB)?;
        make_file_system(&image, partitioned, bits)?;
        let disk = Disk::plug(&image)?;
        succeed(&["disk", "cp", "-r", path(&tree)?, &disk.place("")])?;

        disk.device.wait_driver(0, "usb-storage")?;
        let kernel = node(&disk.device, partitioned)?;
        tool("fsck.vfat", &[Path::new("-n"), &kernel])?;
        mounted(&kernel, |root| {
            for name in names {
                let read = fs::read(root.join("tree").join(name))?;
                ensure!(read == content, "FAT{bits}: the kernel read {name} changed");
            }
            fs::write(root.join("Written by the kernel.bin"), &content)?;
            fs::remove_file(root.join("tree/short"))?;
            Ok(())
        })?;

        let name = disk.device.name();
        let listed = succeed(&["disk", "ls", name, "--json"])?;
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout)?;
        ensure!(
            listed[1]["name"] == "Written by the kernel.bin" && listed[1]["bytes"] == 700_001,
            "{listed}"
        );
        let printed = succeed(&["disk", "cat", name, "/written by the kernel.bin"])?;
        ensure!(printed.stdout == content, "the command read it changed");
        let gone = run(&["disk", "cat", name, "/tree/short"])?;
        ensure!(!gone.status.success(), "a removed file was printed");
        disk.unplug()?;
    }
    Ok(())
}

fn make_file_system(image: &Path, partitioned: bool, bits: &str) -> Result<()> {
    let mut mkfs = Command::new("mkfs.vfat");
    mkfs.args(["-F", bits]);
    if partitioned {
        let table = image.with_extension("table");
        fs::write(&table, "label: gpt\nstart=2048\n")?;
        let sfdisk = Command::new("sfdisk")
            .arg(image)
            .stdin(File::open(table)?)
            .output()
            .context("run sfdisk (package fdisk)")?;
        ensure!(sfdisk.status.success(), "sfdisk: {sfdisk:?}");
        // Room for the second table at the end.
        mkfs.args(["--offset", "2048"]);
    }
    mkfs.arg(image);
    if partitioned {
        let kibibytes = fs::metadata(image)?.len() / 1024 - 2048;
        mkfs.arg(kibibytes.to_string());
    }
    let output = mkfs.output().context("run mkfs.vfat")?;
    ensure!(output.status.success(), "mkfs.vfat: {output:?}");
    Ok(())
}

fn ctrl_c_leaves_a_clean_file_system() -> Result<()> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let image = directory.path().join("image");
    File::create(&image)?.set_len(512 * MIB)?;
    make_file_system(&image, false, "32")?;
    let large = directory.path().join("large");
    File::create(&large)?.set_len(400 * MIB)?;
    let disk = Disk::plug(&image)?;

    let mut copy = usbfs2()?
        .args(["disk", "cp", path(&large)?, &disk.place("")])
        .stderr(Stdio::piped())
        .spawn()?;
    disk.device.wait_driver(0, "usbfs2")?;
    // The mark that a file system is in use is the first thing written: the copy has begun.
    wait::until("the copy writes", || {
        use std::os::unix::fs::FileExt as _;
        let mut mark = [0];
        File::open(&image)
            .ok()?
            .read_exact_at(&mut mark, 0x41)
            .ok()?;
        (mark[0] & 1 != 0).then_some(())
    })?;
    let pid = copy.id().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status()?;
    ensure!(kill.success(), "kill: {kill}");
    wait::until("the copy ends", || copy.try_wait().ok().flatten())?;
    let output = copy.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(1) && complaint.contains("interrupted"),
        "{}: {complaint}",
        output.status
    );
    let listed = succeed(&["disk", "ls", disk.device.name()])?;
    ensure!(listed.stdout.is_empty(), "a part of the file is there");
    disk.unplug()?;
    tool("fsck.vfat", &[Path::new("-n"), &image])
}
