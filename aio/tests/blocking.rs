//! A context used by one thread that blocks: what every operation, limit and error does.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aio_rs::{
    Buffer, CancelOutcome, Completion, Context, Engine, Operation, PollEvents, PrepareError,
    SetupError, SharedFile,
};

/// Stops a hang; no test waits for it to pass.
const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));

fn next(context: &mut Context) -> Completion {
    context
        .wait(DEADLINE)
        .expect("wait")
        .expect("a completion before the deadline")
}

fn errno(completion: &Completion) -> Option<i32> {
    completion
        .result
        .as_ref()
        .err()
        .and_then(io::Error::raw_os_error)
}

fn file_with(content: &[u8]) -> SharedFile {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(content).expect("write");
    SharedFile::new(file)
}

/// A pipe nobody writes to: a poll on it stays in flight until cancelled.
fn quiet_pipe() -> (SharedFile, io::PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (SharedFile::new(reader), writer)
}

#[test]
fn a_write_reaches_the_file_and_a_read_brings_it_back() {
    let mut file = tempfile::tempfile().expect("a temporary file");
    let shared = SharedFile::new(file.try_clone().expect("clone"));
    let mut context = Context::new(4).expect("a context");

    let data: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let write = Operation::write(&shared, 7, Buffer::from(data.clone())).user_data(42);
    let id = context.prepare(write).expect("room");
    let completion = next(&mut context);
    assert_eq!((completion.id, completion.user_data), (id, 42));
    assert_eq!(completion.result.expect("written"), 10_000);
    assert_eq!(&completion.buffer[..], &data[..]);

    let mut content = Vec::new();
    file.rewind().expect("rewind");
    file.read_to_end(&mut content).expect("read");
    assert_eq!(&content[..7], [0; 7]);
    assert_eq!(&content[7..], &data[..]);

    let read = Operation::read(&shared, 7, Buffer::with_capacity(65_536));
    context.prepare(read).expect("room");
    let completion = next(&mut context);
    assert_eq!(completion.result.expect("read"), 10_000);
    assert_eq!(&completion.buffer[..], &data[..]);
    assert_eq!(completion.buffer.capacity(), 65_536);
}

#[test]
fn a_read_asks_for_the_requested_length_and_overwrites_from_the_start() {
    let file = file_with(b"0123456789");
    let mut context = Context::new(1).expect("a context");
    let mut buffer = Buffer::from(b"former content".as_slice());
    buffer.set_requested_length(4);
    context
        .prepare(Operation::read(&file, 2, buffer))
        .expect("room");
    let completion = next(&mut context);
    assert_eq!(&completion.buffer[..], b"2345");

    // Past the end: no bytes, no error, and nothing of the former content shows.
    context
        .prepare(Operation::read(&file, 100, completion.buffer))
        .expect("room");
    let completion = next(&mut context);
    assert_eq!(completion.result.expect("read"), 0);
    assert!(completion.buffer.is_empty());
}

#[test]
fn vectors_are_written_and_read_in_order() {
    let file = file_with(b"");
    let mut context = Context::new(1).expect("a context");
    let pieces = [b"one".as_slice(), b"", b"three"];
    let buffers = pieces.map(Buffer::from).into();
    context
        .prepare(Operation::write_vectored(&file, 0, buffers))
        .expect("room");
    let completion = next(&mut context);
    assert_eq!(completion.result.expect("written"), 8);
    assert_eq!(completion.buffers.len(), 3);

    let buffers = vec![
        Buffer::with_capacity(5),
        Buffer::with_capacity(5000),
        Buffer::with_capacity(1),
    ];
    context
        .prepare(Operation::read_vectored(&file, 0, buffers))
        .expect("room");
    let completion = next(&mut context);
    assert_eq!(completion.result.expect("read"), 8);
    let filled: Vec<&[u8]> = completion
        .buffers
        .iter()
        .map(|buffer| &buffer[..])
        .collect();
    assert_eq!(filled, [b"oneth".as_slice(), b"ree", b""]);
}

#[test]
fn both_syncs_complete_on_a_file_and_are_refused_on_a_pipe() {
    let file = file_with(b"data");
    let (pipe, _writer) = quiet_pipe();
    let mut context = Context::new(4).expect("a context");
    for sync in [Operation::sync(&file), Operation::sync_data(&file)] {
        context.prepare(sync).expect("room");
        assert_eq!(next(&mut context).result.expect("synced"), 0);
    }
    context.prepare(Operation::sync(&pipe)).expect("room");
    assert_eq!(errno(&next(&mut context)), Some(libc::EINVAL));
}

