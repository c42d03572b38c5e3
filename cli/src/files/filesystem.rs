//! The FAT file system on a disk, with errors that say what to do.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result, anyhow, bail, ensure};
use fatfs::{DirEntry, FileSystem, FsOptions};
use usbfs2_mass_storage::BlockDevice;

use super::partition;
use super::times::SourceTime;
use super::volume::{Misled, Volume};

/// No directory is larger (Microsoft's FAT specification 1.03, page 22): a longer one goes round and round.
const DIRECTORY_BYTES: u64 = 65_536 * 32;

pub(crate) type Entry<'a> = DirEntry<'a, Volume>;
pub(crate) type Directory<'a> = fatfs::Dir<'a, Volume>;

/// A file system that is in use.
pub(crate) struct Files {
    fat: FileSystem<Volume>,
    volume: Volume,
}

/// What a path leads to.
pub(crate) enum Found<'a> {
    Root,
    Entry(Entry<'a>),
}

impl Files {
    /// Opens the file system on a disk, or on one of its partitions.
    pub(crate) fn open(disk: BlockDevice, wanted: Option<u32>) -> Result<Self> {
        let volume = Volume::new(disk);
        partition::select(&volume, wanted).map_err(explained)?;
        let mut sector = [0; 512];
        volume.clone().read_exact(&mut sector).map_err(explain)?;
        ensure!(partition::is_fat(&sector), partition::no_fat(&sector));
        let position = volume.clone().rewind();
        position.map_err(explain)?;
        let options = FsOptions::new()
            .update_accessed_date(false)
            .time_provider(&SourceTime);
        let fat = FileSystem::new(volume.clone(), options)
            .map_err(explain)
            .context("the FAT file system's first sector is damaged: have fsck.vfat look at it")?;
        Ok(Self { fat, volume })
    }

    pub(crate) fn root(&self) -> Directory<'_> {
        self.fat.root_dir()
    }

    /// Bytes of a cluster: the least a directory or a file that is not empty takes.
    pub(crate) fn cluster_bytes(&self) -> u64 {
        self.fat.cluster_size().into()
    }

    pub(crate) fn free_bytes(&self) -> Result<u64> {
        let stats = self.fat.stats().map_err(explain)?;
        Ok(u64::from(stats.free_clusters()) * u64::from(stats.cluster_size()))
    }

    pub(crate) fn read_only(&self) -> bool {
        self.volume.read_only()
    }

    /// What there is at a path, if anything.
    ///
    /// # Errors
    /// A part of the path is a file; those of the disk.
    pub(crate) fn find(&self, path: &[String]) -> Result<Option<Found<'_>>> {
        let mut found = Found::Root;
        for (depth, name) in path.iter().enumerate() {
            let directory = match &found {
                Found::Root => self.root(),
                Found::Entry(entry) if entry.is_dir() => entry.to_dir(),
                Found::Entry(_) => bail!("/{} is a file", path[..depth].join("/")),
            };
            match self.find_in(&directory, name)? {
                Some(entry) => found = Found::Entry(entry),
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// [`find`](Self::find) of what must be there.
    pub(crate) fn get(&self, path: &[String]) -> Result<Found<'_>> {
        self.find(path)?.with_context(|| {
            format!(
                "there is no /{} on the disk: `usbfs2 disk ls` shows what there is",
                path.join("/")
            )
        })
    }

    fn find_in<'a>(&self, directory: &Directory<'a>, name: &str) -> Result<Option<Entry<'a>>> {
        Ok(self.by_name(directory)?.remove(&folded(name)))
    }

    /// The entries of a directory by their names, long and short, as [`folded`] has them.
    ///
    /// What was listed has an end, so that the library's own ways through it have one, too.
    pub(crate) fn by_name<'a>(
        &self,
        directory: &Directory<'a>,
    ) -> Result<HashMap<String, Entry<'a>>> {
        let mut names = HashMap::new();
        for entry in self.entries(directory)?.0 {
            names.insert(folded(&entry.short_file_name()), entry.clone());
            names.insert(folded(&entry.file_name()), entry);
        }
        Ok(names)
    }

    /// The entries of a directory but `.` and `..`, and where on the volume the directory begins, which
    /// tells it from others.
    pub(crate) fn entries<'a>(
        &self,
        directory: &Directory<'a>,
    ) -> Result<(Vec<Entry<'a>>, Option<u64>)> {
        // As much again for looking up its clusters.
        self.volume.limit(Some(2 * DIRECTORY_BYTES));
        let entries: io::Result<Vec<Entry<'a>>> = directory.iter().collect();
        let start = self.volume.first_read();
        self.volume.limit(None);
        let mut entries = entries.map_err(explain)?;
        entries.retain(|entry| !matches!(entry.short_file_name_as_bytes(), b"." | b".."));
        Ok((entries, start))
    }

    /// Makes a directory.
    ///
    /// The library gives the records `.` and `..` long names, and names the root's cluster in a directory of
    /// the root's: fsck.vfat and the specification want neither, so they are written once more.
    pub(crate) fn create_dir<'a>(
        &self,
        parent: &Directory<'a>,
        name: &str,
    ) -> Result<Directory<'a>> {
        const LONG_NAME: u8 = 0x0f;
        let made = parent.create_dir(name).map_err(explain)?;
        let in_root = self.entries(parent)?.1 == self.entries(&self.root())?.1;
        let Some(start) = self.entries(&made)?.1 else {
            return Ok(made);
        };
        let mut volume = self.volume.clone();
        let mut records = [[0; 32]; 4];
        volume.seek(SeekFrom::Start(start)).map_err(explain)?;
        volume
            .read_exact(records.as_flattened_mut())
            .map_err(explain)?;
        let [long, own, other, mut above] = records;
        if long[11] == LONG_NAME && other[11] == LONG_NAME {
            if in_root {
                above[20..22].fill(0);
                above[26..28].fill(0);
            }
            let records = [own, above, [0; 32], [0; 32]];
            volume.seek(SeekFrom::Start(start)).map_err(explain)?;
            volume.write_all(records.as_flattened()).map_err(explain)?;
        }
        Ok(made)
    }

    /// Returns when all that was written is safe on the medium.
    pub(crate) fn sync(&self) -> Result<()> {
        self.volume.sync().map_err(explain)
    }

    /// Ends the use of a file system that was written to.
    pub(crate) fn close(self) -> Result<()> {
        self.sync()?;
        let Self { fat, volume } = self;
        fat.unmount().map_err(explain)?;
        volume.sync().map_err(explain)
    }
}

/// A name without the difference between upper and lower case, which FAT keeps but does not make.
pub(crate) fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).collect()
}

/// An error of the library or the disk, in words for users.
pub(crate) fn explain(error: io::Error) -> anyhow::Error {
    let misled = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(misled) = misled {
        let misled: &Misled = misled;
        return anyhow!("the file system is damaged, {misled}: have fsck.vfat look at it");
    }
    match error.kind() {
        // The end of a root directory of fixed size, or of the table of clusters.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::WriteZero => anyhow!(
            "the file system has no room there: its root directory is full (use another directory), or it \
             is damaged (have fsck.vfat look at it)"
        ),
        _ => error.into(),
    }
}

fn explained(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<io::Error>() {
        Ok(error) => explain(error),
        Err(error) => error,
    }
}
