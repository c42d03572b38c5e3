//! The queue of operations one user works with.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
#[cfg(any(feature = "async-io", feature = "tokio"))]
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use crate::aio::Table;
use crate::deadlines::Deadlines;
#[cfg(any(feature = "async-io", feature = "tokio"))]
use crate::reactor::{Reactor, Sleeper};
use crate::sys::EventFd;
use crate::{
    CancelOutcome, Completion, Engine, Operation, OperationId, PrepareError, SetupError,
    SubmitError,
};

/// A queue of operations in the kernel, with room for a fixed number of them.
///
/// [`prepare`](Self::prepare) takes operations, [`submit`](Self::submit) hands all of them to the kernel in one system
/// call, and [`try_next`](Self::try_next), [`wait`](Self::wait), [`wait_many`](Self::wait_many) and
/// [`poll_next`](Self::poll_next) take completions, in the order the kernel finishes them. Every operation prepared
/// has exactly one completion, whatever happens to it.
///
/// # Cancellation
/// [`cancel`](Self::cancel) asks; the completion still comes. Dropping the context cancels what is in flight and
/// returns when the kernel is done with it; completions not taken are lost, no memory is
/// freed early. That is quick for what can be cancelled, and waits for the disk on ordinary files.
///
/// # Fork
/// A context belongs to the process that made it. In a child of fork(2) it takes no operations, has no
/// completions, and may be dropped.
#[derive(Debug)]
pub struct Context {
    table: Table,
    deadlines: Deadlines,
    event_fd: Arc<EventFd>,
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    sleeper: Sleeper,
}

impl Context {
    /// Sets up a queue for `depth` operations at a time, by the engine that is [chosen](Engine::chosen).
    ///
    /// # Errors
    /// [`SetupError`]; the most common is the system-wide limit, `fs.aio-max-nr`.
    pub fn new(depth: u32) -> Result<Self, SetupError> {
        Self::with_engine(depth, Engine::chosen()?)
    }

