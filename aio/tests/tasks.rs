//! A context shared by tasks, on executors that know nothing of it.

use std::future::poll_fn;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use aio_rs::{
    AsyncContext, AsyncFile, Buffer, CancelOutcome, Completion, Context, Operation, PollEvents,
    SharedFile, Started,
};
use futures::executor::block_on;
use futures::future::{join_all, select};
use futures::stream::{FuturesUnordered, StreamExt as _};
use proptest::prelude::*;

fn pipe() -> (SharedFile, io::PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (SharedFile::new(reader), writer)
}

fn readable(file: &SharedFile) -> Operation {
    Operation::poll(file, PollEvents::READABLE)
}

/// Polls a future that is not ready, and leaves it alone.
fn poll_once(future: &mut Started) {
    block_on(poll_fn(|cx| {
        assert!(Pin::new(&mut *future).poll(cx).is_pending());
        Poll::Ready(())
    }));
}

/// Waits for what another thread does; the deadline only stops a hang.
fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the condition did not come true"
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_file_is_written_synced_and_read() {
    block_on(async {
        let context = AsyncContext::new(4).expect("a context");
        let file = AsyncFile::new(&context, tempfile::tempfile().expect("a file"));
        let pieces = [b"scattered ".as_slice(), b"data"].map(Buffer::from);
        let (pieces, result) = file.write_vectored_at(pieces.into(), 3).await;
        assert_eq!((pieces.len(), result.expect("written")), (2, 14));
        file.sync_data().await.expect("synced");
        file.sync_all().await.expect("synced");
        let halves = vec![Buffer::with_capacity(13), Buffer::with_capacity(100)];
        let (halves, result) = file.read_vectored_at(halves, 0).await;
        assert_eq!(result.expect("read"), 17);
        assert_eq!(
            (&halves[0][..], &halves[1][..]),
            (b"\0\0\0scattered ".as_slice(), b"data".as_slice())
        );
        let (buffer, result) = file.write_at(Buffer::from(b"SCAT".as_slice()), 3).await;
        assert_eq!(
            (result.expect("written"), &buffer[..]),
            (4, b"SCAT".as_slice())
        );
        let (buffer, result) = file.read_at(buffer, 5).await;
        assert_eq!(
            (result.expect("read"), &buffer[..]),
            (4, b"ATte".as_slice())
        );
    });
}

#[test]
fn ten_thousand_operations_share_sixteen_slots() {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&(0..10_000).flat_map(u64::to_le_bytes).collect::<Vec<u8>>())
        .expect("write");
    let context = AsyncContext::new(16).expect("a context");
    let file = AsyncFile::new(&context, file);
    let reads = (0..10_000).map(|number: u64| {
        let read = file.read_at(Buffer::with_capacity(8), number * 8);
        async move { (number, read.await) }
    });
    for (number, (buffer, result)) in block_on(join_all(reads)) {
        assert_eq!(result.expect("read"), 8);
        assert_eq!(buffer[..], number.to_le_bytes());
    }
}

#[test]
fn operations_reach_the_kernel_in_the_order_they_were_started() {
    let (reader, writer) = io::pipe().expect("a pipe");
    let context = AsyncContext::new(2).expect("a context");
    let writer = AsyncFile::new(&context, SharedFile::new(writer));
    let writes: Vec<_> = (0..100_u8)
        .map(|n| writer.write_at(Buffer::from(vec![n]), 0))
        .collect();
    // The last is polled first.
    block_on(join_all(writes.into_iter().rev()));
    let reader = AsyncFile::new(&context, SharedFile::new(reader));
    let (buffer, _) = block_on(reader.read_at(Buffer::with_capacity(200), 0));
    assert_eq!(&buffer[..], (0..100).collect::<Vec<u8>>());
}

#[test]
fn tasks_on_several_threads_are_each_woken_for_their_own() {
    let context = AsyncContext::new(64).expect("a context");
    let (files, mut writers): (Vec<_>, Vec<_>) = (0..50).map(|_| pipe()).unzip();
    // Each thread is an executor of its own.
    let tasks: Vec<_> = files
        .chunks(13)
        .map(|files| {
            let files = files.iter().map(|file| AsyncFile::new(&context, file));
            let polls = join_all(files.map(|file| file.ready(PollEvents::READABLE)));
            std::thread::spawn(move || block_on(polls))
        })
        .collect();
    for writer in writers.iter_mut().rev() {
        writer.write_all(b"x").expect("write");
    }
    for events in tasks
        .into_iter()
        .flat_map(|task| task.join().expect("no panic"))
    {
        assert_eq!(events.expect("polled"), PollEvents::READABLE);
    }
}

