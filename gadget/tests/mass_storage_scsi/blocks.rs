//! Commands that move, check and flush blocks.

use usbfs2_gadget::scsi::{DiskOptions, LogicalUnit, MemoryMedium, Status};
use usbfs2_protocol::scsi::{ByteCheck, Capacity, Command, Sense, SenseKey};

use crate::bench::{BLOCK, bench, disk, fixed, synchronize};

#[test]
fn a_large_disk_of_large_blocks_needs_the_long_commands() {
    let blocks = (1_u64 << 32) + 10;
    let options = DiskOptions {
        block_size: 4096,
        ..DiskOptions::default()
    };
    let bench = bench(LogicalUnit::with_medium(MemoryMedium::new(blocks * 4096), options).unwrap());
    assert_eq!(
        Capacity::parse_10(&bench.good(Command::ReadCapacity10)),
        Ok(None)
    );
    let answer = bench.good(Command::ReadCapacity16 {
        allocation_length: 32,
    });
    assert_eq!(
        Capacity::parse_16(&answer),
        Ok(Capacity::new(blocks, 4096).unwrap())
    );

    let lba = blocks - 1;
    assert_eq!(
        bench.run(Command::write(lba, 1), &[0xa5; 4096]),
        (Status::Good, vec![], 4096)
    );
    assert_eq!(bench.good(Command::read(lba, 1)), [0xa5; 4096]);
    assert_eq!(
        bench.sense_of(Command::read(lba, 2)),
        Sense::LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE
    );
}

#[test]
fn what_is_written_is_read_back_with_any_size_of_pieces() {
    let bench = fixed(64);
    let data: Vec<u8> = (0..10 * BLOCK).map(|at| (at % 253) as u8).collect();
    for (command, piece) in [
        (Command::write(3, 10), BLOCK),
        (Command::write(40, 10), 64 * BLOCK),
    ] {
        let (status, _, used) = bench.run_bytes(0, command.encode().as_bytes(), &data, piece);
        assert_eq!((status, used), (Status::Good, data.len()));
    }
    for (command, piece) in [
        (
            Command::Read10 {
                lba: 3,
                blocks: 10,
                force_unit_access: false,
            },
            1000,
        ),
        (
            Command::Read16 {
                lba: 40,
                blocks: 10,
                force_unit_access: true,
            },
            3 * BLOCK,
        ),
    ] {
        let (status, answer, _) = bench.run_bytes(0, command.encode().as_bytes(), &[], piece);
        assert_eq!(status, Status::Good);
        assert!(answer == data, "{command} in pieces of {piece}");
    }
    assert_eq!(
        bench.good(Command::read(2, 1)),
        [2; BLOCK],
        "the neighbours are untouched"
    );
    assert_eq!(bench.good(Command::read(13, 1)), [13; BLOCK]);
}

#[test]
fn a_write_without_all_its_data_fails() {
    let bench = fixed(8);
    let mut task = bench
        .target
        .start(0, Command::write(1, 3).encode().as_bytes());
    // A block and a half: the half is not used.
    assert_eq!(task.write(&[9; BLOCK + BLOCK / 2]), BLOCK);
    assert_eq!(task.finish(), Status::CheckCondition);
    assert_eq!(
        bench.request_sense(),
        Sense::new(SenseKey::AbortedCommand, 0x4b, 0x00)
    );
    assert_eq!(bench.good(Command::read(1, 1)), [9; BLOCK]);
    assert_eq!(bench.good(Command::read(2, 1)), [2; BLOCK]);
}

#[test]
fn every_length_of_command_reaches_the_same_blocks() {
    let bench = fixed(300);
    let short = Command::Write6 { lba: 5, blocks: 1 };
    assert_eq!(bench.run(short, &[0xa6; BLOCK]).0, Status::Good);
    let long = Command::Write12 {
        lba: 6,
        blocks: 1,
        force_unit_access: true,
    };
    assert_eq!(bench.run(long, &[0xac; BLOCK]).0, Status::Good);
    let expected = [[0xa6; BLOCK], [0xac; BLOCK]].concat();
    assert_eq!(bench.good(Command::Read6 { lba: 5, blocks: 2 }), expected);
    let read = Command::Read12 {
        lba: 5,
        blocks: 2,
        force_unit_access: false,
    };
    assert_eq!(bench.good(read), expected);
    let verify = Command::Verify12 {
        lba: 5,
        blocks: 2,
        byte_check: ByteCheck::EachBlock,
    };
    assert_eq!(bench.run(verify, &expected).0, Status::Good);
    // A count of 0 in six bytes is 256, in twelve it is none.
    let most = bench.good(Command::Read6 { lba: 44, blocks: 0 });
    assert_eq!(most.len(), 256 * BLOCK);
    let beyond = Command::Read6 { lba: 45, blocks: 0 };
    assert_eq!(
        bench.sense_of(beyond),
        Sense::LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE
    );
}