#[test]
fn a_poll_tells_what_became_possible() {
    let (pipe, mut writer) = quiet_pipe();
    let (socket, peer) = UnixStream::pair().expect("sockets");
    let socket = SharedFile::new(socket);
    let mut context = Context::new(4).expect("a context");

    context
        .prepare(Operation::poll(&pipe, PollEvents::READABLE).user_data(1))
        .expect("room");
    context
        .prepare(Operation::poll(&socket, PollEvents::READABLE).user_data(2))
        .expect("room");
    assert_eq!(context.submit().expect("submit"), 2);
    assert!(context.try_next().is_none());

    writer.write_all(b"x").expect("write");
    let completion = next(&mut context);
    assert_eq!(
        (completion.user_data, completion.poll_events()),
        (1, PollEvents::READABLE)
    );

    drop(peer);
    let completion = next(&mut context);
    assert_eq!(completion.user_data, 2);
    assert!(
        completion
            .poll_events()
            .contains(PollEvents::READABLE | PollEvents::HANG_UP)
    );
}

#[test]
fn sockets_and_pipes_carry_data_that_is_there() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let mut context = Context::new(4).expect("a context");
    context
        .prepare(Operation::write(
            OwnedFd::from(writer),
            0,
            Buffer::from(b"pipe".as_slice()),
        ))
        .expect("room");
    assert_eq!(next(&mut context).result.expect("written"), 4);
    // The completion let the last handle of the write end go: the pipe ends here.
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("read");
    assert_eq!(text, "pipe");

    let (near, mut far) = UnixStream::pair().expect("sockets");
    far.write_all(b"socket").expect("write");
    context
        .prepare(Operation::read(
            OwnedFd::from(near),
            0,
            Buffer::with_capacity(64),
        ))
        .expect("room");
    assert_eq!(&next(&mut context).buffer[..], b"socket");
}

#[test]
fn what_the_kernel_refuses_completes_with_its_errno_and_stops_nothing_else() {
    let file = file_with(b"content");
    let write_only = SharedFile::new(
        File::options()
            .write(true)
            .open(tempfile::NamedTempFile::new().expect("a file").path())
            .expect("open"),
    );
    let (pipe, _writer) = quiet_pipe();
    let mut context = Context::new(8).expect("a context");
    let operations = [
        Operation::read(&write_only, 0, Buffer::with_capacity(10)),
        Operation::read(&file, 0, Buffer::with_capacity(10)),
        Operation::sync(&pipe),
        Operation::read(&file, u64::MAX, Buffer::with_capacity(10)),
        Operation::read(&file, 3, Buffer::with_capacity(10)),
        Operation::sync(&pipe),
    ];
    for (operation, label) in operations.into_iter().zip(0..) {
        context.prepare(operation.user_data(label)).expect("room");
    }
    assert!(context.submit().expect("submit") >= 2);
    let mut completions: Vec<Completion> = (0..6).map(|_| next(&mut context)).collect();
    completions.sort_by_key(|completion| completion.user_data);
    let errors: Vec<Option<i32>> = completions.iter().map(errno).collect();
    let invalid = Some(libc::EINVAL);
    assert_eq!(
        errors,
        [Some(libc::EBADF), None, invalid, invalid, None, invalid]
    );
    assert_eq!(&completions[4].buffer[..], b"tent");
    assert_eq!(context.in_flight(), 0);
    assert!(
        context.wait(DEADLINE).expect("wait").is_none(),
        "nothing is left to wait for"
    );
}

#[test]
fn a_refusal_makes_the_eventfd_readable() {
    let (pipe, _writer) = quiet_pipe();
    // io_uring's answer is no refusal.
    let mut context = Context::with_engine(1, Engine::LinuxAio).expect("a context");
    context.prepare(Operation::sync(&pipe)).expect("room");
    assert_eq!(context.submit().expect("submit"), 0);
    assert!(is_readable(&context));
    assert_eq!(
        errno(&context.try_next().expect("a completion")),
        Some(libc::EINVAL)
    );
}

#[test]
fn the_eventfd_is_readable_from_completion_to_clearing() {
    let (pipe, mut writer) = quiet_pipe();
    let mut context = Context::new(1).expect("a context");
    context
        .prepare(Operation::poll(&pipe, PollEvents::READABLE))
        .expect("room");
    context.submit().expect("submit");
    assert!(!is_readable(&context));
    writer.write_all(b"x").expect("write");
    next(&mut context);
    assert!(is_readable(&context));
    context.clear_event_fd().expect("clear");
    assert!(!is_readable(&context));
}

