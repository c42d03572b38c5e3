//! The other end of a dry run: the host's side of a bus inside this process.

use std::thread::JoinHandle;
use std::{fmt, thread};

use anyhow::Result;
use usbfs2_host::Host;
use usbfs2_loopback::Bus;
use usbfs2_protocol::standard::class;

use crate::args::{DiskArgs, DiskCommand, HidCommand, HidDeviceArgs, HidMonitorArgs, JsonArgs};
use crate::output::{note, say};
use crate::{audio, disk, hid, interrupt, list};

const NO_JSON: JsonArgs = JsonArgs { json: false };

/// A host that shows what it sees.
pub(super) struct HostView {
    host: Host,
    port: String,
    /// Whether it has looked.
    has_looked: bool,
    /// Prints what a HID device sends.
    monitor: Option<JoinHandle<Result<()>>>,
}

impl fmt::Debug for HostView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostView")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl HostView {
    pub(super) fn new(bus: &Bus, port: &str) -> Self {
        Self {
            host: Host::on(bus),
            port: port.to_owned(),
            has_looked: false,
            monitor: None,
        }
    }

    /// Enumerates the device and prints its descriptors, and what our driver for it makes of it: once.
    pub(super) fn look(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.has_looked, true) {
            return Ok(());
        }
        say!("The host sees:")?;
        let devices = self.host.devices()?;
        let device = devices.iter().find(|info| info.id().as_str() == self.port);
        let Some(info) = device else {
            anyhow::bail!("the host does not see the device");
        };
        list::print_device(info)?;
        let configurations = info.configurations().iter().flatten();
        let interfaces = configurations.flat_map(|one| &one.interfaces);
        let settings = interfaces.flat_map(|one| &one.alternate_settings);
        let classes: Vec<u8> = settings.map(|setting| setting.class).collect();
        if classes.contains(&class::MASS_STORAGE) {
            say!("Its driver for disks reads:")?;
            let disk = DiskArgs {
                device: self.port.clone(),
                lun: 0,
            };
            let output = NO_JSON;
            disk::run(&self.host, &DiskCommand::Info { disk, output })?;
        }
        if classes.contains(&class::AUDIO) {
            say!("Its driver for sound cards reads:")?;
            audio::describe(&self.host, info)?;
        }
        if classes.contains(&class::HID) {
            note!("what the device sends follows");
            let host = self.host.clone();
            let port = self.port.clone();
            self.monitor = Some(thread::spawn(move || monitor(&host, port)));
        }
        Ok(())
    }

    /// Waits for what it has begun, which Ctrl-C has ended.
    pub(super) fn end(self) -> Result<()> {
        let Some(monitor) = self.monitor else {
            return Ok(());
        };
        if !interrupt::requested() {
            // The gadget failed; the monitor ends with its device.
            return Ok(());
        }
        monitor
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the monitor of the device panicked")))
    }
}

fn monitor(host: &Host, device: String) -> Result<()> {
    let args = HidMonitorArgs {
        device: HidDeviceArgs {
            device: Some(device),
            interface: None,
        },
        raw: false,
        repeat: false,
        count: None,
        output: NO_JSON,
    };
    hid::run(host, &HidCommand::Monitor(args))
}
