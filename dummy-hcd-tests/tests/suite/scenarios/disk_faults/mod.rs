//! The mass-storage driver on disks that misbehave: faults on the wire, and devices that answer nonsense.

mod bench;
mod garbage;
mod given_up;
mod scripted;
mod survived;
mod unplugged;

use anyhow::Result;
use usbfs2_loopback::Bus;

/// What a scenario does that needs the in-process bus itself.
pub(super) type FaultScenario = fn(&Bus) -> Result<()>;

pub(super) fn scenarios() -> Vec<(&'static str, FaultScenario)> {
    [
        survived::scenarios(),
        given_up::scenarios(),
        unplugged::scenarios(),
        garbage::scenarios(),
    ]
    .concat()
}
