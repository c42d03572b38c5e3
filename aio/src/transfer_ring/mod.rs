//! The queue of transfers of one usbfs2 endpoint file.

mod pacer;

use std::io;
use std::sync::Arc;
#[cfg(any(feature = "async-io", feature = "tokio"))]
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use crate::aio::{Pool, Transfers, Waiting};
#[cfg(any(feature = "async-io", feature = "tokio"))]
use crate::reactor::Reactor;
use crate::sys::ForkMark;
use crate::{Buffer, Context, SharedFile, SubmitError};
use pacer::Pacer;

/// How long a caller is let sleep after the first answer, for more of them.
///
/// Eight transfers of 64 KiB take 1.3 ms at high speed; whoever waits for one of them hardly notices as much.
const PATIENCE: Duration = Duration::from_micros(1500);

/// The transfers of one bulk or interrupt endpoint file of usbfs2, in a page shared with the kernel.
///
/// Each transfer is a read, or on an endpoint opened for OUT a write, with a result of its own; they end in the order in
/// which they were prepared. One system call starts any number of them and waits for as many: where a [`Context`] pays
/// for each operation, this pays for each sleep. Buffers from [`allocate`](Self::allocate) move no byte by the processor;
/// any other does too, copied or pinned as an operation's would be.
///
/// Use it as a context: [`prepare`](Self::prepare), [`submit`](Self::submit), and [`wait`](Self::wait) or
/// [`poll_next`](Self::poll_next).
///
/// # Sleeps
/// With four transfers in flight or more a sleep may be for several answers, up to half of the transfers, if they are seen
/// to come in a row. It ends at the first error or short read, and 1.5 ms after the first answer in any case.
/// [`set_coalescing`](Self::set_coalescing) turns that off.
///
/// # Cancellation
/// [`cancel_all`](Self::cancel_all) and [`cancel_oldest`](Self::cancel_oldest) ask; each transfer still has its one completion, with
/// the bytes that came, or `ECANCELED`. Dropping the ring cancels all and returns when the kernel is done with them.
///
/// # Fork
/// A ring belongs to the process that made it. In a child of fork(2) it takes no transfers, has no completions, may be
/// dropped; and buffers of its memory are without bytes.
#[derive(Debug)]
pub struct TransferRing {
    // First: its wait, if one is left, ends before the transfers do.
    waiter: Waiter,
    transfers: Transfers,
    pool: Arc<Pool>,
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    file: SharedFile,
    pacer: Pacer,
}

/// The end of one transfer: its memory and its outcome.
#[derive(Debug)]
pub struct TransferCompletion {
    /// The buffer given; of a read, the filled part is what arrived.
    pub buffer: Buffer,
    /// Bytes moved, or the error with the kernel's errno; bytes that came before a cancel or an error are a success.
    pub result: io::Result<usize>,
}

/// The wait that goes on while a task sleeps.
#[derive(Debug, Default)]
struct Waiter {
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    reactor: Reactor,
    context: Option<Context>,
    /// Of the wait in the context, if there is one: what it is for, and the transfers in flight when it began.
    goal: Option<(u32, u32)>,
}

impl TransferRing {
    /// Shares a ring for `depth` transfers at least, 4096 at most, of `file`, an endpoint file opened to read and write.
    ///
    /// `is_in`: the endpoint's direction.
    ///
    /// # Errors
    /// `ENODEV`: the file has no ring, as that of an older module or of another driver; `EACCES`: it was not opened
    /// to read and write; `EBUSY`: it has one already; `ENOMEM`.
    pub fn new(file: impl Into<SharedFile>, is_in: bool, depth: u32) -> io::Result<Self> {
        let file = file.into();
        let mark = Arc::new(ForkMark::new()?);
        Ok(Self {
            waiter: Waiter::default(),
            transfers: Transfers::map(&file, is_in, depth, &mark)?,
            pool: Pool::new(&file, &mark),
            #[cfg(any(feature = "async-io", feature = "tokio"))]
            file,
            pacer: Pacer::new(),
        })
    }

