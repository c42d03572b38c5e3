//! Files on the disk's FAT file system, and what is in them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result, bail, ensure};
use fatfs::{FileSystem, FsOptions, ReadWriteSeek};
use fscommon::BufStream;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use crate::interrupt;

/// Bytes copied out and in.
pub(crate) const COPY_BYTES: u64 = 64 * 1024 * 1024;
/// The file's name on the disk.
pub(crate) const NAME: &str = "USBFS2.BIN";
/// Moved at a time, and what the progress bar steps by.
const PIECE_BYTES: usize = 256 * 1024;
/// Written between two flushes: what a pulled cable can cost.
pub(crate) const FLUSH_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes that look like nothing in particular and are the same every time: splitmix64 of the position.
pub(crate) fn fill(offset: u64, bytes: &mut [u8]) {
    for (index, word) in (offset / 8..).zip(bytes.chunks_mut(8)) {
        let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let value = (z ^ (z >> 31)).to_le_bytes();
        word.copy_from_slice(&value[..word.len()]);
    }
}

/// The digest of all that is copied.
pub(crate) fn expected_digest() -> String {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    for offset in (0..COPY_BYTES).step_by(PIECE_BYTES) {
        fill(offset, &mut piece);
        hash.update(&piece);
    }
    hexadecimal(hash)
}

/// Opens the file system on a disk.
pub(crate) fn mount<D: ReadWriteSeek>(disk: D) -> Result<FileSystem<D>> {
    // Reading must write nothing.
    let options = FsOptions::new().update_accessed_date(false);
    Ok(FileSystem::new(disk, options)?)
}

/// Opens the file system in a file that nothing may be written to.
pub(crate) fn mount_read_only(file: File) -> Result<FileSystem<impl ReadWriteSeek>> {
    mount(BufStream::new(ReadOnly(file)))
}

/// Checks that an image has a file system, and room for the copy.
pub(crate) fn check(image: &File) -> Result<()> {
    let files = mount_read_only(image.try_clone()?).context(
        "it has no FAT file system: make one with mkfs.vfat, or leave --image out for a new disk",
    )?;
    ensure!(
        files.root_dir().open_file(NAME).is_err(),
        "it has a file {NAME} already, which the tour would write: remove it, or take another image"
    );
    let stats = files.stats()?;
    let free = u64::from(stats.free_clusters()) * u64::from(stats.cluster_size());
    ensure!(
        free >= COPY_BYTES,
        "it has {} free and the tour needs {}: delete files from it, or take a larger one",
        indicatif::BinaryBytes(free),
        indicatif::BinaryBytes(COPY_BYTES),
    );
    Ok(())
}

/// Writes the file from where it ends, calling `on_flush` with the bytes that are safe.
pub(crate) fn write<D: ReadWriteSeek>(
    files: &FileSystem<D>,
    bar: &ProgressBar,
    mut on_flush: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let mut file = files.root_dir().create_file(NAME)?;
    let mut done = file.seek(SeekFrom::End(0))?;
    let mut piece = vec![0; PIECE_BYTES];
    while done < COPY_BYTES {
        check_interrupt()?;
        fill(done, &mut piece);
        file.write_all(&piece)?;
        done += piece.len() as u64;
        bar.set_position(done);
        if done % FLUSH_BYTES == 0 {
            file.flush()?;
            on_flush(done)?;
        }
    }
    Ok(())
}

/// Reads the file and returns its digest.
pub(crate) fn read<D: ReadWriteSeek>(files: &FileSystem<D>, bar: &ProgressBar) -> Result<String> {
    let mut file = files.root_dir().open_file(NAME)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut done = 0;
    loop {
        check_interrupt()?;
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        hash.update(&piece[..count]);
        done += count as u64;
        bar.set_position(done);
    }
    ensure!(done == COPY_BYTES, "{done} bytes came back of {COPY_BYTES}");
    Ok(hexadecimal(hash))
}

fn check_interrupt() -> Result<()> {
    if interrupt::requested() {
        bail!("interrupted");
    }
    Ok(())
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A file that is only looked at.
struct ReadOnly(File);

impl Read for ReadOnly {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Seek for ReadOnly {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl Write for ReadOnly {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