#[test]
fn a_task_that_stops_polling_does_not_keep_completions_from_others() {
    let context = AsyncContext::new(8).expect("a context");
    let (first, mut first_writer) = pipe();
    let (second, mut second_writer) = pipe();
    let mut lazy = context.start(readable(&first));
    // It registers with the reactor, and is then left alone.
    poll_once(&mut lazy);
    let task = std::thread::spawn({
        let operation = context.start(readable(&second));
        move || block_on(operation)
    });
    second_writer.write_all(b"x").expect("write");
    assert!(task.join().expect("no panic").result.is_ok());
    first_writer.write_all(b"x").expect("write");
    assert!(block_on(lazy).result.is_ok());
}

#[test]
fn dropping_a_future_cancels_and_lets_everything_go() {
    let context = AsyncContext::new(1).expect("a context");
    let (reader, _writer) = io::pipe().expect("a pipe");
    let file = Arc::new(OwnedFd::from(reader));
    for polled in [false, true] {
        let mut future = context.start(readable(&SharedFile::from(&file)));
        if polled {
            poll_once(&mut future);
        }
        drop(future);
        // Its only slot is free again for this one, which would otherwise wait for ever.
        let done = block_on(context.start(Operation::sync(tempfile::tempfile().expect("a file"))));
        assert!(done.result.is_ok());
        assert_eq!(Arc::strong_count(&file), 1);
    }
}

#[test]
fn the_reactor_reaps_what_was_dropped_without_another_poll() {
    let context = AsyncContext::new(4).expect("a context");
    let (reader, _writer) = io::pipe().expect("a pipe");
    let file = Arc::new(OwnedFd::from(reader));
    let mut future = context.start(readable(&SharedFile::from(&file)));
    poll_once(&mut future);
    drop(future);
    wait_until(|| Arc::strong_count(&file) == 1);
}

#[test]
fn a_deadline_is_a_select_with_a_timer() {
    let context = AsyncContext::new(2).expect("a context");
    let (file, mut writer) = pipe();
    block_on(async {
        let operation = context.start(readable(&file));
        let timer = async_io::Timer::after(Duration::from_millis(5));
        let futures::future::Either::Right((_, operation)) = select(operation, timer).await else {
            panic!("nothing was written yet");
        };
        // What the operation achieved until now is not lost: it is still waited for.
        assert_eq!(operation.cancel(), CancelOutcome::Requested);
        assert!(operation.await.is_cancelled());

        writer.write_all(b"x").expect("write");
        assert!(context.start(readable(&file)).await.result.is_ok());
    });
}

#[test]
fn a_queued_operation_can_be_withdrawn() {
    let context = AsyncContext::new(1).expect("a context");
    let (file, _writer) = pipe();
    let _occupant = context.start(readable(&file));
    let write = Operation::write(&file, 0, Buffer::from(b"mine".as_slice())).user_data(9);
    let queued = context.start(write);
    assert_eq!(queued.cancel(), CancelOutcome::Withdrawn);
    let completion = block_on(queued);
    assert!(completion.is_cancelled());
    assert_eq!(
        (completion.user_data, &completion.buffer[..]),
        (9, b"mine".as_slice())
    );
}

#[test]
fn futures_outlive_the_handle_they_came_from() {
    let context = AsyncContext::new(2).expect("a context");
    let (file, mut writer) = pipe();
    let operation = context.start(readable(&file));
    drop(context);
    writer.write_all(b"x").expect("write");
    assert!(block_on(operation).result.is_ok());
}

#[test]
fn dropping_everything_ends_what_is_in_flight() {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let file = Arc::new(OwnedFd::from(reader));
    let context = AsyncContext::new(8).expect("a context");
    let mut futures: FuturesUnordered<_> = (0..20)
        .map(|_| context.start(readable(&SharedFile::from(&file))))
        .collect();
    block_on(poll_fn(|cx| {
        assert!(futures.poll_next_unpin(cx).is_pending());
        Poll::Ready(())
    }));
    drop((futures, context));
    wait_until(|| Arc::strong_count(&file) == 1);
    drop(file);
    assert_eq!(
        writer.write_all(b"x").expect_err("no reader").kind(),
        io::ErrorKind::BrokenPipe
    );
}

