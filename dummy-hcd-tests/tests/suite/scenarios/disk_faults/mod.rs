//! The mass-storage driver on disks that misbehave: faults on the wire, and devices that answer nonsense.

mod any_device;
mod bench;
mod garbage;
mod given_up;
mod survived;
mod unplugged;

use super::FaultScenario;

pub(super) fn scenarios() -> Vec<(&'static str, FaultScenario)> {
    [
        survived::scenarios(),
        given_up::scenarios(),
        unplugged::scenarios(),
        garbage::scenarios(),
        any_device::scenarios(),
    ]
    .concat()
}
