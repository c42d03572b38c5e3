//! What a copy is going to copy: every file and directory, found before the first byte is moved, so that the
//! size is known and a tree without end is not begun.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};

use super::check_interrupt;
use super::filesystem::{Directory, Entry, Files, folded};
use super::times;

/// FAT keeps a file's size in 32 bits.
pub(super) const FILE_BYTES_MAX: u64 = u32::MAX as u64;
/// A path on FAT has at most 260 characters, and a directory's name and slash at least two of them.
const DEPTH_MAX: usize = 130;

/// A file or a directory with all in it. `S` is where it comes from.
pub(super) struct Item<S> {
    pub(super) name: String,
    pub(super) source: S,
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
    /// What is in it; `None` for a file.
    pub(super) children: Option<Vec<Item<S>>>,
}

impl<S> Item<S> {
    /// Bytes of all the files.
    pub(super) fn total_bytes(&self) -> u64 {
        let children = self.children.iter().flatten();
        self.bytes + children.map(Self::total_bytes).sum::<u64>()
    }
}

/// What there is on a disk.
pub(super) struct OnDisk<'a> {
    files: &'a Files,
    /// Where the directories met so far begin.
    met: HashSet<u64>,
}

impl<'a> OnDisk<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        Self {
            files,
            met: HashSet::new(),
        }
    }

    /// Plans the copy of one entry.
    pub(super) fn entry(&mut self, entry: Entry<'a>, depth: usize) -> Result<Item<Entry<'a>>> {
        let name = entry.file_name();
        // Such names could lead out of the directory that is copied to.
        ensure!(
            !matches!(&*name, "" | "." | "..") && !name.contains(['/', '\0']),
            "the file system is damaged, a file is called {name:?}: have fsck.vfat look at it"
        );
        let children = match entry.is_dir() {
            true => Some(
                self.directory(&entry.to_dir(), depth)
                    .with_context(|| format!("in {name}"))?,
            ),
            false => None,
        };
        Ok(Item {
            name,
            bytes: entry.len(),
            modified: times::to_system(entry.modified()),
            children,
            source: entry,
        })
    }

    /// Plans the copy of all in a directory.
    pub(super) fn directory(
        &mut self,
        directory: &Directory<'a>,
        depth: usize,
    ) -> Result<Vec<Item<Entry<'a>>>> {
        check_interrupt()?;
        let (entries, start) = self.files.entries(directory)?;
        let new = start.is_none_or(|start| self.met.insert(start));
        ensure!(
            new && depth < DEPTH_MAX,
            "the file system is damaged, a directory is within itself: have fsck.vfat look at it"
        );
        entries
            .into_iter()
            .map(|entry| self.entry(entry, depth + 1))
            .collect()
    }
}

/// Plans the copy of a file or directory of this machine; symbolic links are followed.
pub(super) fn local(path: &Path, recursive: bool) -> Result<Item<PathBuf>> {
    // Its own directory's name for `..` and `.`.
    let name = match path.file_name() {
        Some(name) => name.to_owned(),
        None => {
            let absolute = path.canonicalize();
            let absolute = absolute.with_context(|| format!("cannot read {}", path.display()))?;
            absolute.file_name().unwrap_or_default().to_owned()
        }
    };
    let Some(name) = name.to_str() else {
        bail!(
            "{} has a name that is not UTF-8: FAT cannot hold it, rename it",
            path.display()
        );
    };
    found(path, name, recursive, &mut Vec::new())
}

fn found(
    path: &Path,
    name: &str,
    recursive: bool,
    above: &mut Vec<(u64, u64)>,
) -> Result<Item<PathBuf>> {
    check_interrupt()?;
    let cannot_read = || format!("cannot read {}", path.display());
    let metadata = fs::metadata(path).with_context(cannot_read)?;
    let modified = metadata.modified().ok();
    let item = |bytes, children| Item {
        name: name.to_owned(),
        source: path.to_owned(),
        bytes,
        modified,
        children,
    };
    if metadata.is_dir() {
        ensure!(
            recursive,
            "{} is a directory: give -r to copy it with all in it",
            path.display()
        );
        return Ok(item(0, Some(children(path, &metadata, above)?)));
    }
    ensure!(
        metadata.is_file(),
        "{} is neither a file nor a directory",
        path.display()
    );
    ensure!(
        metadata.len() <= FILE_BYTES_MAX,
        "{} has {} bytes: on FAT a file has {FILE_BYTES_MAX} at most, split it",
        path.display(),
        metadata.len()
    );
    Ok(item(metadata.len(), None))
}

fn children(
    path: &Path,
    metadata: &Metadata,
    above: &mut Vec<(u64, u64)>,
) -> Result<Vec<Item<PathBuf>>> {
    let identity = (metadata.dev(), metadata.ino());
    ensure!(
        !above.contains(&identity) && above.len() < DEPTH_MAX,
        "{} is a directory within itself, through a symbolic link",
        path.display()
    );
    above.push(identity);
    let cannot_read = || format!("cannot read {}", path.display());
    let mut children = Vec::new();
    for child in fs::read_dir(path).with_context(cannot_read)? {
        let child = child.with_context(cannot_read)?;
        let name = child.file_name();
        let Some(name) = name.to_str() else {
            bail!(
                "{} has a name that is not UTF-8: FAT cannot hold it, rename it",
                child.path().display()
            );
        };
        children.push(found(&child.path(), name, true, above)?);
    }
    above.pop();
    check_names(&children)?;
    Ok(children)
}

/// Fails where two names are one on FAT, which knows no difference between upper and lower case.
pub(super) fn check_names(items: &[Item<PathBuf>]) -> Result<()> {
    let mut names = HashMap::new();
    for item in items {
        if let Some(other) = names.insert(folded(&item.name), item) {
            bail!(
                "{} and {} have one name on FAT, where upper and lower case are the same: rename one",
                other.source.display(),
                item.source.display()
            );
        }
    }
    Ok(())
}
