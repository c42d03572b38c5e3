//! On tokio's own reactor.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use aio_rs::{
    AsyncContext, AsyncFile, Buffer, Context, Operation, PollEvents, Reactor, SharedFile,
};

fn pipe() -> (SharedFile, io::PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (SharedFile::new(reader), writer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_on_two_workers_share_a_context() {
    let context = AsyncContext::with_reactor(8, Reactor::Tokio).expect("a context");
    let (files, mut writers): (Vec<_>, Vec<_>) = (0..40).map(|_| pipe()).unzip();
    let tasks: Vec<_> = files
        .iter()
        .map(|file| {
            let file = AsyncFile::new(&context, file);
            tokio::spawn(async move {
                let events = file.ready(PollEvents::READABLE).await?;
                let (buffer, result) = file.read_at(Buffer::with_capacity(8), 0).await;
                result.map(|_| (events, buffer.into_vec()))
            })
        })
        .collect();
    for (writer, number) in writers.iter_mut().zip(0_u64..) {
        writer.write_all(&number.to_le_bytes()).expect("write");
        tokio::task::yield_now().await;
    }
    for (task, number) in tasks.into_iter().zip(0_u64..) {
        let (events, bytes) = task.await.expect("no panic").expect("success");
        assert_eq!(
            (events, bytes),
            (PollEvents::READABLE, number.to_le_bytes().to_vec())
        );
    }
}

#[tokio::test]
async fn a_context_of_one_task_sleeps_again_and_again() {
    let mut context = Context::with_reactor(2, Reactor::Tokio).expect("a context");
    let (file, mut writer) = pipe();
    for round in 0..50 {
        context
            .prepare(Operation::poll(&file, PollEvents::READABLE).user_data(round))
            .expect("room");
        let write = async {
            tokio::task::yield_now().await;
            writer.write_all(b"x").expect("write");
        };
        let (completion, ()) = tokio::join!(context.next(), write);
        assert_eq!(
            completion.expect("reactor").expect("in flight").user_data,
            round
        );
        context
            .prepare(Operation::read(&file, 0, Buffer::with_capacity(1)))
            .expect("room");
        let completion = context.next().await.expect("reactor").expect("in flight");
        assert_eq!(&completion.buffer[..], b"x");
    }
}

#[tokio::test]
async fn a_timeout_drops_the_future_and_frees_its_slot() {
    let context = AsyncContext::with_reactor(1, Reactor::Tokio).expect("a context");
    let (file, mut writer) = pipe();
    let operation = context.start(Operation::poll(&file, PollEvents::READABLE));
    tokio::time::timeout(Duration::from_millis(5), operation)
        .await
        .expect_err("nothing was written");
    writer.write_all(b"x").expect("write");
    let completion = context
        .start(Operation::poll(&file, PollEvents::READABLE))
        .await;
    assert_eq!(completion.poll_events(), PollEvents::READABLE);
}

#[test]
fn outside_a_runtime_the_reactor_is_missing() {
    let error = AsyncContext::with_reactor(1, Reactor::Tokio).expect_err("no runtime");
    assert!(error.to_string().contains("runtime"), "{error}");
}

#[test]
fn a_future_that_outlives_its_runtime_ends_with_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    let (reader, _writer) = io::pipe().expect("a pipe");
    let file = Arc::new(std::os::fd::OwnedFd::from(reader));
    let shared = SharedFile::from(&file);
    let context = runtime
        .block_on(async { AsyncContext::with_reactor(1, Reactor::Tokio) })
        .expect("a context");
    let in_flight = context.start(Operation::poll(&shared, PollEvents::READABLE).user_data(1));
    let write = Operation::write(&shared, 0, Buffer::from(b"mine".as_slice())).user_data(2);
    let queued = context.start(write);
    drop((runtime, shared));
    let completion = futures::executor::block_on(in_flight);
    assert!(completion.result.is_err());
    assert_eq!(completion.user_data, 1);
    let completion = futures::executor::block_on(queued);
    assert!(completion.result.is_err());
    assert_eq!(
        (completion.user_data, &completion.buffer[..]),
        (2, b"mine".as_slice())
    );
    drop(context);
    assert_eq!(Arc::strong_count(&file), 1);
}
