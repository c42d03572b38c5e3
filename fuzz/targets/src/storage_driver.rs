//! The mass storage driver, with a device that answers anything.

use usbfs2_host::Host;
use usbfs2_loopback::Bus;
use usbfs2_mass_storage::MassStorage;
use usbfs2_protocol::TransferType;

use crate::puppet::{Lines, Puppet, endpoint};
use crate::script::Script;

const DEVICE: [u8; 18] = [
    18, 1, 0x00, 0x02, 0, 0, 0, 64, 0x09, 0x12, 0x01, 0x00, 0x00, 0x01, 0, 0, 0, 1,
];
const CONFIGURATION: [u8; 32] = [
    9, 2, 32, 0, 1, 1, 0, 0x80, 50, // one interface:
    9, 4, 0, 0, 2, 8, 6, 0x50, 0, // mass storage, SCSI, Bulk-Only
    7, 5, 0x81, 2, 0x00, 0x02, 0, // bulk IN
    7, 5, 0x02, 2, 0x00, 0x02, 0, // bulk OUT
];
const BYTES: usize = 4096;

/// Opening, reading and writing end, well or with an error, by the time the device has nothing left to say.
pub(crate) fn storage_driver(input: &[u8]) {
    let mut script = Script::new(input);
    let control = script.counted().to_vec();
    let lines = Lines {
        device: DEVICE.to_vec(),
        configuration: CONFIGURATION.to_vec(),
        endpoints: vec![
            endpoint(0x81, TransferType::Bulk, 512),
            endpoint(0x02, TransferType::Bulk, 512),
        ],
        control,
        data: script.some(usize::MAX).to_vec(),
    };
    let bus = Bus::new();
    let _puppet = Puppet::plug(&bus, lines);
    let Ok(device) = Host::on(&bus).open(&"1-1".into()) else {
        return;
    };
    let Ok(storage) = MassStorage::open_blocking(&device) else {
        return;
    };
    let Ok(mut disk) = storage.block_device_blocking(0) else {
        return;
    };
    assert!(disk.block_size() > 0 && disk.max_transfer_bytes() > 0);
    let mut bytes = vec![0; BYTES];
    // An error is the device's right.
    let _ = disk.read_at_blocking(0, &mut bytes);
    let _ = disk.write_at_blocking(disk.size().saturating_sub(BYTES as u64), &bytes);
    let _ = disk.refresh_blocking();
    let _ = disk.flush_blocking();
}
