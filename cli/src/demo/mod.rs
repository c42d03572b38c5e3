//! `usbfs2 demo`: the main job once, from the cable to the file system.

mod disk;
mod files;
mod kernel;
mod keyboard;
mod summary;
mod world;

use anyhow::Result;

use crate::args::DemoArgs;
use crate::interrupt;
use summary::Summary;
use world::World;

/// Makes the tour. An error when anything differs from what was sent.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    if args.kernel && !kernel::is_here() {
        return kernel::run_in_vm(args);
    }
    interrupt::catch()?;
    let world = if args.kernel {
        World::kernel()?
    } else {
        World::in_process()
    };
    println!("{}\n", world.describe());
    let mut summary = Summary::default();
    summary.add(keyboard::tour(&world, args.text.as_deref())?);
    println!();
    summary.add(disk::tour(&world, args.image.as_deref())?);
    println!("\n{summary}");
    println!("Everything that was sent arrived.");
    Ok(())
}
