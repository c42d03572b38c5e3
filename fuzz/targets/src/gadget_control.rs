//! A keyboard and a disk in one gadget, and control requests nobody meant.

use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::functions::{Disk, Keyboard};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{DeviceIds, Gadget};
use usbfs2_loopback::{Bus, BusError};
use usbfs2_protocol::standard::descriptor_type;
use usbfs2_protocol::{Direction, SetupPacket, Speed};

use crate::HANG;
use crate::script::Script;

/// Every request is answered or refused, and the device still says what it is afterwards.
pub(crate) fn gadget_control(input: &[u8]) {
    let disk = Disk::new(MemoryMedium::new(64 * 512), DiskOptions::default());
    let ids = DeviceIds {
        vendor: 0x1209,
        product: 0x0001,
        release: 0x0100,
    };
    let gadget = Gadget::builder(ids)
        .product("both")
        .function(Keyboard::new())
        .function(disk.expect("a medium of whole blocks"))
        .build();
    let bus = Bus::new();
    let running = gadget
        .expect("a keyboard and a disk are a gadget")
        .start_on(&bus, Speed::High)
        .expect("the bus has room");
    let device = bus.devices().remove(0);
    device.enumerate(HANG).expect("the gadget enumerates");

    let mut script = Script::new(input);
    while !script.is_over() {
        let setup = SetupPacket::from_bytes(script.bytes());
        let data = match setup.request_type.direction {
            Direction::In => Vec::new(),
            Direction::Out => {
                let mut data = script.counted().to_vec();
                data.resize(usize::from(setup.length), 0xa5);
                data
            }
        };
        match device.control(setup, &data, HANG) {
            Err(BusError::TimedOut) => panic!("no answer to {setup:?}"),
            Ok(answer) => assert!(answer.len() <= usize::from(setup.length)),
            Err(_) => {}
        }
    }
    let setup = SetupPacket::get_descriptor(descriptor_type::DEVICE, 0, 0, 18);
    let answer = device.control(setup, &[], HANG);
    assert_eq!(answer.map(|bytes| bytes.len()), Ok(18));
    assert_eq!(running.failures(), []);
    running.stop();
}
