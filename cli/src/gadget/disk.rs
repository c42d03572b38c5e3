//! `usbfs2 gadget disk`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use usbfs2_gadget::Function;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions, ScriptedDisk};
use usbfs2_gadget::scsi::{FileMedium, LogicalUnit, MediumError};

use super::{Attendance, DISK, standard_input};
use crate::args::{Backend, GadgetDiskArgs};
use crate::output::note;

/// Is a disk until Ctrl-C.
pub(super) fn run(args: &GadgetDiskArgs, backend: Backend) -> Result<()> {
    let units = (0_u8..)
        .zip(&args.images)
        .map(|(lun, image)| unit(args, lun, image))
        .collect::<Result<Vec<_>>>()?;
    let function: Arc<dyn Function> = match args.misbehave {
        None => Disk::with_units(units.clone())?,
        Some(misbehaviour) => ScriptedDisk::misbehaving(units.clone(), misbehaviour),
    };
    let gadget = DISK.builder().function(function).build()?;
    if args.removable {
        let read_only = args.read_only;
        standard_input::follow("eject [LUN], insert FILE [LUN]", move |line| {
            let done = change_medium(&units, read_only, line)?;
            note!("{done}");
            Ok(())
        });
    }
    Attendance::of(&gadget, &DISK, backend).run()
}

fn unit(args: &GadgetDiskArgs, lun: u8, image: &Path) -> Result<Arc<LogicalUnit>> {
    let options = DiskOptions {
        // Hosts tell units apart by it.
        serial_number: format!("{:012}", u32::from(lun) + 1),
        block_size: args.block_size,
        read_only: args.read_only,
        removable: args.removable,
        ..DiskOptions::default()
    };
    let medium = match args.size {
        Some(size) => sized_medium(args, image, size)?,
        None => medium(image, args.read_only)?,
    };
    LogicalUnit::with_medium(medium, options)
        .with_context(|| format!("{} makes no disk", image.display()))
}

fn sized_medium(args: &GadgetDiskArgs, image: &Path, size: u64) -> Result<FileMedium> {
    let block_size = u64::from(args.block_size);
    ensure!(
        size > 0 && size.checked_rem(block_size) == Some(0),
        "--size {size} is no disk: give a multiple of {block_size}, such as 64M"
    );
    match image.metadata() {
        Err(_) => Ok(FileMedium::create(image, size)?),
        // Of an earlier run, as a rule.
        Ok(there) => {
            ensure!(
                there.len() == size,
                "{} is there already and has {} bytes: leave --size out to use it",
                image.display(),
                there.len()
            );
            medium(image, args.read_only)
        }
    }
}

fn medium(image: &Path, read_only: bool) -> Result<FileMedium> {
    if read_only {
        return Ok(FileMedium::open_read_only(image)?);
    }
    FileMedium::open(image).map_err(|error| match error {
        MediumError::NotWritable { path } => anyhow!(
            "{} may not be written: make it writable, or give --read-only",
            path.display()
        ),
        error => error.into(),
    })
}

/// Ejects or inserts a medium as a line says, and tells what was done.
fn change_medium(units: &[Arc<LogicalUnit>], read_only: bool, line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let verb = words.next();
    let image = match verb {
        Some("eject") => None,
        Some("insert") => Some(PathBuf::from(words.next().context("insert which FILE?")?)),
        _ => bail!("`{line}`: say `eject [LUN]` or `insert FILE [LUN]`"),
    };
    let lun = match words.next() {
        Some(lun) => lun
            .parse::<usize>()
            .with_context(|| format!("`{lun}` is no LUN"))?,
        None => 0,
    };
    ensure!(words.next().is_none(), "`{line}` says more than that");
    let unit = units.get(lun).with_context(|| {
        let last = units.len().saturating_sub(1);
        format!("there is no unit {lun}: this disk has 0 to {last}")
    })?;
    Ok(match image {
        Some(image) => {
            unit.insert(medium(&image, read_only)?)?;
            format!("unit {lun}: {} is in", image.display())
        }
        None => match unit.eject()? {
            Some(_) => format!("unit {lun}: ejected"),
            None => format!("unit {lun}: there was no medium"),
        },
    })
}

#[cfg(test)]
mod tests {
    use usbfs2_gadget::scsi::MemoryMedium;

    use super::*;

    #[test]
    fn media_change_as_lines_say() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        drop(FileMedium::create(&image, 4096).unwrap());
        let options = DiskOptions {
            removable: true,
            ..DiskOptions::default()
        };
        let unit = LogicalUnit::with_medium(MemoryMedium::new(512), options).unwrap();
        let change = |line: &str| {
            change_medium(std::slice::from_ref(&unit), false, line)
                .map_err(|error| error.to_string())
        };
        assert_eq!(change("eject"), Ok("unit 0: ejected".into()));
        assert!(!unit.has_medium());
        assert_eq!(change("eject 0"), Ok("unit 0: there was no medium".into()));
        assert!(change(&format!("insert {} 0", image.display())).is_ok());
        assert!(unit.has_medium());
        for (line, error) in [
            ("", "eject [LUN]"),
            ("insert", "which FILE"),
            ("eject 1", "no unit 1"),
            ("eject one", "`one` is no LUN"),
            ("eject 0 now", "more than that"),
            ("insert /nowhere/image", "does not exist"),
        ] {
            let said = change(line).unwrap_err();
            assert!(said.contains(error), "{line}: {said}");
        }
    }
}
