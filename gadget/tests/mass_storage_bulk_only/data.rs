//! Much data, both ways, and media that fail in the middle.

use std::io;
use std::sync::Arc;

use usbfs2_gadget::Speed;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::scsi::{LogicalUnit, Medium, MemoryMedium};
use usbfs2_protocol::Direction;
use usbfs2_protocol::bot::CommandStatus;
use usbfs2_protocol::scsi::{ByteCheck, Command, Sense, SenseKey};

use crate::host::{Host, Outcome, passed};

#[test]
fn transfers_of_any_length_arrive_whole() {
    for (speed, block_size) in [(Speed::Full, 512), (Speed::High, 4096), (Speed::Super, 512)] {
        let options = DiskOptions {
            block_size,
            ..DiskOptions::default()
        };
        let disk = Disk::new(MemoryMedium::new(4 << 20), options).unwrap();
        let host = Host::with(disk, speed);
        // Around the size of one piece, and of all pieces in flight.
        for kibibytes in [4, 60, 64, 68, 252, 256, 260, 1000] {
            let length = kibibytes * 1024;
            let blocks = length / block_size;
            let data: Vec<u8> = (0..length)
                .map(|at| (at % 241) as u8 ^ kibibytes as u8)
                .collect();
            let written = host.run_out(0, Command::write(3, blocks), &data);
            assert!(written == passed(&data), "write {length} at {speed}");
            let verified = host.run_out(0, Command::verify(3, blocks, ByteCheck::EachBlock), &data);
            assert!(verified == passed(&data), "verify {length} at {speed}");
            let read = host.run_in(0, Command::read(3, blocks), length);
            assert!(read == passed(&data), "read {length} at {speed}");
        }
        assert_eq!(host.running.failures(), []);
    }
}

#[test]
fn a_write_that_the_host_ends_early_fails_with_a_residue() {
    let medium = Arc::new(MemoryMedium::with_contents(&[7; 1 << 20]));
    let disk = Disk::new(Arc::clone(&medium), DiskOptions::default()).unwrap();
    let host = Host::with(disk, Speed::High);
    host.send_command(
        0,
        Command::write(0, 1024).encode(),
        512 * 1024,
        Direction::Out,
    );
    assert_eq!(host.send(&[9; 100_000]), Ok(100_000));
    let outcome = host.finish(Vec::new(), false);
    // 195 whole blocks.
    let residue = 512 * 1024 - 99_840;
    assert_eq!(
        outcome,
        Outcome {
            status: CommandStatus::Failed,
            residue,
            ..passed(&[])
        }
    );
    assert_eq!(
        host.request_sense(),
        Sense::new(SenseKey::AbortedCommand, 0x4b, 0x00)
    );
    let mut blocks = vec![0; 99_841];
    medium.read_at(0, &mut blocks).unwrap();
    assert!(blocks[..99_840].iter().all(|&byte| byte == 9));
    assert_eq!(blocks[99_840], 7);
}

/// A medium that ends where the disk's file system is full, at 100 KiB.
#[derive(Debug)]
struct Full;

const ROOM: u64 = 100 * 1024;

impl Medium for Full {
    fn size_bytes(&self) -> u64 {
        1 << 20
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.write_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset + data.len() as u64 > ROOM {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_medium_that_fails_in_the_middle_ends_the_data_there() {
    let disk = Disk::new(Full, DiskOptions::default()).unwrap();
    let host = Host::with(disk, Speed::High);
    let residue = (1 << 20) - ROOM as u32;
    let failed = Outcome {
        halted: true,
        status: CommandStatus::Failed,
        residue,
        ..passed(&[])
    };

    let read = host.run_in(0, Command::read(0, 2048), 1 << 20);
    assert_eq!(read.data.len() as u64, ROOM);
    assert_eq!(
        Outcome {
            data: Vec::new(),
            ..read
        },
        failed
    );
    let block = ROOM / 512;
    assert_eq!(
        host.request_sense(),
        Sense::UNRECOVERED_READ_ERROR.with_information(block)
    );

    // How much of the data the disk had taken by then is its affair; how much it stored is not.
    let written = host.run_out(0, Command::write(0, 2048), &vec![1; 1 << 20]);
    assert_eq!(
        Outcome {
            data: Vec::new(),
            ..written
        },
        failed
    );
    assert_eq!(
        host.request_sense(),
        Sense::WRITE_ERROR.with_information(block)
    );
    assert_eq!(host.test_unit_ready(), CommandStatus::Passed);
}

#[test]
fn a_medium_error_in_the_last_piece_leaves_nothing_to_halt() {
    let disk = Disk::new(Full, DiskOptions::default()).unwrap();
    let host = Host::with(disk, Speed::High);
    // All the data has arrived when the block after the room turns out bad.
    let data = vec![1; 101 * 1024];
    let written = host.run_out(0, Command::write(0, 202), &data);
    let failed = Outcome {
        status: CommandStatus::Failed,
        residue: 1024,
        ..passed(&data)
    };
    assert_eq!(written, failed);
    assert_eq!(host.test_unit_ready(), CommandStatus::Passed);
}

#[test]
fn each_unit_has_its_own_medium_and_sense() {
    let unit = |fill: u8, read_only| {
        let options = DiskOptions {
            read_only,
            ..DiskOptions::default()
        };
        LogicalUnit::with_medium(MemoryMedium::with_contents(&[fill; 4096]), options).unwrap()
    };
    let disk = Disk::with_units([unit(1, false), unit(2, true)]).unwrap();
    let host = Host::with(disk, Speed::High);
    let second_power_on = host.run(1, Command::TestUnitReady, 0, &[]);
    assert_eq!(second_power_on.status, CommandStatus::Failed);
    assert_eq!(host.run_in(0, Command::read(0, 1), 512), passed(&[1; 512]));
    assert_eq!(host.run_in(1, Command::read(0, 1), 512), passed(&[2; 512]));
    assert_eq!(
        host.run_out(0, Command::write(0, 1), &[3; 512]),
        passed(&[3; 512])
    );
    let refused = host.run_out(1, Command::write(0, 1), &[3; 512]);
    assert_eq!(refused.status, CommandStatus::Failed);
    assert_eq!(
        host.request_sense(),
        Sense::NO_SENSE,
        "the first unit has nothing to report"
    );
    assert_eq!(
        host.run(2, Command::TestUnitReady, 0, &[]).status,
        CommandStatus::Failed
    );
}
