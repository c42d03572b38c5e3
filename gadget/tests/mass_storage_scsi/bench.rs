//! A target without a transport, and ways to give it commands.

use std::sync::Arc;

use usbfs2_gadget::scsi::{DiskOptions, LogicalUnit, MemoryMedium, Status, Target, Transfer};
use usbfs2_protocol::scsi::{Command, Sense};

pub(crate) const BLOCK: usize = 512;

/// A target and its first unit.
pub(crate) struct Bench {
    pub(crate) target: Target,
    pub(crate) unit: Arc<LogicalUnit>,
}

/// A bench with one unit, past its power-on condition.
pub(crate) fn bench(unit: Arc<LogicalUnit>) -> Bench {
    let bench = Bench {
        target: Target::new([Arc::clone(&unit)]),
        unit,
    };
    assert_eq!(
        bench.sense_of(Command::TestUnitReady),
        Sense::RESET_OCCURRED
    );
    bench
}

/// A disk whose blocks are filled with their numbers.
pub(crate) fn disk(blocks: usize, options: DiskOptions) -> Bench {
    let contents: Vec<u8> = (0..blocks * BLOCK).map(|at| (at / BLOCK) as u8).collect();
    let medium = MemoryMedium::with_contents(&contents);
    bench(LogicalUnit::with_medium(medium, options).unwrap())
}

pub(crate) fn fixed(blocks: usize) -> Bench {
    disk(blocks, DiskOptions::default())
}

pub(crate) fn removable_options() -> DiskOptions {
    DiskOptions {
        removable: true,
        ..DiskOptions::default()
    }
}

/// How a command ended, what it answered, and how much of the host's data it used.
pub(crate) type Outcome = (Status, Vec<u8>, usize);

impl Bench {
    /// Runs command bytes, moving data in pieces of `piece` bytes; `out` is what the host sends.
    pub(crate) fn run_bytes(&self, lun: u8, command: &[u8], out: &[u8], piece: usize) -> Outcome {
        let mut task = self.target.start(lun, command);
        let mut answer = Vec::new();
        let mut used = 0;
        match task.transfer() {
            Transfer::None => {}
            Transfer::In(_) => loop {
                let mut buffer = vec![0xee; piece];
                let count = task.read(&mut buffer);
                answer.extend_from_slice(&buffer[..count]);
                if count < piece {
                    break;
                }
            },
            Transfer::Out(length) => {
                for data in out[..length as usize].chunks(piece) {
                    let count = task.write(data);
                    used += count;
                    if count < data.len() {
                        break;
                    }
                }
            }
        }
        (task.finish(), answer, used)
    }

    pub(crate) fn run(&self, command: Command, out: &[u8]) -> Outcome {
        self.run_bytes(0, command.encode().as_bytes(), out, 8 * BLOCK)
    }

    /// The answer of a command that must pass.
    pub(crate) fn good(&self, command: Command) -> Vec<u8> {
        let (status, answer, _) = self.run(command, &[]);
        assert_eq!(status, Status::Good, "{command}: {}", self.request_sense());
        answer
    }

    pub(crate) fn request_sense(&self) -> Sense {
        let command = Command::RequestSense {
            descriptor_format: true,
            allocation_length: 255,
        };
        let (status, answer, _) = self.run(command, &[]);
        assert_eq!(status, Status::Good);
        Sense::parse(&answer).unwrap()
    }

    /// Why a command is refused.
    pub(crate) fn sense_of(&self, command: Command) -> Sense {
        self.sense_of_bytes(command.encode().as_bytes())
    }

    pub(crate) fn sense_of_bytes(&self, command: &[u8]) -> Sense {
        let task = self.target.start(0, command);
        assert_eq!(
            task.transfer(),
            Transfer::None,
            "a command that was refused moves no data"
        );
        assert_eq!(task.finish(), Status::CheckCondition, "{command:02x?}");
        self.request_sense()
    }
}

pub(crate) const fn start_stop(load_eject: bool, start: bool) -> Command {
    Command::StartStopUnit {
        immediate: false,
        load_eject,
        start,
        power_condition: 0,
    }
}

pub(crate) const fn prevent_removal(prevent: bool) -> Command {
    Command::PreventAllowMediumRemoval { prevent }
}

pub(crate) const fn synchronize(lba: u32, blocks: u16) -> Command {
    Command::SynchronizeCache10 {
        lba,
        blocks,
        immediate: false,
    }
}
