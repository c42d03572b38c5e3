//! Hot-plug as a list compared with the one before, whenever the system says that something changed.
//!
//! Event sources lose events when a reader is slow, arrive before a device's files may be opened, and
//! say nothing of a device that was replaced while nobody looked. A fresh list has none of these
//! problems, and is cheap at the rate at which people plug devices in.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_io::Async;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::EventSource;
use crate::{DeviceId, DeviceInfo, HotplugEvent, ListError, WatchError};

/// A device that may be opened, and a number that differs for whatever is plugged in there later.
#[derive(Debug)]
pub(super) struct Openable {
    pub(super) plug: u64,
    pub(super) info: DeviceInfo,
}

/// Where changes show.
pub(super) trait Changes: Debug + Send {
    /// For error messages.
    fn name(&self) -> String;
    /// Becomes readable with each change.
    fn fd(&self) -> &Arc<OwnedFd>;
    /// Reads until it is not readable any more.
    fn drain(&mut self) -> io::Result<()>;
    /// The devices that this user may open now.
    fn openable(&self) -> Result<Vec<Openable>, ListError>;
}

/// Compares lists.
#[derive(Debug)]
pub(super) struct Rescan<C> {
    changes: C,
    /// Made by the first async wait; blocking ones need no reactor.
    readiness: Option<Async<Arc<OwnedFd>>>,
    scanned: bool,
    known: BTreeMap<DeviceId, u64>,
    events: VecDeque<HotplugEvent>,
}

impl<C: Changes> Rescan<C> {
    /// The source of changes is open already, so what happens from now on shows.
    pub(super) fn new(changes: C) -> Self {
        Self {
            changes,
            readiness: None,
            scanned: false,
            known: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    fn error(&self, source: io::Error) -> WatchError {
        WatchError::Io {
            source_name: self.changes.name(),
            source,
        }
    }

    fn next_event(&mut self) -> Result<Option<HotplugEvent>, WatchError> {
        if !self.scanned {
            self.scan()?;
        }
        Ok(self.events.pop_front())
    }

    fn changed(&mut self) -> Result<(), WatchError> {
        // First drain: a change after the scan makes the source readable again.
        self.scanned = false;
        self.changes.drain().map_err(|error| self.error(error))
    }

    fn scan(&mut self) -> Result<(), WatchError> {
        let present = self.changes.openable()?;
        self.scanned = true;
        self.known.retain(|id, plug| {
            let stays = present
                .iter()
                .any(|found| found.info.id() == id && found.plug == *plug);
            if !stays {
                self.events.push_back(HotplugEvent::Left(id.clone()));
            }
            stays
        });
        for found in present {
            let id = found.info.id();
            if !self.known.contains_key(id) {
                self.known.insert(id.clone(), found.plug);
                self.events.push_back(HotplugEvent::Arrived(found.info));
            }
        }
        Ok(())
    }

    /// Waits for a change; false when the deadline came first.
    fn sleep(&self, deadline: Option<Instant>) -> io::Result<bool> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // A wait too long for the kernel's clock is one without end.
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut fds = [PollFd::new(self.changes.fd(), PollFlags::IN)];
            match rustix::event::poll(&mut fds, left.as_ref()) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(ready) => return Ok(ready > 0),
            }
        }
    }

    fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WatchError>> {
        let readiness = match &self.readiness {
            Some(readiness) => readiness,
            None => {
                let readiness = Async::new_nonblocking(Arc::clone(self.changes.fd()))
                    .map_err(|error| self.error(error))?;
                self.readiness.insert(readiness)
            }
        };
        ready!(readiness.poll_readable(cx)).map_err(|error| self.error(error))?;
        Poll::Ready(self.changed())
    }
}

impl<C: Changes> EventSource for Rescan<C> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<HotplugEvent, WatchError>> {
        loop {
            if let Some(event) = self.next_event()? {
                return Poll::Ready(Ok(event));
            }
            ready!(self.poll_change(cx))?;
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Result<HotplugEvent, WatchError>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            match self.next_event() {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            match self.sleep(deadline) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(self.error(error))),
            }
            if let Err(error) = self.changed() {
                return Some(Err(error));
            }
        }
    }
}

