//! A composite gadget in configfs with one function in it: FunctionFS, for a gadget of ours.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use usb_gadget::function::custom::Custom;
use usb_gadget::{Class, Config, Id, RegGadget, Strings};
use usbfs2_gadget::MachineUdc;

use super::leftovers::Owner;
use super::{Identity, MANUFACTURER};

/// A gadget of ours in configfs; removed when dropped, its mount too.
pub(super) struct Composite {
    registered: RegGadget,
    /// Holds the function's side of the mount.
    _place: Custom,
    directory: PathBuf,
}

impl Composite {
    /// Makes it, and mounts FunctionFS for it.
    pub(super) fn register(identity: &Identity) -> Result<Self> {
        let mut place = Custom::builder();
        // Descriptors, strings and files are the gadget's affair.
        place.ffs_no_init = true;
        let (mut place, function) = place.build();
        let strings = Strings::new(
            MANUFACTURER,
            identity.name,
            identity.serial_number.unwrap_or_default(),
        );
        let configuration = Config::new(identity.name).with_function(function);
        let mut gadget = usb_gadget::Gadget::new(
            Class::INTERFACE_SPECIFIC,
            Id::new(identity.vendor, identity.product),
            strings,
        )
        .with_config(configuration);
        // Whose it is, for whoever finds it later.
        gadget.name = Some(Owner::this_process()?.gadget_name());
        let registered = gadget.register().context(
            "cannot make a gadget in configfs: run as root, with libcomposite and usb_f_fs \
             (CONFIG_USB_CONFIGFS_F_FS) loaded and configfs mounted at /sys/kernel/config",
        )?;
        let directory = place
            .ffs_dir()
            .context("FunctionFS is not mounted for the gadget")?;
        Ok(Self {
            registered,
            _place: place,
            directory,
        })
    }

    /// Its name in configfs.
    pub(super) fn name(&self) -> String {
        self.registered.name().to_string_lossy().into_owned()
    }

    pub(super) fn functionfs_directory(&self) -> &Path {
        &self.directory
    }

    /// Puts it on the first controller that is free, and says which.
    pub(super) fn bind(&self) -> Result<String> {
        let machine = MachineUdc::all().context("cannot read /sys/class/udc")?;
        let mut free = machine.iter().filter(|udc| udc.function().is_none());
        let Some(free) = free.next() else {
            match machine.as_slice() {
                [] => bail!(
                    "this machine has no device controller: without hardware, modprobe dummy_hcd"
                ),
                _ => bail!(
                    "no device controller is free: stop the gadget listed by: cat /sys/class/udc/*/function"
                ),
            }
        };
        let controllers = usb_gadget::udcs().context("cannot list device controllers")?;
        let mut controllers = controllers.iter();
        let controller = controllers.find(|udc| udc.name().to_str() == Some(free.name()));
        let controller = controller.context("the device controller has gone")?;
        self.registered.bind(Some(controller))?;
        Ok(free.name().to_owned())
    }

    /// Takes it away. Its functions must have stopped.
    pub(super) fn remove(self) -> Result<()> {
        let name = self.name();
        self.registered.remove().with_context(|| {
            format!("cannot remove {name} from configfs: see `usbfs2 gadget clean`")
        })
    }
}
