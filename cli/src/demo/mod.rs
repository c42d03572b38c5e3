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
use crate::output::say;
use disk::Medium;
use keyboard::Text;
use summary::Summary;
use world::World;

/// Makes the tour. An error when anything differs from what was sent.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    if args.kernel && !kernel::is_here() {
        return kernel::run_in_vm(args);
    }
    interrupt::catch()?;
    // What is wrong with the user's files is said before anything is plugged in.
    let text = Text::new(args.text.as_deref())?;
    let medium = Medium::new(args.image.as_deref())?;
    let world = if args.kernel {
        World::kernel()?
    } else {
        World::in_process()
    };
    say!("{}\n", world.describe())?;
    let mut summary = Summary::default();
    summary.add(keyboard::tour(&world, &text)?);
    say!()?;
    summary.add(disk::tour(&world, &medium)?);
    say!("\n{summary}")?;
    say!("Everything that was sent arrived.")?;
    Ok(())
}
