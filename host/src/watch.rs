//! Devices that come and go.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;

use crate::backend::EventSource;
use crate::{Blocking, DeviceId, DeviceInfo, NextBlocking, WatchError};

/// A device came or went.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HotplugEvent {
    /// A device is there and this process may open it, or on usbfs2 one of its interfaces.
    Arrived(DeviceInfo),
    /// A device reported earlier is gone, or this process may not open it any more.
    Left(DeviceId),
}

/// Devices that come and go: a `for` loop over it blocks, and it is a [`Stream`] for any executor.
///
/// It starts with an [`Arrived`](HotplugEvent::Arrived) for each device present. A device is
/// reported once it can be opened: configured, and its files accessible to this user.
///
/// It never ends; drop it to stop watching.
#[derive(Debug)]
pub struct Watch {
    source: Box<dyn EventSource>,
}

impl Watch {
    pub(crate) fn new(source: Box<dyn EventSource>) -> Self {
        Self { source }
    }

    /// The next event, blocking for at most `timeout`; `None` once it has passed.
    ///
    /// # Errors
    /// The source of events or the list of devices could not be read.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<HotplugEvent>, WatchError> {
        self.source.wait(Some(timeout)).transpose()
    }

    /// The next event, blocking until it comes. It is never `None`.
    pub fn next_blocking(&mut self) -> Option<Result<HotplugEvent, WatchError>> {
        self.source.wait(None)
    }
}

impl NextBlocking for Watch {
    type Item = Result<HotplugEvent, WatchError>;

    fn next_blocking(&mut self) -> Option<Self::Item> {
        Self::next_blocking(self)
    }
}

impl IntoIterator for Watch {
    type Item = Result<HotplugEvent, WatchError>;
    type IntoIter = Blocking<Self>;

    fn into_iter(self) -> Self::IntoIter {
        Blocking::new(self)
    }
}

impl<'a> IntoIterator for &'a mut Watch {
    type Item = Result<HotplugEvent, WatchError>;
    type IntoIter = Blocking<&'a mut Watch>;

    fn into_iter(self) -> Self::IntoIter {
        Blocking::new(self)
    }
}

impl Stream for Watch {
    type Item = Result<HotplugEvent, WatchError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.source.poll_next(cx).map(Some)
    }
}
