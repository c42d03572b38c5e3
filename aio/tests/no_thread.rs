//! Blocking use starts no thread, even where the futures are built in. Alone in its process, to count.

use std::fs;
use std::io::Write as _;

use aio_rs::{Buffer, Context, Engine, Operation, PollEvents, SharedFile};

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("procfs").count()
}

#[test]
fn blocking_use_starts_no_thread() {
    let before = threads();
    // io_uring's workers are threads.
    let mut context = Context::with_engine(4, Engine::LinuxAio).expect("a context");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let file = SharedFile::new(tempfile::tempfile().expect("a file"));
    let poll = Operation::poll(SharedFile::new(reader), PollEvents::READABLE);
    context.prepare(poll).expect("room");
    context
        .prepare(Operation::write(&file, 0, Buffer::from(b"data".as_slice())))
        .expect("room");
    writer.write_all(b"x").expect("write");
    for _ in 0..2 {
        let completion = context
            .wait(None)
            .expect("wait")
            .expect("two are in flight");
        completion.result.expect("success");
        assert_eq!(threads(), before);
    }
}
