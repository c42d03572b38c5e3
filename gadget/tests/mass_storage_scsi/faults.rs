//! A medium that fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use usbfs2_gadget::scsi::{DiskOptions, EjectError, LogicalUnit, Medium, Status};
use usbfs2_protocol::scsi::{ByteCheck, Command, Sense};

use crate::bench::{BLOCK, bench, removable_options, start_stop, synchronize};

/// Blocks from 5 on can be neither read nor written, and flushing fails on demand.
#[derive(Debug, Default)]
struct BadFromBlock5 {
    flush_fails: AtomicBool,
}

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

fn check(offset: u64, length: usize) -> io::Result<()> {
    if offset + length as u64 > 5 * BLOCK as u64 {
        Err(full())
    } else {
        Ok(())
    }
}

impl Medium for BadFromBlock5 {
    fn size_bytes(&self) -> u64 {
        64 * BLOCK as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        check(offset, buffer.len())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        check(offset, data.len())
    }

    fn flush(&self) -> io::Result<()> {
        if self.flush_fails.load(Ordering::Relaxed) {
            Err(full())
        } else {
            Ok(())
        }
    }
}

#[test]
fn a_medium_error_names_the_block_and_keeps_what_was_good() {
    let medium = BadFromBlock5::default();
    let bench = bench(LogicalUnit::with_medium(medium, DiskOptions::default()).unwrap());
    let (status, answer, _) = bench.run(Command::read(2, 8), &[]);
    assert_eq!((status, answer.len()), (Status::CheckCondition, 3 * BLOCK));
    assert_eq!(
        bench.request_sense(),
        Sense::UNRECOVERED_READ_ERROR.with_information(5)
    );

    let (status, _, used) = bench.run(Command::write(3, 8), &[0; 8 * BLOCK]);
    assert_eq!((status, used), (Status::CheckCondition, 2 * BLOCK));
    assert_eq!(
        bench.request_sense(),
        Sense::WRITE_ERROR.with_information(5)
    );

    let verify = Command::verify(0, 64, ByteCheck::MediumOnly).encode();
    assert_eq!(
        bench.target.start(0, verify.as_bytes()).finish(),
        Status::CheckCondition
    );
    assert_eq!(
        bench.request_sense(),
        Sense::UNRECOVERED_READ_ERROR.with_information(5)
    );
}

#[test]
fn a_failing_flush_fails_the_command_and_keeps_the_medium_in() {
    let medium = Arc::new(BadFromBlock5::default());
    let unit = LogicalUnit::with_medium(Arc::clone(&medium), removable_options()).unwrap();
    let bench = bench(unit);
    medium.flush_fails.store(true, Ordering::Relaxed);
    assert_eq!(bench.sense_of(synchronize(0, 0)), Sense::WRITE_ERROR);
    let forced = Command::Write10 {
        lba: 0,
        blocks: 1,
        force_unit_access: true,
    };
    assert_eq!(bench.run(forced, &[0; BLOCK]).0, Status::CheckCondition);
    assert_eq!(bench.run(Command::write(0, 1), &[0; BLOCK]).0, Status::Good);
    assert_eq!(bench.sense_of(start_stop(true, false)), Sense::WRITE_ERROR);
    assert!(matches!(bench.unit.eject(), Err(EjectError::Flush(_))));
    assert!(bench.unit.has_medium());
}
