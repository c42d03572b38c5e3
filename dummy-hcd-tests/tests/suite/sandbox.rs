//! The driver that gives up its rights: the disk is read right, and nothing else can be done.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::runner::Test;
use crate::setup;
use crate::users::Helper;

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new(
        "sandbox::a_driver_without_rights_reads_its_disk_and_touches_nothing_else",
        a_driver_without_rights,
    )]
}

const BLOCKS: usize = 2048;
const BLOCK: usize = 512;

fn a_driver_without_rights() -> Result<()> {
    let (plugged, image) = setup::disk(1)?;
    let mut contents = fs::read(image.path())?;
    for (number, block) in contents.chunks_mut(BLOCK).enumerate().skip(1) {
        block.fill(u8::try_from(number % 251)?);
    }
    // Behind the kernel's back, which has read the beginning at most.
    fs::write(image.path(), &contents)?;

    let mut command = Command::new(setup::example("sandboxed_disk")?);
    command.arg(plugged.device.name());
    let mut driver = Helper::start(command)?;
    let refused = "Operation not permitted (os error 1)";
    for attempt in [
        "open a file",
        "open the device",
        "a socket",
        "another program",
        "ptrace",
    ] {
        driver.expect(&format!("{attempt}: {refused}"))?;
    }
    driver.expect(&format!("{BLOCKS} blocks of {BLOCK} bytes"))?;
    for number in [0, 1, 77, 1000, BLOCKS - 1] {
        driver.tell(&number.to_string())?;
        let block = &contents[number * BLOCK..][..BLOCK];
        let digits: String = block.iter().map(|byte| format!("{byte:02x}")).collect();
        driver.expect(&digits)?;
    }
    has_no_rights(driver.id())?;
    has_its_files_alone(driver.id(), plugged.device.name())?;
    driver.end()?;
    plugged.device.wait_driver(0, "usb-storage")?;
    Ok(())
}

/// What the kernel says of the process.
fn has_no_rights(process: u32) -> Result<()> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| -> Result<String> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.strip_prefix(':'));
        Ok(value
            .with_context(|| format!("no {name}"))?
            .trim()
            .to_owned())
    };
    for name in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        ensure!(field(name)? == "0".repeat(16), "{name} is {}", field(name)?);
    }
    ensure!(field("NoNewPrivs")? == "1", "it may gain rights");
    ensure!(field("Seccomp")? == "2", "every system call is allowed");
    let nobody = ["65534"; 4].join("\t");
    ensure!(field("Uid")? == nobody, "it is {}", field("Uid")?);
    ensure!(field("Gid")? == nobody, "its group is {}", field("Gid")?);
    ensure!(
        field("Groups")?.is_empty(),
        "its groups are {}",
        field("Groups")?
    );
    Ok(())
}

/// Pipes, what AIO sleeps on, what this test writes its own complaints to, and the files of the interface.
fn has_its_files_alone(process: u32, device: &str) -> Result<()> {
    let interface = format!("/dev/usbfs2/{device}/1.0/ep");
    let complaints = fs::read_link("/proc/self/fd/2")?;
    let mut endpoints = 0;
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let file = fs::read_link(entry?.path())?;
        let name = file.to_string_lossy();
        if name.starts_with(&interface) {
            endpoints += 1;
            continue;
        }
        ensure!(
            name.starts_with("pipe:") || name == "anon_inode:[eventfd]" || file == complaints,
            "it has {name}"
        );
    }
    ensure!(endpoints == 3, "{endpoints} files of the interface");
    Ok(())
}