/// Asks the kernel with a second context: a poll on the eventfd completes at once when it is readable.
fn is_readable(context: &Context) -> bool {
    let event_fd = context
        .event_fd()
        .try_clone_to_owned()
        .expect("a duplicate");
    let mut observer = Context::new(1).expect("a context");
    observer
        .prepare(Operation::poll(event_fd, PollEvents::READABLE))
        .expect("room");
    observer.submit().expect("submit");
    observer.try_next().is_some()
}

#[test]
fn a_cancelled_operation_completes_once_with_ecanceled() {
    let (pipe, _writer) = quiet_pipe();
    let mut context = Context::new(2).expect("a context");
    let id = context
        .prepare(Operation::poll(&pipe, PollEvents::READABLE))
        .expect("room");
    context.submit().expect("submit");
    assert_eq!(context.cancel(id), CancelOutcome::Requested);
    let completion = next(&mut context);
    assert_eq!(completion.id, id);
    assert_eq!(errno(&completion), Some(libc::ECANCELED));
    assert!(completion.is_cancelled());
    assert_eq!(context.cancel(id), CancelOutcome::Unknown);
    assert_eq!(context.in_flight(), 0);
}

#[test]
fn a_cancel_that_comes_too_early_or_too_late_says_so() {
    let file = file_with(b"content");
    let mut context = Context::new(2).expect("a context");
    let id = context
        .prepare(Operation::read(&file, 0, Buffer::with_capacity(100)))
        .expect("room");
    assert_eq!(context.cancel(id), CancelOutcome::Withdrawn);
    let completion = context.try_next().expect("a completion");
    assert!(completion.is_cancelled());
    assert_eq!(
        (completion.buffer.capacity(), completion.buffer.len()),
        (100, 0)
    );

    let again = context
        .prepare(Operation::read(&file, 0, completion.buffer))
        .expect("room");
    assert_ne!(again, id, "a name is not used twice");
    context.submit().expect("submit");
    // Ordinary files are done by now, or cannot be stopped.
    assert_eq!(context.cancel(again), CancelOutcome::NotCancellable);
    assert_eq!(&next(&mut context).buffer[..], b"content");
    assert_eq!(context.cancel(again), CancelOutcome::Unknown);
}

#[test]
fn cancelled_writes_keep_their_data() {
    let file = file_with(b"");
    let mut context = Context::new(1).expect("a context");
    let write = Operation::write(&file, 0, Buffer::from(b"unsent".as_slice()));
    let id = context.prepare(write).expect("room");
    context.cancel(id);
    assert_eq!(&next(&mut context).buffer[..], b"unsent");
}

#[test]
fn a_full_context_gives_the_operation_back() {
    let (pipe, _writer) = quiet_pipe();
    let mut context = Context::new(3).expect("a context");
    for _ in 0..3 {
        context
            .prepare(Operation::poll(&pipe, PollEvents::READABLE))
            .expect("room");
    }
    let extra = Operation::write(&pipe, 0, Buffer::from(b"mine".as_slice()));
    let refusal = context.prepare(extra).expect_err("no room");
    assert!(matches!(refusal, PrepareError::Full(_)));
    assert_eq!(&refusal.into_operation().into_buffer()[..], b"mine");
    context.submit().expect("submit");
    context.cancel_all();
    // Room comes with the taking of a completion, not with the operation's end.
    next(&mut context);
    assert_eq!((context.depth(), context.in_flight()), (3, 2));
    context
        .prepare(Operation::poll(&pipe, PollEvents::READABLE))
        .expect("room");
}

