//! A host that speaks Bulk-Only Transport, well or badly, straight to the in-process bus.

use std::sync::Arc;
use std::time::Duration;

use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::{DeviceIds, EndpointAddress, Gadget, Running, Speed};
use usbfs2_loopback::{Bus, BusDevice, BusError, CompletionQueue, Target, Transfer, WatchEvent};
use usbfs2_protocol::bot::{self, CommandBlockWrapper, CommandStatus, CommandStatusWrapper};
use usbfs2_protocol::descriptor::Configuration;
use usbfs2_protocol::scsi::{Command, CommandBlock, Sense};
use usbfs2_protocol::{Direction, SetupPacket};

/// Stops a test that hangs, and never ends one that works.
pub(crate) const HANG: Duration = Duration::from_secs(20);

/// A disk on a bus, and the host's view of it.
pub(crate) struct Host {
    pub(crate) bus: Bus,
    pub(crate) running: Running,
    pub(crate) device: BusDevice,
    pub(crate) bulk_in: EndpointAddress,
    pub(crate) bulk_out: EndpointAddress,
}

/// How a command went: the data that came or the bytes that went, and the status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) data: Vec<u8>,
    /// Whether an endpoint was halted at the end of the data stage.
    pub(crate) halted: bool,
    pub(crate) status: CommandStatus,
    pub(crate) residue: u32,
}

impl Host {
    /// Plugs the disk in, and learns of its power-on condition.
    pub(crate) fn with(disk: Arc<Disk>, speed: Speed) -> Self {
        let ids = DeviceIds {
            vendor: 0x1209,
            product: 0x0001,
            release: 0x0100,
        };
        let gadget = Gadget::builder(ids).function(disk).build().unwrap();
        let bus = Bus::new();
        let running = gadget.start_on(&bus, speed).unwrap();
        let mut host = Self {
            device: bus.devices().remove(0),
            bus,
            running,
            bulk_in: EndpointAddress::CONTROL,
            bulk_out: EndpointAddress::CONTROL,
        };
        host.enumerate();
        host
    }

    /// Pulls the cable and plugs it in again.
    pub(crate) fn replug(&mut self) {
        let cable = self.bus.cable(self.running.port_name()).unwrap();
        let watch = self.bus.watch();
        cable.pull();
        cable.plug();
        self.device = loop {
            match watch.wait(Some(HANG)).expect("the disk came back") {
                WatchEvent::Arrived(device) if device.is_plugged() => break device,
                _ => {}
            }
        };
        self.enumerate();
    }

    fn enumerate(&mut self) {
        let enumerated = self.device.enumerate(HANG).unwrap();
        let configuration = enumerated.configuration(1).unwrap();
        let configuration = Configuration::parse(configuration).unwrap();
        for endpoint in &configuration.interfaces[0].alternate_settings[0].endpoints {
            match endpoint.address.direction() {
                Direction::In => self.bulk_in = endpoint.address,
                Direction::Out => self.bulk_out = endpoint.address,
            }
        }
        let first = self.run(0, Command::TestUnitReady, 0, &[]);
        assert_eq!(first.status, CommandStatus::Failed);
        assert_eq!(self.request_sense(), Sense::RESET_OCCURRED);
    }

    pub(crate) fn control(&self, setup: SetupPacket) -> Result<Vec<u8>, BusError> {
        self.device.control(setup, &[], HANG)
    }

