//! Operations with a time of their own.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use aio_rs::{AsyncContext, Completion, Context, Operation, PollEvents, SharedFile};
use futures::executor::block_on;

/// Only stops a hang.
const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));
const SHORT: Duration = Duration::from_millis(20);

fn pipe() -> (SharedFile, io::PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (SharedFile::new(reader), writer)
}

fn readable(file: &SharedFile) -> Operation {
    Operation::poll(file, PollEvents::READABLE)
}

fn errno(completion: &Completion) -> Option<i32> {
    completion.result.as_ref().err()?.raw_os_error()
}

#[test]
fn each_ends_at_its_own_time_and_no_other() {
    let (file, mut writer) = pipe();
    let mut context = Context::new(4).expect("a context");
    for (label, operation) in (0..).zip([
        readable(&file),
        readable(&file).timeout(SHORT * 3),
        readable(&file).timeout(SHORT),
    ]) {
        context.prepare(operation.user_data(label)).expect("room");
    }
    let start = Instant::now();
    for expected in [2, 1] {
        let completion = context.wait(DEADLINE).expect("wait").expect("a completion");
        assert_eq!(
            (completion.user_data, errno(&completion)),
            (expected, Some(libc::ETIMEDOUT))
        );
    }
    assert!(start.elapsed() >= SHORT * 3);
    assert!(context.wait(Some(SHORT)).expect("wait").is_none());
    writer.write_all(b"x").expect("write");
    let completion = context.wait(DEADLINE).expect("wait").expect("a completion");
    assert!(completion.poll_events().contains(PollEvents::READABLE));
}

#[test]
fn a_time_that_is_not_needed_is_forgotten() {
    let (file, mut writer) = pipe();
    writer.write_all(b"x").expect("write");
    let mut context = Context::new(1).expect("a context");
    for _ in 0..100 {
        context
            .prepare(readable(&file).timeout(Duration::from_secs(60)))
            .expect("room");
        let completion = context.wait(DEADLINE).expect("wait").expect("a completion");
        assert!(completion.result.is_ok());
    }
    // The slot's next operation has none.
    let (quiet, _writer) = pipe();
    context.prepare(readable(&quiet)).expect("room");
    assert!(context.wait(Some(SHORT)).expect("wait").is_none());
    context.cancel_all();
    let completion = context.wait(DEADLINE).expect("wait").expect("a completion");
    assert!(completion.is_cancelled());
}

#[test]
fn many_are_waited_for_with_their_times() {
    let (file, _writer) = pipe();
    let mut context = Context::new(8).expect("a context");
    for _ in 0..8 {
        context.prepare(readable(&file).timeout(SHORT)).expect("room");
    }
    let mut completions = Vec::new();
    let count = context
        .wait_many(8, DEADLINE, &mut completions)
        .expect("wait");
    assert_eq!(count, 8);
    assert!(
        completions
            .iter()
            .all(|completion| errno(completion) == Some(libc::ETIMEDOUT))
    );
}

#[test]
fn a_task_is_woken_when_the_time_is_over() {
    let (file, _writer) = pipe();
    let context = AsyncContext::new(2).expect("a context");
    let untimed = context.start(readable(&file));
    let timed = block_on(context.start(readable(&file).timeout(SHORT)));
    assert_eq!(errno(&timed), Some(libc::ETIMEDOUT));
    drop(untimed);
}
