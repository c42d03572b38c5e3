//! The verifier on what this project's gadgets are over gadgetfs, and on the kernel's own for a reference. What
//! gadgetfs and `dummy_hcd` do otherwise than the specification is listed here, and in docs/verify.md with the lines of
//! the kernel; nothing else may fail.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use dummy_hcd_tests::wait;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::functions::{ConsumerControl, Gamepad, Keyboard, Mouse, Tablet};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{Function, Gadget, GadgetfsOptions};
use usbfs2_host::{DeviceId, Host};
use usbfs2_verifier::{KernelPort, Options, Report, verify};

use crate::runner::Test;
use crate::setup;
use crate::world::{IDS, KernelHost};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("verify::keyboard_on_gadgetfs_through_usbfs2", || {
            on_gadgetfs(KernelHost::Usbfs2, Keyboard::new())
        }),
        Test::new("verify::keyboard_on_gadgetfs_through_usbfs", || {
            on_gadgetfs(KernelHost::Usbfs, Keyboard::new())
        }),
        Test::new("verify::mouse_on_gadgetfs_through_usbfs2", || {
            on_gadgetfs(KernelHost::Usbfs2, Mouse::new())
        }),
        Test::new("verify::tablet_on_gadgetfs_through_usbfs", || {
            on_gadgetfs(KernelHost::Usbfs, Tablet::new())
        }),
        Test::new("verify::gamepad_on_gadgetfs_through_usbfs2", || {
            on_gadgetfs(KernelHost::Usbfs2, Gamepad::new())
        }),
        Test::new("verify::media_keys_on_gadgetfs_through_usbfs", || {
            on_gadgetfs(KernelHost::Usbfs, ConsumerControl::new())
        }),
        Test::new("verify::disk_on_gadgetfs_through_usbfs2", || {
            on_gadgetfs(KernelHost::Usbfs2, disk()?)
        }),
        Test::new("verify::disk_on_gadgetfs_through_usbfs", || {
            on_gadgetfs(KernelHost::Usbfs, disk()?)
        }),
        Test::new("verify::f_mass_storage_through_usbfs2", || {
            let (plugged, image) = setup::disk(8)?;
            let before = fs::read(image.path())?;
            let report = run(KernelHost::Usbfs2, &plugged.device.name().into())?;
            ensure!(
                fs::read(image.path())? == before,
                "the verifier altered the disk"
            );
            expect(
                &report,
                &[DUMMY_HCD, DUMMY_HCD_THROUGH_USBFS2, F_MASS_STORAGE],
            )
        }),
        Test::new("verify::the_kernels_source_sink_through_usbfs", || {
            let plugged = setup::source_sink()?;
            let report = run(KernelHost::Usbfs, &plugged.device.name().into())?;
            expect(&report, &[DUMMY_HCD, F_SOURCE_SINK])
        }),
    ]
}

/// What fails, whatever the device: `dummy_hcd` answers these requests in its place.
const DUMMY_HCD: &[&str] = &[
    "unknown features of an endpoint",
    "remote wake-up is refused where there is none",
];
/// What besides can be asked through usbfs2, and not through usbfs.
const DUMMY_HCD_THROUGH_USBFS2: &[&str] = &[
    "GET_STATUS of an interface that is none",
    "not configured: GET_STATUS of an interface is refused",
];
/// It takes what fits and says nothing of the rest.
const F_MASS_STORAGE: &[&str] = &["WRITE: beyond the end"];
/// It has its bulk endpoints in whatever setting.
const F_SOURCE_SINK: &[&str] = &["an alternate setting that is none"];

fn disk() -> Result<Arc<Disk>> {
    Ok(Disk::new(
        MemoryMedium::new(1 << 20),
        DiskOptions::default(),
    )?)
}

fn on_gadgetfs(host: KernelHost, function: Arc<dyn Function>) -> Result<()> {
    let gadget = Gadget::builder(IDS)
        .manufacturer("usbfs2")
        .product("verified")
        .serial_number("0123456789AB")
        .function(function)
        .build()?;
    let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
    let id = listed(&host.connect()?)?;
    let report = run(host, &id)?;
    ensure!(running.failures().is_empty(), "{:?}", running.failures());
    let known: &[&[&str]] = match host {
        KernelHost::Usbfs2 => &[DUMMY_HCD, DUMMY_HCD_THROUGH_USBFS2],
        KernelHost::Usbfs => &[DUMMY_HCD],
    };
    expect(&report, known)
}

/// Waits until the host has enumerated the gadget.
fn listed(host: &Host) -> Result<DeviceId> {
    Ok(wait::until("the host lists the gadget", || {
        let devices = host.devices().ok()?;
        let ours = devices.iter().find(|info| {
            info.vendor_id() == Some(IDS.vendor) && info.product_id() == Some(IDS.product)
        })?;
        ours.active_configuration()?;
        Some(ours.id().clone())
    })?)
}

fn run(host: KernelHost, id: &DeviceId) -> Result<Report> {
    let options = Options {
        mass_storage: true,
        allow_writes: true,
        rounds: 2,
        // Only stops what hangs: the machine may be slow.
        budget: Duration::from_secs(600),
        ..Options::default()
    };
    let port = KernelPort::of(id);
    Ok(verify(&host.connect()?, id, &port, &options, |result| {
        println!("{}: {}", result.name, result.outcome);
    })?)
}

/// Fails unless these checks failed and no others.
fn expect(report: &Report, known: &[&[&str]]) -> Result<()> {
    let mut known: Vec<&str> = known.concat();
    let mut failed: Vec<&str> = report.failures().map(|result| result.name).collect();
    known.sort_unstable();
    failed.sort_unstable();
    ensure!(
        failed == known,
        "expected {known:#?} to fail; these failed: {:#?}",
        report.failures().collect::<Vec<_>>()
    );
    Ok(())
}
