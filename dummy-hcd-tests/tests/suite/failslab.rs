//! Memory that is short: every allocation and every copy of a system call fails in turn, on the debug kernel.
//!
//! The call then says so or does without; nothing is leaked, bound or held because of it, and the next one works.
//! Reports of the kernel fail a test like any other, leaks the whole run.

mod ring;

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::fail_nth::{self, Tried, each_place};
use dummy_hcd_tests::sys::{self, Context};
use dummy_hcd_tests::{usbfs2, wait};
use rustix::fs::{Mode, OFlags};

use crate::runner::Test;
use crate::setup::{self, Plugged};

/// What a read moves: copied, and pinned page by page.
const LENGTHS: [usize; 2] = [512, 65536];

/// GET_DESCRIPTOR(device) as `ep00` has it (USB 2.0 9.4.3).
const GET_DEVICE_DESCRIPTOR: u64 = 0x80 << 40 | 0x06 << 32 | 0x0100 << 16;

pub(crate) fn tests() -> Vec<Test> {
    // Debian's kernels cannot do this: there the tests are not.
    if !fail_nth::is_here() {
        return Vec::new();
    }
    let calls = vec![
        Test::long("failslab::mount", mount),
        Test::long("failslab::plugging_in", plugging_in),
        Test::long("failslab::opening_an_endpoint", opening_an_endpoint),
        Test::long("failslab::claiming", claiming),
        Test::long("failslab::reading", reading),
        Test::long("failslab::writing", writing),
        Test::long("failslab::submitting", submitting),
        Test::long("failslab::controlling", controlling),
    ];
    [calls, ring::tests()].concat()
}

/// Prints what was tried, and fails if nothing was.
fn tell(what: &str, tried: Tried) -> Result<()> {
    println!(
        "{what}: {} places failed, {} did no harm",
        tried.failed, tried.survived
    );
    ensure!(
        tried.failed > 0,
        "no place in {what} failed: nothing was tried"
    );
    Ok(())
}

/// What a check says of an error.
fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Fails unless a read of the endpoint works.
fn moves_data(plugged: &Plugged) -> Result<(), String> {
    let file = plugged.interface.open_in().map_err(said)?;
    let length = file.read_at(&mut [0; 512], 0).map_err(said)?;
    if length != 512 {
        return Err(format!("a read gave {length} bytes"));
    }
    usbfs2::wait_no_live_request().map_err(said)
}

fn mount() -> Result<()> {
    const MOUNT: &CStr = c"/dev/usbfs2";
    let plugged = setup::source_sink()?;
    sys::unmount(MOUNT)?;
    let device = plugged.files.path();
    let tried = each_place(
        || sys::mount(MOUNT),
        |mounted| {
            if mounted.is_err() {
                return Ok(());
            }
            // It may have come without a device for which there was no memory, but not with half of one.
            if device.exists() {
                moves_data(&plugged)?;
            }
            sys::unmount(MOUNT).map_err(said)
        },
    )?;
    sys::mount(MOUNT)?;
    moves_data(&plugged).map_err(anyhow::Error::msg)?;
    tell("mount", tried)
}

/// A device arrives in a thread of the kernel's, which nothing can be injected into from here; but an interface's
/// files also come and go with its configuration, in the thread that selects it.
fn plugging_in() -> Result<()> {
    let plugged = setup::source_sink()?;
    let path = plugged.files.path().join("configuration");
    let file = OpenOptions::new().write(true).open(&path)?;
    let select = |number: &[u8]| file.write_at(number, 0);
    let endpoints = || plugged.interface.endpoint(true).is_ok();
    let tried = each_place(
        || select(b"1"),
        |_| {
            // Whatever became of it, the next one makes it whole.
            select(b"1").map_err(said)?;
            wait::until("the endpoints are there", || endpoints().then_some(())).map_err(said)?;
            moves_data(&plugged)
        },
    )?;
    tell("selecting a configuration", tried)
}

/// open(2) without a detour: what the standard library does besides might fail as well.
fn open(path: &CStr) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn opening_an_endpoint() -> Result<()> {
    let plugged = setup::source_sink()?;
    let path = c_path(&plugged.interface.endpoint(true)?)?;
    let tried = each_place(
        || open(&path),
        |opened| {
            drop(opened);
            moves_data(&plugged)
        },
    )?;
    tell("open", tried)
}

