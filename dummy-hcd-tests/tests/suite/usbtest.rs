//! The kernel's usbtest on our source and sink: every case, and on the kernel's own for comparison.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::{GADGET_ZERO, KernelFunction, KernelGadget};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::usbtest::cases::{self, CASES, PACKET, Parameters};
use dummy_hcd_tests::usbtest::report::{BusSpeed, Outcome, Peer};
use rustix::mm::{MlockAllFlags, mlockall};
use usb_gadget::Id;
use usbfs2_gadget::functions::SourceSink;
use usbfs2_gadget::functions::source_sink::{IsochronousOptions, Pattern, SourceSinkOptions};
use usbfs2_gadget::{FunctionfsOptions, Gadget, GadgetfsOptions, Running, Speed, Udc};

use crate::composition::Composition;
use crate::runner::Test;
use crate::setup::BUS;

/// The argument that makes this program say how every case goes everywhere, for `cargo xtask usbtest`.
pub(crate) const REPORT: &str = "--usbtest";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::long(
            "audio::usbtest::our_source_sink::gadgetfs_at_full_speed",
            || passes(Peer::Gadgetfs, BusSpeed::Full, 1),
        ),
        Test::long(
            "audio::usbtest::our_source_sink::gadgetfs_at_high_speed",
            || passes(Peer::Gadgetfs, BusSpeed::High, 0),
        ),
        Test::long(
            "audio::usbtest::our_source_sink::functionfs_at_high_speed",
            || passes(Peer::Functionfs, BusSpeed::High, 0),
        ),
    ]
}