#[test]
fn one_user_needs_no_sharing() {
    let (file, mut writer) = pipe();
    let mut context = Context::new(4).expect("a context");
    context.prepare(readable(&file)).expect("room");
    let writing = std::thread::spawn(move || {
        writer.write_all(b"x").expect("write");
        writer
    });
    let completion: Completion = block_on(context.next())
        .expect("reactor")
        .expect("in flight");
    assert_eq!(completion.poll_events(), PollEvents::READABLE);
    assert!(
        block_on(context.next()).expect("reactor").is_none(),
        "nothing is in flight"
    );
    drop(writing.join().expect("no panic"));
}

#[test]
fn a_task_that_waits_sleeps() {
    let (busy, mut writer) = pipe();
    let (quiet, _writer) = pipe();
    let mut context = Context::new(4).expect("a context");
    context.prepare(readable(&busy)).expect("room");
    context.prepare(readable(&quiet)).expect("room");
    writer.write_all(b"x").expect("write");
    let mut polls = 0;
    let next = poll_fn(|cx| {
        polls += 1;
        match context.poll_next(cx) {
            // The first completion leaves the eventfd readable.
            Poll::Ready(Ok(Some(_))) => context.poll_next(cx),
            other => other,
        }
    });
    let timer = async_io::Timer::after(Duration::from_millis(50));
    let outcome = block_on(select(next, timer));
    assert!(
        matches!(outcome, futures::future::Either::Right(_)),
        "nothing was written to it"
    );
    drop(outcome);
    assert!(polls < 10, "the task was polled {polls} times for nothing");
}

#[test]
fn waiting_may_alternate_between_blocking_and_futures() {
    let (file, mut writer) = pipe();
    let mut context = Context::new(4).expect("a context");
    for round in 0..20 {
        context
            .prepare(readable(&file).user_data(round))
            .expect("room");
        context.submit().expect("submit");
        let writing = std::thread::spawn(move || {
            writer.write_all(b"x").expect("write");
            writer
        });
        let completion = if round % 2 == 0 {
            block_on(context.next()).expect("reactor")
        } else {
            context.wait(None).expect("wait")
        };
        assert_eq!(completion.expect("in flight").user_data, round);
        writer = writing.join().expect("no panic");
        let read = Operation::read(&file, 0, Buffer::with_capacity(1));
        context.prepare(read).expect("room");
        assert_eq!(
            &context.wait(None).expect("wait").expect("in flight").buffer[..],
            b"x"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of tasks on two pipes, some polled, some cancelled, some dropped, those left all end, and as they should.
    #[test]
    fn whatever_happens_to_some_futures_the_others_end(
        depth in 1..8_u32,
        fates in prop::collection::vec((any::<bool>(), any::<bool>(), 0..3_u8), 1..40),
    ) {
        let context = AsyncContext::new(depth).expect("a context");
        let (first, mut first_writer) = pipe();
        let (second, mut second_writer) = pipe();
        let left = FuturesUnordered::new();
        let mut expected = 0;
        for (label, (on_first, polled, fate)) in (0..).zip(fates) {
            let file = if on_first { &first } else { &second };
            let mut future = context.start(readable(file).user_data(label));
            if polled {
                poll_once(&mut future);
            }
            match fate {
                0 => drop(future),
                _ => {
                    let cancelled = fate == 1 && future.cancel() != CancelOutcome::NotCancellable;
                    expected += 1;
                    left.push(async move { (label, cancelled, future.await) });
                }
            }
        }
        first_writer.write_all(b"x").expect("write");
        second_writer.write_all(b"x").expect("write");
        let ended: Vec<_> = block_on(left.collect());
        prop_assert_eq!(ended.len(), expected);
        for (label, cancelled, completion) in ended {
            prop_assert_eq!(completion.user_data, label);
            prop_assert!(completion.result.is_ok() || cancelled && completion.is_cancelled());
        }
    }
}