#[test]
fn impossible_depths_are_explained() {
    assert!(matches!(Context::new(0), Err(SetupError::ZeroDepth)));
    let error = Context::new(u32::MAX).expect_err("more than any system has");
    assert!(matches!(
        error,
        SetupError::LimitReached { depth: u32::MAX }
    ));
    assert!(error.to_string().contains("fs.aio-max-nr"), "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::QuotaExceeded);
}

#[test]
fn a_wait_ends_at_its_timeout_and_not_before() {
    let (pipe, mut writer) = quiet_pipe();
    let mut context = Context::new(2).expect("a context");
    context
        .prepare(Operation::poll(&pipe, PollEvents::READABLE))
        .expect("room");
    let timeout = Duration::from_millis(30);
    let start = Instant::now();
    assert!(context.wait(Some(timeout)).expect("wait").is_none());
    assert!(start.elapsed() >= timeout);
    assert!(context.wait(Some(Duration::ZERO)).expect("wait").is_none());
    // Too long for any clock: no deadline, and no overflow.
    writer.write_all(b"x").expect("write");
    assert!(context.wait(Some(Duration::MAX)).expect("wait").is_some());
}

#[test]
fn wait_many_returns_what_is_there_when_the_time_is_over() {
    let (quiet, _writer) = quiet_pipe();
    let (busy, mut writer) = quiet_pipe();
    let mut context = Context::new(8).expect("a context");
    for _ in 0..3 {
        context
            .prepare(Operation::poll(&busy, PollEvents::READABLE))
            .expect("room");
        context
            .prepare(Operation::poll(&quiet, PollEvents::READABLE))
            .expect("room");
    }
    writer.write_all(b"x").expect("write");
    let mut completions = Vec::new();
    assert_eq!(
        context
            .wait_many(3, DEADLINE, &mut completions)
            .expect("wait"),
        3
    );
    let some = Some(Duration::from_millis(10));
    assert_eq!(
        context.wait_many(2, some, &mut completions).expect("wait"),
        0
    );
    context.cancel_all();
    // More than can come is no reason to wait for ever.
    assert_eq!(
        context
            .wait_many(usize::MAX, None, &mut completions)
            .expect("wait"),
        3
    );
    assert_eq!(completions.len(), 6);
    assert_eq!(
        context.wait_many(1, None, &mut completions).expect("wait"),
        0
    );
}

#[test]
fn a_thread_that_waits_is_woken_by_another() {
    let (pipe, mut writer) = quiet_pipe();
    let mut context = Context::new(1).expect("a context");
    context
        .prepare(Operation::poll(&pipe, PollEvents::READABLE))
        .expect("room");
    let waiter = std::thread::spawn(move || next(&mut context).poll_events());
    writer.write_all(b"x").expect("write");
    assert_eq!(waiter.join().expect("no panic"), PollEvents::READABLE);
}

#[test]
fn ten_thousand_operations_each_complete_once() {
    const COUNT: u64 = 10_000;
    let file = file_with(&(0..COUNT).flat_map(u64::to_le_bytes).collect::<Vec<u8>>());
    let mut context = Context::new(128).expect("a context");
    let mut seen = BTreeSet::new();
    let mut spare: Vec<Buffer> = (0..128).map(|_| Buffer::with_capacity(8)).collect();
    let mut completions = Vec::new();
    let mut label = 0;
    while seen.len() < 10_000 {
        while label < COUNT
            && let Some(buffer) = spare.pop()
        {
            let read = Operation::read(&file, label * 8, buffer).user_data(label);
            context.prepare(read).expect("as many buffers as slots");
            label += 1;
        }
        assert!(
            context
                .wait_many(1, DEADLINE, &mut completions)
                .expect("wait")
                > 0
        );
        for completion in completions.drain(..) {
            assert_eq!(completion.buffer[..], completion.user_data.to_le_bytes());
            assert!(seen.insert(completion.user_data));
            spare.push(completion.buffer);
        }
    }
    assert_eq!(
        (context.in_flight(), context.try_next().is_none()),
        (0, true)
    );
}

#[test]
fn thousands_in_flight_at_once_are_all_cancelled() {
    let (pipe, _writer) = quiet_pipe();
    let mut context = Context::new(5_000).expect("a context");
    for label in 0..5_000 {
        context
            .prepare(Operation::poll(&pipe, PollEvents::READABLE).user_data(label))
            .expect("room");
    }
    assert_eq!(context.submit().expect("submit"), 5_000);
    context.cancel_all();
    let mut completions = Vec::new();
    assert_eq!(
        context
            .wait_many(5_000, DEADLINE, &mut completions)
            .expect("wait"),
        5_000
    );
    let labels: BTreeSet<u64> = completions
        .iter()
        .map(|completion| completion.user_data)
        .collect();
    assert_eq!(labels.len(), 5_000);
    assert!(completions.iter().all(Completion::is_cancelled));
}

#[test]
fn dropping_a_context_ends_what_is_in_flight() {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let file = Arc::new(OwnedFd::from(reader));
    let mut context = Context::new(32).expect("a context");
    for _ in 0..31 {
        context
            .prepare(Operation::poll(&file, PollEvents::READABLE))
            .expect("room");
    }
    context.submit().expect("submit");
    context
        .prepare(Operation::poll(&file, PollEvents::READABLE))
        .expect("room");
    assert_eq!(Arc::strong_count(&file), 33);
    drop(context);
    assert_eq!(Arc::strong_count(&file), 1);
    // The kernel has let the read end go too: without ours, nobody reads this pipe.
    drop(file);
    let error = writer.write_all(b"x").expect_err("no reader");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
