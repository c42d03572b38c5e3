//! Commands that are none, commands left in the middle, and a cable that comes out.

use std::sync::Arc;

use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::scsi::{Medium, MemoryMedium};
use usbfs2_gadget::{Speed, State};
use usbfs2_loopback::BusError;
use usbfs2_protocol::Direction;
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper};
use usbfs2_protocol::scsi::{Command, CommandBlock, Sense};

use crate::host::{HANG, Host, TAG, passed};

fn host() -> (Host, Arc<MemoryMedium>) {
    let medium = Arc::new(MemoryMedium::with_contents(&[7; 1 << 20]));
    let disk = Disk::new(Arc::clone(&medium), DiskOptions::default()).unwrap();
    (Host::with(disk, Speed::High), medium)
}

/// The disk says that it was reset, and works.
fn works_after_a_reset(host: &Host) {
    assert_eq!(host.test_unit_ready(), CommandStatus::Failed);
    assert_eq!(host.request_sense(), Sense::RESET_OCCURRED);
    assert_eq!(host.run_in(0, Command::read(0, 1), 512), passed(&[7; 512]));
    assert_eq!(host.running.failures(), []);
}

fn valid_command() -> [u8; CommandBlockWrapper::LENGTH] {
    let command = CommandBlockWrapper {
        tag: TAG,
        data_transfer_length: 0,
        direction: Direction::In,
        lun: 0,
        command: CommandBlock::new(&[0; 6]).unwrap(),
    };
    command.to_bytes()
}

#[test]
fn what_is_no_command_halts_until_reset_recovery() {
    let (host, _) = host();
    let change = |offset: usize, byte: u8| {
        let mut bytes = valid_command().to_vec();
        bytes[offset] = byte;
        bytes
    };
    for (what, bytes) in [
        ("short", valid_command()[..30].to_vec()),
        ("long", [valid_command().as_slice(), &[0]].concat()),
        ("a packet of something", vec![0x55; 512]),
        ("several packets of something", vec![0x55; 2000]),
        ("empty", Vec::new()),
        ("signature", change(0, b'X')),
        ("flags", change(12, 0x01)),
        ("unit 16", change(13, 16)),
        ("no command", change(14, 0)),
        ("a command of 17 bytes", change(14, 17)),
    ] {
        assert_eq!(host.send(&bytes), Ok(bytes.len()), "{what}");
        // Clearing the halt is not enough (BOT 6.6.1), nor is a good command after that.
        for _ in 0..2 {
            assert_eq!(
                host.receive(CommandStatusWrapper::LENGTH),
                Err(BusError::Stall),
                "{what}"
            );
            host.clear_halt(host.bulk_in);
            assert_eq!(host.send(&valid_command()), Ok(CommandBlockWrapper::LENGTH));
        }
        host.recover();
        works_after_a_reset(&host);
    }
}

#[test]
fn a_reset_ends_a_read_whose_data_nobody_collects() {
    let (host, _) = host();
    host.send_command(0, Command::read(0, 2048).encode(), 1 << 20, Direction::In);
    assert_eq!(host.receive(1024).map(|data| data.len()), Ok(1024));
    host.recover();
    works_after_a_reset(&host);
}

#[test]
fn a_reset_ends_a_write_whose_data_nobody_sends() {
    let (host, medium) = host();
    host.send_command(
        0,
        Command::write(8, 1024).encode(),
        512 * 1024,
        Direction::Out,
    );
    assert_eq!(host.send(&[9; 128 * 1024]), Ok(128 * 1024));
    host.recover();
    works_after_a_reset(&host);
    let mut last = [0; 1];
    medium.read_at(8 * 512 + 128 * 1024, &mut last).unwrap();
    assert_eq!(last, [7], "nothing beyond what was sent is written");
}

#[test]
fn a_reset_takes_back_a_status_that_nobody_collects() {
    let (host, _) = host();
    host.send_command(0, Command::TestUnitReady.encode(), 0, Direction::In);
    host.recover();
    works_after_a_reset(&host);
}

#[test]
fn a_reset_with_nothing_under_way_is_harmless() {
    let (host, _) = host();
    for _ in 0..3 {
        host.recover();
    }
    works_after_a_reset(&host);
}

#[test]
fn a_disk_pulled_out_in_the_middle_works_when_it_is_back() {
    let (mut host, medium) = host();
    host.send_command(0, Command::read(0, 2048).encode(), 1 << 20, Direction::In);
    assert_eq!(host.receive(1024).map(|data| data.len()), Ok(1024));
    host.replug();
    host.send_command(
        0,
        Command::write(8, 1024).encode(),
        512 * 1024,
        Direction::Out,
    );
    assert_eq!(host.send(&[7; 128 * 1024]), Ok(128 * 1024));
    host.replug();
    host.send_command(0, Command::TestUnitReady.encode(), 0, Direction::In);
    host.replug();
    assert_eq!(
        host.run_out(0, Command::write(0, 8), &[5; 4096]),
        passed(&[5; 4096])
    );
    let mut blocks = [0; 4096];
    medium.read_at(0, &mut blocks).unwrap();
    assert_eq!(blocks, [5; 4096]);
    assert_eq!(host.running.failures(), []);
}

#[test]
fn a_run_that_ends_in_the_middle_of_a_command_has_not_failed() {
    let (host, _) = host();
    host.send_command(0, Command::read(0, 8).encode(), 4096, Direction::In);
    host.bus.cable(host.running.port_name()).unwrap().pull();
    host.running.wait_for_state(State::Detached, HANG).unwrap();
    assert_eq!(host.running.failures(), []);
}
