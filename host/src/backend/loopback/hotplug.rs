//! Devices coming and going on an in-process bus.

use std::collections::HashSet;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use usbfs2_loopback::{BusWatch, PlugId, WatchEvent};

use super::describe::Describer;
use crate::backend::EventSource;
use crate::{DeviceId, HotplugEvent, WatchError};

/// Reports a device once it has answered enumeration.
#[derive(Debug)]
pub(super) struct Hotplug {
    events: BusWatch,
    describer: Describer,
    reported: HashSet<PlugId>,
}

impl Hotplug {
    pub(super) fn new(events: BusWatch, describer: Describer) -> Self {
        Self {
            events,
            describer,
            reported: HashSet::new(),
        }
    }

    /// The event to report, if this is one. Blocks while an arrived device answers enumeration.
    fn report(&mut self, event: WatchEvent) -> Option<HotplugEvent> {
        match event {
            WatchEvent::Arrived(device) => match self.describer.describe(&device) {
                Ok(info) => {
                    self.reported.insert(device.plug_id());
                    Some(HotplugEvent::Arrived(info))
                }
                Err(error) => {
                    log::warn!("device {} is not reported: {error}", device.name());
                    None
                }
            },
            WatchEvent::Left { name, plug } => self
                .reported
                .remove(&plug)
                .then(|| HotplugEvent::Left(DeviceId::new(&name))),
            _ => None,
        }
    }
}

impl EventSource for Hotplug {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<HotplugEvent, WatchError>> {
        loop {
            let event = ready!(self.events.poll_next(cx));
            if let Some(report) = self.report(event) {
                return Poll::Ready(Ok(report));
            }
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Result<HotplugEvent, WatchError>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let event = self.events.wait(left)?;
            if let Some(report) = self.report(event) {
                return Some(Ok(report));
            }
        }
    }
}
