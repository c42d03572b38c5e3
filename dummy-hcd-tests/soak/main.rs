//! The program that `cargo xtask soak` runs in the VM: transfers on the kernel's SourceSink through `host`,
//! with cancels, halts, babble and endpoints closed in the middle, and a look at the machine's memory
//! every tenth of the way. It prints a page of Markdown and fails when something grew.

mod report;
mod traffic;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use dummy_hcd_tests::composite::{KernelFunction, KernelGadget};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::random::Random;
use dummy_hcd_tests::usbfs2::{self, DeviceFiles};
use dummy_hcd_tests::vitals::Vitals;
use usbfs2_host::{DeviceId, Host};

use report::Sample;
use traffic::{Counts, Traffic};

/// A vendor-specific product no driver knows.
const IDS: (u16, u16) = (0x1d6b, 0x0104);

/// The interface is given back and claimed again after this many transfers.
const SESSION: u64 = 10_000;

/// How often memory is looked at, the beginning not counted.
const SAMPLES: u64 = 10;

/// What is allocated once, by the first transfers, is not growth.
const WARM_UP: u64 = 2 * SESSION;

/// Moves data over the module and looks for what grows.
#[derive(Debug, Parser)]
struct Arguments {
    /// Transfers to complete after the warm-up
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    transfers: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let function = KernelFunction::source_sink(1, 4096, 32);
    let _gadget = KernelGadget::bind(0, IDS, &[function])?;
    let device = SysfsDevice::wait(0)?;
    DeviceFiles::wait(device.name())?;
    let host = Host::usbfs2(usbfs2::MOUNT.as_ref())?;
    let mut soak = Soak {
        host,
        id: DeviceId::new(device.name()),
        random: Random::new(1),
        counts: Counts::default(),
    };
    soak.run_until(WARM_UP)?;
    soak.counts = Counts::default();
    let since = Instant::now();
    let mut samples = vec![soak.sample(since)?];
    for step in 1..=SAMPLES {
        soak.run_until(arguments.transfers * step / SAMPLES)?;
        samples.push(soak.sample(since)?);
        eprintln!(
            "{} of {} transfers after {:.0} s",
            soak.counts.completed,
            arguments.transfers,
            since.elapsed().as_secs_f64()
        );
    }
    report::print(arguments.transfers, &soak.counts, &samples)?;
    report::judge(&samples)
}

struct Soak {
    host: Host,
    id: DeviceId,
    random: Random,
    counts: Counts,
}

impl Soak {
    /// Runs sessions until this many transfers are complete.
    fn run_until(&mut self, transfers: u64) -> Result<()> {
        while self.counts.completed < transfers {
            let end = transfers.min(self.counts.completed + SESSION);
            let device = self.host.open(&self.id)?;
            let mut traffic = Traffic::start(device, &mut self.random, &mut self.counts)?;
            traffic
                .run_until(end)
                .with_context(|| format!("after {} transfers", self.counts.completed))?;
        }
        Ok(())
    }

    /// Between two sessions, when nothing is under way.
    fn sample(&self, since: Instant) -> Result<Sample> {
        usbfs2::wait_no_live_request()?;
        let vitals = Vitals::read()?;
        ensure!(
            vitals.aio_reserved == 0,
            "{} AIO operations stay reserved with no context open",
            vitals.aio_reserved
        );
        Ok(Sample {
            completed: self.counts.completed,
            elapsed: since.elapsed(),
            vitals,
        })
    }
}
