//! The devices on the other end: gadgets of the kernel's, and this project's own on FunctionFS and gadgetfs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::composite::{GADGET_ZERO, KernelFunction, KernelGadget};
use usb_gadget::function::custom::Custom;
use usb_gadget::{Class, Config, Id, RegGadget, Strings, Udc};
use usbfs2_gadget::{
    Buffer, ControlRequest, ControlResponse, DeviceIds, Direction, EndpointRequest, Endpoints,
    Function, FunctionBuilder, FunctionError, FunctionfsOptions, GadgetfsOptions, InterfaceClass,
    Running,
};

use crate::HAS_STARTED;
use crate::arguments::Kind;
use crate::stream::ISOCHRONOUS_PACKET;

/// Whose gadget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    Kernel,
    Functionfs,
    Gadgetfs,
}

/// A gadget that stays when its cable is pulled.
pub(super) enum Gadget {
    Kernel(KernelGadget),
    Functionfs {
        composite: RegGadget,
        controller: Udc,
        running: Running,
    },
    Gadgetfs {
        gadget: usbfs2_gadget::Gadget,
        /// None when it could not be plugged in again.
        running: Mutex<Option<Running>>,
    },
}

/// While one gadget is between two controllers, as it were, gadgetfs must not look for one that is free.
static BINDING: Mutex<()> = Mutex::new(());

impl Gadget {
    pub(super) fn bind(bus: u8, kind: Kind, maker: Maker) -> Result<Self> {
        let function = match (maker, kind) {
            (Maker::Functionfs, _) => return echo_on_functionfs(bus),
            (Maker::Gadgetfs, _) => return echo_on_gadgetfs(),
            (Maker::Kernel, Kind::SourceSink) => KernelFunction::source_sink(1, 4096, 16)
                .with("isoc_interval", "4")
                .with("isoc_maxpacket", ISOCHRONOUS_PACKET.to_string()),
            (Maker::Kernel, Kind::Loopback) => KernelFunction::loopback(),
        };
        let gadget = KernelGadget::bind(bus, GADGET_ZERO, &[function])?;
        Ok(Self::Kernel(gadget))
    }

    /// After its cable was pulled.
    pub(super) fn plug_again(&self) -> Result<()> {
        let _binding = locked(&BINDING);
        match self {
            Self::Kernel(gadget) => Ok(gadget.plug_again()?),
            Self::Gadgetfs { gadget, running } => {
                let mut running = locked(running);
                if let Some(running) = running.take() {
                    well(&running)?;
                    running.stop();
                }
                *running = Some(gadget.start_gadgetfs(&GadgetfsOptions::default())?);
                Ok(())
            }
            Self::Functionfs {
                composite,
                controller,
                ..
            } => {
                composite.bind(None).context("unbind our gadget")?;
                let bound = composite.bind(Some(controller));
                bound.context("bind our gadget again")
            }
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        !matches!(self, Self::Kernel(_))
    }

    /// Whether all has gone well with it.
    pub(super) fn judge(&self) -> Result<()> {
        match self {
            Self::Kernel(_) => Ok(()),
            Self::Functionfs { running, .. } => well(running),
            Self::Gadgetfs { running, .. } => match &*locked(running) {
                Some(running) => well(running),
                None => bail!("our gadget on gadgetfs is not running"),
            },
        }
    }
}

fn well(running: &Running) -> Result<()> {
    let failures = running.failures();
    ensure!(failures.is_empty(), "our gadget: {failures:?}");
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What it receives it sends back, transfer by transfer: a Loopback.
#[derive(Debug, Default)]
struct Echo {
    /// How often the host has had it start.
    prepared: AtomicU64,
    /// How often it had when the last run began.
    running: AtomicU64,
}

impl Function for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::In));
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
    }

    /// Behind the events that came before the request, as is `prepare`: both run on endpoint 0's thread.
    fn control(&self, request: &ControlRequest) -> ControlResponse {
        if u64::from(request.setup.request) != HAS_STARTED {
            return ControlResponse::Stall;
        }
        let running = self.running.load(Ordering::SeqCst);
        let has_started = running == self.prepared.load(Ordering::SeqCst);
        ControlResponse::Data(vec![has_started.into()])
    }

    fn prepare(&self, _: &mut Endpoints) {
        self.prepared.fetch_add(1, Ordering::SeqCst);
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        // Where that is more than this run's, its endpoints are disabled and give it nothing.
        let prepared = self.prepared.load(Ordering::SeqCst);
        self.running.store(prepared, Ordering::SeqCst);
        let mut input = endpoints.take(0)?;
        let mut output = endpoints.take(1)?;
        let mut buffer = Buffer::with_capacity(4096);
        loop {
            buffer = output.read(buffer)?;
            buffer = input.write(buffer)?;
        }
    }
}

fn echo() -> Result<usbfs2_gadget::Gadget> {
    let (vendor, product) = GADGET_ZERO;
    let ids = DeviceIds {
        vendor,
        product,
        release: 0x0100,
    };
    let builder = usbfs2_gadget::Gadget::builder(ids).function(Arc::new(Echo::default()));
    Ok(builder.build()?)
}

/// On the one controller that is free: whoever waits for the device sees whether it is the right one.
fn echo_on_gadgetfs() -> Result<Gadget> {
    let gadget = echo()?;
    let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
    Ok(Gadget::Gadgetfs {
        gadget,
        running: Mutex::new(Some(running)),
    })
}

fn echo_on_functionfs(bus: u8) -> Result<Gadget> {
    let (vendor, product) = GADGET_ZERO;
    let mut functions = Custom::builder();
    // Descriptors and events are this project's.
    functions.ffs_no_init = true;
    let (mut functions, handle) = functions.build();
    let strings = Strings::new("usbfs2", "stress", "0123456789AB");
    let id = Id::new(vendor, product);
    let composite = usb_gadget::Gadget::new(Class::INTERFACE_SPECIFIC, id, strings)
        .with_config(Config::new("stress").with_function(handle))
        .register()
        .context("compose our gadget in configfs")?;
    let gadget = echo()?;
    let options = FunctionfsOptions::new(functions.ffs_dir()?);
    let running = gadget.start_functionfs(&options)?;
    let name = format!("dummy_udc.{bus}");
    let controllers = usb_gadget::udcs()?;
    let mut controllers = controllers.into_iter();
    let controller = controllers.find(|udc| udc.name() == name.as_str());
    let controller = controller.with_context(|| format!("there is no {name}"))?;
    composite
        .bind(Some(&controller))
        .with_context(|| format!("put our gadget on {name}"))?;
    Ok(Gadget::Functionfs {
        composite,
        controller,
        running,
    })
}
