//! FunctionFS in a composite gadget, put together by the `usb-gadget` crate.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use usb_gadget::function::Handle;
use usb_gadget::function::custom::Custom;
use usb_gadget::{Class, Config, Gadget, Id, RegGadget, Speed, Strings, Udc};

use crate::world::IDS;

/// The controller that is bus 0's.
const CONTROLLER: &str = "dummy_udc.0";

/// A composite gadget with FunctionFS behind functions of the kernel's. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Composition {
    registered: RegGadget,
    directory: PathBuf,
}

impl Composition {
    /// Puts the composite together and mounts FunctionFS, with the strings every scenario expects.
    pub(crate) fn register(before: impl IntoIterator<Item = Handle>) -> Result<Self> {
        Self::register_as(Id::new(IDS.vendor, IDS.product), None, before)
    }

    /// The same by other numbers, and at no more than `max_speed`.
    pub(crate) fn register_as(
        id: Id,
        max_speed: Option<Speed>,
        before: impl IntoIterator<Item = Handle>,
    ) -> Result<Self> {
        let mut functions = Custom::builder();
        // Descriptors, strings and events are this project's gadget's.
        functions.ffs_no_init = true;
        let (mut functions, handle) = functions.build();
        let mut configuration = Config::new("scenario");
        for function in before {
            configuration.add_function(function);
        }
        let strings = Strings::new("usbfs2", "scenario", "42");
        let mut gadget = Gadget::new(Class::INTERFACE_SPECIFIC, id, strings)
            .with_config(configuration.with_function(handle));
        gadget.max_speed = max_speed;
        let registered = gadget.register().context("compose a gadget in configfs")?;
        Ok(Self {
            directory: functions.ffs_dir()?,
            registered,
        })
    }

    /// Where FunctionFS is mounted.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Puts the composite on bus 0's controller.
    pub(crate) fn bind(&self) -> Result<()> {
        let udc = controller()?;
        let bound = self.registered.bind(Some(&udc));
        bound.with_context(|| format!("put the composite on {CONTROLLER}"))
    }

    /// Takes the composite off its controller.
    pub(crate) fn unbind(&self) -> Result<()> {
        self.registered.bind(None).context("unbind the composite")
    }

    /// Whether the composite is on a controller.
    pub(crate) fn is_bound(&self) -> Result<bool> {
        Ok(self.registered.udc()?.is_some())
    }
}

fn controller() -> Result<Udc> {
    let controllers = usb_gadget::udcs()?;
    controllers
        .into_iter()
        .find(|udc| udc.name() == CONTROLLER)
        .with_context(|| format!("there is no {CONTROLLER}"))
}
