//! A disk with its faults at hand.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_loopback::{Bus, Fault, Faults};
use usbfs2_mass_storage::{BlockDevice, DiskError, MassStorage, Stage, Statistics};
use usbfs2_protocol::{Direction, EndpointAddress};

use crate::scenarios::disk::{Probe, pattern};
use crate::world::{Connected, World};

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
}

/// One of the three transfers of a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) operation: Operation,
    pub(super) stage: Stage,
}

/// Every transfer of a read and of a write.
pub(super) const PLACES: [Place; 6] = {
    const fn place(operation: Operation, stage: Stage) -> Place {
        Place { operation, stage }
    }
    [
        place(Operation::Read, Stage::Command),
        place(Operation::Read, Stage::Data),
        place(Operation::Read, Stage::Status),
        place(Operation::Write, Stage::Command),
        place(Operation::Write, Stage::Data),
        place(Operation::Write, Stage::Status),
    ]
};

impl Place {
    /// The transfer's pipe, and its number among the command's transfers on it.
    fn transfer(self) -> (Direction, u64) {
        match (self.operation, self.stage) {
            (Operation::Read, Stage::Data) => (Direction::In, 0),
            (Operation::Read, Stage::Status) => (Direction::In, 1),
            (Operation::Write, Stage::Data) => (Direction::Out, 1),
            (Operation::Write, Stage::Status) => (Direction::In, 0),
            _ => (Direction::Out, 0),
        }
    }

    pub(super) fn direction(self) -> Direction {
        self.transfer().0
    }
}

/// Bytes of the medium, and of the one command that reads or writes them.
const SIZE: usize = 24 << 10;

/// A disk on the in-process bus, open.
pub(super) struct Bench {
    connected: Connected,
    storage: MassStorage,
    unit: BlockDevice,
    faults: Faults,
    input: EndpointAddress,
    output: EndpointAddress,
    probe: Arc<Probe>,
    /// What the medium ought to hold.
    model: Vec<u8>,
}

impl Bench {
    pub(super) fn new(bus: &Bus) -> Result<Self> {
        let probe = Probe::new(SIZE);
        let disk = Disk::new(probe.clone(), DiskOptions::default())?;
        let gadget = World::gadget().function(disk).build()?;
        let connected = World::Loopback(bus.clone()).connect(&gadget)?;
        let configuration = connected.device.configuration()?;
        let endpoint = |direction| {
            let mut settings = configuration
                .interfaces
                .iter()
                .flat_map(|interface| &interface.alternate_settings);
            settings.find_map(|setting| {
                let mut addresses = setting.endpoints.iter().map(|endpoint| endpoint.address);
                addresses.find(|address| address.direction() == direction)
            })
        };
        let input = endpoint(Direction::In).context("a disk has a bulk IN endpoint")?;
        let output = endpoint(Direction::Out).context("a disk has a bulk OUT endpoint")?;
        let storage = MassStorage::open_blocking(&connected.device)?;
        Ok(Self {
            unit: storage.block_device_blocking(0)?,
            storage,
            faults: bus.faults(connected.running.port_name())?,
            connected,
            input,
            output,
            probe,
            model: vec![0; SIZE],
        })
    }

    fn address(&self, direction: Direction) -> EndpointAddress {
        match direction {
            Direction::In => self.input,
            Direction::Out => self.output,
        }
    }

    /// Has `fault` happen to this transfer of the next command.
    pub(super) fn inject(&self, place: Place, fault: Fault) -> Result<()> {
        let (direction, number) = place.transfer();
        let address = self.address(direction);
        let number = self.faults.next_transfer(address) + number;
        Ok(self.faults.inject(address, number, fault)?)
    }

    /// Has `fault` happen to the next `count` transfers of a pipe.
    pub(super) fn inject_all(&self, direction: Direction, count: u64, fault: Fault) -> Result<()> {
        let address = self.address(direction);
        let next = self.faults.next_transfer(address);
        for number in next..next + count {
            self.faults.inject(address, number, fault)?;
        }
        Ok(())
    }

    pub(super) fn pending_faults(&self) -> usize {
        self.faults.pending()
    }

    /// One command over the whole medium. What is written is new each time.
    pub(super) fn run(&mut self, operation: Operation) -> Result<Result<(), DiskError>> {
        match operation {
            Operation::Read => {
                let mut read = vec![0xee; SIZE];
                let result = self.unit.read_at_blocking(0, &mut read);
                if result.is_ok() {
                    ensure!(read == self.model, "what was read was never written");
                }
                Ok(result)
            }
            Operation::Write => {
                let mut content = pattern(SIZE);
                for byte in &mut content {
                    *byte = byte.wrapping_add(self.model[0]).wrapping_add(1);
                }
                let result = self.unit.write_at_blocking(0, &content);
                if result.is_ok() {
                    self.model = content;
                }
                Ok(result)
            }
        }
    }

    /// Fails unless the disk works and holds what was written to it.
    pub(super) fn check(&mut self) -> Result<()> {
        for operation in [Operation::Write, Operation::Read] {
            let result = self.run(operation)?;
            result.with_context(|| format!("the {operation:?} after"))?;
        }
        ensure!(
            self.probe.contents()? == self.model,
            "the medium holds something else"
        );
        Ok(())
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.storage.statistics_blocking()
    }

    /// Plugs the cable in, and opens the disk anew.
    pub(super) fn plug(self) -> Result<Self> {
        let Self {
            mut connected,
            storage,
            unit,
            faults,
            input,
            output,
            probe,
            ..
        } = self;
        drop((unit, storage));
        connected.plug()?;
        let storage = MassStorage::open_blocking(&connected.device)?;
        Ok(Self {
            unit: storage.block_device_blocking(0)?,
            connected,
            storage,
            faults,
            input,
            output,
            model: probe.contents()?,
            probe,
        })
    }
}
