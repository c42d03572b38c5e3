//! The disk's command set, with a transport that carries any commands in any pieces.

use usbfs2_gadget::scsi::{DiskOptions, LogicalUnit, MemoryMedium, Status, Target, Transfer};
use usbfs2_protocol::scsi::Sense;

use crate::script::Script;

const BLOCKS: u64 = 64;
const BLOCK_BYTES: u64 = 512;

/// Each command ends with a status, after no more data than announced, all of it when the command passed; a
/// failed one leaves sense data.
pub(crate) fn scsi_target(input: &[u8]) {
    let mut script = Script::new(input);
    let options = DiskOptions {
        removable: true,
        ..DiskOptions::default()
    };
    let medium = MemoryMedium::new(BLOCKS * BLOCK_BYTES);
    let unit = LogicalUnit::with_medium(medium, options.clone()).expect("a medium of whole blocks");
    let empty = LogicalUnit::empty(options).expect("a unit that may be empty");
    let target = Target::new([unit, empty]);
    while !script.is_over() {
        let lun = script.byte() % 3;
        let piece = usize::from(script.word() % 5000) + 1;
        let length = usize::from(script.byte() % 17);
        let command = script.some(length);
        run(&target, lun, command, piece);
    }
    target.reset();
}

fn run(target: &Target, lun: u8, command: &[u8], piece: usize) {
    let mut task = target.start(lun, command);
    let mut moved = 0_u64;
    let announced = match task.transfer() {
        Transfer::None => 0,
        Transfer::In(length) => {
            let mut buffer = vec![0; piece];
            loop {
                let count = task.read(&mut buffer);
                moved += count as u64;
                if count < piece {
                    break length;
                }
            }
        }
        Transfer::Out(length) => {
            let data = vec![0x5a; piece.max(512)];
            loop {
                let count = task.write(&data);
                moved += count as u64;
                // A piece that is no multiple of the block ends the command's data.
                if count < data.len() || moved == length {
                    break length;
                }
            }
        }
    };
    assert!(moved <= announced, "{moved} bytes of {announced}");
    while task.step() {}
    let status = task.finish();
    if status == Status::Good {
        assert_eq!(moved, announced);
    }
    let mut request = target.start(lun, &[3, 0, 0, 0, 18, 0]);
    let mut sense = [0; 18];
    assert_eq!(request.read(&mut sense), 18);
    assert_eq!(request.finish(), Status::Good);
    if status == Status::CheckCondition {
        let sense = Sense::parse(&sense).expect("sense data of our own");
        assert_ne!(sense, Sense::NO_SENSE, "{command:02x?}");
    }
}
