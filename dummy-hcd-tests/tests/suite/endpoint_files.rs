//! The endpoint files with no library: the shell and Python examples, and plain reads and writes.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::sys::Context;
use dummy_hcd_tests::wait;

use crate::runner::Test;
use crate::setup;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "shell::devices_lists_a_disk_and_its_driver",
            devices_lists_a_disk_and_its_driver,
        ),
        Test::new("shell::dd_speaks_scsi_to_a_disk", dd_speaks_scsi_to_a_disk),
        Test::new(
            "shell::dd_and_cat_move_bulk_data",
            dd_and_cat_move_bulk_data,
        ),
        Test::new(
            "python::pread_on_ep00_reads_strings",
            pread_on_ep00_reads_strings,
        ),
        Test::new("python::aio_through_ctypes", aio_through_ctypes),
        Test::new(
            "aio::thirty_two_reads_complete_in_order",
            thirty_two_reads_complete_in_order,
        ),
        Test::new(
            "aio::a_small_read_behind_a_large_one_completes_after_it",
            a_small_read_behind_a_large_one_completes_after_it,
        ),
        Test::new(
            "aio::io_destroy_ends_what_waits_for_the_device",
            io_destroy_ends_what_waits_for_the_device,
        ),
        Test::new(
            "endpoint::a_short_packet_ends_a_read",
            a_short_packet_ends_a_read,
        ),
        Test::new(
            "endpoint::recovery_lets_an_idle_pipe_go_on",
            recovery_lets_an_idle_pipe_go_on,
        ),
        Test::new(
            "tree::descriptors_are_those_of_sysfs",
            descriptors_are_those_of_sysfs,
        ),
        Test::new(
            "tree::a_pulled_cable_takes_the_files_away",
            a_pulled_cable_takes_the_files_away,
        ),
        Test::new(
            "tree::closing_the_claim_gives_the_driver_back",
            closing_the_claim_gives_the_driver_back,
        ),
    ]
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples")
}

/// Runs a program and returns its output; a failure is an error with everything it said.
fn output(program: impl AsRef<Path>, arguments: &[&Path]) -> Result<String> {
    let program = program.as_ref();
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "{}: {}\n{said}{}",
            program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(said)
}

fn expect_line(said: &str, line: &str) -> Result<()> {
    ensure!(
        said.lines().any(|candidate| candidate.trim_end() == line),
        "no line {line:?} in:\n{said}"
    );
    Ok(())
}

fn devices_lists_a_disk_and_its_driver() -> Result<()> {
    let (disk, _image) = setup::disk(8)?;
    let said = output(examples().join("shell/devices.sh"), &[])?;
    expect_line(
        &said,
        &format!("{}: 1d6b:0104, configuration 1", disk.device.name()),
    )?;
    let interface = said
        .lines()
        .find(|line| line.contains("driver usb-storage"));
    let interface =
        interface.with_context(|| format!("no interface of usb-storage in:\n{said}"))?;
    ensure!(
        interface.trim_start().starts_with("1.0: alternate 0,"),
        "{interface}"
    );
    Ok(())
}

fn dd_speaks_scsi_to_a_disk() -> Result<()> {
    let (disk, _image) = setup::disk(8)?;
    let said = output(
        examples().join("shell/disk-inquiry.sh"),
        &[disk.interface.path()],
    )?;
    expect_line(&said, "driver before: usb-storage")?;
    expect_line(&said, "vendor: Linux")?;
    expect_line(&said, "product: File-Stor Gadget")?;
    disk.device.wait_driver(0, "usb-storage")?;
    Ok(())
}

fn dd_and_cat_move_bulk_data() -> Result<()> {
    let plugged = setup::zeros()?;
    let (input, out) = (
        plugged.interface.endpoint(true)?,
        plugged.interface.endpoint(false)?,
    );
    let script = format!(
        "set -e; dd if={input} bs=4096 count=4 status=none | wc -c; \
         dd if=/dev/zero of={out} bs=4096 count=4 status=none; \
         cat {input} 2>/dev/null | head -c 100000 | wc -c; ls {directory} | tr '\\n' ' '",
        input = input.display(),
        out = out.display(),
        directory = plugged.interface.path().display()
    );
    let said = output("sh", &[Path::new("-c"), Path::new(&script)])?;
    expect_line(&said, "16384")?;
    expect_line(&said, "100000")?;
    let names = said.lines().last().unwrap_or_default();
    ensure!(
        ["alternate", "driver", "ep00"]
            .iter()
            .all(|name| names.contains(name)),
        "ls shows {names}"
    );
    Ok(())
}

fn pread_on_ep00_reads_strings() -> Result<()> {
    let plugged = setup::source_sink()?;
    let said = output(
        examples().join("python/control.py"),
        &[plugged.files.path()],
    )?;
    expect_line(&said, "1d6b:0104")?;
    expect_line(&said, "manufacturer: usbfs2")?;
    expect_line(&said, "product: test gadget")?;
    expect_line(&said, "serial number: 0123456789AB")
}

fn aio_through_ctypes() -> Result<()> {
    let plugged = setup::source_sink()?;
    let said = output(
        examples().join("python/aio_read.py"),
        &[&plugged.interface.endpoint(true)?],
    )?;
    expect_line(&said, "256 transfers, 1048576 bytes")?;
    ensure!(
        said.contains("cancelled,") && said.contains(", 0 failed"),
        "{said}"
    );
    Ok(())
}

