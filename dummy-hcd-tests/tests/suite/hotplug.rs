//! Watching and opening while devices come and go and their owners change.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::usbfs2 as files;
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{ConfigurationError, Device, DeviceId, Host, HotplugEvent, HubPort};

use crate::runner::Test;
use crate::scenarios::Scenario;
use crate::setup;
use crate::users::{ALICE, Helper, Program};
use crate::world::{KernelHost, World};

/// The argument that makes this program the one that watches.
pub(crate) const WATCH: &str = "--watch-devices";

const ROUNDS: u32 = 200;

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = vec![Test::long(
        "hotplug::two_hundred_plugs_with_permission_changes_are_each_told_once",
        permission_changes,
    )];
    let scenario: (&str, Scenario) = (
        "hotplug::each_plug_is_told_once_and_can_be_opened_at_once",
        each_plug_is_told_once,
    );
    tests.extend(KernelHost::ALL.map(|host| Test::scenario(host, scenario.0, scenario.1)));
    tests
}

/// The process of a user who sees what he may open.
pub(crate) fn watch() -> ExitCode {
    match watch_and_open() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Opens each device when it is told of it, and says whether the one opened before is gone.
fn watch_and_open() -> Result<()> {
    let host = Host::usbfs2(files::MOUNT.as_ref())?;
    let mut watch = host.watch()?;
    println!("ready");
    let mut last: Option<Device> = None;
    for event in &mut watch {
        match event? {
            HotplugEvent::Arrived(info) => {
                let device = host.open(info.id()).context("open what was told of")?;
                device.claim(0).context("claim what was told of")?;
                let before = match last.map(|last| last.configuration().map(|_| ())) {
                    None => "nothing",
                    Some(Ok(())) => "the same",
                    Some(Err(ConfigurationError::Disconnected)) => "another",
                    Some(Err(error)) => bail!("the device opened before: {error}"),
                };
                println!("arrived after {before}");
                last = Some(device);
            }
            HotplugEvent::Left(_) => println!("left"),
            other => bail!("{other:?}"),
        }
    }
    Ok(())
}

/// The ways to give a device, or its one interface, to everybody or to one user, and to take it back.
#[derive(Debug, Clone, Copy)]
struct Access {
    interface: bool,
    by_owner: bool,
}

impl Access {
    fn of(round: u32) -> Self {
        Self {
            interface: round & 1 != 0,
            by_owner: round & 2 != 0,
        }
    }

    fn path(self, device: &Path) -> PathBuf {
        match self.interface {
            true => device.join("1.0"),
            false => device.to_owned(),
        }
    }

    fn set(self, device: &Path, given: bool) -> Result<()> {
        let path = self.path(device);
        if self.by_owner {
            chown(&path, Some(if given { ALICE } else { 0 }), None)?;
        } else {
            let mode = if given { 0o777 } else { 0o755 };
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

fn permission_changes() -> Result<()> {
    let plugged = setup::zeros()?;
    let port = HubPort::of(&DeviceId::new(plugged.device.name()))?;
    let program = Program::copy_of(&env::current_exe()?)?;
    let mut command = program.run_by(ALICE);
    command.arg(WATCH);
    let mut watcher = Helper::start(command)?;
    watcher.expect("ready")?;
    for round in 0..ROUNDS {
        let result = one_plug(round, &plugged, &port, &mut watcher);
        result.with_context(|| format!("round {round} of {ROUNDS}"))?;
    }
    // A line too many would have come in place of the next one; the last has no next.
    ensure!(watcher.is_running()?, "the watching process has ended");
    watcher.kill()
}

fn one_plug(
    round: u32,
    plugged: &setup::Plugged,
    port: &HubPort,
    watcher: &mut Helper,
) -> Result<()> {
    let device = plugged.files.path();
    let access = Access::of(round);
    access.set(device, true)?;
    let before = if round == 0 { "nothing" } else { "another" };
    watcher.expect(&format!("arrived after {before}"))?;
    if round.is_multiple_of(3) {
        access.set(device, false)?;
        watcher.expect("left")?;
        Access::of(round / 3).set(device, true)?;
        watcher.expect("arrived after the same")?;
    }
    port.disable()?;
    watcher.expect("left")?;
    SysfsDevice::wait_gone(0)?;
    port.enable()?;
    SysfsDevice::wait(0)?;
    files::DeviceFiles::wait(plugged.device.name())?;
    Ok(())
}

fn each_plug_is_told_once(world: &World) -> Result<()> {
    const PLUGS: u32 = 20;
    let plugged = setup::zeros()?;
    let id = DeviceId::new(plugged.device.name());
    let port = HubPort::of(&id)?;
    let host = world.host()?;
    let mut watch = host.watch()?;
    let mut next = || watch.next_timeout(DEADLINE)?.context("nothing was told");
    let mut last: Option<Device> = None;
    for plug in 0..PLUGS {
        match next()? {
            HotplugEvent::Arrived(info) if *info.id() == id => {}
            other => bail!("plug {plug}: {other:?} instead of an arrival"),
        }
        let device = host.open(&id)?;
        device.claim(0)?;
        if let Some(last) = last.replace(device) {
            ensure!(
                matches!(last.configuration(), Err(ConfigurationError::Disconnected)),
                "plug {plug}: a handle of the last one reaches this one"
            );
            ensure!(last.claim(0).is_err(), "plug {plug}: and claims it");
        }
        port.disable()?;
        match next()? {
            HotplugEvent::Left(left) if left == id => {}
            other => bail!("plug {plug}: {other:?} instead of a leave"),
        }
        port.enable()?;
    }
    Ok(())
}