    /// As [`new`](Self::new), for tasks on the reactor named.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub fn with_reactor(
        file: impl Into<SharedFile>,
        is_in: bool,
        depth: u32,
        reactor: Reactor,
    ) -> io::Result<Self> {
        let mut ring = Self::new(file, is_in, depth)?;
        ring.waiter.reactor = reactor;
        Ok(ring)
    }

    /// Transfers the ring has room for.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.transfers.depth()
    }

    /// Transfers whose completions have not been taken, prepared ones included.
    #[must_use]
    #[inline]
    pub fn in_flight(&self) -> usize {
        self.transfers.outstanding()
    }

    /// Lets a sleep be for several answers, as it is from the start, or for one alone: for an endpoint whose transfers are
    /// messages that somebody waits for.
    pub fn set_coalescing(&mut self, wanted: bool) {
        self.pacer.set_enabled(wanted);
    }

    /// An empty buffer with room for `capacity` bytes that this file's transfers use in place; what it holds beyond its
    /// length is zeros or what was last in that memory.
    ///
    /// Dropped buffers are handed out again without a system call. What nobody uses is unmapped, but for as much as is in
    /// use, and 1 MiB.
    ///
    /// # Errors
    /// `ENOMEM`, where the kernel has not so much, or the process's cgroup may not have it.
    pub fn allocate(&self, capacity: usize) -> io::Result<Buffer> {
        if capacity == 0 {
            return Ok(Buffer::new());
        }
        self.pool.take(capacity).map(Buffer::mapped)
    }

    /// Whether this file's transfers use a buffer in place.
    #[must_use]
    #[inline]
    pub fn is_own(&self, buffer: &Buffer) -> bool {
        buffer
            .mapped_piece()
            .is_some_and(|piece| piece.is_of(&self.pool))
    }

    /// Takes a transfer, to be started with others. No system call.
    ///
    /// A read asks for [`requested_length`](Buffer::requested_length) bytes; one of none ends at once. `flags` are those of
    /// `struct usbfs2_transfer`.
    ///
    /// # Errors
    /// The buffer, when the ring is full or the parent process's.
    #[inline]
    pub fn prepare(&mut self, buffer: Buffer, flags: u32) -> Result<(), Buffer> {
        if self.transfers.is_inherited() {
            return Err(buffer);
        }
        self.transfers.prepare(buffer, flags)
    }

    /// Starts all prepared transfers. One that cannot be started completes with the reason.
    ///
    /// One system call, or none while transfers are under way: those in buffers of [`allocate`](Self::allocate) are then
    /// started by the next call that waits, or by the kernel when it is done with the others.
    ///
    /// # Errors
    /// In a child of the process that made the ring.
    #[inline]
    pub fn submit(&mut self) -> io::Result<()> {
        self.check_owner()?;
        if self.transfers.waiting_to_start() == 0 || self.transfers.publish() {
            return Ok(());
        }
        self.enter()
    }

    fn enter(&mut self) -> io::Result<()> {
        loop {
            match self.transfers.enter(None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    #[inline]
    fn check_owner(&self) -> io::Result<()> {
        if self.transfers.is_inherited() {
            return Err(SubmitError::Forked.into());
        }
        Ok(())
    }

    /// Takes a completion if the next one in order is here. No system call.
    #[inline]
    pub fn try_next(&mut self) -> Option<TransferCompletion> {
        if self.transfers.is_inherited() {
            return None;
        }
        let (buffer, result) = self.transfers.next()?;
        Some(TransferCompletion {
            buffer,
            result: result.map_err(io::Error::from_raw_os_error),
        })
    }

    /// Starts what is prepared and blocks until a completion is there, at most for `timeout`, in one system call.
    ///
    /// `None` when the time is over, or when nothing is in flight. Signals do not end the wait. Needs no thread and no
    /// runtime.
    ///
    /// # Errors
    /// In a child of the process that made the ring; `EBUSY` when a child waits by a descriptor it inherited.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Option<TransferCompletion>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(completion) = self.try_next() {
                return Ok(Some(completion));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) || self.in_flight() == 0 {
                self.submit()?;
                return Ok(self.try_next());
            }
            self.sleep(left)?;
        }
    }

    /// One sleep, for as many answers as seem worth it.
    fn sleep(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.check_owner()?;
        if self.waiter.goal.is_some() {
            return self.sleep_on_waiter(timeout);
        }
        let in_flight = self.transfers.in_ring();
        let goal = self.pacer.goal(in_flight);
        let result = self.transfers.enter(Some(Waiting {
            goal,
            patience: PATIENCE,
            timeout,
        }));
        self.pacer.woken(goal, in_flight, self.transfers.answered());
        match result {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// A file has one wait at a time: a task's, that was left, is gone on with.
    fn sleep_on_waiter(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.submit()?;
        let Some(context) = &mut self.waiter.context else {
            return Ok(());
        };
        match context.wait(timeout)? {
            Some(completion) => self.waited(completion.result),
            None => Ok(()),
        }
    }

    /// The wait in the context is over.
    fn waited(&mut self, result: io::Result<usize>) -> io::Result<()> {
        if let Some((goal, in_flight)) = self.waiter.goal.take() {
            self.pacer.woken(goal, in_flight, self.transfers.answered());
        }
        result.map(drop)
    }

    /// Starts what is prepared and takes a completion, or arranges for the task to be woken when there is one.
    ///
    /// `None` when nothing is in flight. The first sleep sets up a context for one operation, of those that
    /// `fs.aio-max-nr` limits.
    ///
    /// # Errors
    /// In a child of the process that made the ring, or when the reactor or the context fails.
    ///
    /// # Panics
    /// On [`Reactor::Tokio`], when the runtime was built without its I/O driver.
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub fn poll_next(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<io::Result<Option<TransferCompletion>>> {
        loop {
            if let Some(completion) = self.try_next() {
                return Poll::Ready(Ok(Some(completion)));
            }
            self.check_owner()?;
            if self.in_flight() == 0 {
                return Poll::Ready(Ok(None));
            }
            if self.waiter.goal.is_some() {
                // A wait that goes on starts nothing more.
                self.submit()?;
            }
            let context = self.begin_wait()?;
            if let Some(completion) = ready!(context.poll_next(cx))? {
                self.waited(completion.result)?;
            }
        }
    }

    /// The context, with a wait in it.
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    fn begin_wait(&mut self) -> io::Result<&mut Context> {
        let reactor = self.waiter.reactor;
        let context = match self.waiter.context.take() {
            Some(context) => context,
            None => Context::with_reactor(1, reactor)?,
        };
        let context = self.waiter.context.insert(context);
        if self.waiter.goal.is_none() {
            let in_flight = self.transfers.in_ring();
            let goal = self.pacer.goal(in_flight);
            let waiting = Waiting {
                goal,
                patience: PATIENCE,
                timeout: None,
            };
            let wait = self.transfers.entering(&self.file, waiting);
            context
                .prepare(wait)
                .map_err(|_| io::Error::from_raw_os_error(libc::EBUSY))?;
            self.waiter.goal = Some((goal, in_flight));
        }
        Ok(context)
    }

    /// Waits for the next completion; dropping the future loses none.
    ///
    /// # Errors
    /// As [`poll_next`](Self::poll_next).
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub async fn next(&mut self) -> io::Result<Option<TransferCompletion>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Asks for every transfer to end soon; each still completes.
    pub fn cancel_all(&mut self) {
        if !self.transfers.is_inherited() {
            self.transfers.cancel_all();
        }
    }

    /// Asks for the oldest transfer to end soon, and no other; it still completes.
    pub fn cancel_oldest(&mut self) {
        if !self.transfers.is_inherited() {
            self.transfers.cancel_oldest();
        }
    }
}
