//! Long transfers and many of them: how their memory lies is each controller's own matter.

use std::fs::File;
use std::io::{IoSliceMut, Read as _};
use std::os::unix::fs::FileExt as _;

use anyhow::{Result, ensure};
use dummy_hcd_tests::sys::mapped::{Mapping, Ring};
use usbfs2_protocol::Direction;
use usbfs2_protocol::bot::CommandBlockWrapper;
use usbfs2_protocol::scsi::Command;

use super::bulk::{BLOCK, Pipes};
use super::{Bench, Case, Controller};
use crate::scenarios::pattern;

pub(super) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("transfers::a_disk_in_32_transfers_in_flight", many),
        ("transfers::a_disk_in_one_transfer", one),
    ]
}

/// Of the module's files, without a library between.
pub(super) fn cases_of_files() -> Vec<(&'static str, Case)> {
    vec![
        ("transfers::a_read_scattered_over_odd_pieces", scattered),
        ("transfers::a_disk_through_the_ring", through_the_ring),
    ]
}

/// Enough for the lists of every controller to have more than one part.
fn length(controller: Controller) -> usize {
    match controller {
        Controller::Xhci | Controller::Ehci => 4 << 20,
        Controller::Uhci => 512 << 10,
    }
}

fn many(bench: &Bench) -> Result<()> {
    let content = pattern(length(bench.controller));
    let disk = bench.plug_disk("1", &content)?;
    let mut pipes = Pipes::open(&disk)?;
    // One packet and more, pieces of memory and more, a rest; whole packets at every speed.
    let mut lengths = (0..31_usize)
        .map(|number| 1024 * [1, 3, 4, 31, 32, 33, 5][number % 7] / scale(bench))
        .collect::<Vec<_>>();
    lengths.push(content.len() - lengths.iter().sum::<usize>());
    let read = pipes.read(0, &lengths)?;
    ensure!(read == content, "the disk holds something else");

    let other = content.iter().map(|byte| !byte).collect::<Vec<_>>();
    pipes.write(0, &other, &lengths)?;
    ensure!(disk.content()? == other, "something else was written");
    Ok(())
}

/// What fits the disk of a slow controller.
fn scale(bench: &Bench) -> usize {
    match bench.controller {
        Controller::Xhci | Controller::Ehci => 1,
        Controller::Uhci => 2,
    }
}

fn one(bench: &Bench) -> Result<()> {
    let content = pattern(length(bench.controller));
    let disk = bench.plug_disk("1", &content)?;
    let mut pipes = Pipes::open(&disk)?;
    // Up to the end of the disk, first with a rest after whole pages, then without.
    for blocks in [content.len() / BLOCK - 3, content.len() / BLOCK] {
        let whole = &content[content.len() - blocks * BLOCK..];
        let lba = content.len() / BLOCK - blocks;
        let read = pipes.read(lba, &[whole.len()])?;
        ensure!(read == whole, "the last {blocks} blocks are something else");
    }
    let other = content.iter().map(|byte| !byte).collect::<Vec<_>>();
    pipes.write(0, &other, &[other.len()])?;
    ensure!(disk.content()? == other, "something else was written");
    Ok(())
}

fn scattered(bench: &Bench) -> Result<()> {
    // More than one piece of the module's.
    const BLOCKS: usize = 200;
    let content = pattern(BLOCKS * BLOCK);
    let disk = bench.plug_disk("1", &content)?;
    let interface = disk.interface()?;
    // The kernel's driver has asked it what it is, or ours: it has told of its reset.
    drop(Pipes::open(&disk)?);
    let _claim = interface.claim()?;
    let (mut input, out): (File, File) = (interface.open_in()?, interface.open_out()?);
    out.write_at(&command(Direction::In, BLOCKS)?, 0)?;
    let mut data = vec![0; content.len()];
    let (first, rest) = data.split_at_mut(1);
    let (second, rest) = rest.split_at_mut(4095);
    let (third, fourth) = rest.split_at_mut(40961);
    let mut pieces = [first, second, third, fourth].map(IoSliceMut::new);
    let length = input.read_vectored(&mut pieces)?;
    ensure!(length == content.len(), "{length} bytes came");
    ensure!(data == content, "something else came");
    let length = input.read_at(&mut [0; 13], 0)?;
    ensure!(length == 13, "a status of {length} bytes");
    Ok(())
}

/// Reads or writes this many blocks from the first on.
fn command(direction: Direction, blocks: usize) -> Result<[u8; 31]> {
    let count = u32::try_from(blocks)?;
    let command = match direction {
        Direction::In => Command::read(0, count),
        Direction::Out => Command::write(0, count),
    };
    let wrapper = CommandBlockWrapper {
        tag: 1,
        data_transfer_length: u32::try_from(blocks * BLOCK)?,
        direction,
        lun: 0,
        command: command.encode(),
    };
    Ok(wrapper.to_bytes())
}

/// A command's data in the ring, out of mapped memory at odd addresses and with other bytes around it.
fn through_the_ring(bench: &Bench) -> Result<()> {
    const BLOCKS: usize = 300;
    const LENGTHS: [usize; 4] = [
        BLOCK,
        31 * 1024,
        64 << 10,
        BLOCKS * BLOCK - 95 * 1024 - BLOCK,
    ];
    const FIRST: usize = 5;
    const GAP: usize = 77;
    const MEMORY: usize = 256 << 10;
    let content = pattern(BLOCKS * BLOCK);
    let disk = bench.plug_disk("1", &content)?;
    let interface = disk.interface()?;
    drop(Pipes::open(&disk)?);
    let _claim = interface.claim()?;
    let (input, out) = (interface.open_both(true)?, interface.open_both(false)?);
    let other = content.iter().map(|byte| !byte).collect::<Vec<_>>();
    for (direction, file) in [(Direction::In, &input), (Direction::Out, &out)] {
        let (memory, ring) = (Mapping::new(file, 0, MEMORY)?, Ring::new(file, 8)?);
        ring.set_times(1_000_000_000, 0);
        let (mut left, mut at) = (other.as_slice(), FIRST);
        for (number, length) in (0..).zip(LENGTHS) {
            let (part, rest) = left.split_at(length);
            match direction {
                Direction::In => memory.put(at, &vec![0xa5; length + GAP]),
                Direction::Out => memory.put(at, part),
            }
            ring.put(number, memory.address(at), u32::try_from(length)?, 0);
            (left, at) = (rest, at + length + GAP);
        }
        out.write_at(&command(direction, BLOCKS)?, 0)?;
        ring.batch(file, direction == Direction::In, 4, 4)?;
        ensure!(ring.done() == 4, "{} of 4 are done", ring.done());
        let (mut left, mut at) = (content.as_slice(), FIRST);
        for (number, length) in (0..).zip(LENGTHS) {
            let moved = i32::try_from(length)?;
            ensure!(
                ring.result(number) == (moved, 0),
                "transfer {number} of {length} bytes: {:?}",
                ring.result(number)
            );
            let (part, rest) = left.split_at(length);
            ensure!(
                direction == Direction::Out
                    || (memory.get(at, length) == part
                        && memory.get(at + length, GAP) == [0xa5; GAP]),
                "transfer {number} of {length} bytes brought something else"
            );
            (left, at) = (rest, at + length + GAP);
        }
        let length = input.read_at(&mut [0; 13], 0)?;
        ensure!(length == 13, "a status of {length} bytes");
    }
    ensure!(disk.content()? == other, "something else was written");
    Ok(())
}
