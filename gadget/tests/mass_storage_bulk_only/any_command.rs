//! Commands that nobody meant, with lengths and directions that fit nothing.

use proptest::prelude::*;
use usbfs2_gadget::Speed;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_protocol::bot::CommandStatus;
use usbfs2_protocol::scsi::CommandBlock;

use crate::host::Host;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each gets a status, whose residue is what the data stage left. Nothing but a phase error needs
    /// reset recovery, and nothing ends the disk's run.
    #[test]
    fn each_gets_a_status_and_an_honest_residue(
        commands in prop::collection::vec((command(), 0..3_u8, length(), any::<bool>()), 1..30),
    ) {
        let options = DiskOptions { removable: true, ..DiskOptions::default() };
        let disk = Disk::new(MemoryMedium::new(256 * 512), options).unwrap();
        let host = Host::with(disk, Speed::High);
        for (command, lun, length, is_in) in commands {
            let command = CommandBlock::new(&command).unwrap();
            let outcome = if is_in || length == 0 {
                host.run_block_in(lun, command, length)
            } else {
                host.run_block_out(lun, command, &vec![0x5a; length as usize])
            };
            prop_assert!(outcome.residue <= length);
            let moved = length - outcome.residue;
            match outcome.status {
                CommandStatus::PhaseError => {
                    prop_assert_eq!(moved, 0);
                    host.recover();
                }
                // The disk may have taken more than it could use, never less.
                _ if !is_in => prop_assert!(moved <= outcome.data.len() as u32),
                _ => prop_assert_eq!(moved, outcome.data.len() as u32),
            }
        }
        prop_assert_eq!(host.running.failures(), []);
    }
}

/// What the host expects: nothing, or about as much as the command moves.
fn length() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        1..300_u32,
        (0..20_u32).prop_map(|blocks| blocks * 512)
    ]
}

/// Command blocks that are as a rule one field away from a command there is.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x23, 0x25, 0x28, 0x2a, 0x2f, 0x35, 0x5a, 0x88, 0x8a,
        0x8f, 0x91, 0x9e, 0xa0,
    ]);
    let field = prop_oneof![6 => Just(0_u8), 2 => 0..16_u8, 1 => any::<u8>()];
    let likely = (known, prop::collection::vec(field, 15)).prop_map(|(operation_code, fields)| {
        let mut bytes = vec![operation_code];
        bytes.extend(fields);
        bytes
    });
    prop_oneof![9 => likely, 1 => prop::collection::vec(any::<u8>(), 1..=16)]
}
