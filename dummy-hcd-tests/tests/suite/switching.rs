//! Transfers on one interface while another is kept busy: what takes the device its time there costs nothing here.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::sys::Context;
use dummy_hcd_tests::usbfs2::DeviceFiles;
use dummy_hcd_tests::wait;
use usbfs2_gadget::{
    Buffer, ControlRequest, ControlResponse, Direction, EndpointRequest, Endpoints, Function,
    FunctionBuilder, FunctionError, GadgetfsOptions, InterfaceClass, Running,
};

use crate::runner::Test;
use crate::world::World;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "switching::transfers_go_on_while_another_interface_is_switched",
            transfers_go_on,
        ),
        Test::new(
            "switching::io_submit_of_a_control_transfer_does_not_wait_for_another_interface",
            io_submit_does_not_wait,
        ),
    ]
}

/// How long the device takes to answer SET_INTERFACE.
const SLOWNESS: Duration = Duration::from_millis(500);

/// Two settings, the same but for their number; slow to be selected.
#[derive(Default)]
struct Slow {
    is_slow: Arc<AtomicBool>,
}

impl Function for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::In));
        interface.alternate_setting(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::In));
    }

    fn prepare(&self, _: &mut Endpoints) {
        if self.is_slow.load(Ordering::Relaxed) {
            thread::sleep(SLOWNESS);
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let mut input = endpoints.take(0).or_else(|_| endpoints.take(1))?;
        loop {
            input.write(Buffer::from(vec![0]))?;
        }
    }
}

/// A byte after the other, and a vendor request that is acknowledged.
struct Quick;

impl Function for Quick {
    fn name(&self) -> &str {
        "quick"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::In));
    }

    fn control(&self, _: &ControlRequest) -> ControlResponse {
        ControlResponse::Acknowledge
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let mut input = endpoints.take(0)?;
        let mut value = 0_u8;
        loop {
            input.write(Buffer::from(vec![value]))?;
            value = value.wrapping_add(1);
        }
    }
}

/// Both in one device, of which this process has both interfaces.
struct Both {
    files: DeviceFiles,
    _claims: [File; 2],
    _running: Running,
}

impl Both {
    fn plug() -> Result<Self> {
        let slow = Slow::default();
        let is_slow = Arc::clone(&slow.is_slow);
        let gadget = World::gadget()
            .function(Arc::new(slow))
            .function(Arc::new(Quick))
            .build()?;
        let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
        let device = SysfsDevice::wait(0)?;
        let files = DeviceFiles::wait(device.name())?;
        let claims = [files.interface(0).claim()?, files.interface(1).claim()?];
        is_slow.store(true, Ordering::Relaxed);
        Ok(Self {
            files,
            _claims: claims,
            _running: running,
        })
    }
}

/// Odd while a setting is being selected.
#[derive(Default)]
struct Switches(AtomicU32);

/// Switches interface 0 `count` times.
fn switch(files: &DeviceFiles, count: u32, switches: &Switches) -> Result<Duration> {
    let mut shortest = Duration::MAX;
    for round in 0..count {
        let begin = Instant::now();
        switches.0.fetch_add(1, Ordering::SeqCst);
        let selected = files.interface(0).select(u8::from(round % 2 == 0));
        switches.0.fetch_add(1, Ordering::SeqCst);
        selected?;
        shortest = shortest.min(begin.elapsed());
    }
    Ok(shortest)
}

fn transfers_go_on() -> Result<()> {
    const SWITCHES: u32 = 4;
    let both = Both::plug()?;
    let input = both.files.interface(1).open_in()?;
    let switches = Arc::new(Switches::default());
    let (counter, files) = (Arc::clone(&switches), both.files.clone());
    let switcher = thread::spawn(move || switch(&files, SWITCHES, &counter));

    let mut latencies = Vec::new();
    let mut within = vec![0_u32; usize::try_from(SWITCHES)?];
    let mut next = None;
    while !switcher.is_finished() {
        let before = switches.0.load(Ordering::SeqCst);
        let begin = Instant::now();
        let mut byte = [0];
        ensure!(input.read_at(&mut byte, 0)? == 1, "a read was cut short");
        latencies.push(begin.elapsed());
        ensure!(
            next.is_none_or(|next| next == byte[0]),
            "byte {} instead of {next:?}",
            byte[0]
        );
        next = Some(byte[0].wrapping_add(1));
        // Begun and done within one switch.
        if before % 2 == 1 && switches.0.load(Ordering::SeqCst) == before {
            within[usize::try_from(before / 2)?] += 1;
        }
    }
    let shortest = switcher
        .join()
        .map_err(|_| anyhow::anyhow!("the thread that switches panicked"))??;
    ensure!(
        shortest >= SLOWNESS,
        "a switch took {shortest:?}: the device was not slow"
    );
    ensure!(
        within.iter().all(|&count| count > 1),
        "transfers within each switch: {within:?}"
    );
    latencies.sort_unstable();
    let at = |per_mille: usize| latencies[(latencies.len() - 1) * per_mille / 1000];
    println!(
        "figure: {} reads beside {SWITCHES} switches of {shortest:?} and more: median {:?}, p99 {:?}, longest {:?}",
        latencies.len(),
        at(500),
        at(990),
        at(1000)
    );
    Ok(())
}

fn io_submit_does_not_wait() -> Result<()> {
    let both = Both::plug()?;
    let ep00 = OpenOptions::new()
        .read(true)
        .write(true)
        .open(both.files.interface(1).path().join("ep00"))?;
    let ep00 = Arc::new(ep00);
    let switches = Arc::new(Switches::default());
    let (counter, files) = (Arc::clone(&switches), both.files.clone());
    let switcher = thread::spawn(move || switch(&files, 1, &counter));
    wait::until("the switch is under way", || {
        (switches.0.load(Ordering::SeqCst) == 1).then_some(())
    })?;
    thread::sleep(SLOWNESS / 5);

    // A vendor request to interface 1, without data.
    let mut context = Context::new(1)?;
    context.write(&ep00, 0x41 << 40 | 1 << 32 | 1, Vec::new())?;
    ensure!(
        switches.0.load(Ordering::SeqCst) == 1,
        "io_submit came back after the switch"
    );
    // The wire is the same for both: the device answers one after the other (USB 2.0 5.5).
    let one = context
        .wait(1, wait::DEADLINE)?
        .pop()
        .context("the request did not complete")?;
    one.result?;
    switcher
        .join()
        .map_err(|_| anyhow::anyhow!("the thread that switches panicked"))??;
    Ok(())
}
