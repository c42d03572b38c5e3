//! From a disk to this machine.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;

use super::super::filesystem::{Entry, Files, Found};
use super::super::plan::{Item, OnDisk};
use super::pour;
use crate::progress;

pub(super) fn run(
    files: &Files,
    sources: &[Vec<String>],
    destination: &Path,
    recursive: bool,
) -> Result<()> {
    let into = destination.is_dir();
    ensure!(
        into || sources.len() == 1,
        "{} is not a directory, and there are several files to copy to it",
        destination.display()
    );
    let mut plan = Vec::new();
    let mut disk = OnDisk::new(files);
    for path in sources {
        let found = files.get(path)?;
        let directory = matches!(&found, Found::Root)
            || matches!(&found, Found::Entry(entry) if entry.is_dir());
        ensure!(
            recursive || !directory,
            "/{} is a directory: give -r to copy it with all in it",
            path.join("/")
        );
        match found {
            // The root has no name: what is in it goes there.
            Found::Root => {
                if !into {
                    make_directory(destination)?;
                }
                for item in disk.directory(&files.root(), 0)? {
                    plan.push((destination.join(&item.name), item));
                }
            }
            Found::Entry(entry) => {
                let item = disk.entry(entry, 0)?;
                let target = match into {
                    true => destination.join(&item.name),
                    false => destination.to_owned(),
                };
                plan.push((target, item));
            }
        }
    }
    let total = plan.iter().map(|(_, item)| item.total_bytes()).sum();
    let bar = progress::bytes(total, "copying");
    for (target, item) in &plan {
        copy(item, target, &bar)?;
    }
    bar.finish();
    Ok(())
}

fn copy(item: &Item<Entry<'_>>, target: &Path, bar: &ProgressBar) -> Result<()> {
    let Some(children) = &item.children else {
        return copy_file(item, target, bar);
    };
    if !target.is_dir() {
        make_directory(target)?;
    }
    for child in children {
        copy(child, &target.join(&child.name), bar)?;
    }
    // Last: what is put into it changes it.
    set_modified(&File::open(target)?, item)
        .with_context(|| format!("cannot set the time of {}", target.display()))
}

fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))
}

fn copy_file(item: &Item<Entry<'_>>, target: &Path, bar: &ProgressBar) -> Result<()> {
    if target.is_dir() {
        bail!(
            "{} is a directory: remove it, or copy elsewhere",
            target.display()
        );
    }
    let cannot_write = || format!("cannot write {}", target.display());
    let mut output = File::create(target).with_context(cannot_write)?;
    let outcome = pour(&mut item.source.to_file(), item.bytes, |piece| {
        output.write_all(piece).with_context(cannot_write)?;
        bar.inc(piece.len() as u64);
        Ok(())
    });
    // Not of a device, such as /dev/null.
    let regular = output.metadata().is_ok_and(|metadata| metadata.is_file());
    if let Err(error) = outcome {
        if regular && let Err(error) = fs::remove_file(target) {
            bail!(
                "{} is incomplete, and cannot be removed: {error}",
                target.display()
            );
        }
        return Err(error.context(format!("copying {}", item.name)));
    }
    if regular {
        set_modified(&output, item).with_context(cannot_write)?;
    }
    Ok(())
}

fn set_modified(file: &File, item: &Item<Entry<'_>>) -> std::io::Result<()> {
    match item.modified {
        Some(modified) => file.set_modified(modified),
        None => Ok(()),
    }
}
