//! The disk as a device, Bulk-Only state machine and all, with a host that sends anything.

use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{DeviceIds, Gadget};
use usbfs2_loopback::{Bus, BusDevice, CompletionQueue, Target, Transfer};
use usbfs2_protocol::bot::{
    CommandBlockWrapper, CommandStatusWrapper, bulk_only_reset, get_max_lun,
};
use usbfs2_protocol::descriptor::Configuration;
use usbfs2_protocol::scsi::{Command, CommandBlock};
use usbfs2_protocol::{Direction, EndpointAddress, Speed};

use crate::HANG;
use crate::script::Script;

/// Things a host does in one input: more say no more.
const MOST_ACTIONS: usize = 24;
const LAST_TAG: u32 = 0x6c61_7374;

struct Host {
    device: BusDevice,
    bulk_in: EndpointAddress,
    bulk_out: EndpointAddress,
}

/// Whatever the host did, after reset recovery (BOT 5.3.4) the next command gets its status.
pub(crate) fn disk_device(input: &[u8]) {
    let medium = MemoryMedium::new(64 * 512);
    let options = DiskOptions {
        removable: true,
        ..DiskOptions::default()
    };
    let disk = Disk::new(medium, options).expect("a medium of whole blocks");
    let ids = DeviceIds {
        vendor: 0x1209,
        product: 0x0001,
        release: 0x0100,
    };
    let gadget = Gadget::builder(ids).function(disk).build();
    let bus = Bus::new();
    let running = gadget
        .expect("one disk is a gadget")
        .start_on(&bus, Speed::High)
        .expect("the bus has room");
    let host = Host::of(bus.devices().remove(0));

    let queue = CompletionQueue::new(&bus);
    let mut script = Script::new(input);
    for _ in 0..MOST_ACTIONS {
        if script.is_over() {
            break;
        }
        host.act(&queue, &mut script);
    }
    queue.cancel_all();
    host.recover();
    host.expect_status(&bus);
    assert_eq!(running.failures(), []);
    running.stop();
}

impl Host {
    fn of(device: BusDevice) -> Self {
        let enumerated = device.enumerate(HANG).expect("a disk enumerates");
        let bytes = enumerated.configuration(1).expect("it has configuration 1");
        let configuration = Configuration::parse(bytes).expect("of our own making");
        let setting = &configuration.interfaces[0].alternate_settings[0];
        let bulk = |direction| {
            let mut addresses = setting.endpoints.iter().map(|endpoint| endpoint.address);
            addresses.find(|address| address.direction() == direction)
        };
        Self {
            device,
            bulk_in: bulk(Direction::In).expect("a disk has a bulk IN endpoint"),
            bulk_out: bulk(Direction::Out).expect("a disk has a bulk OUT endpoint"),
        }
    }

    fn send(&self, queue: &CompletionQueue, bytes: Vec<u8>) {
        let target = Target::Endpoint(self.bulk_out);
        self.device.submit(queue, target, Transfer::send(bytes));
    }

    fn receive(&self, queue: &CompletionQueue, length: usize) {
        let target = Target::Endpoint(self.bulk_in);
        self.device.submit(queue, target, Transfer::receive(length));
    }

    fn clear_halt(&self, address: EndpointAddress) {
        let cleared = self.device.clear_halt(address, HANG);
        cleared.expect("the bus clears a halt");
    }

    fn act(&self, queue: &CompletionQueue, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0 => {
                let bytes = script.counted().to_vec();
                self.send(queue, bytes);
            }
            1 => {
                let length = script.word();
                self.send(queue, vec![0x5a; usize::from(length)]);
            }
            2 => {
                let length = script.word();
                self.receive(queue, usize::from(length));
            }
            3 => self.receive(queue, CommandStatusWrapper::LENGTH),
            4 => self.clear_halt(if script.byte() & 1 == 0 {
                self.bulk_out
            } else {
                self.bulk_in
            }),
            5 => {
                let request = if script.byte() & 1 == 0 {
                    bulk_only_reset(0)
                } else {
                    get_max_lun(0)
                };
                let answer = self.device.control(request, &[], HANG);
                answer.expect("a disk takes its class's requests");
            }
            // A command as it ought to be, but for its length and direction.
            _ => self.send(queue, command(script).to_bytes().to_vec()),
        }
    }

    fn recover(&self) {
        let reset = self.device.control(bulk_only_reset(0), &[], HANG);
        reset.expect("a disk takes a reset");
        self.clear_halt(self.bulk_in);
        self.clear_halt(self.bulk_out);
    }

    fn expect_status(&self, bus: &Bus) {
        let queue = CompletionQueue::new(bus);
        let wrapper = CommandBlockWrapper {
            tag: LAST_TAG,
            data_transfer_length: 0,
            direction: Direction::Out,
            lun: 0,
            command: Command::TestUnitReady.encode(),
        };
        self.send(&queue, wrapper.to_bytes().to_vec());
        let sent = queue.wait(Some(HANG)).expect("the disk takes a command");
        assert_eq!((sent.status, sent.actual_length), (Ok(()), 31));
        self.receive(&queue, CommandStatusWrapper::LENGTH);
        let received = queue.wait(Some(HANG)).expect("the disk sends a status");
        assert_eq!(received.status, Ok(()));
        let status = CommandStatusWrapper::parse(&received.buffer).expect("a status of our own");
        assert_eq!(status.tag, LAST_TAG);
    }
}

fn command(script: &mut Script<'_>) -> CommandBlockWrapper {
    let lun = script.byte() % 3;
    let direction = script.direction();
    let data_transfer_length = u32::from(script.word());
    let length = usize::from(script.byte() % 16) + 1;
    let mut block = [0; 16];
    let bytes = script.some(length);
    block[..bytes.len()].copy_from_slice(bytes);
    CommandBlockWrapper {
        tag: 1,
        data_transfer_length,
        direction,
        lun,
        command: CommandBlock::new(&block[..length]).expect("1 to 16 bytes"),
    }
}
