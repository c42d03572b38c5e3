//! The port a device hangs on, as far as it can be moved.

mod kernel;

use std::io;
use std::time::Duration;

use thiserror::Error;
use usbfs2_loopback::{Bus, Cable, UnknownPort};

pub use self::kernel::KernelPort;

/// Why a port did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PortError {
    /// It cannot, here or for this user.
    #[error("{0}")]
    NotPossible(String),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The port a device hangs on, as far as it can be moved.
pub trait Port {
    /// Pulls the cable out.
    ///
    /// # Errors
    /// There is no way to do so, or the system refuses.
    fn unplug(&self) -> Result<(), PortError>;

    /// Plugs the cable in again.
    ///
    /// # Errors
    /// The system refuses.
    fn plug(&self) -> Result<(), PortError>;

    /// Has the drivers of the system let go of the device, so that its configuration may change.
    ///
    /// # Errors
    /// This user may not.
    fn unbind_drivers(&self) -> Result<(), PortError>;

    /// Gives the device back to the drivers that had it, where they have not got it back by themselves.
    fn bind_drivers(&self);

    /// Suspends the device, which nobody has open, and returns when it sleeps.
    ///
    /// # Errors
    /// There is no way to do so, or it does not within `timeout`. The device is awake then.
    fn suspend(&self, timeout: Duration) -> Result<(), PortError>;

    /// Ends a suspend, and returns when the device is awake.
    ///
    /// # Errors
    /// The system refuses, or says that the device did not wake up.
    fn resume(&self) -> Result<(), PortError>;

    /// Whether a device that lost its configuration while it was suspended has got it back when
    /// [`resume`](Self::resume) returns, so that nobody can see the loss.
    fn configures_on_resume(&self) -> bool;
}

/// A port of the in-process bus.
#[derive(Debug)]
pub struct BusPort {
    bus: Bus,
    name: String,
    cable: Cable,
}

impl BusPort {
    /// The port of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn new(bus: &Bus, name: &str) -> Result<Self, UnknownPort> {
        Ok(Self {
            bus: bus.clone(),
            name: name.to_owned(),
            cable: bus.cable(name)?,
        })
    }

    fn device(&self) -> Result<usbfs2_loopback::BusDevice, PortError> {
        let devices = self.bus.devices().into_iter();
        let mut devices = devices.filter(|device| device.name() == self.name);
        devices
            .next()
            .ok_or_else(|| PortError::NotPossible("the device is not plugged in".to_owned()))
    }
}

impl Port for BusPort {
    fn unplug(&self) -> Result<(), PortError> {
        self.cable.pull();
        Ok(())
    }

    fn plug(&self) -> Result<(), PortError> {
        self.cable.plug();
        Ok(())
    }

    fn unbind_drivers(&self) -> Result<(), PortError> {
        // There are none.
        Ok(())
    }

    fn bind_drivers(&self) {}

    fn suspend(&self, _timeout: Duration) -> Result<(), PortError> {
        self.device()?.suspend();
        Ok(())
    }

    fn resume(&self) -> Result<(), PortError> {
        self.device()?.resume();
        Ok(())
    }

    fn configures_on_resume(&self) -> bool {
        false
    }
}
