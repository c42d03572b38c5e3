//! What bad input gets: one meaning for each errno, and nothing changed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use dummy_hcd_tests::sys::Context;
use dummy_hcd_tests::wait;

use crate::runner::Test;
use crate::setup::{self, expect_errno};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "bad_input::a_second_opener_of_an_endpoint_gets_ebusy",
            a_second_opener_gets_ebusy,
        ),
        Test::new(
            "bad_input::an_endpoint_of_a_kernel_driver_gets_ebusy",
            an_endpoint_of_a_kernel_driver_gets_ebusy,
        ),
        Test::new(
            "bad_input::a_request_to_an_interface_of_another_gets_ebusy",
            a_request_to_another_gets_ebusy,
        ),
        Test::new(
            "bad_input::unknown_offset_flags_get_einval",
            unknown_offset_flags_get_einval,
        ),
        Test::new(
            "bad_input::a_length_that_is_not_wlength_gets_einval",
            a_length_that_is_not_wlength_gets_einval,
        ),
        Test::new(
            "bad_input::the_wrong_direction_is_refused",
            the_wrong_direction_is_refused,
        ),
        Test::new(
            "bad_input::bad_text_changes_nothing",
            bad_text_changes_nothing,
        ),
        Test::new(
            "bad_input::a_configuration_that_is_not_there_gets_einval",
            a_configuration_that_is_not_there_gets_einval,
        ),
        Test::new(
            "bad_input::a_data_stage_does_not_get_past_usbcore",
            a_data_stage_does_not_get_past_usbcore,
        ),
        Test::new(
            "bad_input::reserved_bits_hide_no_endpoint",
            reserved_bits_hide_no_endpoint,
        ),
        Test::new(
            "bad_input::an_aio_fsync_is_refused",
            an_aio_fsync_is_refused,
        ),
        Test::new(
            "bad_input::a_path_to_a_removed_file_opens_nothing",
            a_path_to_a_removed_file_opens_nothing,
        ),
        Test::new(
            "bad_input::a_request_the_device_refuses_gets_epipe",
            a_request_the_device_refuses_gets_epipe,
        ),
    ]
}

/// The offset of a control transfer but for wLength, which is the length of the read or write.
fn setup_offset(request_type: u8, request: u8, value: u16, index: u16) -> u64 {
    u64::from(request_type) << 40
        | u64::from(request) << 32
        | u64::from(value) << 16
        | u64::from(index)
}

const GET_STATUS: u8 = 0;
const CLEAR_FEATURE: u8 = 1;
const GET_DESCRIPTOR: u8 = 6;
const SET_CONFIGURATION: u8 = 9;
const GET_INTERFACE: u8 = 10;
const SET_INTERFACE: u8 = 11;
const TO_DEVICE: u8 = 0x00;
const TO_INTERFACE: u8 = 0x01;
const TO_ENDPOINT: u8 = 0x02;
const FROM_DEVICE: u8 = 0x80;
const FROM_INTERFACE: u8 = 0x81;
const FROM_ENDPOINT: u8 = 0x82;
const DEVICE_DESCRIPTOR: u16 = 0x0100;

