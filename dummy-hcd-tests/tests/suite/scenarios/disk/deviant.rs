//! A disk that keeps to the standard except when a test has it do otherwise.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use usbfs2_gadget::functions::mass_storage::{
    DiskOptions, Interruption, Script, ScriptedDisk, Wire,
};
use usbfs2_gadget::scsi::{LogicalUnit, Target};
use usbfs2_mass_storage::{BlockDevice, MassStorage, Options, Statistics};
use usbfs2_protocol::bot::CommandBlockWrapper;

use super::{Probe, pattern};
use crate::world::{Connected, World};

/// What is done with a command in place of what the standard says; `false` leaves it to the disk.
pub(crate) type Deed = Box<
    dyn FnMut(&mut Wire<'_, '_>, &Target, &CommandBlockWrapper) -> Result<bool, Interruption>
        + Send,
>;

struct Device {
    target: Target,
    deed: Mutex<Option<Deed>>,
}

/// A type of its own, so that the test can keep the device too.
struct Act(Arc<Device>);

impl Script for Act {
    fn command(&self, wire: &mut Wire<'_, '_>, bytes: &[u8]) -> Result<(), Interruption> {
        let command = match CommandBlockWrapper::parse(bytes) {
            Ok(command) => command,
            Err(error) => match wire.refuse_until_reset(error)? {},
        };
        let target = &self.0.target;
        // Held while it is done: who sets another waits for its end, which no command outlives.
        if let Some(deed) = &mut *self.0.deed()
            && deed(wire, target, &command)?
        {
            return Ok(());
        }
        let status = wire.carry_out(target, &command, |_| {})?;
        wire.send(&status.to_bytes())
    }

    fn reset(&self) {
        self.0.target.reset();
    }
}

impl Device {
    fn deed(&self) -> MutexGuard<'_, Option<Deed>> {
        self.deed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of the medium, and of the one command that reads or writes them.
pub(crate) const SIZE: usize = 16 << 10;

/// The device, plugged in and open.
pub(crate) struct Deviant {
    device: Arc<Device>,
    probe: Arc<Probe>,
    pub(crate) storage: MassStorage,
    pub(crate) unit: BlockDevice,
    // The driver lets go before the gadget goes.
    _connected: Connected,
}

impl Deviant {
    /// A disk that does right until it is told otherwise, and a driver as patient as this.
    pub(crate) fn new(world: &World, command_timeout: Duration) -> Result<Self> {
        let probe = Probe::new(SIZE);
        let unit = LogicalUnit::with_medium(probe.clone(), DiskOptions::default())?;
        let device = Arc::new(Device {
            target: Target::new([unit]),
            deed: Mutex::default(),
        });
        let function = ScriptedDisk::new(Act(Arc::clone(&device)));
        let connected = world.connect(&World::gadget().function(function).build()?)?;
        let options = Options {
            command_timeout,
            ..Options::default()
        };
        let storage = MassStorage::open_with_blocking(&connected.device, options)?;
        let unit = storage.block_device_blocking(0)?;
        Ok(Self {
            device,
            probe,
            storage,
            unit,
            _connected: connected,
        })
    }

    /// From here on the disk does this; with nothing to do it is honest again.
    pub(crate) fn set(&self, deed: Option<Deed>) {
        *self.device.deed() = deed;
    }

    /// What the driver counted.
    pub(crate) fn statistics(&self) -> Statistics {
        self.storage.statistics_blocking()
    }

    /// Fails unless the disk keeps what is written to it.
    pub(crate) fn check(&mut self) -> Result<()> {
        let mut content = pattern(SIZE);
        let first = self.probe.contents()?[0].wrapping_add(1);
        content.iter_mut().for_each(|byte| *byte ^= first);
        self.unit
            .write_at_blocking(0, &content)
            .context("the write after")?;
        self.unit.flush_blocking().context("the flush after")?;
        let mut read = vec![0; SIZE];
        self.unit
            .read_at_blocking(0, &mut read)
            .context("the read after")?;
        ensure!(read == content, "what was read is not what was written");
        ensure!(
            self.probe.contents()? == content,
            "the medium holds something else"
        );
        Ok(())
    }
}
