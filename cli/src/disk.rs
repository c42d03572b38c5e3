//! `usbfs2 disk`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use usbfs2_host::Host;
use usbfs2_mass_storage::{BlockDevice, MassStorage};

use crate::args::{DiskArgs, DiskCommand, JsonArgs, RangeArgs};
use crate::output::say;
use crate::{files, image, interrupt, progress, select};

/// Moved at a time; the driver splits it to what the disk takes.
const PIECE_BYTES: usize = 1024 * 1024;

/// Runs one of the disk commands.
pub(crate) fn run(host: &Host, command: &DiskCommand) -> Result<()> {
    match command {
        DiskCommand::Info { disk, output } => info(host, disk, output),
        DiskCommand::Read { disk, file, range } => read(&mut open(host, disk)?, file, range),
        DiskCommand::Write { disk, file, offset } => write(&mut open(host, disk)?, file, *offset),
        DiskCommand::Ls(args) => files::ls(host, args),
        DiskCommand::Cp(args) => files::cp(host, args),
        DiskCommand::Cat(args) => files::cat(host, args),
        DiskCommand::Verify { disk, file, offset } => verify(&mut open(host, disk)?, file, *offset),
    }
}

fn open(host: &Host, args: &DiskArgs) -> Result<BlockDevice> {
    interrupt::catch()?;
    let info = select::device(host, &args.device)?;
    let storage = MassStorage::open_blocking(&host.open(info.id())?)?;
    Ok(storage.block_device_blocking(args.lun)?)
}

fn info(host: &Host, args: &DiskArgs, output: &JsonArgs) -> Result<()> {
    let disk = open(host, args)?;
    let inquiry = disk.inquiry();
    let vendor = inquiry.vendor.to_string();
    let product = inquiry.product.to_string();
    let revision = inquiry.revision.to_string();
    if output.json {
        let facts = json!({
            "vendor": vendor,
            "product": product,
            "revision": revision,
            "removable": inquiry.removable,
            "read_only": disk.read_only(),
            "block_size": disk.block_size(),
            "block_count": disk.block_count(),
            "bytes": disk.size(),
            "max_transfer_bytes": disk.max_transfer_bytes(),
        });
        say!("{}", serde_json::to_string_pretty(&facts)?)?;
        return Ok(());
    }
    say!("{vendor} {product} {revision}")?;
    say!(
        "{} ({} blocks of {} bytes), {}{}",
        indicatif::BinaryBytes(disk.size()),
        disk.block_count(),
        disk.block_size(),
        if disk.read_only() {
            "read-only"
        } else {
            "writable"
        },
        if inquiry.removable { ", removable" } else { "" },
    )?;
    say!(
        "up to {} a command",
        indicatif::BinaryBytes(disk.max_transfer_bytes() as u64)
    )?;
    Ok(())
}

fn read(disk: &mut BlockDevice, path: &Path, range: &RangeArgs) -> Result<()> {
    let left = disk
        .size()
        .checked_sub(range.offset)
        .with_context(|| format!("--offset is beyond the disk's {} bytes", disk.size()))?;
    let length = range.length.unwrap_or(left);
    ensure!(
        length <= left,
        "--length: only {left} bytes are left from --offset on"
    );
    let mut output: Box<dyn Write> = if path == Path::new("-") {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?)
    };
    let mut piece = vec![0; PIECE_BYTES];
    for_pieces(length, "reading", |done, size| {
        disk.read_at_blocking(range.offset + done, &mut piece[..size])?;
        output
            .write_all(&piece[..size])
            .with_context(|| format!("cannot write {}", path.display()))
    })?;
    output.flush()?;
    Ok(())
}

fn write(disk: &mut BlockDevice, path: &Path, offset: u64) -> Result<()> {
    ensure!(
        !disk.read_only(),
        "the disk is write-protected: slide its switch, or use another"
    );
    let (mut input, length) = image::open(path)?;
    check_fits(disk, length, offset)?;
    let mut piece = vec![0; PIECE_BYTES];
    for_pieces(length, "writing", |done, size| {
        input
            .read_exact(&mut piece[..size])
            .with_context(|| format!("cannot read {}", path.display()))?;
        disk.write_at_blocking(offset + done, &piece[..size])?;
        Ok(())
    })?;
    disk.flush_blocking()?;
    Ok(())
}

fn verify(disk: &mut BlockDevice, path: &Path, offset: u64) -> Result<()> {
    let (mut input, length) = image::open(path)?;
    check_fits(disk, length, offset)?;
    let mut expected = vec![0; PIECE_BYTES];
    let mut found = vec![0; PIECE_BYTES];
    for_pieces(length, "verifying", |done, size| {
        input
            .read_exact(&mut expected[..size])
            .with_context(|| format!("cannot read {}", path.display()))?;
        disk.read_at_blocking(offset + done, &mut found[..size])?;
        let differs = (0..size).find(|&at| expected[at] != found[at]);
        if let Some(at) = differs {
            bail!(
                "the disk differs from {} at byte {} of the file: {:02x} instead of {:02x}",
                path.display(),
                done + at as u64,
                found[at],
                expected[at],
            );
        }
        Ok(())
    })?;
    say!("{length} bytes are equal")?;
    Ok(())
}

fn check_fits(disk: &BlockDevice, length: u64, offset: u64) -> Result<()> {
    ensure!(
        offset
            .checked_add(length)
            .is_some_and(|end| end <= disk.size()),
        "{length} bytes from byte {offset} on do not fit on a disk of {} bytes",
        disk.size()
    );
    Ok(())
}

/// Calls `step` with the bytes done and the size of the next piece, and shows how far it is.
fn for_pieces(
    length: u64,
    what: &str,
    mut step: impl FnMut(u64, usize) -> Result<()>,
) -> Result<()> {
    let bar = progress::bytes(length, what);
    let mut done = 0;
    while done < length {
        if interrupt::requested() {
            bail!("interrupted after {done} of {length} bytes");
        }
        let size = usize::try_from(length - done).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        step(done, size)?;
        done += size as u64;
        bar.set_position(done);
    }
    bar.finish();
    Ok(())
}
