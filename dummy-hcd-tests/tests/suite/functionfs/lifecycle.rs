//! How functions on FunctionFS come and go.

use std::env;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::{FunctionfsOptions, Gadget, Keeper, StartError, State};
use usbfs2_host::{Buffer, TransferError};

use super::echo::{EchoHost, echo};
use crate::command;
use crate::composition::Composition;
use crate::scenarios::Scenario;
use crate::survival::kill_held;
use crate::world::World;

/// The argument that makes this program serve an echo until it is killed.
pub(crate) const HOLD: &str = "--hold-functionfs";

const ROUNDS: u32 = 5;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "lifecycle::functions_outlive_the_controller",
            functions_outlive_the_controller,
        ),
        (
            "lifecycle::functions_run_again_when_the_host_configures_the_device_again",
            configured_again,
        ),
        (
            "lifecycle::stopping_takes_the_composite_off_and_the_directory_can_be_used_again",
            stopping_takes_the_composite_off,
        ),
        (
            "lifecycle::a_killed_process_leaves_nothing_and_another_takes_over",
            a_killed_process_leaves_nothing,
        ),
        (
            "lifecycle::a_killed_process_that_is_held_leaves_everything_to_the_next",
            a_killed_process_that_is_held,
        ),
    ]
}

fn gadget() -> Result<Gadget> {
    Ok(World::gadget()
        .function(echo())
        .function(Keyboard::new())
        .build()?)
}

/// Leaves transfers in flight in both directions: what was sent waits to be fetched, and more is on its way.
fn fill(host: &mut EchoHost) -> Result<()> {
    let sent = host
        .output
        .transfer_blocking(Buffer::from([1; 700].as_slice()), DEADLINE);
    sent.into_result()?;
    for _ in 0..8 {
        host.output.submit(Buffer::from([2; 700].as_slice()));
    }
    Ok(())
}

/// Fails unless what is in flight has been done or ends because the device is gone.
fn expect_gone(host: &mut EchoHost) -> Result<()> {
    while let Some(completion) = host.output.wait(Some(DEADLINE)) {
        match completion.status {
            // Taken before.
            Ok(()) => {}
            // usbfs tells what the bus saw, which is a device that answers no more.
            Err(TransferError::Disconnected | TransferError::BusError) => {}
            // Behind one of these.
            Err(TransferError::Cancelled) => {}
            other => bail!("{other:?} instead of Disconnected"),
        }
    }
    Ok(())
}

fn functions_outlive_the_controller(world: &World) -> Result<()> {
    let mut connected = world.connect(&gadget()?)?;
    for _ in 0..ROUNDS {
        let mut host = EchoHost::claim(&connected.device)?;
        host.exchange()?;
        fill(&mut host)?;
        connected.composition()?.unbind()?;
        expect_gone(&mut host)?;
        drop(host);
        SysfsDevice::wait_gone(0)?;
        let running = &connected.running;
        running.wait_for_state(State::Detached, DEADLINE)?;
        connected.composition()?.bind()?;
        connected.reopen()?;
    }
    let failures = connected.running.failures();
    ensure!(failures.is_empty(), "{failures:?}");
    Ok(())
}

fn configured_again(world: &World) -> Result<()> {
    let connected = world.connect(&gadget()?)?;
    for _ in 0..ROUNDS {
        let mut host = EchoHost::claim(&connected.device)?;
        host.exchange()?;
        drop(host);
        let device = SysfsDevice::wait(0)?;
        device.set("bConfigurationValue", "0")?;
        let running = &connected.running;
        running.wait_for_state(State::Detached, DEADLINE)?;
        device.set("bConfigurationValue", "1")?;
        running.wait_for_state(State::Configured, DEADLINE)?;
        SysfsDevice::wait(0)?;
    }
    let failures = connected.running.failures();
    ensure!(failures.is_empty(), "{failures:?}");
    EchoHost::claim(&connected.open_again()?)?.exchange()
}

