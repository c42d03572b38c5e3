//! What shows only with processes, signals and a filter on system calls.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::thread::JoinHandleExt as _;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::{
    Buffer, CancelOutcome, Context, Engine, Operation, PollEvents, PrepareError, SharedFile,
};

const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));

/// Runs `act` in a forked child, which exits with what it returns; -1 when the child was killed.
fn exit_code_of(act: impl FnOnce() -> u8) -> i32 {
    // SAFETY: the child runs `act` and leaves through SYS_exit, never back into the test harness, whose other
    // threads it does not have. What it uses of std and malloc survives a fork under glibc.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", io::Error::last_os_error());
    if child == 0 {
        // SAFETY: alarm takes no pointer. It kills a child that hangs.
        unsafe { libc::alarm(60) };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        // SAFETY: SYS_exit takes no pointer, ends the only thread of the child, and passes the strict filter.
        unsafe { libc::syscall(libc::SYS_exit, i64::from(outcome.unwrap_or(255))) };
    }
    let mut status = 0;
    // SAFETY: waitpid writes to `status`, which outlives the call; the child is ours to reap.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        -1
    }
}

/// How many of eight completions a child takes after `act` when any system call kills it.
fn completions_taken_without_system_calls(act: impl Fn(&mut Context)) -> i32 {
    let file = SharedFile::new(tempfile::tempfile().expect("a file"));
    exit_code_of(|| {
        let mut context = Context::with_engine(8, Engine::LinuxAio).expect("a context");
        for _ in 0..8 {
            let write = Operation::write(&file, 0, Buffer::from(b"data".as_slice()));
            context.prepare(write).expect("room");
        }
        // Ordinary files are done when submit returns.
        context.submit().expect("submit");
        // SAFETY: prctl takes no pointer here. It kills the child at any system call but read, write and exit.
        let status = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) };
        assert_eq!(status, 0);
        act(&mut context);
        let mut count = 0;
        while let Some(completion) = context.try_next() {
            assert_eq!(completion.result.expect("written"), 4);
            count += 1;
        }
        // Its drop would make system calls.
        std::mem::forget(context);
        count
    })
}

#[test]
fn taking_completions_makes_no_system_call() {
    assert_eq!(completions_taken_without_system_calls(|_| {}), 8);
    // The filter works.
    assert_eq!(
        completions_taken_without_system_calls(Context::cancel_all),
        -1
    );
}

#[test]
fn a_forked_child_neither_takes_completions_nor_destroys_the_parents_context() {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let pipe = Arc::new(OwnedFd::from(reader));
    let file = SharedFile::new(tempfile::tempfile().expect("a file"));
    let mut context = Context::new(4).expect("a context");
    let write = Operation::write(&file, 0, Buffer::from(b"data".as_slice())).user_data(1);
    context.prepare(write).expect("room");
    let poll = Operation::poll(&pipe, PollEvents::READABLE).user_data(2);
    let in_flight = context.prepare(poll).expect("room");
    context.submit().expect("submit");

    let code = exit_code_of(|| {
        // SAFETY: reads the parent's context bit by bit, as the child's copy of it; the original in the child's
        // memory is not used or dropped again, because exit_code_of does not return here.
        let mut inherited = unsafe { ptr::read(&raw const context) };
        assert!(inherited.try_next().is_none());
        assert!(inherited.wait(DEADLINE).is_err());
        assert!(inherited.submit().is_err());
        assert!(inherited.clear_event_fd().is_err());
        assert_eq!(inherited.cancel(in_flight), CancelOutcome::Unknown);
        let refusal = inherited
            .prepare(Operation::sync(&file))
            .expect_err("not ours");
        assert!(matches!(refusal, PrepareError::Forked(_)));

        let mut own = Context::new(4).expect("a context");
        drop(inherited);
        assert_eq!(Arc::strong_count(&pipe), 1, "the child's copies are freed");
        own.prepare(Operation::read(&file, 0, Buffer::with_capacity(10)))
            .expect("room");
        let completion = own.wait(DEADLINE).expect("wait").expect("a completion");
        assert_eq!(&completion.buffer[..], b"data");
        0
    });
    assert_eq!(code, 0);

    let completion = context.wait(DEADLINE).expect("wait").expect("a completion");
    assert_eq!(completion.user_data, 1);
    assert!(context.try_next().is_none());
    writer.write_all(b"x").expect("write");
    let completion = context.wait(DEADLINE).expect("wait").expect("a completion");
    assert_eq!(
        (completion.user_data, completion.poll_events()),
        (2, PollEvents::READABLE)
    );
}

#[test]
fn signals_do_not_end_a_wait() {
    static SIGNALS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_signal: libc::c_int) {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: all zeros is a valid sigaction: no flags, thus no SA_RESTART, and an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler only touches an atomic; `action` outlives the call.
    let status = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
    assert_eq!(status, 0);

    let done = Arc::new(AtomicBool::new(false));
    let waiting = Arc::clone(&done);
    let waiter = std::thread::spawn(move || {
        let (reader, _writer) = io::pipe().expect("a pipe");
        let mut context = Context::new(1).expect("a context");
        let poll = Operation::poll(SharedFile::new(reader), PollEvents::READABLE);
        context.prepare(poll).expect("room");
        let timeout = Duration::from_millis(50);
        let start = Instant::now();
        let completion = context.wait(Some(timeout));
        let elapsed = start.elapsed();
        waiting.store(true, Ordering::Release);
        assert!(completion.expect("not an error").is_none());
        assert!(elapsed >= timeout, "the wait ended after {elapsed:?}");
    });
    while !done.load(Ordering::Acquire) {
        // SAFETY: the handle has not been joined, so its thread id is valid.
        unsafe { libc::pthread_kill(waiter.as_pthread_t(), libc::SIGUSR1) };
        std::thread::yield_now();
    }
    waiter.join().expect("no panic");
    assert!(SIGNALS.load(Ordering::Relaxed) > 0);
}