#[test]
fn no_blocks_is_no_error() {
    let bench = fixed(8);
    for command in [
        Command::read(8, 0),
        Command::write(0, 0),
        Command::verify(8, 0, ByteCheck::EachBlock),
        synchronize(8, 0),
    ] {
        assert_eq!(bench.good(command), []);
    }
}

#[test]
fn blocks_beyond_the_end_are_refused() {
    let bench = fixed(8);
    for command in [
        Command::read(8, 1),
        Command::read(7, 2),
        Command::Read16 {
            lba: u64::MAX,
            blocks: u32::MAX,
            force_unit_access: false,
        },
        Command::write(8, 1),
        Command::Write16 {
            lba: u64::MAX,
            blocks: 1,
            force_unit_access: false,
        },
        Command::verify(0, 9, ByteCheck::MediumOnly),
        Command::verify(9, 0, ByteCheck::MediumOnly),
        synchronize(7, 2),
        Command::SynchronizeCache16 {
            lba: 9,
            blocks: 0,
            immediate: false,
        },
    ] {
        assert_eq!(
            bench.sense_of(command),
            Sense::LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE,
            "{command}"
        );
    }
}

#[test]
fn protection_fields_are_refused() {
    let bench = fixed(8);
    for operation_code in [0x28, 0x2a, 0x2f] {
        let command = [operation_code, 0x20, 0, 0, 0, 0, 0, 0, 1, 0];
        assert_eq!(
            bench.sense_of_bytes(&command),
            Sense::INVALID_FIELD_IN_COMMAND
        );
    }
}

#[test]
fn verify_compares_or_only_reads() {
    let bench = fixed(8);
    assert_eq!(bench.good(Command::verify(0, 8, ByteCheck::MediumOnly)), []);
    let mut data = [[5; BLOCK], [6; BLOCK]].concat();
    let same = Command::Verify16 {
        lba: 5,
        blocks: 2,
        byte_check: ByteCheck::EachBlock,
    };
    assert_eq!(bench.run(same, &data).0, Status::Good);
    data[BLOCK + 3] = 0;
    let (status, _, used) = bench.run(Command::verify(5, 2, ByteCheck::EachBlock), &data);
    assert_eq!((status, used), (Status::CheckCondition, BLOCK + 3));
    assert_eq!(
        bench.request_sense(),
        Sense::MISCOMPARE_DURING_VERIFY.with_information(6)
    );
    let one_block = Command::verify(5, 2, ByteCheck::OneBlock);
    assert_eq!(bench.sense_of(one_block), Sense::INVALID_FIELD_IN_COMMAND);
}

#[test]
fn a_long_verify_is_done_in_steps() {
    let medium = MemoryMedium::new(1 << 20);
    let bench = bench(LogicalUnit::with_medium(medium, DiskOptions::default()).unwrap());
    let command = Command::verify(0, 2048, ByteCheck::MediumOnly).encode();
    let mut task = bench.target.start(0, command.as_bytes());
    assert!(task.step(), "1 MiB is more than one step");
    while task.step() {}
    assert_eq!(task.finish(), Status::Good);
}

#[test]
fn a_read_only_disk_refuses_writes_and_nothing_else() {
    let bench = disk(
        8,
        DiskOptions {
            read_only: true,
            ..DiskOptions::default()
        },
    );
    assert_eq!(bench.sense_of(Command::write(0, 1)), Sense::WRITE_PROTECTED);
    assert_eq!(bench.good(Command::read(3, 1)), [3; BLOCK]);
    bench.good(synchronize(0, 0));
    bench.good(Command::verify(0, 8, ByteCheck::MediumOnly));
}
