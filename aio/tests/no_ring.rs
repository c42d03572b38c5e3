//! What a `TransferRing` says of files that have no ring.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use aio_rs::TransferRing;

/// `ENODEV`, which a caller goes by to take an operation for each transfer.
const NO_RING: Option<i32> = Some(libc::ENODEV);

#[test]
fn an_ordinary_file_is_not_mapped() {
    let file = File::open(env!("CARGO_MANIFEST_PATH")).expect("the manifest");
    let refused = TransferRing::new(file, true, 16).expect_err("it has no ring");
    assert_eq!(refused.raw_os_error(), NO_RING);
}

#[test]
fn a_fifo_without_mmap_has_none() {
    // As an endpoint file of a module that has no rings, open for both.
    let (reader, _writer) = io::pipe().expect("a pipe");
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    for is_in in [true, false] {
        let file = File::options().read(true).write(true).open(&path);
        let file = file.expect("a pipe opens again");
        let refused = TransferRing::new(file, is_in, 16).expect_err("it has no ring");
        assert_eq!(refused.raw_os_error(), NO_RING);
    }
}
