//! Threads whose blocking system calls can be ended, and a thread that comes first.
//!
//! A read or write of an endpoint file ends early for a signal only, so each thread that does such I/O
//! takes one signal and blocks all others: another one would end a transfer that nobody cancelled.
//! Endpoint 0's calls may be repeated, and their thread blocks nothing.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::thread::JoinHandleExt as _;
use std::ptr;
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;
use rustix::ioctl::{NoArg, Opcode, ioctl, opcode};

/// How soon to interrupt a system call again that has not ended: the signal may come just before the call.
pub(super) const INTERRUPT_INTERVAL: Duration = Duration::from_millis(1);

/// How soon at most.
const LONGEST_INTERRUPT_INTERVAL: Duration = Duration::from_millis(100);

/// How long to wait after a signal once this was too short: who sends signals may come first on its processor, and the
/// thread that is to take them must come to run.
pub(super) fn longer(interval: Duration) -> Duration {
    LONGEST_INTERRUPT_INTERVAL.min(interval * 2)
}

/// GADGETFS_CLEAR_HALT and FUNCTIONFS_CLEAR_HALT, which are the same (linux/usb/gadgetfs.h, functionfs.h).
const CLEAR_HALT: Opcode = opcode::none(b'g', 3);

/// Ends the halt of an endpoint. Waits for I/O that another thread does on the file.
pub(super) fn clear_halt(file: impl AsFd) -> Result<(), Errno> {
    // SAFETY: the opcode says that it has no argument, and the kernel reads none (ep_ioctl, ffs_epfile_ioctl): it
    // touches no memory of this process.
    unsafe { ioctl(file, NoArg::<CLEAR_HALT>::new()) }
}

/// A thread for blocking I/O.
#[derive(Debug)]
pub(crate) struct IoThread(JoinHandle<()>);

impl IoThread {
    /// Starts the thread.
    pub(crate) fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        handle_signal();
        let thread = thread::Builder::new().name(name).spawn(move || {
            take_only_our_signal();
            body();
        })?;
        Ok(Self(thread))
    }

    /// Makes the thread's current system call fail with EINTR. Nothing happens when it is in none, so
    /// repeat this until the call is known to have ended.
    pub(crate) fn interrupt(&self) {
        // SAFETY: the JoinHandle is ours and not joined, so the thread is neither joined nor detached and its
        // pthread_t names it, even if it has ended. `spawn` installed the handler first, so the signal
        // does nothing but end a system call.
        let result = unsafe { libc::pthread_kill(self.0.as_pthread_t(), signal()) };
        debug_assert!(is_sent_or_needless(result));
    }

    /// Waits for the thread to end.
    pub(crate) fn join(self) {
        // A panic of the body has been printed; it left its completions undone, which disable() reports.
        drop(self.0.join());
    }
}

/// The blocking system calls of one thread, which another thread can put an end to.
#[derive(Debug, Default)]
pub(crate) struct EndableCalls {
    state: Mutex<Calls>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Calls {
    is_over: bool,
    /// The thread that is in a call.
    caller: Option<libc::pthread_t>,
}

impl EndableCalls {
    /// Makes a system call, again if a signal disturbs it. `None` once [`end`](Self::end) was called.
    pub(crate) fn run<T>(
        &self,
        mut call: impl FnMut() -> Result<T, Errno>,
    ) -> Option<Result<T, Errno>> {
        handle_signal();
        loop {
            let outcome = {
                let _in_call = InCall::enter(self)?;
                call()
            };
            match outcome {
                Err(Errno::INTR) => {}
                outcome => return Some(outcome),
            }
        }
    }

    /// Ends the call that is being made, if there is one, and refuses all others.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        let mut interval = INTERRUPT_INTERVAL;
        while let Some(thread) = state.caller {
            // SAFETY: `caller` names a thread from `InCall::enter` to the drop of that value on the same thread,
            // and both hold the lock that is held here: the thread is alive and in `run`, which
            // installed the handler first.
            let result = unsafe { libc::pthread_kill(thread, signal()) };
            debug_assert!(is_sent_or_needless(result));
            state = self
                .changed
                .wait_timeout(state, interval)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            interval = longer(interval);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // Every update is a single assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, its thread is in a call that may be interrupted.
struct InCall<'a>(&'a EndableCalls);

impl<'a> InCall<'a> {
    fn enter(calls: &'a EndableCalls) -> Option<Self> {
        let mut state = calls.lock();
        if state.is_over {
            return None;
        }
        // SAFETY: pthread_self has no precondition.
        state.caller = Some(unsafe { libc::pthread_self() });
        Some(Self(calls))
    }
}

impl Drop for InCall<'_> {
    fn drop(&mut self) {
        self.0.lock().caller = None;
        self.0.changed.notify_all();
    }
}

/// Lets the calling thread run before all ordinary ones as soon as it has something to do, where the process
/// may ask for that (CAP_SYS_NICE, RLIMIT_RTPRIO). Threads it starts are ordinary ones.
pub(crate) fn come_first() {
    let parameters = libc::sched_param { sched_priority: 1 };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `parameters` is a local that outlives the call, which only reads it; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if result != 0 {
        let error = io::Error::last_os_error();
        let thread = thread::current();
        let name = thread.name().unwrap_or("a thread");
        log::debug!("{name} runs at ordinary priority: {error}");
    }
}

/// What pthread_kill may say. A thread that has ended is in no system call (ESRCH). A thread that does not come to run
/// takes no signal either, and of those that wait for it there is a limit (EAGAIN, RLIMIT_SIGPENDING): one more of them
/// changes nothing, and where they are another's, the next is tried soon.
fn is_sent_or_needless(result: libc::c_int) -> bool {
    matches!(result, 0 | libc::ESRCH | libc::EAGAIN)
}

/// The signal that interrupts: a real-time signal, since the others have meanings of their own.
fn signal() -> libc::c_int {
    libc::SIGRTMAX() - 1
}

/// Does nothing: a signal with a handler ends the system call.
extern "C" fn ignore(_signal: libc::c_int) {}

/// Gives the signal its handler, which stays for the rest of the program.
fn handle_signal() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(install_handler);
}

