//! Where the tour takes place: on the in-process bus, or over the kernel's module, gadgetfs and
//! dummy_hcd. What is plugged in and what drives it is the same.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use usbfs2_gadget::{Gadget, GadgetfsOptions, Running, Speed};
use usbfs2_host::{Device, DeviceId, Host, HotplugEvent, HubPort};
use usbfs2_loopback::Bus;

use crate::args::PATIENCE;

/// A place with a host end and a device end.
pub(crate) enum World {
    InProcess(Bus),
    Kernel(Host),
}

impl World {
    pub(crate) fn in_process() -> Self {
        Self::InProcess(Bus::new())
    }

    pub(crate) fn kernel() -> Result<Self> {
        let host = Host::system()?;
        Ok(Self::Kernel(host))
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::InProcess(_) => {
                "Host and devices are in this process, joined by a bus of its own: no root, no kernel module,\n\
                 no hardware. `usbfs2 demo --kernel` makes the same tour over the kernel's."
                    .into()
            }
            Self::Kernel(host) => format!(
                "Host: {} ({}). Devices: gadgetfs. Cable: dummy_hcd.",
                host.backend(),
                host.reason()
            ),
        }
    }

    fn host(&self) -> Host {
        match self {
            Self::InProcess(bus) => Host::on(bus),
            Self::Kernel(host) => host.clone(),
        }
    }

    /// Plugs a gadget in at high speed and waits until the host sees it.
    pub(crate) fn plug(&self, gadget: &Gadget, ids: (u16, u16)) -> Result<Plugged<'_>> {
        let running = match self {
            Self::InProcess(bus) => gadget.start_on(bus, Speed::High)?,
            Self::Kernel(_) => gadget.start_gadgetfs(&GadgetfsOptions::default())?,
        };
        Ok(Plugged {
            world: self,
            host: self.host(),
            running,
            ids,
            dark_port: None,
        })
    }
}

/// A gadget that is plugged in, and the cable it hangs on.
pub(crate) struct Plugged<'world> {
    world: &'world World,
    host: Host,
    running: Running,
    ids: (u16, u16),
    /// The host's port while its power is off, which is how a cable of dummy_hcd is pulled.
    dark_port: Option<HubPort>,
}

impl Plugged<'_> {
    /// Opens the device at the host's end, as soon as the host has it.
    pub(crate) fn open(&self) -> Result<Device> {
        let id = self.wait_for_device()?;
        Ok(self.host.open(&id)?)
    }

    fn wait_for_device(&self) -> Result<DeviceId> {
        let (vendor, product) = self.ids;
        let deadline = Instant::now() + PATIENCE;
        let mut watch = self.host.watch()?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(event) = watch.next_timeout(left)? else {
                bail!("the host did not see {vendor:04x}:{product:04x} within {PATIENCE:?}");
            };
            let HotplugEvent::Arrived(info) = event else {
                continue;
            };
            let wanted = info.vendor_id() == Some(vendor) && info.product_id() == Some(product);
            if wanted && info.active_configuration().is_some() {
                return Ok(info.id().clone());
            }
        }
    }

    /// Pulls the cable, as a hand would: nobody is asked.
    pub(crate) fn pull_cable(&mut self) -> Result<()> {
        match self.world {
            World::InProcess(bus) => bus.cable(self.running.port_name())?.pull(),
            World::Kernel(_) => {
                let port = HubPort::of(&self.wait_for_device()?)?;
                port.disable()?;
                self.dark_port = Some(port);
            }
        }
        Ok(())
    }

    /// Plugs it back in.
    pub(crate) fn plug_cable(&mut self) -> Result<()> {
        match self.world {
            World::InProcess(bus) => bus.cable(self.running.port_name())?.plug(),
            World::Kernel(_) => {
                if let Some(port) = self.dark_port.take() {
                    port.enable()?;
                }
            }
        }
        Ok(())
    }

    /// Takes the gadget off the bus; an error when one of its functions failed meanwhile.
    pub(crate) fn unplug(self) -> Result<()> {
        let failures = self.running.failures();
        self.running.stop();
        if let Some(failure) = failures.first() {
            bail!("the gadget failed: {failure}");
        }
        Ok(())
    }
}

/// How long the tour waits for something that ought to happen at once.
pub(crate) const AT_ONCE: Duration = PATIENCE;
