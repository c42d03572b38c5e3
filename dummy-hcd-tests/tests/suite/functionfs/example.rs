//! The example `composite_gadget`, as users run it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait;
use usbfs2_hid::HidDevice;
use usbfs2_host::Device;
use usbfs2_mass_storage::MassStorage;

use crate::scenarios::Scenario;
use crate::scenarios::keyboard::read_text;
use crate::setup;
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![(
        "example::the_composite_gadget_of_the_examples_works",
        the_example_works,
    )]
}

/// The example's process; killed if a test fails before it ends it.
struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        // It has ended, where the test has succeeded.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn the_example_works(world: &World) -> Result<()> {
    let mut child = Command::new(setup::example("composite_gadget")?)
        .arg("run")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input = child.stdin.take().context("the input is a pipe")?;
    let output = child.stdout.take().context("the output is a pipe")?;
    let mut example = Example(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    ensure!(
        line == "on dummy_udc.0, with the serial port /dev/ttyGS0: type\n",
        "it said {line:?}"
    );

    let device = open(world)?;
    let disk = MassStorage::open_blocking(&device)?.block_device_blocking(0)?;
    let bytes = disk.size();
    ensure!(bytes == 16 << 20, "the disk has {bytes} bytes");
    let hid = HidDevice::open_blocking(&device)?;
    let mut keys = hid.keys()?;
    writeln!(&input, "Hi there!")?;
    let text = read_text(&mut keys, 10)?;
    ensure!(text == "Hi there!\n", "{text:?} came");

    // The end of the input ends it, and nothing is left.
    drop(input);
    let status = wait::until("the example ends", || example.0.try_wait().ok().flatten())?;
    ensure!(status.success(), "the example: {status}");
    SysfsDevice::wait_gone(0)?;
    Ok(())
}

/// Waits until the host can open the example's device.
fn open(world: &World) -> Result<Device> {
    let host = world.host()?;
    Ok(wait::until("the host can open the example", || {
        let devices = host.devices().ok()?;
        let info = devices
            .iter()
            .find(|info| info.product() == Some("Example composite"))?;
        host.open(info.id()).ok()
    })?)
}
