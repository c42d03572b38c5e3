//! Who watches the eventfd while a task sleeps.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::sys::EventFd;

/// The event loop that wakes tasks waiting for completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reactor {
    /// async-io's, which works below any executor: its own thread runs it where nobody else does. The default.
    #[cfg(feature = "async-io")]
    AsyncIo,
    /// That of the tokio runtime in which the first task sleeps. The default where async-io is not built in.
    #[cfg(feature = "tokio")]
    Tokio,
}

impl Default for Reactor {
    fn default() -> Self {
        #[cfg(feature = "async-io")]
        return Self::AsyncIo;
        #[cfg(not(feature = "async-io"))]
        return Self::Tokio;
    }
}

/// What a context knows of the reactor it sleeps on.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    reactor: Reactor,
    /// Made when a task first has to sleep: blocking use needs no reactor.
    registration: Option<Registration>,
    /// A completion was taken since the eventfd was last cleared for the reactor: it may be readable.
    pub(crate) signalled: bool,
    alarm: Option<(Instant, Alarm)>,
}

impl Sleeper {
    pub(crate) fn on(reactor: Reactor) -> Self {
        Self {
            reactor,
            ..Self::default()
        }
    }

    pub(crate) fn registration(&mut self, event_fd: &Arc<EventFd>) -> io::Result<&Registration> {
        let registration = match self.registration.take() {
            Some(registration) => registration,
            None => Registration::new(self.reactor, Arc::clone(event_fd))?,
        };
        Ok(self.registration.insert(registration))
    }

    /// Ready at `deadline`; else the task is woken then.
    pub(crate) fn poll_alarm(
        &mut self,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.alarm = None;
            return Poll::Pending;
        };
        let alarm = match self.alarm.take() {
            Some((at, alarm)) if at == deadline => alarm,
            _ => Alarm::new(self.reactor, deadline),
        };
        self.alarm.insert((deadline, alarm)).1.poll(cx)
    }
}

/// A point in time known to a reactor.
#[derive(Debug)]
enum Alarm {
    #[cfg(feature = "async-io")]
    AsyncIo(async_io::Timer),
    #[cfg(feature = "tokio")]
    Tokio(Pin<Box<tokio::time::Sleep>>),
}

impl Alarm {
    fn new(reactor: Reactor, deadline: Instant) -> Self {
        match reactor {
            #[cfg(feature = "async-io")]
            Reactor::AsyncIo => Self::AsyncIo(async_io::Timer::at(deadline)),
            #[cfg(feature = "tokio")]
            Reactor::Tokio => Self::Tokio(Box::pin(tokio::time::sleep_until(deadline.into()))),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            #[cfg(feature = "async-io")]
            Self::AsyncIo(timer) => Pin::new(timer).poll(cx).map(drop),
            #[cfg(feature = "tokio")]
            Self::Tokio(sleep) => sleep.as_mut().poll(cx),
        }
    }
}

/// An eventfd known to a reactor.
#[derive(Debug)]
pub(crate) enum Registration {
    #[cfg(feature = "async-io")]
    AsyncIo(async_io::Async<Arc<EventFd>>),
    #[cfg(feature = "tokio")]
    Tokio(tokio::io::unix::AsyncFd<Arc<EventFd>>),
}

impl Registration {
    pub(crate) fn new(reactor: Reactor, event_fd: Arc<EventFd>) -> io::Result<Self> {
        match reactor {
            #[cfg(feature = "async-io")]
            Reactor::AsyncIo => Ok(Self::AsyncIo(async_io::Async::new_nonblocking(event_fd)?)),
            #[cfg(feature = "tokio")]
            Reactor::Tokio => Ok(Self::Tokio(crate::sys::register_with_tokio(event_fd)?)),
        }
    }

    /// Ready when the eventfd may have been signalled since the last time; else the task is woken when it is.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            #[cfg(feature = "async-io")]
            Self::AsyncIo(event_fd) => event_fd.poll_readable(cx),
            // The guard forgets the readiness it saw, not one that arrives while the caller drains the eventfd.
            #[cfg(feature = "tokio")]
            Self::Tokio(event_fd) => event_fd
                .poll_read_ready(cx)
                .map_ok(|mut guard| guard.clear_ready()),
        }
    }
}
