//! Memory mapped from an endpoint file, and batches in its ring.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;

use anyhow::Result;
use dummy_hcd_tests::fail_nth::each_place;
use dummy_hcd_tests::sys::mapped::{Mapping, Ring};
use dummy_hcd_tests::{usbfs2, wait};

use super::{LENGTHS, said, tell};
use crate::runner::Test;
use crate::setup::{self, Plugged};

const BATCH: u16 = 4;
const ROOM: u32 = 64;
/// Microseconds: longer than any test.
const FOR_EVER: u32 = 1_000_000_000;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::long("failslab::mapping_buffers", mapping_buffers),
        Test::long("failslab::mapping_the_ring", mapping_the_ring),
        Test::long(
            "failslab::batches_of_mapped_memory",
            batches_of_mapped_memory,
        ),
        Test::long(
            "failslab::batches_of_ordinary_memory",
            batches_of_ordinary_memory,
        ),
    ]
}

fn mapping_buffers() -> Result<()> {
    const LENGTH: usize = 1 << 20;
    let plugged = setup::source_sink()?;
    let file = plugged.interface.open_both(true)?;
    let tried = each_place(
        || Mapping::new(&file, 0, LENGTH),
        |mapped| {
            // Whatever became of it, the next one is whole, and of use.
            let next = Mapping::new(&file, 0, LENGTH).map_err(said)?;
            for memory in [Some(&next), mapped.as_ref().ok()].into_iter().flatten() {
                let read = memory.read(&file, LENGTH - 4096, 4096).map_err(said)?;
                if read != 4096 {
                    return Err(format!("a read gave {read} bytes"));
                }
            }
            usbfs2::wait_no_live_request().map_err(said)
        },
    )?;
    tell("mmap of buffers", tried)
}

fn mapping_the_ring() -> Result<()> {
    let plugged = setup::source_sink()?;
    let open = || plugged.interface.open_both(true);
    let file = RefCell::new(open()?);
    let tried = each_place(
        || Ring::new(&file.borrow(), ROOM),
        |mapped| {
            // One that could not be had does not stand in the way of the next.
            let ring = match mapped {
                Ok(ring) => ring,
                Err(_) => Ring::new(&file.borrow(), ROOM).map_err(said)?,
            };
            let memory = Mapping::new(&file.borrow(), 0, 1 << 16).map_err(said)?;
            ring.set_times(FOR_EVER, 0);
            ring.put(0, memory.address(0), 4096, 0);
            ring.batch(&file.borrow(), true, 1, 1).map_err(said)?;
            if ring.result(0) != (4096, 0) {
                return Err(format!("a read gave {:?}", ring.result(0)));
            }
            drop((ring, memory));
            // A file has one ring; the next place needs another file.
            file.replace(File::open("/dev/null").map_err(said)?);
            file.replace(open().map_err(said)?);
            usbfs2::wait_no_live_request().map_err(said)
        },
    )?;
    tell("mmap of the ring", tried)
}

/// A ring, and where its next batch begins.
struct Batches {
    file: File,
    ring: Ring,
    next: Cell<u32>,
}

impl Batches {
    fn open(plugged: &Plugged) -> Result<Self> {
        let file = plugged.interface.open_both(true)?;
        let ring = Ring::new(&file, ROOM)?;
        ring.set_times(FOR_EVER, 0);
        Ok(Self {
            file,
            ring,
            next: Cell::new(0),
        })
    }

    /// Reads with one call, each into its part of `address`; the error is the first one's that has any.
    fn read(&self, address: u64, length: u32) -> io::Result<()> {
        let first = self.next.get();
        for number in 0..u32::from(BATCH) {
            let address = address + u64::from(number * length);
            self.ring.put(first + number, address, length, 0);
        }
        let target = first + u32::from(BATCH);
        self.ring.batch(&self.file, true, BATCH, target)?;
        self.next.set(target);
        self.wait_done(target)?;
        for number in first..target {
            match self.ring.result(number) {
                (0, error @ ..0) => return Err(io::Error::from_raw_os_error(-error)),
                (moved, 0) if moved.cast_unsigned() == length => {}
                other => return Err(io::Error::other(format!("a read gave {other:?}"))),
            }
        }
        Ok(())
    }

    /// One that failed ends the wait for the others.
    fn wait_done(&self, target: u32) -> io::Result<()> {
        wait::until("each transfer has its result", || {
            (self.ring.done() == target).then_some(())
        })
        .map_err(io::Error::other)?;
        self.ring.set_seen(target);
        Ok(())
    }

    /// Fails unless the ring goes on as if nothing had been.
    fn works(&self, address: u64, length: u32) -> Result<(), String> {
        if self.ring.started() != self.next.get() {
            return Err("the ring has started what it did not tell".to_owned());
        }
        self.read(address, length).map_err(said)?;
        usbfs2::wait_no_live_request().map_err(said)
    }
}

fn batches_of_mapped_memory() -> Result<()> {
    let plugged = setup::source_sink()?;
    let batches = Batches::open(&plugged)?;
    let memory = Mapping::new(&batches.file, 0, 1 << 20)?;
    let address = memory.address(0);
    for length in LENGTHS {
        let length = u32::try_from(length)?;
        let tried = each_place(
            || batches.read(address, length),
            |_| batches.works(address, length),
        )?;
        tell(&format!("a batch of {length} mapped bytes each"), tried)?;
    }
    Ok(())
}

fn batches_of_ordinary_memory() -> Result<()> {
    let plugged = setup::source_sink()?;
    let batches = Batches::open(&plugged)?;
    for length in LENGTHS {
        let mut memory = vec![0xff_u8; usize::from(BATCH) * length];
        let address = memory.as_mut_ptr().expose_provenance() as u64;
        let length = u32::try_from(length)?;
        let tried = each_place(
            || batches.read(address, length),
            |_| batches.works(address, length),
        )?;
        tell(&format!("a batch of {length} bytes each"), tried)?;
        drop(memory);
    }
    Ok(())
}
