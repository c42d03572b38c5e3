//! Operations on parts of one buffer, on ordinary files: what drivers get to see.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use aio_rs::{Buffer, Completion, Context, Operation, Parts, SharedFile};

const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));

fn file() -> (File, SharedFile) {
    let file = tempfile::tempfile().expect("a file");
    let shared = SharedFile::new(file.try_clone().expect("another descriptor"));
    (file, shared)
}

fn run(operation: Operation) -> Completion {
    let mut context = Context::new(1).expect("a context");
    context.prepare(operation).expect("room");
    context
        .wait(DEADLINE)
        .expect("a wait")
        .expect("a completion")
}

fn parts(lengths: Vec<usize>, bytes: &[u8]) -> Box<Parts> {
    let mut report = Buffer::with_capacity(64);
    report.extend_from_slice(bytes);
    report.set_requested_length(bytes.len());
    Box::new(Parts { lengths, report })
}

#[test]
fn a_write_gives_one_vector_a_part_and_the_report_last() {
    let (file, shared) = file();
    let buffer = Buffer::from(b"one, two, three".as_slice());
    let write = Operation::write_parts(&shared, 3, buffer, parts(vec![3, 0, 7], b"<report>"));
    let done = run(write.user_data(9));
    assert_eq!(done.result.expect("written"), 18);
    assert_eq!(done.user_data, 9);
    assert_eq!(&done.buffer[..], b"one, two, three");
    let back = done.parts.expect("the parts");
    assert_eq!(back.lengths, [3, 0, 7]);
    assert_eq!(&back.report[..], b"<report>");
    let mut written = [0; 21];
    file.read_exact_at(&mut written, 0).expect("read");
    assert_eq!(&written, b"\0\0\0one, two, <report>");
}

#[test]
fn a_read_fills_the_parts_then_the_report() {
    let (file, shared) = file();
    file.write_all_at(b"0123456789abcdef", 0).expect("write");
    let buffer = Buffer::with_capacity(32);
    let done = run(Operation::read_parts(
        &shared,
        1,
        buffer,
        parts(vec![4, 2], &[0; 3]),
    ));
    assert_eq!(done.result.expect("read"), 9);
    assert_eq!(&done.buffer[..], b"123456");
    let mut back = done.parts.expect("the parts");
    assert_eq!(&back.report[..], b"789");

    // The memory serves again, cut in another way, and without a report.
    back.lengths.clear();
    back.lengths.extend([8; 2]);
    back.report.set_requested_length(0);
    let done = run(Operation::read_parts(&shared, 0, done.buffer, back));
    assert_eq!(done.result.expect("read"), 16);
    assert_eq!(&done.buffer[..], b"0123456789abcdef");
    assert!(done.parts.expect("the parts").report.is_empty());
}

#[test]
fn a_short_read_leaves_what_did_not_come() {
    let (file, shared) = file();
    file.write_all_at(b"xyz", 0).expect("write");
    let buffer = Buffer::from(b"--------".as_slice());
    let done = run(Operation::read_parts(
        &shared,
        0,
        buffer,
        parts(vec![2, 4], b"!!"),
    ));
    assert_eq!(done.result.expect("read"), 3);
    assert_eq!(&done.buffer[..], b"xyz---");
    assert_eq!(&done.parts.expect("the parts").report[..], b"!!");
}

#[test]
fn a_refused_operation_gives_all_memory_back() {
    let (_, shared) = file();
    // Beyond what io_submit takes of vectors (UIO_MAXIOV).
    let many = parts(vec![1; 2_000], b"!!");
    let done = run(Operation::read_parts(
        &shared,
        0,
        Buffer::with_capacity(2_000),
        many,
    ));
    let error = done.result.expect_err("too many");
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    let mut back = done.parts.expect("the parts");
    assert_eq!((done.buffer.len(), back.report.len()), (0, 0));
    assert_eq!((done.buffer.capacity(), back.lengths.len()), (2_000, 2_000));

    back.lengths.clear();
    let unused = Operation::write_parts(&shared, 0, done.buffer, back);
    let (buffer, parts) = unused.into_parts();
    assert_eq!(buffer.capacity(), 2_000);
    assert_eq!(parts.expect("the parts").report.capacity(), 64);
}

#[test]
#[should_panic(expected = "2 parts do not fit 8 bytes of a buffer")]
fn parts_beyond_the_buffer_are_a_programming_error() {
    let (_, shared) = file();
    let _ = Operation::read_parts(&shared, 0, Buffer::with_capacity(8), parts(vec![8, 1], b""));
}

#[test]
#[should_panic(expected = "2 parts do not fit 3 bytes of a buffer")]
fn a_write_takes_only_what_is_filled() {
    let (_, shared) = file();
    let mut buffer = Buffer::with_capacity(8);
    buffer.extend_from_slice(b"abc");
    let _ = Operation::write_parts(&shared, 0, buffer, parts(vec![usize::MAX, 4], b""));
}
