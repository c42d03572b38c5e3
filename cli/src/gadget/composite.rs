//! A composite gadget in configfs with one function in it: FunctionFS, for a gadget of ours.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use usb_gadget::function::custom::Custom;
use usb_gadget::{Class, Config, Id, RegGadget, Strings};
use usbfs2_gadget::{FunctionfsOptions, Keeper, MachineUdc};

use super::leftovers::{self, Owner};
use super::{Identity, MANUFACTURER};

/// A gadget of ours in configfs; removed when dropped, its mount too, unless it was taken over: then it is left to
/// `usbfs2 gadget clean`, or the next run, if it is not removed.
pub(super) struct Composite {
    registered: RegGadget,
    /// Holds the function's side of the mount, where it was made here.
    _place: Option<Custom>,
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
            _place: Some(place),
            directory,
        })
    }

    /// The one that a run of the same gadget has left, which was killed and whose functions the keeper has.
    pub(super) fn kept(identity: &Identity, keeper: &Keeper) -> Result<Option<Self>> {
        for registered in leftovers::without_process()? {
            let Some(directory) = mount_of(&registered)? else {
                continue;
            };
            let options = FunctionfsOptions::new(&directory).keeper(Some(keeper.clone()));
            if options.is_kept() && is_of(&registered, identity) {
                return Ok(Some(Self {
                    registered,
                    _place: None,
                    directory,
                }));
            }
        }
        Ok(None)
    }

    /// Its name in configfs.
    pub(super) fn name(&self) -> String {
        self.registered.name().to_string_lossy().into_owned()
    }

    pub(super) fn functionfs_directory(&self) -> &Path {
        &self.directory
    }

    /// Puts it on the first controller that is free, and says which it is on; one that was taken over is on its own.
    pub(super) fn bind(&self) -> Result<String> {
        if let Some(controller) = self.registered.udc()? {
            return Ok(controller.to_string_lossy().into_owned());
        }
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

/// Where FunctionFS is mounted for its function, by usb-gadget.
fn mount_of(registered: &RegGadget) -> Result<Option<PathBuf>> {
    let functions = registered
        .functions()
        .context("cannot list a gadget's functions in configfs")?;
    let function = functions.iter().find(|one| one.driver() == "ffs");
    let name = function.map(|one| format!("ffs-{}", one.instance()));
    Ok(name.map(|name| Path::new("/dev").join(name)))
}

/// Whether hosts know it by this identity.
fn is_of(registered: &RegGadget, identity: &Identity) -> bool {
    let number = |name: &str| {
        let text = fs::read_to_string(registered.path().join(name)).ok()?;
        u16::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
    };
    let ids = [number("idVendor"), number("idProduct")];
    ids == [Some(identity.vendor), Some(identity.product)]
}
