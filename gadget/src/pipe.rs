//! What a backend provides for one enabled endpoint.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use aio_rs::Buffer;

use crate::endpoint::{Completion, EndpointError};

/// An enabled endpoint, used by the function's thread and disabled by the thread of endpoint 0.
pub(crate) trait Pipe: Send + Sync + fmt::Debug {
    /// Queues the buffer. What cannot be queued becomes a completion.
    fn submit(&self, buffer: Buffer);
    /// Waits until what was submitted first is with the controller, or has come back.
    fn wait_begun(&self);
    /// Submissions whose completion has not been returned.
    fn pending(&self) -> usize;
    /// The next completion, in order of submission; `None` at the deadline or with nothing pending.
    fn wait(&self, deadline: Option<Instant>) -> Option<Completion>;
    /// The next completion, or has the task woken when there is one. Waking may happen under a lock of the pipe's.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Completion>;
    /// The same, for who has a timer: where nothing but a clock of the bus's will wake the task, it is not woken, but `due`
    /// set to the instant to poll again at, unless it is an earlier one.
    fn poll_timed(&self, cx: &mut Context<'_>, due: &mut Option<Instant>) -> Poll<Completion> {
        let _ = due;
        self.poll_next(cx)
    }
    /// Takes back everything queued.
    fn cancel_all(&self);
    /// Halts the endpoint until the host clears it.
    fn set_halt(&self) -> Result<(), EndpointError>;
    /// Ends a halt from the device's side, and sets the device's data toggle back with it.
    fn clear_halt(&self) -> Result<(), EndpointError>;
    /// Disables the endpoint. What is queued, and whatever is submitted later, completes as
    /// [`EndpointError::Disabled`].
    fn disable(&self);
    /// Waits until a pipe that has been disabled has let go of the endpoint: the thread that came first to disable it
    /// may still be at it. For the thread of endpoint 0, which enables the endpoint again.
    fn wait_disabled(&self);
    /// Disables this pipe but not the endpoint, which a new pipe takes over with its data toggle. `None`
    /// when it was disabled before.
    fn take_over(&self) -> Option<Arc<dyn Pipe>>;
}

/// Completions put back into the order of their submissions.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    first: u64,
    slots: VecDeque<Option<Completion>>,
}

impl Ordered {
    /// A new submission's number.
    pub(crate) fn submitted(&mut self) -> u64 {
        self.slots.push_back(None);
        self.first + self.slots.len() as u64 - 1
    }

    pub(crate) fn completed(&mut self, number: u64, completion: Completion) {
        let position = number.checked_sub(self.first);
        let position = position.and_then(|position| usize::try_from(position).ok());
        if let Some(slot) = position.and_then(|position| self.slots.get_mut(position)) {
            *slot = Some(completion);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Completion> {
        let completion = self.slots.front_mut()?.take()?;
        self.slots.pop_front();
        self.first += 1;
        Some(completion)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(actual_length: usize) -> Completion {
        Completion {
            buffer: Buffer::new(),
            actual_length,
            status: Ok(()),
        }
    }

    #[test]
    fn completions_come_in_the_order_of_submission() {
        let mut ordered = Ordered::default();
        let numbers = [(); 3].map(|()| ordered.submitted());
        ordered.completed(numbers[2], completion(2));
        ordered.completed(numbers[1], completion(1));
        assert!(ordered.pop().is_none());
        ordered.completed(numbers[0], completion(0));
        let order: Vec<usize> = std::iter::from_fn(|| ordered.pop())
            .map(|one| one.actual_length)
            .collect();
        assert_eq!(order, [0, 1, 2]);
        assert!(ordered.is_empty());
    }

    #[test]
    fn a_number_already_returned_changes_nothing() {
        let mut ordered = Ordered::default();
        let number = ordered.submitted();
        ordered.completed(number, completion(1));
        assert!(ordered.pop().is_some());
        let next = ordered.submitted();
        ordered.completed(number, completion(7));
        assert!(ordered.pop().is_none());
        assert_eq!((ordered.len(), next), (1, number + 1));
    }
}
