//! Single reads and writes: zero-length packets, calls that may not wait, and ones cut off.

use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::{usbfs2, wait};
use rustix::fs::{OFlags, fcntl_setfl};

use crate::runner::Test;
use crate::setup::{self, Plugged, expect_errno};

/// `USBFS2_ZERO_PACKET`, an offset of a write.
const ZERO_PACKET: u64 = 1;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "transfers::writing_0_bytes_sends_a_zero_length_packet",
            writing_nothing,
        ),
        Test::new("transfers::reading_0_bytes_does_nothing", reading_nothing),
        Test::new(
            "transfers::zero_packet_ends_a_write_of_whole_packets",
            zero_packet_ends_a_write,
        ),
        Test::new(
            "transfers::o_nonblock_set_later_gets_eagain",
            o_nonblock_set_later,
        ),
        Test::new("transfers::more_than_64_mib_gets_einval", more_than_64_mib),
        Test::new("transfers::kill_ends_a_read_that_waits", kill_ends_a_read),
    ]
}

/// Fails unless the loopback's next transfer is `length` bytes.
fn expect_transfer(plugged: &Plugged, length: usize) -> Result<()> {
    let received = plugged.interface.open_in()?.read_at(&mut [0; 4096], 0)?;
    ensure!(
        received == length,
        "a transfer of {received} bytes came back instead of one of {length}"
    );
    Ok(())
}

fn writing_nothing() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let out = plugged.interface.open_out()?;
    for length in [0, 5, 0] {
        ensure!(
            out.write_at(&[1; 5][..length], 0)? == length,
            "a write was cut short"
        );
        expect_transfer(&plugged, length)?;
    }
    Ok(())
}

fn reading_nothing() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    // A transfer would wait: the device has nothing to send.
    let read = plugged.interface.open_in()?.read_at(&mut [], 0)?;
    ensure!(read == 0, "a read of 0 bytes gave {read}");
    Ok(())
}

fn zero_packet_ends_a_write() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let out = plugged.interface.open_out()?;
    // The device reads up to 4096 bytes, or to a short packet.
    out.write_at(&[1; 1024], ZERO_PACKET)?;
    expect_transfer(&plugged, 1024)?;
    out.write_at(&[2; 1024], 0)?;
    out.write_at(&[3; 3], 0)?;
    expect_transfer(&plugged, 1027)
}

fn o_nonblock_set_later() -> Result<()> {
    let plugged = setup::source_sink()?;
    let input = plugged.interface.open_in()?;
    fcntl_setfl(&input, OFlags::NONBLOCK)?;
    expect_errno(
        "a read that may not wait",
        input.read_at(&mut [0; 1024], 0),
        libc::EAGAIN,
    )?;
    fcntl_setfl(&input, OFlags::empty())?;
    ensure!(
        input.read_at(&mut [0; 1024], 0)? == 1024,
        "a read that may wait was cut short"
    );
    Ok(())
}

fn more_than_64_mib() -> Result<()> {
    let plugged = setup::source_sink()?;
    let mut buffer = vec![0; (64 << 20) + 1];
    let input = plugged.interface.open_in()?;
    expect_errno(
        "a read of a byte more than 64 MiB",
        input.read_at(&mut buffer, 0),
        libc::EINVAL,
    )?;
    ensure!(
        input.read_at(&mut buffer[..1024], 0)? == 1024,
        "the next read was cut short"
    );
    Ok(())
}

fn kill_ends_a_read() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    std::fs::write(plugged.interface.path().join("driver"), "none")?;
    let endpoint = plugged.interface.endpoint(true)?;
    for _ in 0..10 {
        let mut reader = Command::new("cat")
            .arg(&endpoint)
            .stdout(Stdio::null())
            .spawn()
            .context("run cat")?;
        let waiting = wait::until("the read waits", || {
            (usbfs2::live_requests().ok()? == 1).then_some(())
        });
        reader.kill()?;
        reader.wait()?;
        waiting?;
        usbfs2::wait_no_live_request()?;
    }
    plugged.interface.open_out()?.write_at(b"next", 0)?;
    expect_transfer(&plugged, 4)
}