/// Says an [`Outcome`] a line.
pub(crate) fn report() -> ExitCode {
    let mut tell = |outcome: Outcome| {
        println!("{}", serde_json::to_string(&outcome)?);
        Ok(())
    };
    let speeds = |peer| BusSpeed::ALL.map(|speed| (peer, speed));
    for (peer, speed) in Peer::ALL.into_iter().flat_map(speeds) {
        for pattern in [0, 1] {
            if let Err(error) = run(peer, speed, pattern, &mut tell) {
                eprintln!("{peer:?} at {speed:?} speed, pattern {pattern}: {error:#}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Runs every case that this pattern is for, and tells how it went.
fn run(
    peer: Peer,
    speed: BusSpeed,
    pattern: u8,
    tell: &mut dyn FnMut(Outcome) -> io::Result<()>,
) -> Result<()> {
    modprobe::load("usbtest")?;
    // A page of this program's that is not there comes from the machine, and moves a clock of instructions.
    mlockall(MlockAllFlags::CURRENT).context("keep the program in memory")?;
    for isochronous in [false, true] {
        if isochronous && !peer.has_settings() {
            continue;
        }
        let _parameters = Parameters::set(pattern, isochronous)?;
        let plugged = Plugged::new(peer, speed, pattern)?;
        cases::run_all(&plugged.device, pattern, isochronous, |case, verdict| {
            tell(Outcome {
                peer,
                speed,
                pattern,
                case,
                verdict,
            })
        })?;
        plugged.is_well(isochronous)?;
        let device = plugged.device.clone();
        drop(plugged);
        device.wait_unplugged()?;
    }
    Ok(())
}

/// A source and sink, bound to usbtest. Removed when dropped.
struct Plugged {
    device: SysfsDevice,
    /// The kernel's.
    _kernel: Option<KernelGadget>,
    ours: Option<Ours>,
}

struct Ours {
    function: std::sync::Arc<SourceSink>,
    running: Running,
    // The function goes before what it is in.
    _composition: Option<Composition>,
}

impl Plugged {
    fn new(peer: Peer, speed: BusSpeed, pattern: u8) -> Result<Self> {
        let (kernel, ours) = match peer {
            Peer::Kernel => (Some(kernels(speed, pattern)?), None),
            _ => (None, Some(Ours::start(peer, speed, pattern)?)),
        };
        let failures = || ours.as_ref().map(|ours| ours.running.failures());
        let device =
            SysfsDevice::wait(BUS).with_context(|| format!("the gadget said {:?}", failures()))?;
        device.wait_driver(0, "usbtest")?;
        Ok(Self {
            device,
            _kernel: kernel,
            ours,
        })
    }

    /// Our function found every byte right that usbtest has sent, and did not fail.
    fn is_well(&self, isochronous: bool) -> Result<()> {
        let Some(ours) = &self.ours else {
            return Ok(());
        };
        let failures = ours.running.failures();
        ensure!(failures.is_empty(), "{failures:?}");
        let counters = ours.function.counters();
        // Isochronous writes of usbtest's are zeros whatever the pattern.
        let is_zeros = ours.function.options().pattern == Pattern::Zeros;
        ensure!(
            counters.mismatches == 0 || isochronous && !is_zeros,
            "{counters:?}"
        );
        let has_moved = if isochronous {
            counters.packets_in > 0 && counters.packets_out > 0
        } else {
            counters.bytes_in > 0 && counters.bytes_out > 0
        };
        ensure!(has_moved, "{counters:?}");
        Ok(())
    }
}

/// The kernel's, with as much in flight as ours.
fn kernels(speed: BusSpeed, pattern: u8) -> Result<KernelGadget> {
    // 1 ms: a frame at full speed, 8 microframes at high.
    let (name, interval) = match speed {
        BusSpeed::Full => ("full-speed", "1"),
        BusSpeed::High => ("high-speed", "4"),
    };
    let function = KernelFunction::source_sink(pattern, 4096, 4)
        .with("isoc_interval", interval)
        .with("isoc_maxpacket", PACKET.to_string())
        .with("iso_qlen", "16");
    let gadget = KernelGadget::bind_at(BUS, GADGET_ZERO, &[function], Some(name))?;
    Ok(gadget)
}

impl Ours {
    fn start(peer: Peer, speed: BusSpeed, pattern: u8) -> Result<Self> {
        let isochronous = IsochronousOptions {
            packet: PACKET,
            interval: Duration::from_millis(1),
            queue: 16,
        };
        let function = SourceSink::new(SourceSinkOptions {
            pattern: match pattern {
                0 => Pattern::Zeros,
                _ => Pattern::Mod63,
            },
            isochronous: peer.has_settings().then_some(isochronous),
            ..SourceSinkOptions::default()
        })?;
        let gadget = Gadget::builder(SourceSink::IDS)
            .manufacturer("usbfs2")
            .product("source and sink")
            .function(function.clone());
        let Peer::Functionfs = peer else {
            let fastest = match speed {
                BusSpeed::Full => Speed::Full,
                BusSpeed::High => Speed::High,
            };
            let gadget = gadget.speeds(Speed::Full, fastest).build()?;
            let options = GadgetfsOptions {
                udc: Some(Udc::dummy_hcd_isochronous()),
                ..GadgetfsOptions::default()
            };
            return Ok(Self {
                function,
                running: gadget.start_gadgetfs(&options)?,
                _composition: None,
            });
        };
        let fastest = match speed {
            BusSpeed::Full => usb_gadget::Speed::FullSpeed,
            BusSpeed::High => usb_gadget::Speed::HighSpeed,
        };
        let (vendor, product) = GADGET_ZERO;
        let composition = Composition::register_as(Id::new(vendor, product), Some(fastest), [])?;
        let options = FunctionfsOptions::new(composition.directory());
        let running = gadget.build()?.start_functionfs(&options)?;
        composition.bind()?;
        Ok(Self {
            function,
            running,
            _composition: Some(composition),
        })
    }
}

/// Fails unless our function passes, but where gadgetfs or the want of endpoints prevents it.
fn passes(peer: Peer, speed: BusSpeed, pattern: u8) -> Result<()> {
    let mut wrong = Vec::new();
    run(peer, speed, pattern, &mut |outcome| {
        let case = &CASES[outcome.case];
        if outcome.verdict != cases::expected(peer, case) {
            wrong.push(format!("{}, {}: {outcome:?}", case.number, case.about));
        }
        Ok(())
    })?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
