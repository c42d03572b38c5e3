//! From this machine to a disk.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use fatfs::FileAttributes;
use indicatif::ProgressBar;

use super::super::filesystem::{Directory, Entry, Files, Found, explain, folded};
use super::super::plan::{self, Item};
use super::super::times::SourceTime;
use super::pour;
use crate::progress;

pub(super) fn run(
    files: &Files,
    sources: &[PathBuf],
    destination: &[String],
    recursive: bool,
) -> Result<()> {
    ensure!(
        !files.read_only(),
        "the disk is write-protected: slide its switch, or use another"
    );
    let mut items: Vec<Item<PathBuf>> = sources
        .iter()
        .map(|source| plan::local(source, recursive))
        .collect::<Result<_>>()?;
    plan::check_names(&items)?;
    let directory = match files.find(destination)? {
        Some(Found::Root) => files.root(),
        Some(Found::Entry(entry)) if entry.is_dir() => entry.to_dir(),
        found => {
            ensure!(
                items.len() == 1,
                "/{} is not a directory on the disk, and there are several files to copy to it",
                destination.join("/")
            );
            let (Some((name, above)), [item]) = (destination.split_last(), &mut *items) else {
                bail!("there is nothing to copy");
            };
            if found.is_some() && item.children.is_some() {
                bail!(
                    "/{} is a file on the disk, and no directory",
                    destination.join("/")
                );
            }
            item.name.clone_from(name);
            parent(files, above)?
        }
    };
    let bar = progress::bytes(items.iter().map(Item::total_bytes).sum(), "copying");
    let outcome = copy_all(files, &directory, &items, &bar);
    SourceTime::set(None);
    outcome?;
    files.sync()?;
    bar.finish();
    Ok(())
}

fn parent<'a>(files: &'a Files, path: &[String]) -> Result<Directory<'a>> {
    match files.find(path)? {
        Some(Found::Root) => Ok(files.root()),
        Some(Found::Entry(entry)) if entry.is_dir() => Ok(entry.to_dir()),
        Some(Found::Entry(_)) => bail!(
            "/{} is a file on the disk, and no directory",
            path.join("/")
        ),
        None => bail!(
            "there is no directory /{} on the disk: copy to one that is there",
            path.join("/")
        ),
    }
}

fn copy_all(
    files: &Files,
    directory: &Directory<'_>,
    items: &[Item<PathBuf>],
    bar: &ProgressBar,
) -> Result<()> {
    let there = files.by_name(directory)?;
    for item in items {
        let old = there.get(&folded(&item.name));
        let Some(children) = &item.children else {
            copy_file(files, directory, item, old, bar)?;
            continue;
        };
        let within = match old {
            Some(old) if old.is_dir() => old.to_dir(),
            Some(_) => bail!("{} is a file on the disk, and no directory", item.name),
            None => {
                SourceTime::set(item.modified);
                files
                    .create_dir(directory, &item.name)
                    .with_context(|| cannot_make(&item.name))?
            }
        };
        copy_all(files, &within, children, bar)?;
    }
    Ok(())
}

fn copy_file(
    files: &Files,
    directory: &Directory<'_>,
    item: &Item<PathBuf>,
    old: Option<&Entry<'_>>,
    bar: &ProgressBar,
) -> Result<()> {
    let Item {
        name,
        source,
        bytes,
        ..
    } = item;
    let mut input =
        File::open(source).with_context(|| format!("cannot read {}", source.display()))?;
    let mut free = files.free_bytes()?;
    if let Some(old) = old {
        ensure!(
            !old.is_dir(),
            "{name} is a directory on the disk: copy to another name"
        );
        ensure!(
            !old.attributes().contains(FileAttributes::READ_ONLY),
            "{name} is there and read-only: copy to another name"
        );
        free += old.len().next_multiple_of(files.cluster_bytes());
    }
    ensure!(
        *bytes <= free,
        "the disk is too full for {name}: it has {bytes} bytes and there is room for {free}, delete \
         something or use a larger disk"
    );
    if old.is_some() {
        directory.remove(name).map_err(explain)?;
    }
    SourceTime::set(item.modified);
    let mut output = directory
        .create_file(name)
        .map_err(explain)
        .with_context(|| cannot_make(name))?;
    // Found by the short name of another file, which this copy has made.
    ensure!(
        output.seek(SeekFrom::End(0)).map_err(explain)? == 0,
        "{name} is the short name of another file on the disk: copy to another name"
    );
    let outcome = pour(&mut input, *bytes, |piece| {
        output.write_all(piece).map_err(explain)?;
        bar.inc(piece.len() as u64);
        Ok(())
    });
    // The library writes the size into the directory.
    let outcome = outcome.and(output.flush().map_err(explain));
    drop(output);
    if let Err(error) = outcome {
        // A disk that is gone cannot be tidied, and the first error says so.
        let _ = directory.remove(name);
        return Err(error.context(format!("copying {}", source.display())));
    }
    Ok(())
}

fn cannot_make(name: &str) -> String {
    format!("cannot make {name:?} on the disk")
}
