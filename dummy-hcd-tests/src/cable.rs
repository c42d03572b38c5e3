//! The cable between a device controller of `dummy_hcd` and its bus.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The cable of `dummy_udc.N`. Plugged in when a gadget binds.
#[derive(Debug, Clone, Copy)]
pub struct Cable {
    bus: u8,
}

impl Cable {
    /// The cable of `dummy_udc.{bus}`.
    #[must_use]
    pub fn of(bus: u8) -> Self {
        Self { bus }
    }

    /// Pulls the cable: the host sees the device leave while the gadget stays bound.
    ///
    /// # Errors
    /// When no gadget is bound.
    pub fn pull(self) -> io::Result<()> {
        self.soft_connect("disconnect")
    }

    /// Plugs the cable in again.
    ///
    /// # Errors
    /// When no gadget is bound.
    pub fn plug(self) -> io::Result<()> {
        self.soft_connect("connect")
    }

    fn soft_connect(self, action: &str) -> io::Result<()> {
        let path: PathBuf = format!("/sys/class/udc/dummy_udc.{}/soft_connect", self.bus).into();
        fs::write(path, action)
    }
}
