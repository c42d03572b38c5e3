//! Direct I/O, which a disk completes when it likes: the operations are truly in flight, and the kernel writes to
//! their buffers behind our back.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use aio_rs::{Buffer, Completion, Context, Operation};

const BLOCK: usize = 4096;
const BLOCKS: usize = 256;

/// A file of blocks that each hold their number, opened with `O_DIRECT`.
fn blocks() -> Arc<OwnedFd> {
    let mut file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a file");
    for number in 0..BLOCKS {
        file.write_all(&content(number)).expect("write");
    }
    file.as_file().sync_all().expect("sync");
    let direct = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_DIRECT)
        .open(file.path());
    Arc::new(
        direct
            .expect("O_DIRECT, which cargo's target directory must support")
            .into(),
    )
}

fn content(number: usize) -> Vec<u8> {
    (number as u32).to_le_bytes().repeat(BLOCK / 4)
}

fn read(file: &Arc<OwnedFd>, number: usize) -> Operation {
    let offset = (number * BLOCK) as u64;
    Operation::read(file, offset, Buffer::with_capacity(BLOCK)).user_data(number as u64)
}

#[test]
fn buffers_are_aligned_as_direct_io_wants_them() {
    let file = blocks();
    let mut context = Context::new(64).expect("a context");
    let mut completions: Vec<Completion> = Vec::new();
    for start in (0..BLOCKS).step_by(64) {
        for number in start..start + 64 {
            context.prepare(read(&file, number)).expect("room");
        }
        let count = context.wait_many(64, Some(Duration::from_secs(60)), &mut completions);
        assert_eq!(count.expect("wait"), 64);
    }
    for completion in completions {
        assert_eq!(completion.result.expect("read"), BLOCK);
        assert_eq!(
            completion.buffer[..],
            content(completion.user_data as usize)
        );
    }
}

#[test]
fn a_dropped_context_frees_no_buffer_the_disk_still_fills() {
    let file = blocks();
    for round in 0..50 {
        let mut context = Context::new(256).expect("a context");
        for number in 0..BLOCKS {
            context.prepare(read(&file, number)).expect("room");
        }
        context.submit().expect("submit");
        for _ in 0..round {
            context.try_next();
        }
        drop(context);
        // Memory the dropped buffers gave back is ours alone now: a late block would show in it.
        let fresh: Vec<Buffer> = (0..BLOCKS).map(|_| Buffer::with_capacity(BLOCK)).collect();
        assert_eq!(Arc::strong_count(&file), 1);
        assert!(
            fresh
                .iter()
                .all(|buffer| buffer.whole().iter().all(|&byte| byte == 0))
        );
    }
}

#[cfg(feature = "async-io")]
#[test]
fn dropped_futures_free_no_buffer_the_disk_still_fills() {
    use aio_rs::{AsyncContext, Started};
    use futures::executor::block_on;

    let file = blocks();
    let context = AsyncContext::new(64).expect("a context");
    for _ in 0..50 {
        let mut started: Vec<Started> = (0..100)
            .map(|number| context.start(read(&file, number)))
            .collect();
        // Polling one submits what fits; then all the others are dropped.
        let kept = started.swap_remove(40);
        let kept = block_on(async {
            let completion = kept.await;
            drop(started);
            completion
        });
        let fresh: Vec<Buffer> = (0..100).map(|_| Buffer::with_capacity(BLOCK)).collect();
        assert_eq!(kept.buffer[..], content(40));
        // Whatever the dropped ones still do, this goes through after them.
        assert_eq!(
            block_on(context.start(read(&file, 7))).buffer[..],
            content(7)
        );
        assert!(
            fresh
                .iter()
                .all(|buffer| buffer.whole().iter().all(|&byte| byte == 0))
        );
    }
}
