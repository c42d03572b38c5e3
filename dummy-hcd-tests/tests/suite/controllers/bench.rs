//! A controller of QEMU's, and the devices that are plugged into it.

use std::cell::{RefCell, RefMut};
use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context as _, Result};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::qmp::{Monitor, QmpError};
use dummy_hcd_tests::usbfs2::{DeviceFiles, InterfaceFiles};
use dummy_hcd_tests::wait;
use serde_json::{Value, json};
use usbfs2_host::{Device, DeviceId, Host};

use super::Controller;
use crate::world::KernelHost;

/// What the names of all that a test makes in QEMU begin with.
const OURS: &str = "usbfs2-";

/// One controller, and the host's way to its devices.
pub(crate) struct Bench {
    pub(super) controller: Controller,
    kernel_host: KernelHost,
    monitor: RefCell<Monitor>,
}

impl Bench {
    /// The controller as it was at boot: what a test that was killed has left is unplugged.
    pub(crate) fn new(controller: Controller, kernel_host: KernelHost) -> Result<Self> {
        let mut monitor = Monitor::open()?;
        remove_leftovers(&mut monitor)?;
        Ok(Self {
            controller,
            kernel_host,
            monitor: RefCell::new(monitor),
        })
    }

    pub(super) fn host(&self) -> Result<Host> {
        self.kernel_host.connect()
    }

    /// QEMU's monitor.
    pub(super) fn monitor(&self) -> RefMut<'_, Monitor> {
        self.monitor.borrow_mut()
    }

    /// The serial number of what is plugged into `port`, and what QEMU calls it.
    pub(super) fn serial(&self, port: &str) -> String {
        format!("{OURS}{}-{port}", self.controller.name())
    }

    /// Plugs a device of QEMU's `model` into `port` and waits until the kernel has configured it.
    pub(super) fn plug(&self, model: &str, port: &str) -> Result<Plugged<'_>> {
        self.plug_with(model, port, json!({}))
    }

    /// Plugs a disk with `content` for its medium in.
    pub(super) fn plug_disk(&self, port: &str, content: &[u8]) -> Result<Plugged<'_>> {
        let medium = Medium::new(self, port, content, |file| file)?;
        self.plug_medium(port, medium)
    }

    /// Plugs a disk in that cannot read the block at byte `broken`.
    pub(super) fn plug_broken_disk(
        &self,
        port: &str,
        content: &[u8],
        broken: u64,
    ) -> Result<Plugged<'_>> {
        let medium = Medium::new(self, port, content, |file| {
            let fault = json!({
                "event": "none", "iotype": "read", "sector": broken / 512, "errno": libc::EIO,
            });
            json!({ "driver": "blkdebug", "image": file, "inject-error": [fault] })
        })?;
        self.plug_medium(port, medium)
    }

    fn plug_medium(&self, port: &str, medium: Medium) -> Result<Plugged<'_>> {
        let drive = json!({ "drive": medium.node });
        self.add("usb-storage", port, drive, Some(medium))
    }

    /// The same with `properties` of that model's.
    pub(super) fn plug_with(
        &self,
        model: &str,
        port: &str,
        properties: Value,
    ) -> Result<Plugged<'_>> {
        self.add(model, port, properties, None)
    }

    fn add(
        &self,
        model: &str,
        port: &str,
        properties: Value,
        medium: Option<Medium>,
    ) -> Result<Plugged<'_>> {
        let id = self.serial(port);
        let mut arguments = json!({
            "driver": model,
            "id": id,
            // A hub has a serial number of its own making otherwise, others have a constant one.
            "serial": id,
            "bus": format!("{}.0", self.controller.name()),
            "port": port,
        });
        if let (Some(all), Value::Object(more)) = (arguments.as_object_mut(), properties) {
            all.extend(more);
        }
        self.monitor().execute("device_add", arguments.clone())?;
        let mut plugged = Plugged {
            bench: self,
            id,
            arguments,
            is_in: true,
            device: None,
            medium,
        };
        plugged.found()?;
        Ok(plugged)
    }

    /// Sends input events to whatever QEMU sends them to: the keyboard or pointer plugged in last.
    pub(super) fn input(&self, events: &[Value]) -> Result<()> {
        let arguments = json!({ "events": events });
        self.monitor().execute("input-send-event", arguments)?;
        Ok(())
    }

    /// Presses or releases the key of this name (QKeyCode).
    pub(super) fn key(&self, name: &str, down: bool) -> Result<()> {
        let key = json!({ "down": down, "key": { "type": "qcode", "data": name } });
        self.input(&[json!({ "type": "key", "data": key })])
    }
}

/// A device that is plugged in, or was. Removed from QEMU when dropped.
pub(super) struct Plugged<'a> {
    bench: &'a Bench,
    /// What QEMU calls it, which is its serial number too.
    id: String,
    arguments: Value,
    is_in: bool,
    device: Option<SysfsDevice>,
    medium: Option<Medium>,
}

