//! The tour's disk: a file system, 64 MiB out and in, and a cable pulled in the middle.

use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use fatfs::{FormatVolumeOptions, format_volume};
use fscommon::BufStream;
use tempfile::NamedTempFile;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::scsi::FileMedium;
use usbfs2_gadget::{DeviceIds, Gadget};
use usbfs2_mass_storage::{DiskCursor, DiskError, MassStorage, Statistics};

use super::files::{self, COPY_BYTES};
use super::summary::Row;
use super::world::{Plugged, World};
use crate::output::say;
use crate::{image, progress};

const VENDOR: u16 = 0x1209;
const PRODUCT: u16 = 0x0002;
const MEDIUM_BYTES: u64 = 128 * 1024 * 1024;
/// The cable is pulled once this much is on the disk: in the middle of the copy.
const PULL_AT: u64 = COPY_BYTES / 2;

/// The file that the disk keeps its blocks in.
pub(super) struct Medium {
    file: NamedTempFile,
    /// Where its file system comes from; the disk gets a new one without it.
    image: Option<PathBuf>,
}

impl Medium {
    /// A copy of the user's image, so that theirs stays as it is, or a new file.
    pub(super) fn new(image: Option<&Path>) -> Result<Self> {
        let mut file = NamedTempFile::new().context("cannot make a temporary file for the disk")?;
        match image {
            Some(path) => {
                let (mut source, _) = image::open(path)?;
                files::check(&source)
                    .with_context(|| format!("cannot use the image {}", path.display()))?;
                source.rewind()?;
                io::copy(&mut source, &mut file).with_context(|| {
                    format!(
                        "cannot copy {} to {} (TMPDIR names another place)",
                        path.display(),
                        file.path().display()
                    )
                })?;
            }
            None => file.as_file().set_len(MEDIUM_BYTES)?,
        }
        Ok(Self {
            file,
            image: image.map(Path::to_owned),
        })
    }
}

/// Plugs the disk in and puts it through its paces.
pub(super) fn tour(world: &World, medium: &Medium) -> Result<Row> {
    let gadget = gadget(medium.file.path())?;
    let mut plugged = world.plug(&gadget, (VENDOR, PRODUCT))?;
    let mut survivor = Survivor {
        plugged: &mut plugged,
        total: Statistics::default(),
        errors: Vec::new(),
    };
    match &medium.image {
        Some(image) => say!("Disk: a copy of {}.", image.display())?,
        None => survivor.format()?,
    }
    survivor.copy_out()?;
    let expected = files::expected_digest();
    let read_back = survivor.copy_in()?;
    ensure!(
        read_back == expected,
        "the copy differs: sha256 {read_back}, not {expected}"
    );
    say!("Disk: read back equal, sha256 {}...", &expected[..16])?;
    let Survivor { total, errors, .. } = survivor;
    plugged.unplug()?;
    // The other end of the cable has the last word: what is on the medium itself.
    let bar = progress::bytes(COPY_BYTES, "medium");
    let files = files::mount_read_only(File::open(medium.file.path())?)?;
    ensure!(
        files::read(&files, &bar)? == expected,
        "the medium differs from what was copied"
    );
    bar.finish_and_clear();
    say!("Disk: the medium itself holds the same.")?;
    Ok(Row {
        device: "disk",
        transfers: total.commands,
        bytes: total.bytes_in + total.bytes_out,
        errors,
    })
}

fn gadget(path: &Path) -> Result<Gadget> {
    let disk: Arc<Disk> = Disk::new(FileMedium::open(path)?, DiskOptions::default())?;
    Ok(Gadget::builder(DeviceIds {
        vendor: VENDOR,
        product: PRODUCT,
        release: 0x0100,
    })
    .manufacturer("usbfs2")
    .product("Demo disk")
    .serial_number("000000000002")
    .function(disk)
    .build()?)
}

/// The host's side, which opens the disk as often as it takes.
struct Survivor<'a, 'world> {
    plugged: &'a mut Plugged<'world>,
    total: Statistics,
    errors: Vec<String>,
}

type Buffered = BufStream<DiskCursor>;

impl Survivor<'_, '_> {
    fn open(&self) -> Result<(MassStorage, Buffered)> {
        let storage = MassStorage::open_blocking(&self.plugged.open()?)?;
        let disk = storage.block_device_blocking(0)?;
        Ok((storage, BufStream::new(DiskCursor::new(disk))))
    }

    fn format(&mut self) -> Result<()> {
        let (storage, mut disk) = self.open()?;
        say!(
            "Disk: a new FAT file system on {}.",
            indicatif::BinaryBytes(MEDIUM_BYTES)
        )?;
        // Large clusters: fatfs moves one a command.
        let options = FormatVolumeOptions::new()
            .bytes_per_cluster(32 * 1024)
            .volume_label(*b"USBFS2     ");
        format_volume(&mut disk, options)?;
        drop(disk);
        self.count(&storage);
        Ok(())
    }

    /// Copies out, with the cable pulled in the middle and the copy continued where it was safe.
    fn copy_out(&mut self) -> Result<()> {
        let bar = progress::bytes(COPY_BYTES, "copying out");
        let mut pulled = false;
        loop {
            let (storage, disk) = self.open()?;
            let files = files::mount(disk)?;
            let plugged = &mut *self.plugged;
            let outcome = files::write(&files, &bar, |done| {
                if done >= PULL_AT && !pulled {
                    pulled = true;
                    plugged.pull_cable()?;
                }
                Ok(())
            });
            let outcome = outcome.and_then(|()| Ok(files.unmount()?));
            self.count(&storage);
            match outcome {
                Ok(()) => break,
                Err(error) if is_disconnect(&error) && pulled && self.errors.is_empty() => {
                    bar.suspend(|| {
                        say!("Disk: cable pulled in the middle of the copy: {error:#}.")
                    })?;
                    self.errors.push("cable pulled while writing".into());
                    drop(storage);
                    self.plugged.plug_cable()?;
                    bar.suspend(|| say!("Disk: plugged back in, going on where it was safe."))?;
                }
                Err(error) => return Err(error),
            }
        }
        bar.finish_and_clear();
        if self.errors.is_empty() {
            bail!("the cable was pulled and nobody noticed");
        }
        say!("Disk: {} copied out.", indicatif::BinaryBytes(COPY_BYTES))?;
        Ok(())
    }

    fn copy_in(&mut self) -> Result<String> {
        let bar = progress::bytes(COPY_BYTES, "copying in");
        let (storage, disk) = self.open()?;
        let files = files::mount(disk)?;
        let digest = files::read(&files, &bar)?;
        files.unmount()?;
        bar.finish_and_clear();
        self.count(&storage);
        Ok(digest)
    }

    fn count(&mut self, storage: &MassStorage) {
        let statistics = storage.statistics_blocking();
        self.total.commands += statistics.commands;
        self.total.bytes_in += statistics.bytes_in;
        self.total.bytes_out += statistics.bytes_out;
    }
}

/// Whether the disk went away, however deep in the error that is said.
fn is_disconnect(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let within = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        within.and_then(|inner| inner.downcast_ref()) == Some(&DiskError::Disconnected)
    })
}
