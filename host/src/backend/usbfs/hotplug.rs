//! Hot-plug through the kernel's and udev's messages.
//!
//! nusb listens to udev alone, which is silent on machines without it. Permissions that somebody
//! changes by hand send no message: such a device is reported with the next one.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::Access;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::{describe, list, path};
use crate::backend::EventSource;
use crate::backend::rescan::{Changes, Openable, Rescan, drain};
use crate::backend::sysfs::SysfsDevice;
use crate::{ListError, WatchError};

/// The kernel's group says that a device is there and configured, udev's that its permissions are set.
const KERNEL_AND_UDEV: u32 = 1 | 2;

const NAME: &str = "the kernel's uevent socket";

pub(super) fn watch() -> Result<Box<dyn EventSource>, WatchError> {
    let socket = open().map_err(|source| WatchError::Io {
        source_name: NAME.to_owned(),
        source,
    })?;
    Ok(Box::new(Rescan::new(Uevents(Arc::new(socket)))))
}

fn open() -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(netlink::KOBJECT_UEVENT),
    )?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, KERNEL_AND_UDEV))?;
    Ok(socket)
}

/// The messages' content is of no interest, nor who sent them: each makes the list be read again.
#[derive(Debug)]
struct Uevents(Arc<OwnedFd>);

impl Changes for Uevents {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn fd(&self) -> &Arc<OwnedFd> {
        &self.0
    }

    fn drain(&mut self) -> io::Result<()> {
        drain(&self.0)
    }

    fn openable(&self) -> Result<Vec<Openable>, ListError> {
        let devices = list()?;
        let openable = devices.iter().filter_map(|(id, device)| {
            let access = Access::READ_OK | Access::WRITE_OK;
            rustix::fs::access(path(device), access).ok()?;
            let plug = SysfsDevice::new(id).number()?;
            let info = describe(id)?;
            let configured = info.active_configuration().is_some();
            configured.then_some(Openable { plug, info })
        });
        Ok(openable.collect())
    }
}
