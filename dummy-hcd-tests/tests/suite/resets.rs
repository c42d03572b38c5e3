//! Resetting a device through its `reset` file: who may, and what becomes of open files.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use anyhow::{Result, ensure};
use dummy_hcd_tests::sys::Context;
use dummy_hcd_tests::wait;

use crate::runner::Test;
use crate::settings::Alternating;
use crate::setup::{self, Plugged, expect_errno};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "resets::open_files_stay_and_each_operation_in_flight_is_told_once",
            open_files_stay,
        ),
        Test::new(
            "resets::an_endpoint_that_stopped_goes_on",
            an_endpoint_that_stopped_goes_on,
        ),
        Test::new(
            "resets::alternate_settings_are_selected_again",
            alternate_settings_are_selected_again,
        ),
        Test::new(
            "resets::a_device_that_others_use_gets_ebusy",
            a_device_that_others_use,
        ),
        Test::new("resets::other_words_get_einval", other_words),
    ]
}

fn reset(plugged: &Plugged) -> std::io::Result<()> {
    fs::write(plugged.files.path().join("reset"), "1\n")
}

fn open_files_stay() -> Result<()> {
    const READS: usize = 8;
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let input = Arc::new(plugged.interface.open_in()?);
    let out = plugged.interface.open_out()?;
    let mut context = Context::new(16)?;
    for round in 0..5_u8 {
        for _ in 0..READS {
            context.read(&input, 0, 512)?;
        }
        reset(&plugged)?;
        let completed = context.wait(READS, wait::DEADLINE)?;
        // A second completion of one would be InvalidData.
        ensure!(
            completed.len() == READS && context.in_flight() == 0,
            "{} of {READS} completed",
            completed.len()
        );
        for one in completed {
            expect_errno("a read that was queued", one.result, libc::ECANCELED)?;
        }
        out.write_at(&[round; 700], 0)?;
        let mut buffer = [0; 1024];
        let length = input.read_at(&mut buffer, 0)?;
        ensure!(
            buffer[..length] == [round; 700],
            "{length} bytes came back after reset {round}"
        );
    }
    Ok(())
}

fn an_endpoint_that_stopped_goes_on() -> Result<()> {
    /// SET_FEATURE of ENDPOINT_HALT (USB 2.0 9.4.9), but for the endpoint.
    const SET_HALT: u64 = 0x02 << 40 | 3 << 32;
    let plugged = setup::source_sink()?;
    let path = plugged.interface.endpoint(true)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let address = u64::from_str_radix(name.trim_start_matches("ep"), 16)?;
    let input = plugged.interface.open_in()?;
    let ep00 = fs::File::options()
        .read(true)
        .write(true)
        .open(plugged.interface.path().join("ep00"))?;
    ep00.write_at(&[], SET_HALT | address)?;
    wait::until("the halt shows", || input.read_at(&mut [0; 512], 0).err())?;
    reset(&plugged)?;
    ensure!(
        input.read_at(&mut [0; 512], 0)? == 512,
        "a read after the reset was cut short"
    );
    Ok(())
}

fn alternate_settings_are_selected_again() -> Result<()> {
    let plugged = Alternating::plug()?;
    let _claim = plugged.interface.claim()?;
    let input = plugged.interface.open_in()?;
    plugged.select("1")?;
    fs::write(plugged.files.path().join("reset"), "1")?;
    // The first byte may be of the run that the reset ended.
    let mut last = [0];
    for _ in 0..3 {
        ensure!(input.read_at(&mut last, 0)? == 1, "no byte came");
    }
    ensure!(last == [1], "setting {} is selected", last[0]);
    // An endpoint that only this setting has.
    plugged.interface.open_out()?;
    Ok(())
}

fn a_device_that_others_use() -> Result<()> {
    let (disk, _image) = setup::disk(8)?;
    expect_errno(
        "reset of the kernel's disk",
        fs::write(disk.files.path().join("reset"), "1"),
        libc::EBUSY,
    )?;
    // Ours, it may be reset.
    let claim = disk.interface.claim()?;
    fs::write(disk.files.path().join("reset"), "1")?;
    drop(claim);
    disk.device.wait_driver(0, "usb-storage")?;
    Ok(())
}

fn other_words() -> Result<()> {
    let plugged = setup::source_sink()?;
    let path = plugged.files.path().join("reset");
    for text in ["0", "2", "yes", "", "1 1", "11111111111111111111"] {
        let result = fs::File::options()
            .write(true)
            .open(&path)?
            .write(text.as_bytes());
        if text.is_empty() {
            // The kernel's VFS passes a write of nothing on, too.
            ensure!(result.is_err() || result? == 0, "nothing is no word");
        } else {
            expect_errno(text, result, libc::EINVAL)?;
        }
    }
    // Nobody has claimed it: whoever may write resets it.
    fs::write(&path, "1")?;
    plugged.pull()?;
    let gone = fs::write(&path, "1");
    ensure!(gone.is_err(), "a device that is gone was reset");
    Ok(())
}
