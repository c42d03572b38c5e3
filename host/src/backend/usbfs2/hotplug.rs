//! Hot-plug through the mount's `events` file.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::directory::Directory;
use super::{Usbfs2, describe, is_openable};
use crate::backend::EventSource;
use crate::backend::rescan::{Changes, Openable, Rescan, drain};
use crate::{ListError, WatchError};

pub(super) fn watch(backend: &Usbfs2) -> Result<Box<dyn EventSource>, WatchError> {
    let path = backend.mount.join("events");
    // Each opener has a cursor of its own, so reading here takes nothing from anybody.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let events = rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| WatchError::Io {
        source_name: path.display().to_string(),
        source: errno.into(),
    })?;
    Ok(Box::new(Rescan::new(Events {
        events: Arc::new(events),
        backend: backend.clone(),
    })))
}

#[derive(Debug)]
struct Events {
    events: Arc<OwnedFd>,
    backend: Usbfs2,
}

impl Changes for Events {
    fn name(&self) -> String {
        self.backend.mount.join("events").display().to_string()
    }

    fn fd(&self) -> &Arc<OwnedFd> {
        &self.events
    }

    fn drain(&mut self) -> io::Result<()> {
        drain(&self.events)
    }

    fn openable(&self) -> Result<Vec<Openable>, ListError> {
        let names = self.backend.names()?;
        let openable = names.iter().filter_map(|id| {
            // Each plug has a directory of its own.
            let directory = Directory::open(&self.backend.path(id)).ok()?;
            let plug = directory.number().ok()?;
            let info = describe(id, Some(&directory))?;
            let ready = info.active_configuration().is_some() && is_openable(&directory, &info);
            ready.then_some(Openable { plug, info })
        });
        Ok(openable.collect())
    }
}