/// Reads until nothing is left, whatever the text or messages say.
pub(super) fn drain(fd: impl AsFd) -> io::Result<()> {
    let mut discarded = [0; 4096];
    loop {
        match rustix::io::read(&fd, &mut discarded) {
            Ok(0) | Err(Errno::AGAIN) => return Ok(()),
            // A netlink socket that overflowed; the scan sees what the lost messages said.
            Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{PipeWriter, Write};
    use std::sync::Mutex;

    use super::*;
    use crate::device_info::Facts;
    use usbfs2_protocol::descriptor::DescriptorSet;

    const SOON: Duration = Duration::from_secs(10);

    /// Names and plugs of the devices that are there.
    type Present = Arc<Mutex<BTreeMap<&'static str, u64>>>;

    #[derive(Debug)]
    struct Fake {
        changes: Arc<OwnedFd>,
        present: Present,
    }

    impl Changes for Fake {
        fn name(&self) -> String {
            "a pipe".to_owned()
        }

        fn fd(&self) -> &Arc<OwnedFd> {
            &self.changes
        }

        fn drain(&mut self) -> io::Result<()> {
            drain(&self.changes)
        }

        fn openable(&self) -> Result<Vec<Openable>, ListError> {
            let present = self.present.lock().unwrap();
            let openable = present.iter().map(|(name, &plug)| Openable {
                plug,
                info: DeviceInfo::new(Facts {
                    id: DeviceId::new(name),
                    speed: None,
                    descriptors: DescriptorSet::parse(&[]),
                    active_configuration: None,
                    manufacturer: None,
                    product: None,
                    serial_number: None,
                    drivers: BTreeMap::new(),
                }),
            });
            Ok(openable.collect())
        }
    }

    fn watch(devices: &[(&'static str, u64)]) -> (Rescan<Fake>, Present, PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        let changes = OwnedFd::from(reader);
        rustix::io::ioctl_fionbio(&changes, true).unwrap();
        let present = Present::new(Mutex::new(devices.iter().copied().collect()));
        let fake = Fake {
            changes: Arc::new(changes),
            present: Arc::clone(&present),
        };
        (Rescan::new(fake), present, writer)
    }

    fn text(event: Option<Result<HotplugEvent, WatchError>>) -> String {
        match event.expect("no event came").unwrap() {
            HotplugEvent::Arrived(info) => format!("+{}", info.id()),
            HotplugEvent::Left(id) => format!("-{id}"),
        }
    }

    #[test]
    fn differences_between_lists_are_events() {
        let (mut rescan, present, mut writer) = watch(&[("1-1", 1), ("1-2", 2)]);
        assert_eq!(text(rescan.wait(Some(SOON))), "+1-1");
        assert_eq!(text(rescan.wait(Some(SOON))), "+1-2");
        assert!(rescan.wait(Some(Duration::ZERO)).is_none());

        present.lock().unwrap().remove("1-1");
        present.lock().unwrap().insert("1-3", 3);
        writer.write_all(b"one line for both").unwrap();
        assert_eq!(text(rescan.wait(Some(SOON))), "-1-1");
        assert_eq!(text(rescan.wait(Some(SOON))), "+1-3");

        writer.write_all(b"nothing changed").unwrap();
        assert!(rescan.wait(Some(Duration::from_millis(10))).is_none());
    }

    #[test]
    fn a_device_replaced_by_another_leaves_and_arrives() {
        let (mut rescan, present, mut writer) = watch(&[("1-1", 1)]);
        assert_eq!(text(rescan.wait(Some(SOON))), "+1-1");
        present.lock().unwrap().insert("1-1", 2);
        writer.write_all(b"x").unwrap();
        assert_eq!(text(rescan.wait(Some(SOON))), "-1-1");
        assert_eq!(text(rescan.wait(Some(SOON))), "+1-1");
    }

    #[test]
    fn an_async_wait_wakes_for_a_change() {
        let (mut rescan, present, mut writer) = watch(&[]);
        let change = std::thread::spawn(move || {
            present.lock().unwrap().insert("1-1", 1);
            writer.write_all(b"x").unwrap();
            writer
        });
        let event = async_io::block_on(std::future::poll_fn(|cx| rescan.poll_next(cx)));
        assert_eq!(text(Some(event)), "+1-1");
        change.join().unwrap();
    }
}
