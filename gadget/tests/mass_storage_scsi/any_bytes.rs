//! Commands that nobody meant.

use proptest::prelude::*;
use usbfs2_gadget::scsi::{LogicalUnit, MemoryMedium, Status, Target, Transfer};
use usbfs2_protocol::scsi::Sense;

use crate::bench::removable_options;

proptest! {
    /// Whatever the host sends: no panic, a status, no more data than announced, all of it when the
    /// command passed, and sense data when it did not.
    #[test]
    fn end_with_a_status(
        commands in prop::collection::vec(command(), 1..40),
        lun in 0..3_u8,
        piece in 1..5000_usize,
    ) {
        let medium = MemoryMedium::new(256 * 512);
        let unit = LogicalUnit::with_medium(medium, removable_options()).unwrap();
        let empty = LogicalUnit::empty(removable_options()).unwrap();
        let target = Target::new([unit, empty]);
        for command in commands {
            let mut task = target.start(lun, &command);
            let announced = task.transfer();
            let mut moved = 0;
            let length = match announced {
                Transfer::None => 0,
                Transfer::In(length) => loop {
                    let mut buffer = vec![0; piece];
                    let count = task.read(&mut buffer);
                    moved += count as u64;
                    if count < piece {
                        break length;
                    }
                },
                Transfer::Out(length) => loop {
                    let data = vec![0x5a; piece.max(512)];
                    let count = task.write(&data);
                    moved += count as u64;
                    // A piece that is no multiple of the block ends the command's data.
                    if count < data.len() || moved == length {
                        break length;
                    }
                },
            };
            prop_assert!(moved <= length);
            let status = task.finish();
            if status == Status::Good {
                prop_assert_eq!(moved, length);
            }
            let mut request = target.start(lun, &[3, 0, 0, 0, 18, 0]);
            let mut sense = [0; 18];
            prop_assert_eq!(request.read(&mut sense), 18);
            prop_assert_eq!(request.finish(), Status::Good);
            if status == Status::CheckCondition {
                prop_assert_ne!(Sense::parse(&sense).unwrap(), Sense::NO_SENSE);
            }
        }
    }
}

/// Command blocks that are as a rule one field away from a command there is.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        0x00, 0x03, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x23, 0x25, 0x28, 0x2a, 0x2f, 0x35, 0x5a, 0x88,
        0x8a, 0x8f, 0x91, 0x9e, 0xa0,
    ]);
    let field = prop_oneof![4 => Just(0_u8), 2 => 0..16_u8, 1 => any::<u8>()];
    let likely = (known, prop::collection::vec(field, 15)).prop_map(|(operation_code, fields)| {
        let mut bytes = vec![operation_code];
        bytes.extend(fields);
        bytes
    });
    prop_oneof![9 => likely, 1 => prop::collection::vec(any::<u8>(), 0..=16)]
}