fn thirty_two_reads_complete_in_order() -> Result<()> {
    let plugged = setup::source_sink()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let mut context = Context::new(32)?;
    let tokens = (0..32)
        .map(|_| context.read(&file, 0, 4096))
        .collect::<Result<Vec<_>, _>>()?;
    let completed = context.wait(32, wait::DEADLINE)?;
    ensure!(
        completed.iter().map(|one| one.token).eq(tokens),
        "completions came out of order: {completed:?}"
    );
    for one in completed {
        let length = one.result?;
        ensure!(length == 4096, "a read ended after {length} bytes");
        // f_sourcesink's pattern 1 counts modulo 63 within each packet.
        let packets = one.buffer.chunks(512);
        let expected = (0..512_usize)
            .map(|index| u8::try_from(index % 63))
            .collect::<Result<Vec<_>, _>>()?;
        ensure!(
            packets.into_iter().all(|packet| packet == expected),
            "a packet does not hold the pattern"
        );
    }
    Ok(())
}

fn a_small_read_behind_a_large_one_completes_after_it() -> Result<()> {
    // As a disk's data and its status: a reader takes completions in the order it submitted.
    let plugged = setup::source_sink()?;
    let file = Arc::new(plugged.interface.open_in()?);
    for round in 0..50 {
        let mut context = Context::new(16)?;
        let lengths = [122_880, 512].into_iter().cycle().take(16);
        let tokens = lengths
            .map(|length| context.read(&file, 0, length))
            .collect::<Result<Vec<_>, _>>()?;
        let completed = context.wait(16, wait::DEADLINE)?;
        let order = completed.iter().map(|one| one.token).collect::<Vec<_>>();
        ensure!(
            order == tokens,
            "round {round}: reads completed in the order {order:?}"
        );
    }
    Ok(())
}

fn io_destroy_ends_what_waits_for_the_device() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let mut context = Context::new(8)?;
    for _ in 0..8 {
        context.read(&file, 0, 512)?;
    }
    let early = context.wait(1, Duration::from_millis(20))?;
    ensure!(
        early.is_empty(),
        "reads completed though the device has nothing: {early:?}"
    );
    drop(context);
    dummy_hcd_tests::usbfs2::wait_no_live_request()?;
    Ok(())
}

fn a_short_packet_ends_a_read() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let input = plugged.interface.open_in()?;
    let mut out = plugged.interface.open_out()?;
    for length in [1_usize, 511, 700] {
        let message = (0..length)
            .map(|index| u8::try_from(index % 251))
            .collect::<Result<Vec<_>, _>>()?;
        ensure!(
            out.write(&message)? == length,
            "a write of {length} bytes was cut short"
        );
        let mut buffer = [0; 4096];
        let received = input.read_at(&mut buffer, 0)?;
        ensure!(
            buffer[..received] == message[..],
            "{length} bytes sent, {received} came back"
        );
    }
    Ok(())
}

fn recovery_lets_an_idle_pipe_go_on() -> Result<()> {
    let plugged = setup::source_sink()?;
    let input = plugged.interface.open_in()?;
    let mut buffer = [0; 1024];
    ensure!(
        input.read_at(&mut buffer, 0)? == 1024,
        "a read before the recovery was cut short"
    );
    dummy_hcd_tests::sys::recover(&input)?;
    ensure!(
        input.read_at(&mut buffer, 0)? == 1024,
        "a read after the recovery was cut short"
    );
    Ok(())
}

fn descriptors_are_those_of_sysfs() -> Result<()> {
    let plugged = setup::source_sink()?;
    let from_usbfs2 = fs::read(plugged.files.path().join("descriptors"))?;
    let from_sysfs = fs::read(format!(
        "/sys/bus/usb/devices/{}/descriptors",
        plugged.device.name()
    ))?;
    ensure!(
        from_usbfs2 == from_sysfs,
        "{from_usbfs2:02x?} against {from_sysfs:02x?}"
    );
    Ok(())
}

fn a_pulled_cable_takes_the_files_away() -> Result<()> {
    let mut plugged = setup::source_sink()?;
    let input = plugged.interface.open_in()?;
    plugged.pull()?;
    wait::until("the device's directory is gone", || {
        (!plugged.files.path().exists()).then_some(())
    })?;
    setup::expect_errno(
        "a read without a device",
        input.read_at(&mut [0; 512], 0),
        libc::ENODEV,
    )?;
    plugged.plug_again()?;
    let again: File = plugged.interface.open_in()?;
    ensure!(
        again.read_at(&mut [0; 512], 0)? == 512,
        "a read after plugging in again was cut short"
    );
    Ok(())
}

fn closing_the_claim_gives_the_driver_back() -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    let driver = plugged.interface.path().join("driver");
    let claim = plugged.interface.claim()?;
    ensure!(
        fs::read_to_string(&driver)?.trim() == "usbfs2",
        "the claim does not show in {}",
        driver.display()
    );
    let input = plugged.interface.open_in()?;
    drop(claim);
    ensure!(
        fs::read_to_string(&driver)?.trim() == "usbfs2",
        "the open endpoint does not keep the claim"
    );
    drop(input);
    plugged.device.wait_driver(0, "usbtest")?;
    Ok(())
}