impl Plugged<'_> {
    /// The device as sysfs shows it.
    pub(super) fn sysfs(&self) -> Result<&SysfsDevice> {
        self.device.as_ref().context("it is not plugged in")
    }

    /// The files of its only interface in the module's file system.
    pub(super) fn interface(&self) -> Result<InterfaceFiles> {
        Ok(DeviceFiles::wait(self.sysfs()?.name())?.interface(0))
    }

    /// Opens it.
    pub(super) fn open(&self) -> Result<Device> {
        let host = self.bench.host()?;
        let id = DeviceId::from(self.sysfs()?.name());
        Ok(wait::until("the device can be opened", || {
            host.open(&id).ok()
        })?)
    }

    /// Waits until `driver`, one of the kernel's, has its interface.
    pub(super) fn wait_driver(&self, driver: &str) -> Result<()> {
        Ok(self.sysfs()?.wait_driver(0, driver)?)
    }

    /// Pulls it out, if it is in, and waits until the kernel has noticed.
    pub(super) fn pull(&mut self) -> Result<()> {
        if self.is_in {
            self.remove()?;
        }
        if let Some(device) = self.device.take() {
            device.wait_unplugged()?;
        }
        Ok(())
    }

    /// Pulls it out; the kernel may not have noticed yet.
    pub(super) fn remove(&mut self) -> Result<()> {
        self.is_in = false;
        remove(&mut self.bench.monitor(), &self.id)
    }

    /// It went with the hub it was plugged into; the kernel may not have noticed yet.
    pub(super) fn gone_along(&mut self) -> Result<()> {
        self.is_in = false;
        wait_removed(&mut self.bench.monitor(), &self.id)
    }

    /// Plugs it in again after [`pull`](Self::pull).
    pub(super) fn plug_again(&mut self) -> Result<()> {
        let arguments = self.arguments.clone();
        self.bench.monitor().execute("device_add", arguments)?;
        self.is_in = true;
        self.found()
    }

    /// What is on the disk's medium.
    pub(super) fn content(&self) -> Result<Vec<u8>> {
        let medium = self.medium.as_ref().context("it is no disk")?;
        fs::read(&medium.path).with_context(|| format!("read {}", medium.path.display()))
    }

    fn found(&mut self) -> Result<()> {
        self.device = Some(SysfsDevice::wait_serial(&self.id)?);
        Ok(())
    }
}

impl Drop for Plugged<'_> {
    fn drop(&mut self) {
        let mut removed = self.pull();
        if let Some(medium) = &self.medium {
            let node = json!({ "node-name": medium.node });
            let deleted = self.bench.monitor().execute("blockdev-del", node);
            removed = removed.and(deleted.map(drop).map_err(Into::into));
        }
        // The next test removes it before it begins.
        if let Err(error) = removed {
            eprintln!("unplug {}: {error:#}", self.id);
        }
    }
}

/// A file that QEMU has as a disk's medium.
struct Medium {
    node: String,
    /// Where the guest sees the file.
    path: PathBuf,
}

impl Medium {
    fn new(
        bench: &Bench,
        port: &str,
        content: &[u8],
        wrapped: impl FnOnce(Value) -> Value,
    ) -> Result<Self> {
        let node = format!("{OURS}medium-{}-{port}", bench.controller.name());
        let directory = env::var_os("USBFS2_MEDIA").ok_or(QmpError::NoMonitor)?;
        let path = PathBuf::from(directory).join(&node);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        let file = json!({ "driver": "file", "filename": format!("media/{node}") });
        let mut arguments = wrapped(file);
        arguments["node-name"] = node.as_str().into();
        bench.monitor().execute("blockdev-add", arguments)?;
        Ok(Self { node, path })
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        // It lies in the harness's temporary directory, which goes with the guest.
        let _ = fs::remove_file(&self.path);
    }
}

/// Pulls device `id` and waits until QEMU has let go of it.
fn remove(monitor: &mut Monitor, id: &str) -> Result<()> {
    monitor.execute("device_del", json!({ "id": id }))?;
    wait_removed(monitor, id)
}

fn wait_removed(monitor: &mut Monitor, id: &str) -> Result<()> {
    monitor.wait_event("DEVICE_DELETED", |data| data["device"] == id)?;
    Ok(())
}

fn remove_leftovers(monitor: &mut Monitor) -> Result<()> {
    let devices = monitor.execute("qom-list", json!({ "path": "/machine/peripheral" }))?;
    let mut ids = names(&devices, "name");
    // What hangs on a hub goes before the hub.
    ids.sort_by_key(|id| std::cmp::Reverse(id.len()));
    for id in ids {
        remove(monitor, &id)?;
    }
    let nodes = monitor.execute("query-named-block-nodes", json!({ "flat": true }))?;
    for node in names(&nodes, "node-name") {
        monitor.execute("blockdev-del", json!({ "node-name": node }))?;
    }
    Ok(())
}

/// The names in a list of QEMU's that a test of ours has given.
fn names(list: &Value, key: &str) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|one| one[key].as_str())
        .filter(|name| name.starts_with(OURS))
        .map(str::to_owned)
        .collect()
}
