//! Alternate settings and configurations: who may switch them, and what becomes of the files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::usbfs2::{DeviceFiles, InterfaceFiles};
use dummy_hcd_tests::wait;
use usbfs2_gadget::{
    Buffer, Direction, EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError,
    GadgetfsOptions, InterfaceClass, Running,
};

use crate::runner::Test;
use crate::setup::{self, expect_errno};
use crate::world::World;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "settings::a_new_alternate_setting_brings_its_endpoint_files",
            a_new_setting_brings_its_files,
        ),
        Test::new(
            "settings::an_open_endpoint_stays_usable_if_the_new_setting_has_it",
            an_open_endpoint_stays_usable,
        ),
        Test::new(
            "settings::an_open_endpoint_the_new_setting_lacks_gets_enodev",
            an_open_endpoint_the_new_setting_lacks,
        ),
        Test::new(
            "settings::alternate_without_the_claim_gets_eperm",
            alternate_without_the_claim,
        ),
        Test::new(
            "settings::a_number_there_is_no_setting_of_gets_einval",
            a_number_there_is_no_setting_of,
        ),
        Test::new(
            "settings::set_interface_by_ep00_switches_as_alternate_does",
            set_interface_by_ep00,
        ),
        Test::new(
            "settings::configuration_0_takes_the_interfaces_away_and_1_brings_them_back",
            configuration_takes_and_brings,
        ),
        Test::new(
            "settings::configuration_of_a_claimed_interface_gets_ebusy",
            configuration_of_a_claimed_interface,
        ),
    ]
}

/// Setting 0: one IN endpoint. Setting 1: the same IN endpoint, and an OUT endpoint.
///
/// Each IN transfer is one byte, the number of the setting.
struct TwoSettings;

impl Function for TwoSettings {
    fn name(&self) -> &str {
        "two settings"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::In));
        interface.alternate_setting(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::In));
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let (setting, mut input) = match endpoints.take(0) {
            Ok(input) => (0, input),
            Err(_) => (1, endpoints.take(1)?),
        };
        // Alive to the end of the run: dropping an endpoint disables it.
        let _output = endpoints.take(2);
        loop {
            input.write(Buffer::from(vec![setting]))?;
        }
    }
}

/// The gadget of two settings, plugged in; no driver. Unplugged when dropped.
#[derive(Debug)]
pub(crate) struct Alternating {
    pub(crate) files: DeviceFiles,
    pub(crate) interface: InterfaceFiles,
    _running: Running,
}

impl Alternating {
    pub(crate) fn plug() -> Result<Self> {
        let gadget = World::gadget().function(Arc::new(TwoSettings)).build()?;
        let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
        let device = SysfsDevice::wait(0)?;
        let files = DeviceFiles::wait(device.name())?;
        Ok(Self {
            interface: files.interface(0),
            files,
            _running: running,
        })
    }

    /// Selects an alternate setting, which needs a claim held somewhere in this process.
    pub(crate) fn select(&self, alternate: &str) -> io::Result<()> {
        fs::write(self.interface.path().join("alternate"), alternate)
    }

    fn alternate(&self) -> io::Result<String> {
        let text = fs::read_to_string(self.interface.path().join("alternate"))?;
        Ok(text.trim_end().to_owned())
    }

    fn has_out(&self) -> bool {
        self.interface.endpoint(false).is_ok()
    }
}

/// Fails unless one transfer of `input` is the byte that setting `expected` sends.
fn expect_setting(input: &File, expected: u8) -> Result<()> {
    let mut buffer = [0; 512];
    let length = input
        .read_at(&mut buffer, 0)
        .with_context(|| format!("read in setting {expected}"))?;
    ensure!(
        buffer[..length] == [expected],
        "{:?} came instead of the byte of setting {expected}",
        &buffer[..length]
    );
    Ok(())
}

fn a_new_setting_brings_its_files() -> Result<()> {
    let plugged = Alternating::plug()?;
    let claim = plugged.interface.claim()?;
    ensure!(
        plugged.alternate()? == "0" && !plugged.has_out(),
        "setting 0 is not the one that was declared"
    );
    expect_setting(&plugged.interface.open_in()?, 0)?;
    plugged.select("1")?;
    ensure!(plugged.alternate()? == "1", "`alternate` does not follow");
    ensure!(plugged.has_out(), "the new endpoint has no file");
    expect_setting(&plugged.interface.open_in()?, 1)?;
    plugged.select("0")?;
    ensure!(!plugged.has_out(), "an endpoint that went kept its file");
    expect_setting(&plugged.interface.open_in()?, 0)?;
    drop(claim);
    Ok(())
}

