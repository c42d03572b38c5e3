//! Blocking and async waiting as one piece of code.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use aio_rs::Buffer;
use async_io::Timer;

use crate::backend::InFlight;
use crate::{Completion, TransferError};

/// How an operation waits for the device.
///
/// A driver written once as `async fn`s that take a `Waiting` serves both kinds of caller. With
/// [`Waiting::Blocking`] the future blocks inside its first poll and is ready when that returns, so
/// [`block_on`] runs it with no runtime and no helper thread:
///
/// ```
/// use std::time::Duration;
/// use usbfs2_host::{Bulk, Buffer, Completion, Endpoint, In, Waiting, block_on};
///
/// async fn read(waiting: Waiting, endpoint: &mut Endpoint<Bulk, In>) -> Completion {
///     let timeout = Some(Duration::from_secs(1));
///     endpoint.transfer_within(waiting, Buffer::with_capacity(512), timeout).await
/// }
///
/// fn read_blocking(endpoint: &mut Endpoint<Bulk, In>) -> Completion {
///     block_on(read(Waiting::Blocking, endpoint))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Block the calling thread inside `poll`.
    Blocking,
    /// Return `Pending` and wake the task when there is something to see; works on any executor.
    Async,
}

/// Runs a future on this thread until it is done.
///
/// A future that waits with [`Waiting::Blocking`] is done at its first poll; any other is driven
/// until it is.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => async_io::block_on(future),
    }
}

/// The next completion of `queue`; `None` once `deadline` has passed or when nothing is pending.
pub(crate) async fn next<C>(
    queue: &mut (impl InFlight<C> + ?Sized),
    waiting: Waiting,
    deadline: Option<Instant>,
) -> Option<C> {
    if queue.pending() == 0 {
        return None;
    }
    match (waiting, deadline) {
        (Waiting::Blocking, None) => queue.wait(None),
        (Waiting::Blocking, Some(deadline)) => {
            queue.wait(Some(deadline.saturating_duration_since(Instant::now())))
        }
        (Waiting::Async, None) => Some(poll_fn(|cx| queue.poll_next(cx)).await),
        (Waiting::Async, Some(deadline)) => {
            let mut timer = Timer::at(deadline);
            poll_fn(|cx| match queue.poll_next(cx) {
                Poll::Ready(completion) => Poll::Ready(Some(completion)),
                Poll::Pending => Pin::new(&mut timer).poll(cx).map(|_| None),
            })
            .await
        }
    }
}

/// The completion of the one transfer in `queue`, which is cancelled at `deadline`.
///
/// A cancelled transfer still delivers the bytes that came; one that moved nothing timed out.
pub(crate) async fn only(
    queue: &mut dyn InFlight,
    waiting: Waiting,
    deadline: Option<Instant>,
) -> Completion {
    if let Some(completion) = next(queue, waiting, deadline).await {
        return completion;
    }
    queue.cancel_all();
    match next(queue, waiting, None).await {
        Some(completion) => completion.cancelled_by_deadline(),
        None => Completion::failed(Buffer::from(Vec::new()), TransferError::InvalidRequest),
    }
}
