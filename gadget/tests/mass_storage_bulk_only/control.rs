//! The class requests, and the host and the program both ejecting.

use usbfs2_gadget::Speed;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions, UnitCountError};
use usbfs2_gadget::scsi::{LogicalUnit, MemoryMedium};
use usbfs2_loopback::BusError;
use usbfs2_protocol::bot::{self, BULK_ONLY_RESET, CommandStatus, GET_MAX_LUN};
use usbfs2_protocol::scsi::{Command, Sense};
use usbfs2_protocol::{Direction, Recipient, RequestKind, RequestType, SetupPacket};

use crate::host::Host;

fn unit() -> std::sync::Arc<LogicalUnit> {
    LogicalUnit::with_medium(MemoryMedium::new(4096), DiskOptions::default()).unwrap()
}

#[test]
fn get_max_lun_tells_the_highest_unit() {
    for count in [1, 3, 16] {
        let disk = Disk::with_units(std::iter::repeat_with(unit).take(count)).unwrap();
        let host = Host::with(disk, Speed::High);
        assert_eq!(host.control(bot::get_max_lun(0)), Ok(vec![count as u8 - 1]));
    }
    assert_eq!(Disk::with_units([]).unwrap_err(), UnitCountError(0));
    let too_many = Disk::with_units(std::iter::repeat_with(unit).take(17));
    assert_eq!(too_many.unwrap_err(), UnitCountError(17));
}

#[test]
fn other_requests_are_stalled_and_leave_the_disk_alone() {
    let host = Host::with(Disk::with_units([unit()]).unwrap(), Speed::High);
    let request = |direction, kind, recipient, request, value, index, length| SetupPacket {
        request_type: RequestType {
            direction,
            kind,
            recipient,
        },
        request,
        value,
        index,
        length,
    };
    let (class, interface) = (RequestKind::Class, Recipient::Interface);
    for setup in [
        request(Direction::In, class, interface, GET_MAX_LUN, 1, 0, 1),
        request(Direction::In, class, interface, GET_MAX_LUN, 0, 0, 2),
        request(Direction::In, class, interface, GET_MAX_LUN, 0, 1, 1),
        request(
            Direction::In,
            class,
            Recipient::Device,
            GET_MAX_LUN,
            0,
            0,
            1,
        ),
        request(
            Direction::In,
            RequestKind::Vendor,
            interface,
            GET_MAX_LUN,
            0,
            0,
            1,
        ),
        request(Direction::Out, class, interface, BULK_ONLY_RESET, 1, 0, 0),
        request(Direction::In, class, interface, BULK_ONLY_RESET, 0, 0, 1),
        request(Direction::In, class, interface, 0x42, 0, 0, 1),
    ] {
        assert_eq!(host.control(setup), Err(BusError::Stall), "{setup}");
    }
    assert_eq!(host.test_unit_ready(), CommandStatus::Passed);
}

#[test]
fn a_medium_goes_and_comes() {
    let options = DiskOptions {
        removable: true,
        ..DiskOptions::default()
    };
    let disk = Disk::new(MemoryMedium::new(4096), options).unwrap();
    let host = Host::with(disk.clone(), Speed::High);
    let unit = disk.unit(0).unwrap();
    assert!(unit.eject().unwrap().is_some());
    assert_eq!(host.test_unit_ready(), CommandStatus::Failed);
    assert_eq!(host.request_sense(), Sense::MEDIUM_NOT_PRESENT);

    unit.insert(MemoryMedium::new(8192)).unwrap();
    assert_eq!(host.test_unit_ready(), CommandStatus::Failed);
    assert_eq!(host.request_sense(), Sense::MEDIUM_MAY_HAVE_CHANGED);
    assert_eq!(host.test_unit_ready(), CommandStatus::Passed);

    let eject = Command::StartStopUnit {
        immediate: false,
        load_eject: true,
        start: false,
        power_condition: 0,
    };
    assert_eq!(host.run(0, eject, 0, &[]).status, CommandStatus::Passed);
    assert!(!unit.has_medium());
    assert!(disk.unit(1).is_none());
}