fn claiming() -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    let path = c_path(&plugged.interface.path().join("driver"))?;
    let file = RefCell::new(open(&path)?);
    let tried = each_place(
        || file.borrow().write_at(b"usbfs2", 0),
        |claimed| {
            if claimed.is_ok() {
                moves_data(&plugged)?;
            }
            // The claim, or what there is of it, goes with the file.
            file.replace(open(&path).map_err(said)?);
            plugged.device.wait_driver(0, "usbtest").map_err(said)
        },
    );
    tell("claiming", tried?)
}

fn reading() -> Result<()> {
    let plugged = setup::source_sink()?;
    for length in LENGTHS {
        let file = plugged.interface.open_in()?;
        let mut buffer = vec![0xff; length];
        let tried = each_place(
            || file.read_at(&mut buffer, 0),
            |read| match read {
                Ok(read) if read != length => Err(format!("a read gave {read} bytes")),
                _ => file_works(&file, length),
            },
        )?;
        tell(&format!("a read of {length} bytes"), tried)?;
    }
    Ok(())
}

/// Fails unless the endpoint goes on as if nothing had been.
fn file_works(file: &File, length: usize) -> Result<(), String> {
    let read = file.read_at(&mut vec![0; length], 0).map_err(said)?;
    if read != length {
        return Err(format!("the next read gave {read} bytes"));
    }
    usbfs2::wait_no_live_request().map_err(said)
}

fn writing() -> Result<()> {
    let plugged = setup::zeros()?;
    for length in LENGTHS {
        let file = plugged.interface.open_out()?;
        let bytes = vec![0; length];
        let tried = each_place(
            || file.write_at(&bytes, 0),
            |written| {
                match written {
                    Ok(written) if written != length => {
                        return Err(format!("a write took {written} bytes"));
                    }
                    _ => {}
                }
                file.write_at(&bytes, 0).map_err(said)?;
                usbfs2::wait_no_live_request().map_err(said)
            },
        )?;
        tell(&format!("a write of {length} bytes"), tried)?;
    }
    Ok(())
}

/// When it has no memory for its own request, io_submit says that there is no room; what the module says comes as a
/// completion.
fn refused_by_aio(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => io::Error::from_raw_os_error(libc::ENOMEM),
        _ => error,
    }
}

/// An operation that io_submit has refused is no operation; one that it has taken completes, once.
fn submitting() -> Result<()> {
    let plugged = setup::source_sink()?;
    for length in LENGTHS {
        let file = Arc::new(plugged.interface.open_in()?);
        let context = RefCell::new(Context::new(4)?);
        let tried = each_place(
            || {
                let submitted = context.borrow_mut().read(&file, 0, length);
                submitted.map_err(refused_by_aio)
            },
            |submitted| {
                let mut context = context.borrow_mut();
                let expected = usize::from(submitted.is_ok());
                let completed = context.wait(expected, wait::DEADLINE).map_err(said)?;
                if completed.len() != expected {
                    return Err(format!("{} completions of {expected}", completed.len()));
                }
                for one in completed {
                    match one.result {
                        Ok(moved) if moved == length => {}
                        Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {}
                        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => {}
                        other => return Err(format!("an operation ended with {other:?}")),
                    }
                }
                file_works(&file, length)
            },
        )?;
        tell(&format!("io_submit of {length} bytes"), tried)?;
    }
    Ok(())
}

fn controlling() -> Result<()> {
    let plugged = setup::source_sink()?;
    let path = c_path(&plugged.files.path().join("ep00"))?;
    let file = open(&path).context("open ep00")?;
    let mut buffer = [0; 18];
    let tried = each_place(
        || file.read_at(&mut buffer, GET_DEVICE_DESCRIPTOR),
        |read| match read {
            Ok(length) if length != 18 => Err(format!("{length} bytes of a device descriptor")),
            _ => usbfs2::wait_no_live_request().map_err(said),
        },
    )?;
    tell("a control transfer", tried)
}
