//! Who owns what while the kernel works: the transfers of a ring.
//!
//! A buffer moves into the queue when its transfer is prepared and out of it when its answer is taken, in the order of
//! the ring's numbers; in between nobody can reach it. Numbers from `taken` up to `prepared` may be the kernel's: it
//! starts what is published when it has nothing else, so what is not started is ours again only once `retract` has
//! taken it back. When this is dropped the kernel's are cancelled and awaited first; should that fail, their buffers
//! are leaked, never freed.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "async-io", feature = "tokio"))]
use crate::Operation;
use crate::sys::{Asked, ForkMark, PREPARED, RingPage, batch_offset, cancel_offset, operate};
use crate::{Buffer, SharedFile};

/// The transfers of one ring, oldest first.
#[derive(Debug)]
pub(crate) struct Transfers {
    page: RingPage,
    kernel: Kernel,
    queue: VecDeque<Entry>,
    /// The number of the oldest transfer of the ring in the queue.
    taken: u32,
    prepared: u32,
    /// Some of those written down lie in memory that only an operation of ours can start.
    needs_start: bool,
}

/// Who takes the operations.
#[derive(Debug)]
enum Kernel {
    File {
        file: SharedFile,
        is_in: bool,
    },
    #[cfg(test)]
    Test(tests::TestKernel),
}

#[derive(Debug)]
enum Entry {
    /// It has a number, and its answer comes in the ring.
    InRing(Buffer),
    /// It never got there: an errno, or 0 for a read of nothing.
    Ended(Buffer, i32),
}

/// A transfer's end: its buffer, and bytes moved or an errno.
pub(crate) type Ended = (Buffer, Result<usize, i32>);

/// For how long a wait may go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    /// Answers to wait for.
    pub(crate) goal: u32,
    /// After the first of them.
    pub(crate) patience: Duration,
    /// In all.
    pub(crate) timeout: Option<Duration>,
}

fn microseconds(duration: Duration) -> u32 {
    let whole = duration.as_secs().saturating_mul(1_000_000);
    let rest = duration.subsec_nanos().div_ceil(1000);
    u32::try_from(whole.saturating_add(rest.into())).unwrap_or(u32::MAX)
}

impl Transfers {
    pub(crate) fn map(
        file: &SharedFile,
        is_in: bool,
        depth: u32,
        mark: &Arc<ForkMark>,
    ) -> io::Result<Self> {
        let page = RingPage::map(file, depth, mark)?;
        let file = file.clone();
        Ok(Self::new(page, Kernel::File { file, is_in }))
    }

