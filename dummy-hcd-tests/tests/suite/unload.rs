//! Unloading the module: refused while in use, clean after.

use std::env;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys;

use crate::runner::Test;
use crate::setup::{self, expect_errno};

const MOUNT: &std::ffi::CStr = c"/dev/usbfs2";

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new(
        "unload::refused_while_in_use_and_clean_after",
        refused_while_in_use_and_clean_after,
    )]
}

fn refused_while_in_use_and_clean_after() -> Result<()> {
    let module = env::var("USBFS2_MODULE")
        .context("USBFS2_MODULE is not set: the harness names the module there")?;
    let mut plugged = setup::source_sink_with_driver()?;
    expect_errno(
        "unloading while mounted",
        sys::delete_module(c"usbfs2"),
        libc::EWOULDBLOCK,
    )?;

    let claim = plugged.interface.claim()?;
    let input = plugged.interface.open_in()?;
    expect_errno(
        "unmounting with an endpoint open",
        sys::unmount(MOUNT),
        libc::EBUSY,
    )?;
    drop((input, claim));
    plugged.device.wait_driver(0, "usbtest")?;

    sys::unmount(MOUNT)?;
    sys::delete_module(c"usbfs2").context("unload the module once nothing uses it")?;
    ensure!(
        plugged.device.driver(0).as_deref() == Some("usbtest"),
        "the driver went away with the module"
    );

    let output = Command::new("insmod")
        .arg(&module)
        .output()
        .context("run insmod (package kmod)")?;
    ensure!(
        output.status.success(),
        "insmod {module}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    sys::mount(MOUNT)?;
    plugged.pull()?;
    plugged.plug_again()?;
    plugged.device.wait_driver(0, "usbtest")?;
    Ok(())
}
