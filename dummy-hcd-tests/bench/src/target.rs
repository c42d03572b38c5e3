//! The device under test, by every name the stacks know it by.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::bench_row::Direction;
use dummy_hcd_tests::wait;

/// A plugged-in device; all is about its interface 0.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// usbcore's name for it: "1-1".
    name: String,
}

impl Target {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn sysfs(&self) -> PathBuf {
        Path::new("/sys/bus/usb/devices").join(&self.name)
    }

    fn interface(&self) -> PathBuf {
        self.sysfs().join(format!("{}:1.0", self.name))
    }

    fn number(&self, attribute: &str) -> Result<u32> {
        let path = self.sysfs().join(attribute);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        text.trim()
            .parse()
            .with_context(|| format!("{} holds {text:?}", path.display()))
    }

    /// The file of classic usbfs.
    pub(crate) fn usbfs_node(&self) -> Result<PathBuf> {
        let (bus, device) = (self.number("busnum")?, self.number("devnum")?);
        Ok(format!("/dev/bus/usb/{bus:03}/{device:03}").into())
    }

    /// The address of the one endpoint of this direction.
    pub(crate) fn endpoint(&self, direction: Direction) -> Result<u8> {
        let entries = fs::read_dir(self.interface()).context("the interface is gone")?;
        let addresses = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            u8::from_str_radix(name.to_str()?.strip_prefix("ep_")?, 16).ok()
        });
        let mut fitting =
            addresses.filter(|address| (address & 0x80 != 0) == (direction == Direction::In));
        fitting
            .next()
            .with_context(|| format!("interface 0 has no endpoint {direction}"))
    }

    /// The endpoint's file in the module's tree.
    pub(crate) fn endpoint_file(&self, direction: Direction) -> Result<PathBuf> {
        let name = format!("ep{:02x}", self.endpoint(direction)?);
        Ok(Path::new("/dev/usbfs2")
            .join(&self.name)
            .join("1.0")
            .join(name))
    }

    /// The device's control pipe in the module's tree.
    pub(crate) fn control_file(&self) -> PathBuf {
        Path::new("/dev/usbfs2").join(&self.name).join("ep00")
    }

    /// Gives the interface to `driver`, or to none.
    pub(crate) fn bind(&self, driver: Option<&str>) -> Result<()> {
        let link = self.interface().join("driver");
        let bound = fs::read_link(&link).ok();
        let bound = bound
            .as_deref()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str());
        if bound == driver {
            return Ok(());
        }
        let interface = format!("{}:1.0", self.name);
        if bound.is_some() {
            fs::write(link.join("unbind"), &interface).context("unbind the interface's driver")?;
        }
        let Some(driver) = driver else {
            return Ok(());
        };
        let path = Path::new("/sys/bus/usb/drivers").join(driver).join("bind");
        fs::write(&path, &interface).with_context(|| format!("write {}", path.display()))?;
        ensure!(link.exists(), "{driver} did not take the interface");
        Ok(())
    }

    /// Waits for the file in /dev that a driver made for the interface, of this class in sysfs and this prefix.
    pub(crate) fn node(&self, class: &str, prefix: &str) -> Result<PathBuf> {
        let what = format!("{} has a {prefix} node", self.name);
        let found = wait::until(&what, || {
            let entries = fs::read_dir(Path::new("/sys").join(class)).ok()?;
            entries.flatten().find_map(|entry| {
                let target = fs::canonicalize(entry.path()).ok()?;
                let ours = target
                    .components()
                    .any(|part| part.as_os_str() == self.name.as_str());
                let node = Path::new("/dev").join(entry.file_name());
                let named = entry.file_name().to_string_lossy().starts_with(prefix);
                (ours && named && node.exists()).then_some(node)
            })
        });
        Ok(found?)
    }
}
