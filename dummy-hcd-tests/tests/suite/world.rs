//! The worlds a scenario runs in, behind one face.

use anyhow::{Context as _, Result};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::{usbfs2, wait};
use usbfs2_gadget::{
    DeviceIds, FunctionfsOptions, Gadget, GadgetBuilder, GadgetfsOptions, Running,
};
use usbfs2_host::{Device, Host, HubPort, OpenError, Speed};
use usbfs2_loopback::Bus;

use crate::composition::Composition;

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
    /// Over gadgetfs and dummy_hcd.
    Kernel(KernelHost),
    /// Over FunctionFS, in a composite gadget, and dummy_hcd.
    Composite(KernelHost),
}

/// The host's way to the devices of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KernelHost {
    /// The endpoint files of the module.
    Usbfs2,
    /// The kernel's classic usbfs.
    Usbfs,
}

impl KernelHost {
    /// Every way, for tests that run once on each.
    pub(crate) const ALL: [Self; 2] = [Self::Usbfs2, Self::Usbfs];

    /// What names of tests begin with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Usbfs2 => "usbfs2",
            Self::Usbfs => "usbfs",
        }
    }

    /// The host over it.
    pub(crate) fn connect(self) -> Result<Host> {
        Ok(match self {
            Self::Usbfs2 => Host::usbfs2(usbfs2::MOUNT.as_ref())?,
            Self::Usbfs => Host::usbfs()?,
        })
    }
}

impl World {
    /// A gadget with the strings every scenario expects.
    pub(crate) fn gadget() -> GadgetBuilder {
        Gadget::builder(IDS)
            .manufacturer("usbfs2")
            .product("scenario")
            .serial_number("42")
    }

    /// The host's end.
    pub(crate) fn host(&self) -> Result<Host> {
        match self {
            Self::Loopback(bus) => Ok(Host::on(bus)),
            Self::Kernel(host) | Self::Composite(host) => host.connect(),
        }
    }

    /// Waits until the host lists the gadget, and opens it.
    pub(crate) fn open(&self) -> Result<Device> {
        open(&self.host()?)
    }

    /// Starts `gadget` and opens it from the host's end.
    pub(crate) fn connect(&self, gadget: &Gadget) -> Result<Connected> {
        let running = match self {
            Self::Loopback(bus) => gadget.start_on(bus, Speed::High)?,
            Self::Kernel(_) => gadget.start_gadgetfs(&GadgetfsOptions::default())?,
            Self::Composite(_) => return self.connect_in(Composition::register([])?, gadget),
        };
        self.meet(running, None)
    }

    /// Starts the functions of `gadget` in a composite and opens that from the host's end.
    pub(crate) fn connect_in(
        &self,
        composition: Composition,
        gadget: &Gadget,
    ) -> Result<Connected> {
        let options = FunctionfsOptions::new(composition.directory());
        let running = gadget.start_functionfs(&options)?;
        composition.bind()?;
        self.meet(running, Some(composition))
    }

    fn meet(&self, running: Running, composition: Option<Composition>) -> Result<Connected> {
        let host = self.host()?;
        let device =
            open(&host).with_context(|| format!("the gadget said {:?}", running.failures()))?;
        let cable = match self {
            Self::Loopback(bus) => Cable::Bus(bus.cable(running.port_name())?),
            Self::Kernel(_) | Self::Composite(_) => Cable::Port(HubPort::of(device.info().id())?),
        };
        Ok(Connected {
            device,
            host,
            cable,
            running,
            composition,
        })
    }

    /// Waits until a driver of the kernel's has interface `number`, where there is a kernel.
    pub(crate) fn wait_for_kernel_driver(&self, number: u8, driver: &str) -> Result<()> {
        match self {
            Self::Loopback(_) => {}
            Self::Kernel(_) | Self::Composite(_) => {
                SysfsDevice::wait(0)?.wait_driver(number, driver)?;
            }
        }
        Ok(())
    }
}

/// A gadget that runs, and the host's view of it. Unplugged when dropped.
pub(crate) struct Connected {
    // The host lets go before the gadget goes.
    pub(crate) device: Device,
    host: Host,
    cable: Cable,
    pub(crate) running: Running,
    // The functions go before what they are in.
    composition: Option<Composition>,
}

impl Connected {
    /// The cable, for whoever pulls it.
    pub(crate) fn cable(&self) -> &Cable {
        &self.cable
    }

    /// The composite the gadget's functions are in.
    pub(crate) fn composition(&self) -> Result<&Composition> {
        self.composition.as_ref().context("no composite")
    }

    /// Opens the device, which is a new one.
    pub(crate) fn reopen(&mut self) -> Result<()> {
        self.device = open(&self.host)
            .with_context(|| format!("the gadget said {:?}", self.running.failures()))?;
        Ok(())
    }

    /// Opens the device once more, as another program would.
    pub(crate) fn open_again(&self) -> Result<Device> {
        open(&self.host)
    }

    /// Opens what is plugged in now where the device was, if anything is.
    pub(crate) fn open_once(&self) -> Result<Device, OpenError> {
        self.host.open(self.device.info().id())
    }

    /// Plugs the cable in and opens the device, which is a new one.
    pub(crate) fn plug(&mut self) -> Result<()> {
        self.cable.plug()?;
        self.reopen()
    }
}

/// The cable between host and gadget.
#[derive(Debug, Clone)]
pub(crate) enum Cable {
    Bus(usbfs2_loopback::Cable),
    Port(HubPort),
}

impl Cable {
    /// Pulls the cable out; the host has noticed when this returns.
    pub(crate) fn pull(&self) -> Result<()> {
        match self {
            Self::Bus(cable) => cable.pull(),
            Self::Port(port) => port.disable()?,
        }
        Ok(())
    }

    fn plug(&self) -> Result<()> {
        match self {
            Self::Bus(cable) => cable.plug(),
            Self::Port(port) => port.enable()?,
        }
        Ok(())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        // The port is the machine's: the next test finds it as this one did.
        if let Cable::Port(port) = &self.cable
            && let Err(error) = port.enable()
        {
            eprintln!("{error}");
        }
    }
}

/// Waits until the host lists the gadget, and opens it.
fn open(host: &Host) -> Result<Device> {
    let id = wait::until("the host lists the gadget", || {
        let devices = host.devices().ok()?;
        let ours = devices.iter().find(|info| {
            info.vendor_id() == Some(IDS.vendor) && info.product_id() == Some(IDS.product)
        })?;
        ours.active_configuration()?;
        Some(ours.id().clone())
    })?;
    Ok(wait::until("the gadget can be opened", || {
        host.open(&id).ok()
    })?)
}