fn read_write(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn a_second_opener_gets_ebusy() -> Result<()> {
    let plugged = setup::source_sink()?;
    let first = plugged.interface.open_in()?;
    expect_errno("a second open", plugged.interface.open_in(), libc::EBUSY)?;
    drop(first);
    plugged.interface.open_in()?;
    Ok(())
}

fn an_endpoint_of_a_kernel_driver_gets_ebusy() -> Result<()> {
    let (disk, _image) = setup::disk(8)?;
    expect_errno(
        "an endpoint of usb-storage",
        disk.interface.open_in(),
        libc::EBUSY,
    )?;
    ensure!(
        disk.device.driver(0).as_deref() == Some("usb-storage"),
        "the driver was taken away"
    );
    Ok(())
}

fn a_request_to_another_gets_ebusy() -> Result<()> {
    let (disk, _image) = setup::disk(8)?;
    let ep00 = read_write(&disk.files.path().join("ep00"))?;
    let offset = setup_offset(FROM_INTERFACE, GET_INTERFACE, 0, 0);
    expect_errno(
        "a request to usb-storage's interface",
        ep00.read_at(&mut [0; 1], offset),
        libc::EBUSY,
    )?;
    let offset = setup_offset(FROM_DEVICE, GET_DESCRIPTOR, DEVICE_DESCRIPTOR, 0);
    ensure!(
        ep00.read_at(&mut [0; 18], offset)? == 18,
        "a request to the device was cut short"
    );
    Ok(())
}

fn unknown_offset_flags_get_einval() -> Result<()> {
    let plugged = setup::source_sink()?;
    let input = plugged.interface.open_in()?;
    let out = plugged.interface.open_out()?;
    expect_errno(
        "a read with unknown flags",
        input.read_at(&mut [0; 512], 1 << 50),
        libc::EINVAL,
    )?;
    expect_errno(
        "a write with unknown flags",
        out.write_at(&[0; 512], 1 << 50),
        libc::EINVAL,
    )?;
    let ep00 = read_write(&plugged.files.path().join("ep00"))?;
    let offset = setup_offset(FROM_DEVICE, GET_DESCRIPTOR, DEVICE_DESCRIPTOR, 0) | 1 << 48;
    expect_errno(
        "a control read with unknown flags",
        ep00.read_at(&mut [0; 18], offset),
        libc::EINVAL,
    )?;
    ensure!(
        input.read_at(&mut [0; 512], 0)? == 512,
        "a read after the refused ones was cut short"
    );
    Ok(())
}

fn a_length_that_is_not_wlength_gets_einval() -> Result<()> {
    let plugged = setup::source_sink()?;
    let ep00 = read_write(&plugged.files.path().join("ep00"))?;
    let offset = setup_offset(FROM_DEVICE, GET_DESCRIPTOR, DEVICE_DESCRIPTOR, 0);
    // wLength has 16 bits, and is the length of the read.
    expect_errno(
        "a control read of 65536 bytes",
        ep00.read_at(&mut vec![0; 65536], offset),
        libc::EINVAL,
    )?;
    Ok(())
}

fn the_wrong_direction_is_refused() -> Result<()> {
    let plugged = setup::source_sink()?;
    let out = plugged.interface.open_out()?;
    expect_errno(
        "a read of a write-only OUT endpoint",
        out.read_at(&mut [0; 512], 0),
        libc::EBADF,
    )?;
    drop(out);
    let out = read_write(&plugged.interface.endpoint(false)?)?;
    expect_errno(
        "a read of an OUT endpoint",
        out.read_at(&mut [0; 512], 0),
        libc::EINVAL,
    )?;
    drop(out);
    let ep00 = read_write(&plugged.files.path().join("ep00"))?;
    let offset = setup_offset(FROM_DEVICE, GET_DESCRIPTOR, DEVICE_DESCRIPTOR, 0);
    expect_errno(
        "a control write of an IN request",
        ep00.write_at(&[0; 18], offset),
        libc::EINVAL,
    )?;
    Ok(())
}

fn bad_text_changes_nothing() -> Result<()> {
    let (disk, _image) = setup::disk(8)?;
    let driver = disk.interface.path().join("driver");
    refused(&driver, &["usbfs", "usbfs2 usbfs2", "\u{fffd}", "None"])?;
    let configuration = disk.files.path().join("configuration");
    refused(
        &configuration,
        &["banana", "-2", "1 1", "256", "99999999999999999999"],
    )?;
    ensure!(
        disk.device.driver(0).as_deref() == Some("usb-storage"),
        "the driver was taken away"
    );
    let claim = disk.interface.claim()?;
    refused(
        &disk.interface.path().join("alternate"),
        &["x", "7", "-1", "0 0", "256"],
    )?;
    drop(claim);
    disk.device.wait_driver(0, "usb-storage")?;
    Ok(())
}

fn a_configuration_that_is_not_there_gets_einval() -> Result<()> {
    // Without a driver: a configuration whose interfaces are in use is EBUSY first.
    let plugged = setup::source_sink()?;
    refused(&plugged.files.path().join("configuration"), &["9"])?;
    let input = plugged.interface.open_in()?;
    ensure!(
        input.read_at(&mut [0; 512], 0)? == 512,
        "a read after the refusal was cut short"
    );
    Ok(())
}

/// Each of `texts` gets EINVAL from `path` and leaves what it reads as it was.
fn refused(path: &Path, texts: &[&str]) -> Result<()> {
    let before = fs::read_to_string(path)?;
    for text in texts {
        let mut file = read_write(path)?;
        expect_errno(
            &format!("{text:?} written to {}", path.display()),
            file.write(text.as_bytes()),
            libc::EINVAL,
        )?;
        drop(file);
        ensure!(
            fs::read_to_string(path)? == before,
            "{text:?} changed {}",
            path.display()
        );
    }
    Ok(())
}

fn a_data_stage_does_not_get_past_usbcore() -> Result<()> {
    let (disk, _image) = setup::disk(8)?;
    let ep00 = read_write(&disk.files.path().join("ep00"))?;
    let requests = [
        ("SET_CONFIGURATION", TO_DEVICE, SET_CONFIGURATION, 1),
        ("SET_INTERFACE", TO_INTERFACE, SET_INTERFACE, 0),
        ("CLEAR_FEATURE", TO_ENDPOINT, CLEAR_FEATURE, 0),
    ];
    for (name, request_type, request, value) in requests {
        let index = if request_type == TO_ENDPOINT { 0x81 } else { 0 };
        let offset = setup_offset(request_type, request, value, index);
        expect_errno(
            &format!("{name} with a data stage"),
            ep00.write_at(&[0; 1], offset),
            libc::EINVAL,
        )?;
        expect_errno(
            &format!("{name} to what usb-storage has"),
            ep00.write_at(&[], offset),
            libc::EBUSY,
        )?;
    }
    Ok(())
}

fn reserved_bits_hide_no_endpoint() -> Result<()> {
    let (disk, _image) = setup::disk(8)?;
    let ep00 = read_write(&disk.files.path().join("ep00"))?;
    for (index, errno) in [
        (0x81, libc::EBUSY),
        (0x91, libc::EINVAL),
        (0x0181, libc::EINVAL),
    ] {
        let offset = setup_offset(FROM_ENDPOINT, GET_STATUS, 0, index);
        expect_errno(
            &format!("GET_STATUS of {index:#06x}"),
            ep00.read_at(&mut [0; 2], offset),
            errno,
        )?;
    }
    Ok(())
}

fn an_aio_fsync_is_refused() -> Result<()> {
    let plugged = setup::source_sink()?;
    let out = Arc::new(plugged.interface.open_out()?);
    let mut context = Context::new(1)?;
    context.sync(&out)?;
    for one in context.wait(1, wait::DEADLINE)? {
        expect_errno("an fsync by AIO", one.result, libc::EOPNOTSUPP)?;
    }
    ensure!(context.in_flight() == 0, "the fsync did not complete");
    out.sync_all()?;
    Ok(())
}

fn a_path_to_a_removed_file_opens_nothing() -> Result<()> {
    let plugged = setup::source_sink()?;
    let paths = [
        plugged.interface.endpoint(true)?,
        plugged.interface.path().join("ep00"),
    ];
    let kept = paths
        .iter()
        .map(|path| {
            OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_PATH)
                .open(path)
        })
        .collect::<Result<Vec<_>, _>>()?;
    // The interface's files go away and come back.
    let configuration = plugged.files.path().join("configuration");
    fs::write(&configuration, "0")?;
    fs::write(&configuration, "1")?;
    for (file, path) in kept.iter().zip(&paths) {
        let of_the_removed = format!("/proc/self/fd/{}", file.as_raw_fd());
        expect_errno(
            &format!("{} as it was before", path.display()),
            File::open(of_the_removed),
            libc::ENODEV,
        )?;
        File::open(path)?;
    }
    Ok(())
}

fn a_request_the_device_refuses_gets_epipe() -> Result<()> {
    let plugged = setup::source_sink()?;
    let ep00 = read_write(&plugged.files.path().join("ep00"))?;
    let vendor_request = setup_offset(0xc0, 0xee, 0, 0);
    expect_errno(
        "an unknown vendor request",
        ep00.read_at(&mut [0; 8], vendor_request),
        libc::EPIPE,
    )?;
    let offset = setup_offset(FROM_DEVICE, GET_DESCRIPTOR, DEVICE_DESCRIPTOR, 0);
    ensure!(
        ep00.read_at(&mut [0; 18], offset)? == 18,
        "the control pipe did not recover by itself"
    );
    Ok(())
}