fn install_handler() {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: `action` is a local that outlives the block. All zeroes is a valid sigaction, without SA_RESTART, which
    // would resume the call; sigemptyset writes its mask. `ignore` is async-signal-safe because it
    // does nothing, and lives as long as the program. The old action is not asked for.
    unsafe {
        (*action.as_mut_ptr()).sa_sigaction = ignore as *const () as libc::sighandler_t;
        libc::sigemptyset(&raw mut (*action.as_mut_ptr()).sa_mask);
        libc::sigaction(signal(), action.as_ptr(), ptr::null_mut());
    }
}

fn take_only_our_signal() {
    let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `blocked` is a local that outlives the block; sigfillset initialises it before the others read it. Only
    // this thread's mask changes, and the old one is not asked for.
    unsafe {
        libc::sigfillset(blocked.as_mut_ptr());
        libc::sigdelset(blocked.as_mut_ptr(), signal());
        libc::pthread_sigmask(libc::SIG_SETMASK, blocked.as_ptr(), ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_blocked_read_ends_when_interrupted() {
        let (mut reader, _writer) = io::pipe().unwrap();
        let (sender, outcome) = channel();
        let thread = IoThread::spawn("reader".to_owned(), move || {
            let error = reader.read(&mut [0]).unwrap_err();
            sender.send(error.kind()).unwrap();
        })
        .unwrap();
        // The first ones may come before the read does.
        let kind = loop {
            thread.interrupt();
            if let Ok(kind) = outcome.recv_timeout(Duration::from_millis(1)) {
                break kind;
            }
        };
        assert_eq!(kind, io::ErrorKind::Interrupted);
        thread.join();
    }

    /// Of this process: signals that may wait to be taken.
    fn limit_of_signals(new: Option<libc::rlim_t>) -> libc::rlim_t {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` is a local that outlives the calls, which write to it or read it.
        unsafe {
            let result = libc::getrlimit(libc::RLIMIT_SIGPENDING, &raw mut limit);
            assert_eq!(result, 0);
            let old = limit.rlim_cur;
            if let Some(new) = new {
                limit.rlim_cur = new;
                let result = libc::setrlimit(libc::RLIMIT_SIGPENDING, &raw const limit);
                assert_eq!(result, 0);
            }
            old
        }
    }

    #[test]
    fn where_no_more_signals_may_wait_one_is_sent_later() {
        let (mut reader, _writer) = io::pipe().unwrap();
        let (sender, outcome) = channel();
        let thread = IoThread::spawn("reader".to_owned(), move || {
            sender
                .send(reader.read(&mut [0]).unwrap_err().kind())
                .unwrap();
        })
        .unwrap();
        let limit = limit_of_signals(Some(0));
        for _ in 0..10 {
            thread.interrupt();
        }
        limit_of_signals(Some(limit));
        let kind = loop {
            thread.interrupt();
            if let Ok(kind) = outcome.recv_timeout(Duration::from_millis(1)) {
                break kind;
            }
        };
        assert_eq!(kind, io::ErrorKind::Interrupted);
        thread.join();
    }

    #[test]
    fn who_interrupts_leaves_ever_more_time_but_not_for_ever() {
        let intervals = std::iter::successors(Some(INTERRUPT_INTERVAL), |&one| Some(longer(one)));
        let waited: Duration = intervals.clone().take(10).sum();
        assert!(waited > Duration::from_millis(300), "{waited:?}");
        let longest = intervals.take(1000).max();
        assert_eq!(longest, Some(LONGEST_INTERRUPT_INTERVAL));
    }

    #[test]
    fn a_call_ends_when_all_are_ended_and_none_begins_after() {
        let calls = EndableCalls::default();
        let (reader, _writer) = io::pipe().unwrap();
        let read = || calls.run(|| rustix::io::read(&reader, &mut [0; 1]));
        thread::scope(|scope| {
            let blocked = scope.spawn(read);
            while calls.lock().caller.is_none() {
                thread::yield_now();
            }
            calls.end();
            assert_eq!(blocked.join().unwrap(), None);
        });
        assert_eq!(read(), None);
    }
}