    fn new(page: RingPage, kernel: Kernel) -> Self {
        let started = page.started();
        Self {
            page,
            kernel,
            queue: VecDeque::new(),
            taken: started,
            prepared: started,
            needs_start: false,
        }
    }

    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        self.page.is_inherited()
    }

    fn is_in(&self) -> bool {
        match &self.kernel {
            Kernel::File { is_in, .. } => *is_in,
            #[cfg(test)]
            Kernel::Test(_) => true,
        }
    }

    /// Transfers it has room for.
    #[inline]
    pub(crate) fn depth(&self) -> usize {
        self.page.size() as usize
    }

    /// Transfers whose answers have not been taken.
    #[inline]
    pub(crate) fn outstanding(&self) -> usize {
        self.queue.len()
    }

    /// Transfers written down that the kernel has not been told of.
    #[inline]
    pub(crate) fn waiting_to_start(&self) -> u32 {
        self.prepared.wrapping_sub(self.page.started())
    }

    /// Transfers of the ring whose answers have not been taken.
    pub(crate) fn in_ring(&self) -> u32 {
        self.prepared.wrapping_sub(self.taken)
    }

    /// Answers that are here and have not been taken.
    pub(crate) fn answered(&self) -> u32 {
        self.page.done().wrapping_sub(self.taken)
    }

    /// Writes a transfer down for the next start; gives the buffer back when there is no room.
    #[inline]
    pub(crate) fn prepare(&mut self, mut buffer: Buffer, flags: u32) -> Result<(), Buffer> {
        if self.in_ring() >= self.page.size() {
            return Err(buffer);
        }
        self.needs_start |= buffer.mapped_piece().is_none();
        let (address, length) = if self.is_in() {
            let bytes = buffer.room_for_read();
            (bytes.as_mut_ptr().expose_provenance(), bytes.len())
        } else {
            (buffer.as_ptr().expose_provenance(), buffer.len())
        };
        let Ok(length) = u32::try_from(length) else {
            self.queue.push_back(Entry::Ended(buffer, libc::EINVAL));
            return Ok(());
        };
        if self.is_in() && length == 0 {
            self.queue.push_back(Entry::Ended(buffer, 0));
            return Ok(());
        }
        let address = address as u64;
        self.page.ask(
            self.prepared,
            Asked {
                address,
                length,
                flags,
            },
        );
        self.prepared = self.prepared.wrapping_add(1);
        self.queue.push_back(Entry::InRing(buffer));
        Ok(())
    }

    /// Lets the kernel start what is written down when it has done what it has; false when an operation must.
    #[inline]
    pub(crate) fn publish(&mut self) -> bool {
        let is_idle = self.page.publish(self.prepared);
        !is_idle && !self.needs_start
    }

    /// Starts what is written down and, if told so, waits in the same call.
    ///
    /// # Errors
    /// Those of a wait. What could not be started ends with the errno, and is no error here.
    pub(crate) fn enter(&mut self, waiting: Option<Waiting>) -> io::Result<()> {
        let target = self.set_out(waiting);
        match self.operate(batch_offset(PREPARED, target)) {
            Ok(()) => {
                self.needs_start = false;
                Ok(())
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                if errno != libc::EINTR && self.waiting_to_start() > 0 && self.retract(errno) {
                    return Ok(());
                }
                Err(error)
            }
        }
    }

    fn operate(&self, offset: u64) -> io::Result<()> {
        match &self.kernel {
            Kernel::File { file, is_in } => {
                // SAFETY: what this starts are transfers of `prepare`, which put each one's buffer in the queue before
                // its address in the ring. Nothing reaches into the queue; `next` takes a buffer out once its answer
                // is in the ring, `end_unstarted` gives up only what was not started. Drop waits, or leaks.
                unsafe { operate(file, *is_in, offset) }
            }
            #[cfg(test)]
            Kernel::Test(kernel) => kernel.operate(&self.page, offset),
        }
    }

    /// Takes back what is not started, which ends with `errno`; false when the kernel does not answer.
    fn retract(&mut self, errno: i32) -> bool {
        self.page.publish(self.page.started());
        // Whoever is starting transfers has ended when this returns, and has seen that there are no more.
        while let Err(error) = self.operate(batch_offset(0, self.taken)) {
            if error.kind() != io::ErrorKind::Interrupted {
                self.page.publish(self.prepared);
                return false;
            }
        }
        let mut left = self.waiting_to_start();
        for entry in self.queue.iter_mut().rev() {
            if left == 0 {
                break;
            }
            if let Entry::InRing(buffer) = entry {
                *entry = Entry::Ended(mem::take(buffer), errno);
                left -= 1;
            }
        }
        self.prepared = self.page.started();
        self.needs_start = false;
        true
    }

    /// Takes the oldest transfer if it is over. No system call.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Ended> {
        if let Entry::InRing(_) = self.queue.front()?
            && self.page.done() == self.taken
        {
            return None;
        }
        match self.queue.pop_front()? {
            Entry::Ended(buffer, errno) => {
                let result = if errno == 0 { Ok(0) } else { Err(errno) };
                Some(self.filled(buffer, result))
            }
            Entry::InRing(buffer) => {
                let answer = self.page.answer(self.taken);
                self.taken = self.taken.wrapping_add(1);
                let asked = if self.is_in() {
                    buffer.requested_length()
                } else {
                    buffer.len()
                };
                let result = match usize::try_from(answer.moved) {
                    // A driver that miscounts must not make us believe in bytes beyond the buffer.
                    Ok(moved) if moved > asked => Err(libc::EIO),
                    // Bytes come first.
                    Ok(moved) if moved > 0 || answer.status == 0 => Ok(moved),
                    _ => Err(answer.status.checked_neg().unwrap_or(libc::EIO)),
                };
                Some(self.filled(buffer, result))
            }
        }
    }

    #[inline]
    fn filled(&self, mut buffer: Buffer, result: Result<usize, i32>) -> Ended {
        if self.is_in() {
            buffer.set_read(result.unwrap_or(0));
        }
        (buffer, result)
    }

    /// The operation of [`enter`](Self::enter) for a context, which a task is woken by. The transfers that it starts are
    /// this queue's as those of any other operation.
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub(crate) fn entering(&mut self, file: &SharedFile, waiting: Waiting) -> Operation {
        let target = self.set_out(Some(waiting));
        self.needs_start = false;
        Operation::batch(file, self.is_in(), batch_offset(PREPARED, target))
    }

    /// Publishes what is written down and how a wait is to be; returns the number of transfers that it is for.
    fn set_out(&mut self, waiting: Option<Waiting>) -> u32 {
        self.page.publish(self.prepared);
        let goal = waiting.map_or(0, |waiting| waiting.goal.min(self.in_ring()));
        if let Some(waiting) = waiting {
            let timeout = waiting
                .timeout
                .map_or(0, |timeout| microseconds(timeout).max(1));
            self.page
                .set_waiting(self.taken, microseconds(waiting.patience), timeout);
        }
        self.taken.wrapping_add(goal)
    }

    /// Asks for every transfer to end soon.
    pub(crate) fn cancel_all(&mut self) {
        if self.waiting_to_start() > 0 {
            self.retract(libc::ECANCELED);
        }
        self.cancel(self.taken, self.in_ring());
    }

    /// Asks for the oldest transfer to end soon.
    pub(crate) fn cancel_oldest(&mut self) {
        if let Some(Entry::InRing(_)) = self.queue.front() {
            // Only what is started can be cancelled, and the oldest is soon.
            if self.page.started() == self.taken {
                let _ = self.enter(None);
            }
            self.cancel(self.taken, 1);
        }
    }

    fn cancel(&self, first: u32, count: u32) {
        if count == 0 {
            return;
        }
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        // It fails only where there is nothing left to cancel: the answers come all the same.
        let _ = self.operate(cancel_offset(count, first));
    }

    /// Waits until the kernel is done with everything; false when it cannot be asked.
    fn settle(&self) -> bool {
        loop {
            let (done, started) = (self.page.done(), self.page.started());
            if done == started {
                return true;
            }
            self.page.set_waiting(done, u32::MAX, 0);
            match self.operate(batch_offset(0, started)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return false,
                _ => {}
            }
        }
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        // A child's memory is its own, the controller writes to the parent's; and the ring is the parent's.
        if self.is_inherited() {
            return;
        }
        self.cancel_all();
        if !self.settle() {
            mem::forget(mem::take(&mut self.queue));
        }
    }
}

#[cfg(test)]
mod tests;
