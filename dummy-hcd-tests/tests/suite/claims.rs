//! Whose an interface is: claims shared, exclusive and handed on.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::runner::Test;
use crate::setup::{self, expect_errno};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "claims::an_exclusive_claim_keeps_other_processes_out",
            an_exclusive_claim,
        ),
        Test::new(
            "claims::a_process_that_inherits_the_claim_may_open_endpoints",
            an_inherited_claim,
        ),
        Test::new(
            "claims::a_shared_claim_leaves_the_other_endpoint_to_others",
            a_shared_claim,
        ),
        Test::new(
            "claims::an_endpoint_of_another_process_refuses_the_exclusive_claim",
            an_endpoint_of_another_process,
        ),
        Test::new(
            "claims::ep00_of_an_interface_sends_nothing_beyond_it",
            ep00_sends_nothing_beyond,
        ),
        Test::new(
            "claims::a_driver_detached_for_good_comes_back_by_probe",
            a_driver_detached_for_good,
        ),
        Test::new(
            "claims::a_lost_claim_stays_lost_when_another_takes_its_place",
            a_lost_claim_stays_lost,
        ),
    ]
}

/// Another process reads 512 bytes from `endpoint`; it has no file of this one but `input`.
fn read_elsewhere(endpoint: &Path, input: Stdio) -> Result<Output> {
    Command::new("dd")
        .args(["bs=512", "count=1", "status=none"])
        .arg(format!("if={}", endpoint.display()))
        .stdin(input)
        .output()
        .context("run dd")
}

fn expect_read(output: &Output) -> Result<()> {
    ensure!(
        output.status.success() && output.stdout.len() == 512,
        "another process read {} bytes: {}",
        output.stdout.len(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn expect_busy(output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && said.contains("busy"),
        "another process got {} and {said:?}",
        output.status
    );
    Ok(())
}

fn an_exclusive_claim() -> Result<()> {
    let plugged = setup::source_sink()?;
    let endpoint = plugged.interface.endpoint(true)?;
    let claim = plugged.interface.claim()?;
    expect_busy(&read_elsewhere(&endpoint, Stdio::null())?)?;
    drop(claim);
    expect_read(&read_elsewhere(&endpoint, Stdio::null())?)
}

fn an_inherited_claim() -> Result<()> {
    let plugged = setup::source_sink()?;
    let claim = plugged.interface.claim()?;
    let endpoint = plugged.interface.endpoint(true)?;
    expect_read(&read_elsewhere(&endpoint, claim.try_clone()?.into())?)?;
    // An endpoint is a file of the claim too.
    let out = plugged.interface.open_out()?;
    expect_read(&read_elsewhere(&endpoint, out.into())?)?;
    drop(claim);
    Ok(())
}

fn a_shared_claim() -> Result<()> {
    let plugged = setup::source_sink()?;
    let endpoint = plugged.interface.endpoint(true)?;
    let _out = plugged.interface.open_out()?;
    expect_read(&read_elsewhere(&endpoint, Stdio::null())?)?;
    // From now on it is exclusive.
    let claim = plugged.interface.claim()?;
    expect_busy(&read_elsewhere(&endpoint, Stdio::null())?)?;
    drop(claim);
    expect_read(&read_elsewhere(&endpoint, Stdio::null())?)
}

fn an_endpoint_of_another_process() -> Result<()> {
    let plugged = setup::source_sink()?;
    let endpoint = plugged.interface.endpoint(true)?;
    // It keeps the endpoint as its output, which this process closes, until its input ends.
    let mut other = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(File::open(&endpoint)?)
        .spawn()
        .context("run cat")?;
    let refused = expect_errno("the claim", plugged.interface.claim(), libc::EBUSY);
    drop(other.stdin.take());
    other.wait()?;
    refused?;
    plugged.interface.claim()?;
    Ok(())
}

fn ep00_sends_nothing_beyond() -> Result<()> {
    // bmRequestType, bRequest, wValue and wIndex (USB 2.0 9.4); wLength is that of the read.
    const GET_DESCRIPTOR_OF_DEVICE: u64 = 0x80 << 40 | 6 << 32 | 0x0100 << 16;
    const GET_STATUS_OF_INTERFACE: u64 = 0x81 << 40;
    const ANOTHER_INTERFACE: u64 = 1;
    let plugged = setup::source_sink()?;
    let ep00 = OpenOptions::new()
        .read(true)
        .write(true)
        .open(plugged.interface.path().join("ep00"))?;
    expect_errno(
        "a request to the device",
        ep00.read_at(&mut [0; 18], GET_DESCRIPTOR_OF_DEVICE),
        libc::EPERM,
    )?;
    expect_errno(
        "a request to another interface",
        ep00.read_at(&mut [0; 2], GET_STATUS_OF_INTERFACE | ANOTHER_INTERFACE),
        libc::EPERM,
    )?;
    ensure!(
        ep00.read_at(&mut [0; 2], GET_STATUS_OF_INTERFACE)? == 2,
        "a request to the interface was cut short"
    );
    Ok(())
}

fn a_driver_detached_for_good() -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    let driver = plugged.interface.path().join("driver");
    std::fs::write(&driver, "none")?;
    ensure!(
        plugged.device.driver(0).is_none() && std::fs::read_to_string(&driver)?.is_empty(),
        "a driver is bound still"
    );
    // Nothing was detached by this claim, so nothing comes back.
    drop(plugged.interface.open_in()?);
    ensure!(
        plugged.device.driver(0).is_none(),
        "the driver came back by itself"
    );
    std::fs::write(&driver, "probe")?;
    plugged.device.wait_driver(0, "usbtest")?;
    Ok(())
}

fn a_lost_claim_stays_lost() -> Result<()> {
    let plugged = setup::source_sink()?;
    let lost = plugged.interface.claim()?;
    let name = format!("{}:1.0", plugged.device.name());
    std::fs::write("/sys/bus/usb/drivers/usbfs2/unbind", name)?;
    expect_errno(
        "claiming with the file whose claim was lost",
        (&lost).write(b"usbfs2"),
        libc::ENODEV,
    )?;
    let _other = plugged.interface.claim()?;
    expect_errno(
        "the same while the interface is another's",
        (&lost).write(b"usbfs2"),
        libc::ENODEV,
    )
}
