//! `usbfs2 disk ls`, `cat` and `cp`: files on a disk's FAT file system, with nothing mounted.

mod cat;
mod copy;
mod filesystem;
mod guard;
mod list;
mod partition;
mod place;
mod plan;
mod times;
mod volume;

#[cfg(test)]
mod tests;

use std::io;

use anyhow::{Result, bail};
use usbfs2_host::Host;
use usbfs2_mass_storage::MassStorage;
use usbfs2_protocol::standard::class;

use self::filesystem::Files;
use self::guard::guarded;
use self::place::Place;
use crate::args::{DiskCatArgs, DiskCpArgs, DiskLsArgs, VolumeArgs};
use crate::{interrupt, select};

/// Moved at a time, and how often Ctrl-C is looked at.
const PIECE_BYTES: usize = 256 * 1024;

pub(crate) fn ls(host: &Host, args: &DiskLsArgs) -> Result<()> {
    let place = Place::of(args.disk.as_deref(), args.path.as_deref())?;
    guarded(|| list::run(&open(host, &place, &args.volume)?, &place.path, args))
}

pub(crate) fn cat(host: &Host, args: &DiskCatArgs) -> Result<()> {
    let place = Place::of(Some(&args.disk), args.path.as_deref())?;
    if place.path.is_empty() {
        bail!(
            "which file? Give its path, as in `usbfs2 disk cat {} /README.TXT`",
            args.disk
        );
    }
    guarded(|| {
        let files = open(host, &place, &args.volume)?;
        cat::run(&files, &place.path, &mut io::stdout().lock())
    })
}

pub(crate) fn cp(host: &Host, args: &DiskCpArgs) -> Result<()> {
    let job = copy::Job::parse(&args.paths)?;
    guarded(|| job.run(open(host, &job.disk, &args.volume)?, args.recursive))
}

fn open(host: &Host, place: &Place, args: &VolumeArgs) -> Result<Files> {
    interrupt::catch()?;
    let info = match &place.device {
        Some(name) => select::device(host, name)?,
        None => select::first_of_class(host, class::MASS_STORAGE, "disk")?,
    };
    let storage = MassStorage::open_blocking(&host.open(info.id())?)?;
    Files::open(storage.block_device_blocking(args.lun)?, args.partition)
}

/// The end of what Ctrl-C interrupts.
fn check_interrupt() -> Result<()> {
    if interrupt::requested() {
        bail!("interrupted");
    }
    Ok(())
}
