//! Our host on our gadgets: written once, run on the in-process bus and over the kernel.

mod disk;
mod identity;
mod keyboard;

use anyhow::Result;

use crate::world::World;

/// What a scenario does in its world.
pub(crate) type Scenario = fn(&World) -> Result<()>;

/// Every scenario by its name.
pub(crate) fn all() -> Vec<(&'static str, Scenario)> {
    [
        identity::scenarios(),
        keyboard::scenarios(),
        disk::scenarios(),
    ]
    .concat()
}