fn an_open_endpoint_stays_usable() -> Result<()> {
    let plugged = Alternating::plug()?;
    let input = plugged.interface.open_in()?;
    for setting in [0, 1, 0, 1] {
        plugged.select(&setting.to_string())?;
        expect_setting(&input, setting)?;
    }
    Ok(())
}

fn an_open_endpoint_the_new_setting_lacks() -> Result<()> {
    let plugged = Alternating::plug()?;
    let _claim = plugged.interface.claim()?;
    plugged.select("1")?;
    let mut out = plugged.interface.open_out()?;
    plugged.select("0")?;
    expect_errno(
        "a write to an endpoint that went",
        out.write(b"x"),
        libc::ENODEV,
    )?;
    // Nor does it come back with the endpoint's number.
    plugged.select("1")?;
    expect_errno("a write after it came back", out.write(b"x"), libc::ENODEV)?;
    Ok(())
}

fn alternate_without_the_claim() -> Result<()> {
    let plugged = Alternating::plug()?;
    expect_errno(
        "setting 1 without the claim",
        plugged.select("1"),
        libc::EPERM,
    )?;
    ensure!(
        plugged.alternate()? == "0" && !plugged.has_out(),
        "the refused setting was selected"
    );
    let input = plugged.interface.open_in()?;
    plugged.select("1")?;
    drop(input);
    expect_errno(
        "setting 0 after the claim",
        plugged.select("0"),
        libc::EPERM,
    )
}

fn a_number_there_is_no_setting_of() -> Result<()> {
    let plugged = Alternating::plug()?;
    let _claim = plugged.interface.claim()?;
    plugged.select("1")?;
    let input = plugged.interface.open_in()?;
    for text in ["2", "255"] {
        expect_errno(text, plugged.select(text), libc::EINVAL)?;
        ensure!(plugged.alternate()? == "1", "{text} changed the setting");
        expect_setting(&input, 1)?;
    }
    Ok(())
}

fn set_interface_by_ep00() -> Result<()> {
    // bmRequestType, bRequest, wValue, wIndex (USB 2.0 9.4.10); wLength is that of the write.
    let set_interface = |alternate: u64| 0x01 << 40 | 11 << 32 | alternate << 16;
    let plugged = Alternating::plug()?;
    let ep00 = OpenOptions::new()
        .read(true)
        .write(true)
        .open(plugged.interface.path().join("ep00"))?;
    let input = plugged.interface.open_in()?;
    ep00.write_at(&[], set_interface(1))?;
    ensure!(
        plugged.alternate()? == "1" && plugged.has_out(),
        "the files do not show setting 1"
    );
    expect_setting(&input, 1)?;
    expect_errno(
        "SET_INTERFACE of setting 9",
        ep00.write_at(&[], set_interface(9)),
        libc::EINVAL,
    )?;
    expect_setting(&input, 1)?;
    ep00.write_at(&[], set_interface(0))?;
    ensure!(!plugged.has_out(), "the files do not show setting 0");
    expect_setting(&input, 0)
}

fn configuration_takes_and_brings() -> Result<()> {
    let plugged = setup::source_sink()?;
    let configuration = plugged.files.path().join("configuration");
    let interface = plugged.interface.path();
    fs::write(&configuration, "0")?;
    ensure!(
        fs::read_to_string(&configuration)?.trim_end() == "0",
        "it does not read 0"
    );
    ensure!(!interface.exists(), "{} stayed", interface.display());
    fs::write(&configuration, "1\n")?;
    ensure!(
        fs::read_to_string(&configuration)?.trim_end() == "1",
        "it does not read 1"
    );
    let input = plugged.interface.open_in()?;
    ensure!(
        input.read_at(&mut [0; 512], 0)? == 512,
        "a read in the new configuration was cut short"
    );
    Ok(())
}

fn configuration_of_a_claimed_interface() -> Result<()> {
    let (disk, _image) = setup::disk(8)?;
    let configuration = disk.files.path().join("configuration");
    for text in ["0", "1"] {
        expect_errno(text, fs::write(&configuration, text), libc::EBUSY)?;
    }
    ensure!(
        wait::until("usb-storage keeps the disk", || disk.device.driver(0))? == "usb-storage",
        "the driver was taken away"
    );
    Ok(())
}
