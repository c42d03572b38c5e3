//! The two worlds a scenario runs in, behind one face.

use anyhow::{Context as _, Result};
use dummy_hcd_tests::{cable, usbfs2, wait};
use usbfs2_gadget::{DeviceIds, Gadget, GadgetBuilder, GadgetfsOptions, Running};
use usbfs2_host::{Device, Host, Speed};
use usbfs2_loopback::Bus;

/// A vendor-specific product no kernel driver knows by its numbers.
pub(crate) const IDS: DeviceIds = DeviceIds {
    vendor: 0x1d6b,
    product: 0x0105,
    release: 0x0100,
};

/// Where host and gadget meet.
#[derive(Debug)]
pub(crate) enum World {
    /// On a bus in this process.
    Loopback(Bus),
    /// Over gadgetfs, dummy_hcd and the module.
    Kernel,
}

/// A gadget that runs, and the host's view of it. Unplugged when dropped.
pub(crate) struct Connected {
    pub(crate) device: Device,
    pub(crate) running: Running,
}

impl World {
    /// A gadget with the strings every scenario expects.
    pub(crate) fn gadget() -> GadgetBuilder {
        Gadget::builder(IDS)
            .manufacturer("usbfs2")
            .product("scenario")
            .serial_number("42")
    }

    /// Starts `gadget` and opens it from the host's end.
    pub(crate) fn connect(&self, gadget: &Gadget) -> Result<Connected> {
        let (running, host) = match self {
            Self::Loopback(bus) => (gadget.start_on(bus, Speed::High)?, Host::on(bus)),
            Self::Kernel => (
                gadget.start_gadgetfs(&GadgetfsOptions::default())?,
                Host::usbfs2(usbfs2::MOUNT.as_ref())?,
            ),
        };
        let id = wait::until("the host lists the gadget", || {
            let devices = host.devices().ok()?;
            let ours = devices.iter().find(|info| {
                info.vendor_id() == Some(IDS.vendor) && info.product_id() == Some(IDS.product)
            })?;
            ours.active_configuration()?;
            Some(ours.id().clone())
        })
        .with_context(|| format!("the gadget said {:?}", running.failures()))?;
        let device = wait::until("the gadget can be opened", || host.open(&id).ok())?;
        Ok(Connected { device, running })
    }

    /// Pulls the cable of `connected`.
    pub(crate) fn pull(&self, connected: &Connected) -> Result<()> {
        match self {
            Self::Loopback(bus) => bus.cable(connected.running.port_name())?.pull(),
            Self::Kernel => cable::pull(0)?,
        }
        Ok(())
    }
}
