//! The thirteen ways in which host and device can agree or disagree about the data (BOT 6.7).

use std::sync::Arc;

use usbfs2_gadget::Speed;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::scsi::{Medium, MemoryMedium};
use usbfs2_protocol::Direction;
use usbfs2_protocol::bot::CommandStatus;
use usbfs2_protocol::scsi::Command;

use crate::host::{Host, Outcome, passed};

const SPEEDS: [Speed; 3] = [Speed::Full, Speed::High, Speed::Super];

/// Does `test` at every speed on a disk whose blocks are full of sevens.
fn at_each_speed(test: impl Fn(&Host, &MemoryMedium)) {
    for speed in SPEEDS {
        let medium = Arc::new(MemoryMedium::with_contents(&[7; 64 * 512]));
        let disk = Disk::new(Arc::clone(&medium), DiskOptions::default()).unwrap();
        let host = Host::with(disk, speed);
        test(&host, &medium);
        assert_eq!(host.running.failures(), []);
    }
}

fn phase_error(outcome: &Outcome) {
    assert_eq!(outcome.status, CommandStatus::PhaseError);
    assert_eq!(outcome.data, []);
}

/// Whatever went wrong, reset recovery makes the disk usable.
fn works_after_recovery(host: &Host) {
    host.recover();
    assert_eq!(host.test_unit_ready(), CommandStatus::Failed);
    assert_eq!(
        host.run(0, Command::read(0, 2), 1024, &[]),
        passed(&[7; 1024])
    );
}

fn untouched(medium: &MemoryMedium) {
    let mut contents = vec![0; 64 * 512];
    medium.read_at(0, &mut contents).unwrap();
    assert!(contents == vec![7; 64 * 512]);
}

#[test]
fn case_1_nobody_has_data() {
    at_each_speed(|host, _| {
        assert_eq!(host.run(0, Command::TestUnitReady, 0, &[]), passed(&[]));
    });
}

#[test]
fn case_2_the_host_does_not_expect_the_devices_data() {
    at_each_speed(|host, _| {
        phase_error(&host.run(0, Command::read(0, 1), 0, &[]));
        works_after_recovery(host);
    });
}

#[test]
fn case_3_the_host_has_no_data_for_the_device() {
    at_each_speed(|host, medium| {
        phase_error(&host.run(0, Command::write(0, 1), 0, &[]));
        untouched(medium);
        works_after_recovery(host);
    });
}

#[test]
fn case_4_the_device_has_none_of_the_data_the_host_expects() {
    at_each_speed(|host, _| {
        let outcome = host.run(0, Command::TestUnitReady, 2048, &[]);
        let expected = Outcome {
            halted: true,
            residue: 2048,
            ..passed(&[])
        };
        assert_eq!(outcome, expected);
        let refused = host.run(0, Command::read(64, 4), 2048, &[]);
        assert_eq!(
            refused,
            Outcome {
                status: CommandStatus::Failed,
                ..expected
            }
        );
        assert_eq!(host.test_unit_ready(), CommandStatus::Passed);
    });
}

#[test]
fn case_5_the_device_has_less_data_than_the_host_expects() {
    at_each_speed(|host, _| {
        let command = Command::Inquiry {
            page: None,
            allocation_length: 255,
        };
        let outcome = host.run(0, command, 255, &[]);
        assert_eq!(
            (outcome.data.len(), outcome.residue, outcome.halted),
            (74, 181, true)
        );
        assert_eq!(outcome.status, CommandStatus::Passed);
        // As many bytes as fill packets: the short packet is an empty one.
        for blocks in [1, 2] {
            let bytes = 512 * blocks as usize;
            let outcome = host.run(0, Command::read(0, blocks), 8192, &[]);
            let residue = 8192 - bytes as u32;
            assert_eq!(
                outcome,
                Outcome {
                    halted: true,
                    residue,
                    ..passed(&vec![7; bytes])
                }
            );
        }
        assert_eq!(host.test_unit_ready(), CommandStatus::Passed);
    });
}

#[test]
fn case_6_both_mean_the_same_data_to_the_host() {
    at_each_speed(|host, _| {
        assert_eq!(
            host.run(0, Command::read(3, 5), 2560, &[]),
            passed(&[7; 2560])
        );
    });
}

#[test]
fn case_7_the_device_has_more_data_than_the_host_expects() {
    at_each_speed(|host, _| {
        phase_error(&host.run(0, Command::read(0, 2), 512, &[]));
        works_after_recovery(host);
    });
}

#[test]
fn case_8_both_expect_data() {
    at_each_speed(|host, medium| {
        phase_error(&host.run_in(0, Command::write(0, 1), 512));
        untouched(medium);
        works_after_recovery(host);
    });
}

#[test]
fn case_9_the_device_wants_none_of_the_hosts_data() {
    at_each_speed(|host, medium| {
        let outcome = host.run_out(0, Command::TestUnitReady, &[1; 4096]);
        let expected = Outcome {
            halted: true,
            residue: 4096,
            ..passed(&[])
        };
        assert_eq!(outcome, expected);
        let refused = host.run_out(0, Command::write(63, 8), &[1; 4096]);
        assert_eq!(
            refused,
            Outcome {
                status: CommandStatus::Failed,
                ..expected
            }
        );
        untouched(medium);
        assert_eq!(host.test_unit_ready(), CommandStatus::Passed);
    });
}

#[test]
fn case_10_both_have_data() {
    at_each_speed(|host, _| {
        phase_error(&host.run_out(0, Command::read(0, 1), &[1; 512]));
        works_after_recovery(host);
    });
}

#[test]
fn case_11_the_device_wants_less_than_the_host_sends() {
    at_each_speed(|host, medium| {
        host.send_command(0, Command::write(0, 2).encode(), 8192, Direction::Out);
        // The controller takes the first blocks and stalls in the middle of the host's transfer.
        assert!(host.send(&[9; 8192]).is_ok_and(|sent| sent == 1024));
        host.clear_halt(host.bulk_out);
        let outcome = host.finish(Vec::new(), true);
        assert_eq!(
            outcome,
            Outcome {
                halted: true,
                residue: 8192 - 1024,
                ..passed(&[])
            }
        );
        let mut blocks = [0; 1536];
        medium.read_at(0, &mut blocks).unwrap();
        assert_eq!(blocks, *[[9; 1024].as_slice(), &[7; 512]].concat());
        assert_eq!(host.test_unit_ready(), CommandStatus::Passed);
    });
}

#[test]
fn case_12_both_mean_the_same_data_to_the_device() {
    at_each_speed(|host, medium| {
        assert_eq!(
            host.run_out(0, Command::write(1, 3), &[9; 1536]),
            passed(&[9; 1536])
        );
        let mut blocks = [0; 1536];
        medium.read_at(512, &mut blocks).unwrap();
        assert_eq!(blocks, [9; 1536]);
    });
}

#[test]
fn case_13_the_device_wants_more_than_the_host_sends() {
    at_each_speed(|host, medium| {
        phase_error(&host.run_out(0, Command::write(0, 2), &[9; 512]));
        untouched(medium);
        works_after_recovery(host);
    });
}
