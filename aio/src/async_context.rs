//! One context shared by any number of tasks.
//!
//! Tasks do not take turns at the reactor: a task that goes away, or is not polled, must not keep completions
//! from the others. The reactor wakes the hub instead, which reaps on the spot and wakes the tasks concerned.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{self, Poll, Wake, Waker};

use crate::{
    Buffer, CancelOutcome, Completion, Context, Operation, OperationId, PrepareError, Reactor,
    SetupError,
};

/// A [`Context`] for any number of tasks, on any executor. Clones share it.
///
/// Operations beyond its depth wait their turn, in the order they were started.
///
/// ```
/// use aio_rs::{AsyncContext, Buffer, Operation, SharedFile};
///
/// # #[cfg(feature = "async-io")]
/// # fn main() -> std::io::Result<()> {
/// let file = SharedFile::new(tempfile::tempfile()?);
/// let context = AsyncContext::new(8)?;
/// let completion = futures::executor::block_on(
///     context.start(Operation::write(&file, 0, Buffer::from(b"hello".as_slice()))),
/// );
/// assert_eq!(completion.result?, 5);
/// # Ok(()) }
/// # #[cfg(not(feature = "async-io"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone)]
pub struct AsyncContext {
    shared: Arc<Shared>,
}

impl AsyncContext {
    /// Sets up a queue for `depth` operations at a time on the default [`Reactor`].
    ///
    /// # Errors
    /// As [`Context::new`]; also when the reactor cannot watch the queue.
    pub fn new(depth: u32) -> Result<Self, SetupError> {
        Self::with_reactor(depth, Reactor::default())
    }

    /// As [`new`](Self::new), on the reactor named. [`Reactor::Tokio`] is that of the runtime this is called in.
    ///
    /// # Errors
    /// As [`new`](Self::new); on [`Reactor::Tokio`] also outside a runtime.
    ///
    /// # Panics
    /// On [`Reactor::Tokio`], when the runtime was built without its I/O driver.
    pub fn with_reactor(depth: u32, reactor: Reactor) -> Result<Self, SetupError> {
        let mut context = Context::with_reactor(depth, reactor)?;
        // Now, where there is someone to tell, and not when the first task has to sleep.
        context.register()?;
        let state = State {
            owners: vec![0; context.depth()],
            context,
            waiters: Vec::new(),
            vacant: Vec::new(),
            backlog: VecDeque::new(),
            to_wake: Vec::new(),
            discarded: Vec::new(),
            failure: None,
        };
        let shared = Arc::new_cyclic(|shared| {
            let hub = Arc::new(Hub {
                shared: Weak::clone(shared),
                notified: AtomicBool::new(false),
            });
            Shared {
                waker: Waker::from(Arc::clone(&hub)),
                hub,
                state: Mutex::new(state),
            }
        });
        Ok(Self { shared })
    }

    /// Queues an operation, whose completion the future waits for.
    ///
    /// It reaches the kernel when this or another of the context's futures is next polled, together with all
    /// others queued by then: to submit many at once, start them all and then wait.
    ///
    /// # Cancellation
    /// Dropping the future cancels the operation; its memory stays with the context until the kernel is done.
    pub fn start(&self, operation: Operation) -> Started {
        let key = self.shared.with_state(|state, _| state.start(operation));
        Started {
            shared: Arc::clone(&self.shared),
            key,
            finished: false,
        }
    }
}

/// The future completion of an operation, made by [`AsyncContext::start`].
///
/// Should the reactor fail, which happens when a tokio runtime shuts down, it is an error without the buffer:
/// that stays with the context.
#[derive(Debug)]
#[must_use = "dropping the future cancels the operation"]
pub struct Started {
    shared: Arc<Shared>,
    key: usize,
    finished: bool,
}

impl Started {
    /// Asks for an early end; the future then yields what the operation achieved, or `ECANCELED`.
    pub fn cancel(&self) -> CancelOutcome {
        if self.finished {
            return CancelOutcome::Unknown;
        }
        self.shared.with_state(|state, _| state.cancel(self.key))
    }
}

impl Future for Started {
    type Output = Completion;

