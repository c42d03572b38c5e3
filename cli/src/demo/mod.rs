//! `usbfs2 demo`: the main job once, from the cable to the file system.

mod audio;
mod disk;
mod files;
mod kernel;
mod keyboard;
mod summary;
mod world;

use std::fs::File;
use std::io::BufWriter;

use anyhow::{Context, Result};
use usbfs2_capture::Recording;

use crate::args::DemoArgs;
use crate::interrupt;
use crate::output::say;
use audio::Sound;
use disk::Medium;
use keyboard::Text;
use summary::Summary;
use world::World;

/// Bytes of a transfer that a capture of the tour keeps: commands, reports and descriptors whole, but not all
/// of 192 MiB of files.
const SNAP_LENGTH: u32 = 4096;

/// Makes the tour. An error when anything differs from what was sent.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    if args.kernel && !kernel::is_here() {
        return kernel::run_in_vm(args);
    }
    interrupt::catch()?;
    // What is wrong with the user's files is said before anything is plugged in.
    let text = Text::new(args.text.as_deref())?;
    let medium = Medium::new(args.image.as_deref())?;
    let sound = Sound::new(args.wav.as_deref())?;
    let world = if args.kernel {
        World::kernel()?
    } else {
        World::in_process()
    };
    let recording = match (&args.capture, &world) {
        (Some(path), World::InProcess(bus)) => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Some((
                path,
                Recording::start(bus, BufWriter::new(file), SNAP_LENGTH)?,
            ))
        }
        _ => None,
    };
    say!("{}\n", world.describe())?;
    let mut summary = Summary::default();
    summary.add(keyboard::tour(&world, &text)?);
    say!()?;
    summary.add(disk::tour(&world, &medium)?);
    say!()?;
    let heard = audio::tour(&world, &sound)?;
    let everything = match heard {
        Some(_) => "Everything that was sent arrived.",
        None => "Everything but sound, which was left out, was sent and arrived.",
    };
    if let Some(row) = heard {
        summary.add(row);
    }
    say!("\n{summary}")?;
    say!("{everything}")?;
    if let Some((path, recording)) = recording {
        let written = recording.finish();
        let totals = written.with_context(|| format!("cannot write {}", path.display()))?;
        say!(
            "{} packets are in {}: `wireshark {1}` shows them.",
            totals.packets,
            path.display()
        )?;
    }
    Ok(())
}