    /// As [`new`](Self::new), by the engine named.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_engine(depth: u32, engine: Engine) -> Result<Self, SetupError> {
        Self::with_ring_depth(engine, depth, depth)
    }

    /// As [`new`](Self::new), on the reactor named.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub fn with_reactor(depth: u32, reactor: Reactor) -> Result<Self, SetupError> {
        Ok(Self {
            sleeper: Sleeper::on(reactor),
            ..Self::new(depth)?
        })
    }

    /// A context whose kernel ring may be too small for it.
    fn with_ring_depth(engine: Engine, depth: u32, ring_depth: u32) -> Result<Self, SetupError> {
        Ok(Self {
            event_fd: Arc::new(EventFd::new()?),
            table: Table::new(engine, depth, ring_depth)?,
            deadlines: Deadlines::default(),
            #[cfg(any(feature = "async-io", feature = "tokio"))]
            sleeper: Sleeper::default(),
        })
    }

    /// Operations the context has room for.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.table.depth()
    }

    /// Operations whose completions have not been taken, prepared ones included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.table.outstanding()
    }

    /// Operations not yet submitted.
    #[must_use]
    pub fn prepared(&self) -> usize {
        self.table.prepared()
    }

    /// An eventfd that becomes readable with each completion, for an event loop of one's own.
    ///
    /// Such a loop sleeps until it is readable, calls [`clear_event_fd`](Self::clear_event_fd), takes completions until
    /// [`try_next`](Self::try_next) has none, calls [`submit`](Self::submit), and sleeps again.
    #[must_use]
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.event_fd.as_fd()
    }

    /// Makes the eventfd unreadable until the next completion.
    ///
    /// # Errors
    /// When the context was made before fork(2) by the parent, whose wake-up this would steal.
    pub fn clear_event_fd(&self) -> io::Result<()> {
        if self.table.is_inherited() {
            return Err(SubmitError::Forked.into());
        }
        self.event_fd.drain()
    }

    /// Takes an operation, to be submitted with others. No system call.
    ///
    /// # Errors
    /// [`PrepareError::Full`] when [`depth`](Self::depth) operations are in flight. The error gives the operation back.
    pub fn prepare(&mut self, operation: Operation) -> Result<OperationId, PrepareError> {
        if self.table.is_inherited() {
            return Err(PrepareError::Forked(operation));
        }
        let timeout = operation.time();
        let id = self
            .table
            .prepare(operation, &self.event_fd)
            .map_err(PrepareError::Full)?;
        if let Some(deadline) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
            self.deadlines.set(id, deadline);
        }
        Ok(id)
    }

    /// Hands all prepared operations to the kernel, in one system call when it takes them all.
    ///
    /// Returns how many it took. An operation it refuses completes with the kernel's errno. When the kernel has no
    /// room, the rest stays prepared, and is submitted by the next call of this or of a waiting method.
    ///
    /// # Errors
    /// [`SubmitError::Forked`] in a child of the process that made the context.
    pub fn submit(&mut self) -> Result<usize, SubmitError> {
        if self.table.is_inherited() {
            return Err(SubmitError::Forked);
        }
        let submitted = self.table.submit();
        if submitted.refused > 0 {
            // Whoever sleeps on the eventfd learns of these completions as of the kernel's. This cannot fail: the
            // descriptor is ours, and a full counter is readable.
            let _ = self.event_fd.signal();
        }
        Ok(submitted.taken)
    }

    /// Takes a completion if there is one. No system call, on the ring layout of every Linux so far.
    pub fn try_next(&mut self) -> Option<Completion> {
        if self.table.is_inherited() {
            return None;
        }
        let mut completion = self.table.next();
        if let Some(completion) = &mut completion {
            self.deadlines.settle(completion);
        }
        #[cfg(any(feature = "async-io", feature = "tokio"))]
        {
            self.sleeper.signalled |= completion.is_some();
        }
        completion
    }

    /// Submits what is prepared and blocks until a completion is there, at most for `timeout`.
    ///
    /// `None` when the time is over, or when nothing is in flight. Signals do not end the wait.
    /// Needs no thread and no runtime.
    ///
    /// # Errors
    /// When the context was made before fork(2) by the parent.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Option<Completion>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            self.submit()?;
            if let Some(completion) = self.try_next() {
                return Ok(Some(completion));
            }
            if self.in_flight() == 0 || !self.sleep(1, deadline)? {
                return Ok(self.try_next());
            }
        }
    }

    /// Submits what is prepared, blocks until `minimum` completions are there, and appends all that are to `completions`.
    ///
    /// Returns how many were appended: fewer than `minimum` when `timeout` is over or nothing is in flight any more.
    /// One sleep for several completions costs less than one for each.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); completions appended before the error are good.
    pub fn wait_many(
        &mut self,
        minimum: usize,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<usize> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let before = completions.len();
        let mut last_round = false;
        loop {
            self.submit()?;
            completions.extend(std::iter::from_fn(|| self.try_next()));
            let count = completions.len() - before;
            if count >= minimum || self.in_flight() == 0 || last_round {
                return Ok(count);
            }
            // Prepared operations the kernel had no room for have it as soon as one completes.
            let wanted = if self.prepared() > 0 {
                1
            } else {
                minimum - count
            };
            last_round = !self.sleep(wanted, deadline)?;
        }
    }

    /// Submits what is prepared and takes a completion, or arranges for the task to be woken when there is one.
    ///
    /// `None` when nothing is in flight. The reactor is asked only when no completion is here.
    ///
    /// # Errors
    /// When the context was made before fork(2) by the parent, or the reactor fails.
    ///
    /// # Panics
    /// On [`Reactor::Tokio`], when the runtime was built without its I/O driver.
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub fn poll_next(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<io::Result<Option<Completion>>> {
        loop {
            self.end_overdue();
            self.submit()?;
            if let Some(completion) = self.try_next() {
                return Poll::Ready(Ok(Some(completion)));
            }
            if self.in_flight() == 0 {
                return Poll::Ready(Ok(None));
            }
            if self.sleeper.signalled {
                // First clear, then look at the ring again: a completion in between costs a look, not a wake-up.
                // A reactor given a readable eventfd would wake the task for nothing.
                self.clear_event_fd()?;
                self.sleeper.signalled = false;
            } else if let Poll::Ready(readable) =
                self.sleeper.registration(&self.event_fd)?.poll_readable(cx)
            {
                readable?;
            } else {
                // A deadline wakes the task like a completion.
                ready!(self.sleeper.poll_alarm(self.deadlines.next(), cx));
            }
        }
    }

    /// Waits for the next completion; dropping the future loses none.
    ///
    /// # Errors
    /// As [`poll_next`](Self::poll_next).
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub async fn next(&mut self) -> io::Result<Option<Completion>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Asks the kernel to end an operation early. One completion still comes, with `ECANCELED` if the cancel won.
    pub fn cancel(&mut self, id: OperationId) -> CancelOutcome {
        if self.table.is_inherited() {
            return CancelOutcome::Unknown;
        }
        let outcome = self.table.cancel(id);
        if outcome == CancelOutcome::Withdrawn {
            // As in submit: this completion did not come from the kernel.
            let _ = self.event_fd.signal();
        }
        outcome
    }

    /// Asks the kernel to end every operation in flight early. Their completions still come.
    pub fn cancel_all(&mut self) {
        for id in self.table.ids() {
            self.cancel(id);
        }
    }

    /// Cancels the operations whose time is over.
    fn end_overdue(&mut self) {
        while let Some(id) = self.deadlines.pop_passed() {
            self.cancel(id);
        }
    }

    /// Sleeps until `minimum` answers are there, or an operation was told that its time is over; false when the deadline
    /// came first.
    ///
    /// io_getevents sleeps and reaps in one system call, and wakes once for `minimum` completions. Sleeping on the
    /// eventfd instead would take two calls (poll, read) and wake for each.
    fn sleep(&mut self, minimum: usize, deadline: Option<Instant>) -> io::Result<bool> {
        loop {
            self.end_overdue();
            let time_until = |end: Instant| end.saturating_duration_since(Instant::now());
            let left = deadline.map(time_until);
            // A glance is no reason for a system call: what is there stands in the ring.
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
            let due = self.deadlines.next();
            let is_overdue_first = due.is_some_and(|due| deadline.is_none_or(|end| due < end));
            let sleep = if is_overdue_first {
                due.map(time_until)
            } else {
                left
            };
            match self.table.collect(minimum, sleep) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(false) if is_overdue_first => {
                    self.end_overdue();
                    return Ok(true);
                }
                result => return result,
            }
        }
    }

    /// Makes the queue known to the reactor now instead of when a task first sleeps.
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub(crate) fn register(&mut self) -> io::Result<()> {
        self.sleeper.registration(&self.event_fd).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write as _;
    use std::time::Duration;

    use super::Context;
    use crate::{Buffer, Completion, Engine, Operation, PollEvents, SharedFile};

    const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));

    #[test]
    fn a_kernel_without_room_loses_nothing() {
        const COUNT: u64 = 5_000;
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let file = SharedFile::new(reader);
        let mut context = Context::with_ring_depth(Engine::LinuxAio, 5_000, 1)
            .expect("a context larger than its ring");
        for label in 0..COUNT {
            let poll = Operation::poll(&file, PollEvents::READABLE).user_data(label);
            context.prepare(poll).expect("room");
        }
        let taken = context.submit().expect("submit");
        assert!(
            taken > 0 && context.prepared() > 0,
            "the kernel took all {taken}"
        );
        assert_eq!(
            context.submit().expect("submit"),
            0,
            "and has room for more"
        );
        assert!(context.try_next().is_none());

        writer.write_all(b"x").expect("write");
        let mut completions = Vec::new();
        context
            .wait_many(5_000, DEADLINE, &mut completions)
            .expect("wait");
        assert!(
            completions
                .iter()
                .all(|completion| completion.result.is_ok())
        );
        let labels: BTreeSet<u64> = completions
            .iter()
            .map(|completion| completion.user_data)
            .collect();
        assert_eq!(
            (labels.len(), completions.len(), context.in_flight()),
            (5_000, 5_000, 0)
        );
    }

    #[test]
    fn what_found_no_room_can_be_cancelled_and_dropped() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let file = SharedFile::new(reader);
        let mut context = Context::with_ring_depth(Engine::LinuxAio, 1_000, 1).expect("a context");
        for _ in 0..1_000 {
            context
                .prepare(Operation::poll(&file, PollEvents::READABLE))
                .expect("room");
        }
        context.submit().expect("submit");
        context.cancel_all();
        let mut completions = Vec::new();
        context
            .wait_many(900, DEADLINE, &mut completions)
            .expect("wait");
        assert!(completions.len() >= 900 && completions.iter().all(Completion::is_cancelled));
    }

    #[test]
    fn a_ring_of_unknown_layout_is_read_by_the_kernel() {
        let file = SharedFile::new(tempfile::tempfile().expect("a file"));
        let mut context = Context::with_engine(200, Engine::LinuxAio).expect("a context");
        context.table.obscure_ring();
        for label in 0..200 {
            let write = Operation::write(&file, label, Buffer::from(b"x".as_slice()));
            context.prepare(write.user_data(label)).expect("room");
        }
        assert!(context.try_next().is_none());
        context.submit().expect("submit");
        assert_eq!(context.try_next().expect("a completion").user_data, 0);
        assert_eq!(
            context
                .wait(DEADLINE)
                .expect("wait")
                .expect("a completion")
                .user_data,
            1
        );
        let mut completions = Vec::new();
        context
            .wait_many(198, DEADLINE, &mut completions)
            .expect("wait");
        assert!(
            completions
                .iter()
                .map(|completion| completion.user_data)
                .eq(2..200)
        );
    }
}
