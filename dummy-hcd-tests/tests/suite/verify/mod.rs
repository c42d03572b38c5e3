//! The verifier on what this project's gadgets are over gadgetfs, and on the kernel's own for a reference. What
//! gadgetfs and `dummy_hcd` do otherwise than the specification is listed in expected.rs, and in docs/verify.md with the
//! lines of the kernel; nothing else may fail, and nothing else be left unasked.

mod command;
mod expected;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::functions::source_sink::{
    BulkOptions, IsochronousOptions, Loopback, SourceSinkOptions,
};
use usbfs2_gadget::functions::{
    Audio, AudioOptions, ConsumerControl, Gamepad, Keyboard, Mouse, SourceSink, Tablet,
};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{Function, Gadget, GadgetfsOptions};
use usbfs2_host::{DeviceId, Host};
use usbfs2_verifier::{KernelPort, Options, Report, verify};

use self::expected::{F_MASS_STORAGE, F_SOURCE_SINK, FIRST_ENDPOINT, expect};
use crate::runner::Test;
use crate::setup;
use crate::world::{IDS, KernelHost};

/// Enumerations: half a second each, while the host waits for its hub. The in-process bus has 200.
const ROUNDS: u32 = 2;

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = vec![
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
        Test::new("verify::loopback_on_gadgetfs_through_usbfs", || {
            on_gadgetfs(KernelHost::Usbfs, loopback()?)
        }),
        Test::new("verify::source_sink_on_gadgetfs_through_usbfs2", || {
            on_gadgetfs(KernelHost::Usbfs2, source_sink(None)?)
        }),
        Test::new("verify::f_mass_storage_through_usbfs2", || {
            let (plugged, image) = setup::disk(8)?;
            let before = fs::read(image.path())?;
            let host = KernelHost::Usbfs2;
            let report = run(host, &plugged.device.name().into())?;
            ensure!(
                fs::read(image.path())? == before,
                "the verifier altered the disk"
            );
            expect(&report, host, F_MASS_STORAGE)
        }),
        Test::new("verify::the_kernels_source_sink_through_usbfs", || {
            let plugged = setup::source_sink()?;
            let host = KernelHost::Usbfs;
            let report = run(host, &plugged.device.name().into())?;
            expect(&report, host, F_SOURCE_SINK)
        }),
    ];
    tests.extend(isochronous());
    tests.extend(command::tests());
    tests
}

/// Where `dummy_hcd` has isochronous endpoints.
fn isochronous() -> Vec<Test> {
    vec![
        Test::long(
            "audio::verify::sound_card_on_gadgetfs_through_usbfs2",
            || sound_card(KernelHost::Usbfs2),
        ),
        Test::long(
            "audio::verify::sound_card_on_gadgetfs_through_usbfs",
            || sound_card(KernelHost::Usbfs),
        ),
        Test::long(
            "audio::verify::source_sink_on_gadgetfs_through_usbfs2",
            || {
                let isochronous = Some(IsochronousOptions::default());
                on_gadgetfs(KernelHost::Usbfs2, source_sink(isochronous)?)
            },
        ),
    ]
}

/// It has no endpoint but 0 until a stream's setting is selected, so nothing of [`FIRST_ENDPOINT`] can fail.
fn sound_card(host: KernelHost) -> Result<()> {
    fails_on_gadgetfs(host, Audio::new(AudioOptions::default())?, &[])
}

fn source_sink(isochronous: Option<IsochronousOptions>) -> Result<Arc<SourceSink>> {
    Ok(SourceSink::new(SourceSinkOptions {
        isochronous,
        ..SourceSinkOptions::default()
    })?)
}

fn disk() -> Result<Arc<Disk>> {
    Ok(Disk::new(
        MemoryMedium::new(1 << 20),
        DiskOptions::default(),
    )?)
}

fn loopback() -> Result<Arc<Loopback>> {
    Ok(Loopback::new(BulkOptions::default())?)
}

fn on_gadgetfs(host: KernelHost, function: Arc<dyn Function>) -> Result<()> {
    fails_on_gadgetfs(host, function, FIRST_ENDPOINT)
}

/// Fails unless these checks do, and those that `dummy_hcd` always fails.
fn fails_on_gadgetfs(
    host: KernelHost,
    function: Arc<dyn Function>,
    of_device: &[&str],
) -> Result<()> {
    let running = verified(function)?.start_gadgetfs(&GadgetfsOptions::default())?;
    let id = listed(&host.connect()?)
        .with_context(|| format!("the gadget said {:?}", running.failures()))?;
    let report = run(host, &id)?;
    ensure!(running.failures().is_empty(), "{:?}", running.failures());
    expect(&report, host, of_device)
}

/// A gadget to be verified.
fn verified(function: Arc<dyn Function>) -> Result<Gadget> {
    Ok(Gadget::builder(IDS)
        .manufacturer("usbfs2")
        .product("verified")
        .serial_number("0123456789AB")
        .function(function)
        .build()?)
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
        rounds: ROUNDS,
        // Only stops what hangs: the machine may be slow.
        budget: Duration::from_secs(600),
        ..Options::default()
    };
    let port = KernelPort::of(id);
    Ok(verify(&host.connect()?, id, &port, &options, |result| {
        println!("{}: {}", result.name, result.outcome);
    })?)
}
