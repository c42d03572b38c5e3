//! Sense data, unit attentions, and a medium that comes and goes.

use usbfs2_gadget::scsi::{
    DiskOptions, EjectError, InsertError, LogicalUnit, MemoryMedium, Status,
};
use usbfs2_protocol::scsi::{
    ByteCheck, Capacity, Command, FormatCapacities, FormatCapacityKind, Sense,
};

use crate::bench::{
    BLOCK, bench, disk, fixed, prevent_removal, removable_options, start_stop, synchronize,
};

#[test]
fn sense_is_kept_for_the_next_command_only() {
    let bench = fixed(8);
    let fail = || {
        assert_eq!(
            bench.run(Command::read(9, 1), &[]).0,
            Status::CheckCondition
        )
    };
    fail();
    assert_eq!(
        bench.request_sense(),
        Sense::LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE
    );
    assert_eq!(
        bench.request_sense(),
        Sense::NO_SENSE,
        "it is reported once"
    );
    fail();
    bench.good(Command::TestUnitReady);
    assert_eq!(
        bench.request_sense(),
        Sense::NO_SENSE,
        "another command clears it"
    );
}

#[test]
fn a_reset_is_announced_and_frees_the_medium() {
    let bench = disk(8, removable_options());
    bench.good(prevent_removal(true));
    assert!(matches!(bench.unit.eject(), Err(EjectError::Locked)));
    bench.target.reset();
    bench.good(Command::Inquiry {
        page: None,
        allocation_length: 36,
    });
    assert_eq!(
        bench.sense_of(Command::TestUnitReady),
        Sense::RESET_OCCURRED
    );
    bench.good(Command::TestUnitReady);
    assert!(bench.unit.eject().unwrap().is_some());

    bench.target.reset();
    assert_eq!(
        bench.request_sense(),
        Sense::RESET_OCCURRED,
        "REQUEST SENSE has it in its data"
    );
    assert_eq!(
        bench.sense_of(Command::TestUnitReady),
        Sense::MEDIUM_NOT_PRESENT
    );
}

#[test]
fn an_empty_unit_refuses_what_needs_a_medium() {
    let bench = bench(LogicalUnit::empty(removable_options()).unwrap());
    for command in [
        Command::TestUnitReady,
        Command::ReadCapacity10,
        Command::ReadCapacity16 {
            allocation_length: 32,
        },
        Command::read(0, 1),
        Command::write(0, 1),
        Command::verify(0, 1, ByteCheck::MediumOnly),
        synchronize(0, 0),
        prevent_removal(true),
        start_stop(false, true),
        start_stop(true, true),
    ] {
        assert_eq!(
            bench.sense_of(command),
            Sense::MEDIUM_NOT_PRESENT,
            "{command}"
        );
    }
    bench.good(Command::Inquiry {
        page: None,
        allocation_length: 36,
    });
    let answer = bench.good(Command::ReadFormatCapacities {
        allocation_length: 252,
    });
    let kind = FormatCapacities::parse(&answer).unwrap().current.kind;
    assert_eq!(kind, FormatCapacityKind::NoMedium);
}

#[test]
fn a_new_medium_is_announced() {
    let bench = disk(8, removable_options());
    let occupied = bench.unit.insert(MemoryMedium::new(512));
    assert!(matches!(occupied, Err(InsertError::Occupied)));
    assert!(bench.unit.eject().unwrap().is_some());
    assert!(bench.unit.eject().unwrap().is_none());
    assert_eq!(
        bench.sense_of(Command::TestUnitReady),
        Sense::MEDIUM_NOT_PRESENT
    );
    bench.unit.insert(MemoryMedium::new(16 * 512)).unwrap();
    assert_eq!(
        bench.sense_of(Command::ReadCapacity10),
        Sense::MEDIUM_MAY_HAVE_CHANGED
    );
    let answer = bench.good(Command::ReadCapacity10);
    assert_eq!(Capacity::parse_10(&answer), Ok(Capacity::new(16, 512)));
}

#[test]
fn a_new_medium_is_announced_after_a_reset_too() {
    let bench = disk(8, removable_options());
    bench.unit.eject().unwrap();
    bench.unit.insert(MemoryMedium::new(16 * 512)).unwrap();
    bench.target.reset();
    for expected in [Sense::RESET_OCCURRED, Sense::MEDIUM_MAY_HAVE_CHANGED] {
        assert_eq!(bench.sense_of(Command::ReadCapacity10), expected);
    }
    bench.good(Command::ReadCapacity10);
}