    /// # Panics
    /// When polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Completion> {
        assert!(!self.finished, "a future was polled after it was ready");
        let key = self.key;
        let poll = self
            .shared
            .with_state(|state, hub| state.poll(key, cx.waker(), hub));
        self.finished = poll.is_ready();
        poll
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.finished {
            // An operation that comes back is dropped here, with the state released.
            let _ = self.shared.with_state(|state, _| state.set_aside(self.key));
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    hub: Arc<Hub>,
    /// The hub's, the only waker the reactor ever sees of this context.
    waker: Waker,
}

impl Shared {
    fn with_state<T>(&self, act: impl FnOnce(&mut State, &Waker) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state, &self.waker);
        self.release(state);
        self.serve_hub();
        result
    }

    /// Does what the hub was woken for, unless someone holds the state, who then does it afterwards.
    fn serve_hub(&self) {
        // Pairs with the fence in `wake`: either it finds the state released, or we find its mark here.
        fence(Ordering::SeqCst);
        while self.hub.notified.load(Ordering::Relaxed) {
            let mut state = match self.state.try_lock() {
                Ok(state) => state,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.hub.notified.store(false, Ordering::Relaxed);
            state.dispatch(&self.waker);
            self.release(state);
            fence(Ordering::SeqCst);
        }
    }

    /// Unlocks, and only then wakes and drops wakers.
    fn release(&self, mut state: MutexGuard<'_, State>) {
        let to_wake = std::mem::take(&mut state.to_wake);
        let discarded = std::mem::take(&mut state.discarded);
        drop(state);
        to_wake.into_iter().for_each(Waker::wake);
        drop(discarded);
    }
}

/// What the reactor wakes. Weak: the reactor must not keep the context alive.
#[derive(Debug)]
struct Hub {
    shared: Weak<Shared>,
    notified: AtomicBool,
}

impl Wake for Hub {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    // A reactor may call this from within poll_next, where this thread holds the state: hence the mark and try_lock.
    fn wake_by_ref(self: &Arc<Self>) {
        self.notified.store(true, Ordering::Relaxed);
        if let Some(shared) = self.shared.upgrade() {
            shared.serve_hub();
        }
    }
}

#[derive(Debug)]
struct State {
    context: Context,
    /// For each slot of the context, the waiter of the operation in it.
    owners: Vec<usize>,
    waiters: Vec<Waiter>,
    /// Keys of waiters that are not in use.
    vacant: Vec<usize>,
    /// Keys of waiters whose operations found the context full, oldest first.
    backlog: VecDeque<usize>,
    /// Wakers to wake, and wakers to drop, once the state is released: either may run or drop a task, and its futures.
    to_wake: Vec<Waker>,
    discarded: Vec<Waker>,
    /// Why the reactor wakes nobody any more.
    failure: Option<io::Error>,
}

/// The state's side of one [`Started`].
#[derive(Debug)]
struct Waiter {
    user_data: u64,
    progress: Progress,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Progress {
    /// In the backlog.
    Waiting(Operation),
    InFlight(OperationId),
    /// In flight, and the future is gone.
    Abandoned,
    Done(Completion),
    Vacant,
}

impl State {
    fn start(&mut self, operation: Operation) -> usize {
        let waiter = Waiter {
            user_data: operation.user_data,
            progress: Progress::Waiting(operation),
            waker: None,
        };
        let key = match self.vacant.pop() {
            Some(key) => {
                self.waiters[key] = waiter;
                key
            }
            None => {
                self.waiters.push(waiter);
                self.waiters.len() - 1
            }
        };
        self.backlog.push_back(key);
        self.refill();
        key
    }

    fn poll(&mut self, key: usize, waker: &Waker, hub: &Waker) -> Poll<Completion> {
        if !matches!(self.waiters[key].progress, Progress::Done(_)) {
            self.dispatch(hub);
        }
        match std::mem::replace(&mut self.waiters[key].progress, Progress::Vacant) {
            Progress::Done(completion) => {
                self.vacant.push(key);
                Poll::Ready(completion)
            }
            progress => {
                self.waiters[key].progress = progress;
                if let Some(failure) = &self.failure {
                    let failure = copy(failure);
                    return Poll::Ready(self.give_up(key, failure));
                }
                self.discarded
                    .extend(self.waiters[key].waker.replace(waker.clone()));
                Poll::Pending
            }
        }
    }

