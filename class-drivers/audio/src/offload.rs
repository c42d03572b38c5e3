//! Calls that block, for callers that must not.

use usbfs2_host::Waiting;

/// Makes a call that blocks: here, or in a thread that an executor can do without meanwhile.
///
/// Cancellation: a call that has begun goes on to its end, and what it returns is dropped.
pub(crate) async fn call<T: Send + 'static>(
    waiting: Waiting,
    call: impl FnOnce() -> T + Send + 'static,
) -> T {
    match waiting {
        Waiting::Blocking => call(),
        Waiting::Async => blocking::unblock(call).await,
    }
}