#[test]
fn the_host_ejects_unless_it_has_locked_the_medium() {
    let bench = disk(8, removable_options());
    bench.good(prevent_removal(true));
    assert_eq!(
        bench.sense_of(start_stop(true, false)),
        Sense::MEDIUM_REMOVAL_PREVENTED
    );
    bench.good(prevent_removal(false));
    bench.good(start_stop(true, false));
    assert!(!bench.unit.has_medium());
    let reserved_prevent = [0x1e, 0, 0, 0, 2, 0];
    assert_eq!(
        bench.sense_of_bytes(&reserved_prevent),
        Sense::INVALID_FIELD_IN_COMMAND
    );
}

#[test]
fn a_stopped_disk_is_not_ready_until_it_is_started() {
    let bench = fixed(8);
    bench.good(start_stop(false, false));
    assert_eq!(
        bench.sense_of(Command::read(0, 1)),
        Sense::INITIALIZING_COMMAND_REQUIRED
    );
    bench.good(start_stop(false, true));
    bench.good(Command::read(0, 1));

    let standby = [0x1b, 0, 0, 0, 0x30, 0];
    assert_eq!(
        bench.sense_of_bytes(&standby),
        Sense::INVALID_FIELD_IN_COMMAND
    );
}

#[test]
fn a_fixed_disk_has_nothing_to_take_out() {
    let bench = fixed(8);
    assert_eq!(
        bench.sense_of(start_stop(true, false)),
        Sense::INVALID_FIELD_IN_COMMAND
    );
    assert_eq!(
        bench.sense_of(prevent_removal(true)),
        Sense::INVALID_COMMAND_OPERATION_CODE
    );
    assert!(matches!(bench.unit.eject(), Err(EjectError::Fixed)));
    assert!(matches!(bench.unit.force_eject(), Err(EjectError::Fixed)));
    assert!(matches!(
        LogicalUnit::empty(DiskOptions::default()),
        Err(InsertError::Fixed)
    ));
}

#[test]
fn a_command_loses_a_medium_taken_out_by_force() {
    let bench = disk(64, removable_options());
    let mut task = bench
        .target
        .start(0, Command::write(0, 64).encode().as_bytes());
    assert_eq!(task.write(&[1; 4 * BLOCK]), 4 * BLOCK);
    let medium = bench.unit.force_eject().unwrap().unwrap();
    bench.unit.insert(MemoryMedium::new(64 * 512)).unwrap();
    assert_eq!(task.write(&[1; 4 * BLOCK]), 0);
    assert_eq!(task.finish(), Status::CheckCondition);
    assert_eq!(bench.request_sense(), Sense::MEDIUM_NOT_PRESENT);

    let mut blocks = vec![0; 5 * BLOCK];
    medium.read_at(0, &mut blocks).unwrap();
    assert_eq!(blocks, [[1; 4 * BLOCK].as_slice(), &[4; BLOCK]].concat());
    assert_eq!(
        bench.sense_of(Command::TestUnitReady),
        Sense::MEDIUM_MAY_HAVE_CHANGED
    );
    let new = bench.good(Command::read(0, 64));
    assert!(new == vec![0; 64 * BLOCK], "the new medium is untouched");
}

#[test]
fn a_medium_that_makes_no_disk_is_refused_clearly() {
    let refusal = |size, block_size| {
        let options = DiskOptions {
            block_size,
            ..DiskOptions::default()
        };
        LogicalUnit::with_medium(MemoryMedium::new(size), options)
            .unwrap_err()
            .to_string()
    };
    for (size, block_size, message) in [
        (1000, 512, "1000 bytes"),
        (1000, 512, "truncate -s %512"),
        (0, 512, "empty"),
        (2048, 4096, "4096"),
        (5000, 1000, "use 512, 1024, 2048 or 4096"),
    ] {
        let refusal = refusal(size, block_size);
        assert!(refusal.contains(message), "{refusal}");
    }
}

#[test]
fn unknown_and_short_commands_are_refused() {
    let bench = fixed(8);
    assert_eq!(
        bench.sense_of_bytes(&[0xc1; 16]),
        Sense::INVALID_COMMAND_OPERATION_CODE
    );
    assert_eq!(
        bench.sense_of_bytes(&[0x28, 0, 0]),
        Sense::INVALID_FIELD_IN_COMMAND
    );
    assert_eq!(bench.sense_of_bytes(&[]), Sense::INVALID_FIELD_IN_COMMAND);
}
