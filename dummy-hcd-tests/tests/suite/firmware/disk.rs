//! The kernel's usb-storage on `usbd-storage`.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait;

use super::board::Board;
use crate::kernel_drivers::{block_device, keep_a_file_system, succeed};
use crate::runner::Test;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::long(
            "firmware::disk::usb_storage_keeps_a_file_system",
            file_system,
        ),
        Test::new("firmware::disk::usb_storage_resets_it", reset),
        Test::new(
            "firmware::disk::usb_storage_recovers_from_a_command_that_never_ends",
            never_ends,
        ),
    ]
}

fn start() -> Result<(Board, PathBuf)> {
    let board = Board::start("firmware_disk")?;
    board.device.wait_driver(0, "usb-storage")?;
    let block = wait::until("the disk has a block device", || {
        block_device(&board.device)
    })?;
    // It has a node before the kernel has done with looking at it, and cannot be opened while the host recovers from a
    // question that the firmware does not know.
    wait::until("the disk can be opened", || File::open(&block).ok())?;
    Ok((board, block))
}

fn file_system() -> Result<()> {
    let (board, block) = start()?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    keep_a_file_system(&block, directory.path())?;
    board.end()?;
    Ok(())
}

/// Writes a sector past the page cache and reads it back.
fn still_works(block: &std::path::Path, content: u8) -> Result<()> {
    let sector = [content; 512];
    let mut file = File::options().write(true).open(block)?;
    file.write_all(&sector)?;
    file.sync_all()?;
    std::fs::write("/proc/sys/vm/drop_caches", "3")?;
    let mut read = [0; 512];
    File::open(block)?.read_exact_at(&mut read, 0)?;
    ensure!(read == sector, "the sector came back changed");
    Ok(())
}

fn reset() -> Result<()> {
    let (board, block) = start()?;
    still_works(&block, 1)?;
    // Bulk-Only Reset and both halts cleared (BOT 5.3.4), without a reset of the port where that fails.
    succeed(
        "sg_reset",
        &["-N".as_ref(), "-d".as_ref(), block.as_os_str()],
    )?;
    still_works(&block, 2)?;
    board.end()?;
    Ok(())
}

/// READ(10) of a block, which the host means to write: the firmware waits for it to be read, and the host for it to
/// be written. The kernel gives up, and has to get the disk back.
fn never_ends() -> Result<()> {
    let (board, block) = start()?;
    still_works(&block, 1)?;
    let output = Command::new("sg_raw")
        .args(["-t", "2", "-s", "512", "-i", "/dev/zero"])
        .arg(&block)
        .args(["28", "00", "00", "00", "00", "00", "00", "00", "01", "00"])
        .output()
        .context("run sg_raw (package sg3-utils)")?;
    ensure!(!output.status.success(), "the command ended");
    still_works(&block, 2)?;
    board.end()?;
    Ok(())
}
