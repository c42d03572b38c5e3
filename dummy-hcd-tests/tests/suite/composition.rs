//! FunctionFS in a composite gadget, put together by the `usb-gadget` crate.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use usb_gadget::function::Handle;
use usb_gadget::function::custom::Custom;
use usb_gadget::{Class, Config, Gadget, Id, RegGadget, Strings, Udc};

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
        let mut functions = Custom::builder();
        // Descriptors, strings and events are this project's gadget's.
        functions.ffs_no_init = true;
        let (mut functions, handle) = functions.build();
        let mut configuration = Config::new("scenario");
        for function in before {
            configuration.add_function(function);
        }
        let registered = Gadget::new(
            Class::INTERFACE_SPECIFIC,
            Id::new(IDS.vendor, IDS.product),
            Strings::new("usbfs2", "scenario", "42"),
        )
        .with_config(configuration.with_function(handle))
        .register()
        .context("compose a gadget in configfs")?;
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
