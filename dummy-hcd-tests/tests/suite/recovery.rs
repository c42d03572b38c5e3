//! Endpoints that stopped with an error, and the two ways to have them go on.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::sync::Arc;

use anyhow::{Result, ensure};
use dummy_hcd_tests::sys::{self, Context};
use dummy_hcd_tests::wait;

use crate::runner::Test;
use crate::setup::{self, Plugged, expect_errno};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "recovery::fadvise_clears_the_halt_of_a_stopped_endpoint",
            fadvise_clears_the_halt,
        ),
        Test::new(
            "recovery::fadvise_cancels_what_is_queued",
            fadvise_cancels_what_is_queued,
        ),
        Test::new(
            "recovery::clear_feature_by_ep00_recovers_an_open_endpoint",
            clear_feature_recovers,
        ),
        Test::new(
            "recovery::open_alone_starts_the_pipe_and_leaves_the_halt",
            open_alone_leaves_the_halt,
        ),
        Test::new(
            "recovery::o_trunc_after_an_error_clears_the_halt",
            o_trunc_after_an_error,
        ),
        Test::new(
            "recovery::o_trunc_without_an_error_asks_nothing_of_the_device",
            o_trunc_without_an_error,
        ),
    ]
}

/// Has the device halt its IN endpoint.
pub(crate) fn halt(plugged: &Plugged) -> Result<()> {
    let endpoint = plugged.interface.endpoint(true)?;
    Ok(plugged.interface.halt(&endpoint)?)
}

/// Has it end that halt.
fn clear_halt(plugged: &Plugged) -> Result<()> {
    let endpoint = plugged.interface.endpoint(true)?;
    Ok(plugged.interface.clear_halt(&endpoint)?)
}

fn open_with_trunc(plugged: &Plugged) -> Result<File> {
    Ok(OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_TRUNC)
        .open(plugged.interface.endpoint(true)?)?)
}

fn expect_flow(input: &File) -> Result<()> {
    ensure!(
        input.read_at(&mut [0; 1024], 0)? == 1024,
        "a read was cut short"
    );
    Ok(())
}

fn expect_stall(input: &File) -> Result<()> {
    expect_errno(
        "a read of a halted endpoint",
        input.read_at(&mut [0; 1024], 0),
        libc::EPIPE,
    )
}

/// Reads until the endpoint, just halted, has given what it had ready.
fn drain(input: &File) -> Result<()> {
    let error = wait::until("the halt shows", || input.read_at(&mut [0; 1024], 0).err())?;
    ensure!(
        error.raw_os_error() == Some(libc::EPIPE),
        "{error} instead of a stall"
    );
    Ok(())
}

fn fadvise_clears_the_halt() -> Result<()> {
    let plugged = setup::source_sink()?;
    let input = plugged.interface.open_in()?;
    for _ in 0..10 {
        expect_flow(&input)?;
        halt(&plugged)?;
        drain(&input)?;
        expect_stall(&input)?;
        sys::recover(&input)?;
    }
    expect_flow(&input)
}

fn fadvise_cancels_what_is_queued() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let mut context = Context::new(8)?;
    for _ in 0..8 {
        context.read(&file, 0, 512)?;
    }
    sys::recover(&file)?;
    let completed = context.wait(8, wait::DEADLINE)?;
    ensure!(completed.len() == 8, "{} of 8 completed", completed.len());
    for one in completed {
        expect_errno("a read that was queued", one.result, libc::ECANCELED)?;
    }
    plugged.interface.open_out()?.write_at(b"again", 0)?;
    let mut buffer = [0; 512];
    let length = file.read_at(&mut buffer, 0)?;
    ensure!(
        &buffer[..length] == b"again",
        "{:?} came back",
        &buffer[..length]
    );
    Ok(())
}

fn clear_feature_recovers() -> Result<()> {
    let plugged = setup::source_sink()?;
    let input = plugged.interface.open_in()?;
    for _ in 0..10 {
        halt(&plugged)?;
        drain(&input)?;
        clear_halt(&plugged)?;
        expect_flow(&input)?;
    }
    Ok(())
}

fn open_alone_leaves_the_halt() -> Result<()> {
    let plugged = setup::source_sink()?;
    let input = plugged.interface.open_in()?;
    halt(&plugged)?;
    drain(&input)?;
    drop(input);
    expect_stall(&plugged.interface.open_in()?)
}

fn o_trunc_after_an_error() -> Result<()> {
    let plugged = setup::source_sink()?;
    for _ in 0..10 {
        let input = plugged.interface.open_in()?;
        expect_flow(&input)?;
        halt(&plugged)?;
        drain(&input)?;
        drop(input);
        expect_flow(&open_with_trunc(&plugged)?)?;
    }
    Ok(())
}

fn o_trunc_without_an_error() -> Result<()> {
    let plugged = setup::source_sink()?;
    expect_flow(&plugged.interface.open_in()?)?;
    // The host does not know of this halt: only CLEAR_FEATURE could end it.
    halt(&plugged)?;
    let input = open_with_trunc(&plugged)?;
    drain(&input)?;
    drop(input);
    expect_flow(&open_with_trunc(&plugged)?)
}
