//! `usbfs2 disk cp`.

mod from_disk;
mod to_disk;

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use super::filesystem::{Files, explain};
use super::place::{Place, Side};
use super::{PIECE_BYTES, check_interrupt};

/// A copy as users ask for it.
pub(super) struct Job {
    /// The disk. Its path is where the copy goes, when it goes there.
    pub(super) disk: Place,
    direction: Direction,
}

enum Direction {
    ToDisk(Vec<PathBuf>),
    FromDisk(Vec<Vec<String>>, PathBuf),
}

impl Job {
    /// What `SOURCE... DESTINATION` mean.
    pub(super) fn parse(paths: &[String]) -> Result<Self> {
        let mut sides = paths.iter().map(|path| Side::parse(path));
        let Some(destination) = sides.next_back() else {
            bail!("give a source and a destination");
        };
        match destination {
            Side::Disk(disk) => {
                let mut sources = Vec::new();
                for side in sides {
                    match side {
                        Side::Local(path) => sources.push(path),
                        Side::Disk(place) => bail!(
                            "{place} and {disk} are both on a disk: copy it to a file of this machine first"
                        ),
                    }
                }
                Ok(Self {
                    disk,
                    direction: Direction::ToDisk(sources),
                })
            }
            Side::Local(destination) => {
                let mut disk = None;
                let mut sources = Vec::new();
                for side in sides {
                    let Side::Disk(place) = side else {
                        bail!(
                            "neither side is on a disk: write it as DISK:/PATH, such as 1-1:/file, or :/file \
                             for the first disk there is"
                        );
                    };
                    let first: &Place = disk.get_or_insert_with(|| place.clone());
                    ensure!(
                        first.device == place.device,
                        "{first} and {place} are on two disks: copy from one at a time"
                    );
                    sources.push(place.path);
                }
                let Some(disk) = disk else {
                    bail!("give a source and a destination");
                };
                Ok(Self {
                    disk,
                    direction: Direction::FromDisk(sources, destination),
                })
            }
        }
    }

    /// Makes the copy.
    pub(super) fn run(&self, files: Files, recursive: bool) -> Result<()> {
        match &self.direction {
            Direction::FromDisk(sources, destination) => {
                from_disk::run(&files, sources, destination, recursive)
            }
            Direction::ToDisk(sources) => {
                let outcome = to_disk::run(&files, sources, &self.disk.path, recursive);
                // What was copied before a failure is there as a whole.
                let closed = files.close();
                outcome.and(closed)
            }
        }
    }
}

/// Passes the `bytes` bytes of a file to `sink`, in pieces.
pub(super) fn pour(
    file: &mut impl Read,
    bytes: u64,
    mut sink: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = bytes;
    while left > 0 {
        check_interrupt()?;
        let wanted = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let mut filled = 0;
        while filled < wanted {
            let count = file.read(&mut piece[filled..wanted]).map_err(explain)?;
            ensure!(
                count > 0,
                "it ends {} bytes early: somebody cut it meanwhile, or its file system is damaged",
                left - filled as u64
            );
            filled += count;
        }
        sink(&piece[..wanted])?;
        left -= wanted as u64;
    }
    Ok(())
}