    fn cancel(&mut self, key: usize) -> CancelOutcome {
        match std::mem::replace(&mut self.waiters[key].progress, Progress::Vacant) {
            Progress::Waiting(operation) => {
                self.backlog.retain(|&other| other != key);
                let completion = operation.complete(OperationId::NONE, -i64::from(libc::ECANCELED));
                self.finish(key, completion);
                CancelOutcome::Withdrawn
            }
            Progress::InFlight(id) => {
                self.waiters[key].progress = Progress::InFlight(id);
                self.context.cancel(id)
            }
            progress => {
                self.waiters[key].progress = progress;
                CancelOutcome::NotCancellable
            }
        }
    }

    /// The end of a future the reactor no longer serves.
    fn give_up(&mut self, key: usize, failure: io::Error) -> Completion {
        let user_data = self.waiters[key].user_data;
        match self.set_aside(key) {
            Some(operation) => {
                let unused = operation.complete(OperationId::NONE, 0);
                Completion {
                    result: Err(failure),
                    ..unused
                }
            }
            None => Completion {
                id: OperationId::NONE,
                user_data,
                buffer: Buffer::new(),
                buffers: Vec::new(),
                parts: None,
                result: Err(failure),
            },
        }
    }

    /// Nobody wants the completion any more. Gives back an operation the context has not seen.
    fn set_aside(&mut self, key: usize) -> Option<Operation> {
        self.discarded.extend(self.waiters[key].waker.take());
        match std::mem::replace(&mut self.waiters[key].progress, Progress::Abandoned) {
            // The completion comes like any other, and frees the waiter.
            Progress::InFlight(id) => {
                self.context.cancel(id);
                None
            }
            Progress::Waiting(operation) => {
                self.backlog.retain(|&other| other != key);
                self.vacate(key);
                Some(operation)
            }
            Progress::Done(_) | Progress::Abandoned | Progress::Vacant => {
                self.vacate(key);
                None
            }
        }
    }

    /// Takes all completions that are here, submits, and has the hub woken when there are more.
    fn dispatch(&mut self, hub: &Waker) {
        loop {
            while let Some(completion) = self.context.try_next() {
                self.deliver(completion);
            }
            self.refill();
            match self.context.poll_next(&mut task::Context::from_waker(hub)) {
                Poll::Ready(Ok(Some(completion))) => self.deliver(completion),
                Poll::Ready(Ok(None)) | Poll::Pending => return,
                Poll::Ready(Err(failure)) => return self.fail(failure),
            }
        }
    }

    /// Prepares operations from the backlog while there is room.
    fn refill(&mut self) {
        while let Some(&key) = self.backlog.front() {
            let progress = &mut self.waiters[key].progress;
            match std::mem::replace(progress, Progress::Vacant) {
                Progress::Waiting(operation) => match self.context.prepare(operation) {
                    Ok(id) => {
                        self.owners[id.slot as usize] = key;
                        *progress = Progress::InFlight(id);
                    }
                    Err(refusal) => {
                        let forked = matches!(refusal, PrepareError::Forked(_));
                        *progress = Progress::Waiting(refusal.into_operation());
                        if forked {
                            self.fail(crate::SubmitError::Forked.into());
                        }
                        return;
                    }
                },
                other => *progress = other,
            }
            self.backlog.pop_front();
        }
    }

    fn deliver(&mut self, completion: Completion) {
        let key = self.owners[completion.id.slot as usize];
        match self.waiters[key].progress {
            Progress::Abandoned => self.vacate(key),
            _ => self.finish(key, completion),
        }
    }

    fn finish(&mut self, key: usize, completion: Completion) {
        self.waiters[key].progress = Progress::Done(completion);
        self.to_wake.extend(self.waiters[key].waker.take());
    }

    fn vacate(&mut self, key: usize) {
        self.waiters[key].progress = Progress::Vacant;
        self.vacant.push(key);
    }

    /// Lets every waiter learn that the reactor failed.
    fn fail(&mut self, failure: io::Error) {
        self.failure = Some(failure);
        self.to_wake.extend(
            self.waiters
                .iter_mut()
                .filter_map(|waiter| waiter.waker.take()),
        );
    }
}

/// An error for each waiter, from the one the reactor gave.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
