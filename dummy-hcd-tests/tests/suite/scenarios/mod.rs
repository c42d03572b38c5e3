//! Our host on our gadgets: written once, run on the in-process bus and, in the VM, over both of the
//! kernel's ways to a device.

pub(crate) mod audio;
pub(crate) mod composite;
pub(crate) mod disk;
mod disk_faults;
mod hid;
mod identity;
pub(crate) mod isochronous;
pub(crate) mod keyboard;
mod keyboard_faults;
mod resets;
mod results;
pub(crate) mod source_sink;

use anyhow::Result;
pub(crate) use disk::{Probe, pattern};
pub(crate) use dummy_hcd_tests::random;
use libtest_mimic::{Failed, Trial};
use usbfs2_loopback::Bus;

use crate::test_class;
use crate::world::World;

/// What a scenario does in its world.
pub(crate) type Scenario = fn(&World) -> Result<()>;

/// What a scenario does that needs the in-process bus itself, to put faults on the wire.
type FaultScenario = fn(&Bus) -> Result<()>;

/// The scenarios that run in every world, by their names.
pub(crate) fn everywhere() -> Vec<(&'static str, Scenario)> {
    [
        at_every_speed(),
        results::scenarios(),
        resets::scenarios(),
        source_sink::scenarios(),
    ]
    .concat()
}

/// Those that look neither at packets nor at numbers that a composite deals out.
pub(crate) fn at_every_speed() -> Vec<(&'static str, Scenario)> {
    [
        identity::scenarios(),
        keyboard::scenarios(),
        hid::scenarios(),
        disk::scenarios(),
        composite::scenarios(),
    ]
    .concat()
}

/// The tests on the in-process bus: every scenario on a bus of its own, and those that nothing else can.
pub(crate) fn on_loopback() -> Vec<Trial> {
    let scenarios = [
        everywhere(),
        keyboard::scenarios_of_a_host_alone(),
        audio::scenarios(),
        isochronous::scenarios(),
        source_sink::isochronous::scenarios(),
        test_class::scenarios(),
    ]
    .concat();
    let scenarios = scenarios
        .into_iter()
        .map(|(name, scenario)| trial(name, move || scenario(&World::Loopback(Bus::new()))));
    let faults = [disk_faults::scenarios(), keyboard_faults::scenarios()].concat();
    let faults = faults
        .into_iter()
        .map(|(name, scenario)| trial(name, move || scenario(&Bus::new())));
    scenarios.chain(faults).collect()
}

fn trial(name: &str, run: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(format!("loopback::{name}"), move || {
        run().map_err(|error| Failed::from(format!("{error:#}")))
    })
}
