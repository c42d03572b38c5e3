//! Endpoints as byte streams.

use std::io::ErrorKind;

use crate::rig::{Rig, SHORT, SOON};
use usbfs2_host::Buffer;

fn text(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

#[test]
fn a_stream_of_any_length_arrives_whole() {
    use std::io::{Read, Write};

    let rig = Rig::new();
    let mut writer = rig.output().writer(2048).with_timeout(SOON);
    let mut reader = rig.input().reader(1000).with_timeout(SOON);
    let sent = text(100_003);
    let received = std::thread::scope(|scope| {
        scope.spawn(|| {
            for piece in sent.chunks(777) {
                writer.write_all(piece).unwrap();
            }
            writer.flush().unwrap();
        });
        let mut received = vec![0; sent.len()];
        reader.read_exact(&mut received).unwrap();
        received
    });
    assert!(received == sent, "the stream was damaged");
}

#[test]
fn an_async_stream_of_any_length_arrives_whole() {
    use futures::{AsyncReadExt, AsyncWriteExt};

    let rig = Rig::new();
    let mut writer = rig.output().writer(512).with_transfers(2);
    let mut reader = rig.input().reader(512).with_transfers(2);
    let sent = text(50_001);
    let mut received = vec![0; sent.len()];
    futures::executor::block_on(async {
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.close().await.unwrap();
        };
        let read = async { reader.read_exact(&mut received).await.unwrap() };
        futures::join!(write, read);
    });
    assert!(received == sent, "the stream was damaged");
}

#[test]
fn the_end_of_a_message_is_a_short_or_empty_packet() {
    use std::io::Write;

    let rig = Rig::new();
    let mut input = rig.input();
    let mut writer = rig.output().writer(4096).with_timeout(SOON);
    for length in [512, 513] {
        writer.write_all(&text(length)).unwrap();
        writer.end();
        writer.flush().unwrap();
        // The device receives up to 4096 bytes, so it answers only once it has seen the end.
        let answer = input.transfer_blocking(Buffer::with_capacity(length), SOON);
        assert_eq!((answer.actual_length, answer.status), (length, Ok(())));
    }
}

#[test]
fn a_read_that_times_out_loses_nothing() {
    use std::io::Read;

    let rig = Rig::new();
    let mut reader = rig.input().reader(512).with_timeout(SHORT);
    let mut byte = [0];
    assert_eq!(
        reader.read(&mut byte).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    rig.write(&[1, 2]);
    let mut reader = reader.with_timeout(SOON);
    assert_eq!(reader.read(&mut byte).unwrap(), 1);
    assert_eq!(byte, [1]);
    assert_eq!(reader.read(&mut byte).unwrap(), 1);
    assert_eq!(byte, [2]);
}

#[test]
fn a_stall_is_an_error_and_the_stream_goes_on_after_recovery() {
    use std::io::Read;

    let rig = Rig::new();
    rig.echo.halt(0x81);
    let mut reader = rig.input().reader(512).with_timeout(SOON);
    let mut byte = [0];
    assert_eq!(
        reader.read(&mut byte).unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    let input = reader.endpoint_mut();
    input.clear_halt().unwrap();
    while input.wait(None).is_some() {}
    rig.write(&[3]);
    assert_eq!(reader.read(&mut byte).unwrap(), 1);
    assert_eq!(byte, [3]);
}

#[test]
fn a_writer_reports_an_unplugged_device() {
    use std::io::Write;

    let rig = Rig::new();
    let mut writer = rig.output().writer(512).with_timeout(SOON);
    rig.echo.port().cable().pull();
    writer.write_all(b"lost").unwrap();
    assert_eq!(writer.flush().unwrap_err().kind(), ErrorKind::NotConnected);
}