    /// Sends one transfer; the bytes that went.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize, BusError> {
        let queue = CompletionQueue::new(&self.bus);
        let transfer = Transfer::send(bytes.to_vec());
        self.device
            .submit(&queue, Target::Endpoint(self.bulk_out), transfer);
        let completed = queue.wait(Some(HANG)).expect("the disk took the data");
        completed.status.map(|()| completed.actual_length)
    }

    /// Receives one transfer.
    pub(crate) fn receive(&self, length: usize) -> Result<Vec<u8>, BusError> {
        let queue = CompletionQueue::new(&self.bus);
        let target = Target::Endpoint(self.bulk_in);
        self.device
            .submit(&queue, target, Transfer::receive(length));
        let completed = queue.wait(Some(HANG)).expect("the disk sent something");
        completed.status.map(|()| completed.buffer)
    }

    pub(crate) fn clear_halt(&self, address: EndpointAddress) {
        self.device.clear_halt(address, HANG).unwrap();
    }

    /// Reset recovery (BOT 5.3.4).
    pub(crate) fn recover(&self) {
        self.control(bot::bulk_only_reset(0)).unwrap();
        self.clear_halt(self.bulk_in);
        self.clear_halt(self.bulk_out);
    }

    pub(crate) fn send_command(&self, lun: u8, command: CommandBlock, length: u32, way: Direction) {
        let cbw = CommandBlockWrapper {
            tag: TAG,
            data_transfer_length: length,
            direction: way,
            lun,
            command,
        };
        assert_eq!(self.send(&cbw.to_bytes()), Ok(CommandBlockWrapper::LENGTH));
    }

    /// A command that expects `length` bytes from the disk.
    pub(crate) fn run_in(&self, lun: u8, command: Command, length: u32) -> Outcome {
        self.run_block_in(lun, command.encode(), length)
    }

    pub(crate) fn run_block_in(&self, lun: u8, command: CommandBlock, length: u32) -> Outcome {
        self.send_command(lun, command, length, Direction::In);
        if length == 0 {
            return self.finish(Vec::new(), false);
        }
        let (data, stalled) = match self.receive(length as usize) {
            Ok(data) => (data, false),
            Err(BusError::Stall) => (Vec::new(), true),
            Err(error) => panic!("data stage: {error}"),
        };
        if stalled {
            self.clear_halt(self.bulk_in);
        }
        self.finish(data, stalled)
    }

    /// A command that sends `data` to the disk.
    pub(crate) fn run_out(&self, lun: u8, command: Command, data: &[u8]) -> Outcome {
        self.run_block_out(lun, command.encode(), data)
    }

    pub(crate) fn run_block_out(&self, lun: u8, command: CommandBlock, data: &[u8]) -> Outcome {
        self.send_command(lun, command, data.len() as u32, Direction::Out);
        let sent = match self.send(data) {
            Ok(sent) => sent,
            Err(BusError::Stall) => 0,
            Err(error) => panic!("data stage: {error}"),
        };
        let halted = sent < data.len();
        if halted {
            self.clear_halt(self.bulk_out);
        }
        self.finish(data[..sent].to_vec(), halted)
    }

    /// A command without data, or with `data` to send, or with `length` bytes to receive.
    pub(crate) fn run(&self, lun: u8, command: Command, length: u32, data: &[u8]) -> Outcome {
        match data {
            [] => self.run_in(lun, command, length),
            data => self.run_out(lun, command, data),
        }
    }

    /// The status, read again after a stall as BOT 5.3.3 says.
    pub(crate) fn finish(&self, data: Vec<u8>, halted: bool) -> Outcome {
        let length = CommandStatusWrapper::LENGTH;
        let (status, halted) = match self.receive(length) {
            Err(BusError::Stall) => {
                self.clear_halt(self.bulk_in);
                (self.receive(length), true)
            }
            status => (status, halted),
        };
        let csw = CommandStatusWrapper::parse(&status.unwrap()).unwrap();
        assert_eq!(csw.tag, TAG);
        Outcome {
            data,
            halted,
            status: csw.status,
            residue: csw.data_residue,
        }
    }

    pub(crate) fn request_sense(&self) -> Sense {
        let command = Command::RequestSense {
            descriptor_format: false,
            allocation_length: 18,
        };
        let outcome = self.run_in(0, command, 18);
        assert_eq!(outcome.status, CommandStatus::Passed);
        Sense::parse(&outcome.data).unwrap()
    }

    pub(crate) fn test_unit_ready(&self) -> CommandStatus {
        self.run(0, Command::TestUnitReady, 0, &[]).status
    }
}

pub(crate) const TAG: u32 = 0xfeed_0001;

/// What a command that moved all its data looks like.
pub(crate) fn passed(data: &[u8]) -> Outcome {
    Outcome {
        data: data.to_vec(),
        halted: false,
        status: CommandStatus::Passed,
        residue: 0,
    }
}