fn stopping_takes_the_composite_off(world: &World) -> Result<()> {
    let composition = Composition::register([])?;
    let options = FunctionfsOptions::new(composition.directory());
    for _ in 0..ROUNDS {
        let running = gadget()?.start_functionfs(&options)?;
        match gadget()?.start_functionfs(&options) {
            Err(StartError::Busy { .. }) => {}
            other => bail!("{other:?} instead of Busy"),
        }
        composition.bind()?;
        running.wait_for_state(State::Configured, DEADLINE)?;
        running.stop();
        ensure!(
            !composition.is_bound()?,
            "the composite is on its controller"
        );
        SysfsDevice::wait_gone(0)?;
    }
    world
        .connect_in(composition, &gadget()?)?
        .running
        .wait_for_state(State::Configured, DEADLINE)?;
    Ok(())
}

/// A process that serves an echo.
struct Held {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Held {
    fn start(composition: &Composition) -> Result<Self> {
        Self::spawn(Command::new(env::current_exe()?), composition)
    }

    /// Starts it below `usbfs2 gadget hold`.
    fn start_kept(composition: &Composition) -> Result<Self> {
        let mut command = command::usbfs2()?;
        command.args(["gadget", "hold"]).arg(env::current_exe()?);
        Self::spawn(command, composition)
    }

    fn spawn(mut command: Command, composition: &Composition) -> Result<Self> {
        let mut child = command
            .arg(HOLD)
            .arg(composition.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("the output is a pipe")?;
        let mut held = Self {
            child,
            output: BufReader::new(output),
        };
        held.wait_ready()?;
        Ok(held)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(line == "ready\n", "the process to kill said {line:?}");
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed by now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn a_killed_process_leaves_nothing(world: &World) -> Result<()> {
    let composition = Composition::register([])?;
    for round in 0..ROUNDS {
        let held = Held::start(&composition)?;
        composition.bind()?;
        let device = world.open()?;
        let mut host = EchoHost::claim(&device)?;
        host.exchange()?;
        if round % 2 == 0 {
            fill(&mut host)?;
        }
        drop(held);
        expect_gone(&mut host)?;
        drop((host, device));
        SysfsDevice::wait_gone(0)?;
        wait::until("the composite is off its controller", || {
            composition
                .is_bound()
                .is_ok_and(|bound| !bound)
                .then_some(())
        })?;
    }
    let connected = world.connect_in(composition, &gadget()?)?;
    EchoHost::claim(&connected.device)?.exchange()
}

fn a_killed_process_that_is_held(world: &World) -> Result<()> {
    let composition = Composition::register([])?;
    let mut held = Held::start_kept(&composition)?;
    composition.bind()?;
    let device = world.open()?;
    let number = SysfsDevice::wait(0)?.attribute("devnum")?;
    let mut host = EchoHost::claim(&device)?;
    host.exchange()?;
    for _ in 0..3 {
        kill_held(held.child.id())?;
        held.wait_ready()?;
        host.exchange()?;
    }
    ensure!(
        SysfsDevice::wait(0)?.attribute("devnum")? == number,
        "the host has enumerated the device again"
    );
    drop((host, device));
    // The holder first, and then the program, whose input ends.
    drop(held);
    SysfsDevice::wait_gone(0)?;
    Ok(())
}

/// The process to kill.
pub(crate) fn hold(arguments: &[String]) -> ExitCode {
    let serve = || -> Result<()> {
        let directory = arguments.first().context("no directory")?;
        let options = FunctionfsOptions::new(directory).keeper(Keeper::from_environment()?);
        let _running = gadget()?.start_functionfs(&options)?;
        println!("ready");
        // Until it is killed, or nobody is left who could.
        io::stdin().read_line(&mut String::new())?;
        Ok(())
    };
    if let Err(error) = serve() {
        println!("{error:#}");
    }
    ExitCode::FAILURE
}
