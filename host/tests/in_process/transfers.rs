//! Transfers on endpoints: order, cancelling, deadlines, stalls, unplugging.

use std::time::{Duration, Instant};

use crate::rig::{Rig, SHORT, SOON};
use usbfs2_host::{Buffer, Bulk, Out, SetupPacket, TransferError, Waiting, block_on};

fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|i| seed.wrapping_add(i as u8)).collect()
}

/// Compiles only as long as programs may move these between threads and tasks.
#[test]
fn everything_moves_between_threads() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let rig = Rig::new();
    shared(&rig.host);
    shared(&rig.device);
    shared(&rig.interface);
    sent(rig.host.watch().unwrap());
    let mut input = sent(rig.input());
    let transfer = sent(input.transfer_within(Waiting::Async, Buffer::new(), Some(SHORT)));
    block_on(transfer).status.unwrap_err();
    let setup = SetupPacket::get_device_status();
    block_on(sent(rig.device.control_in(setup, SOON))).unwrap_err();
}

#[test]
fn what_goes_out_comes_back() {
    let rig = Rig::new();
    let (mut output, mut input) = (rig.output(), rig.input());
    let sent = output.transfer_blocking(Buffer::from(bytes(1000, 1)), SOON);
    assert_eq!((sent.actual_length, sent.status), (1000, Ok(())));
    assert_eq!(&sent.buffer[..], bytes(1000, 1));
    let received = input.transfer_blocking(Buffer::with_capacity(4096), SOON);
    assert_eq!((received.actual_length, received.status), (1000, Ok(())));
    assert_eq!(&received.buffer[..], bytes(1000, 1));
    assert_eq!(received.buffer.requested_length(), 4096);
}

#[test]
fn completions_come_in_the_order_of_submission() {
    let rig = Rig::new();
    let (mut output, mut input) = (rig.output(), rig.input());
    input.submit_all((0..300).map(|_| Buffer::with_capacity(512)));
    assert_eq!(input.pending(), 300);
    for i in 0..300 {
        output.submit(Buffer::from(bytes(1 + i % 200, i as u8)));
    }
    for i in 0..300 {
        let received = input.wait(Some(SOON)).unwrap().into_result().unwrap();
        assert_eq!(&received[..], bytes(1 + i % 200, i as u8));
    }
    assert_eq!(input.pending(), 0);
    assert!(input.wait(None).is_none());
}

#[test]
fn a_zero_length_packet_is_a_transfer() {
    let rig = Rig::new();
    let (mut output, mut input) = (rig.output(), rig.input());
    let sent = output.transfer_blocking(Buffer::new(), SOON);
    assert_eq!((sent.actual_length, sent.status), (0, Ok(())));
    let received = input.transfer_blocking(Buffer::with_capacity(512), SOON);
    assert_eq!((received.actual_length, received.status), (0, Ok(())));
}

#[test]
fn waiting_gives_up_without_cancelling() {
    let rig = Rig::new();
    let (mut output, mut input) = (rig.output(), rig.input());
    input.submit(Buffer::with_capacity(512));
    assert!(input.wait(Some(SHORT)).is_none());
    let deadline = Some(Instant::now() + SHORT);
    assert!(block_on(input.complete(Waiting::Async, deadline)).is_none());
    assert_eq!(input.pending(), 1);
    output.submit(Buffer::from(vec![9]));
    assert_eq!(&input.wait(Some(SOON)).unwrap().buffer[..], [9]);
}

#[test]
fn cancel_all_completes_every_transfer_once() {
    let rig = Rig::new();
    let mut input = rig.input();
    input.submit_all((0..32).map(|_| Buffer::with_capacity(512)));
    input.cancel_all();
    for _ in 0..32 {
        let completion = input.wait(Some(SOON)).unwrap();
        assert_eq!(completion.status, Err(TransferError::Cancelled));
        assert_eq!(completion.buffer.capacity(), 512);
    }
    assert!(input.wait(Some(SOON)).is_none());
    // The endpoint goes on.
    rig.write(&[1, 2]);
    let received = input.transfer_blocking(Buffer::with_capacity(512), SOON);
    assert_eq!(received.actual_length, 2);
}

#[test]
fn a_deadline_with_nothing_moved_times_out() {
    let rig = Rig::new();
    let mut input = rig.input();
    let completion = input.transfer_blocking(Buffer::with_capacity(512), SHORT);
    assert_eq!(completion.status, Err(TransferError::TimedOut));
    let transfer = input.transfer_within(Waiting::Async, Buffer::with_capacity(512), Some(SHORT));
    assert_eq!(block_on(transfer).status, Err(TransferError::TimedOut));
    assert_eq!(input.pending(), 0);
}

#[test]
fn a_deadline_delivers_the_bytes_that_came() {
    for waiting in [Waiting::Blocking, Waiting::Async] {
        let rig = Rig::new();
        let mut input = rig.input();
        // A full packet does not end the transfer, and no other follows.
        rig.echo.send(0x81, &bytes(512, 3));
        let buffer = Buffer::with_capacity(1024);
        let completion = block_on(input.transfer_within(waiting, buffer, Some(SHORT)));
        assert_eq!((completion.actual_length, completion.status), (512, Ok(())));
        assert_eq!(&completion.buffer[..], bytes(512, 3));
        let next = input.transfer_blocking(completion.buffer, SHORT);
        assert_eq!(next.status, Err(TransferError::TimedOut));
    }
}

#[test]
fn a_transfer_needs_an_empty_queue() {
    let rig = Rig::new();
    let mut input = rig.input();
    input.submit(Buffer::with_capacity(512));
    let completion = input.transfer_blocking(Buffer::with_capacity(64), SOON);
    assert_eq!(completion.status, Err(TransferError::InvalidRequest));
    assert_eq!(completion.buffer.capacity(), 64);
    assert_eq!(input.pending(), 1);
}

#[test]
fn a_stall_stops_the_endpoint_until_it_is_recovered() {
    let rig = Rig::new();
    let mut input = rig.input();
    input.submit_all((0..3).map(|_| Buffer::with_capacity(512)));
    rig.echo.halt(0x81);
    let statuses = [(); 3].map(|()| input.wait(Some(SOON)).unwrap().status);
    let cancelled = Err(TransferError::Cancelled);
    assert_eq!(statuses, [Err(TransferError::Stall), cancelled, cancelled]);

    let refused = input.transfer_blocking(Buffer::with_capacity(512), SOON);
    assert_eq!(refused.status, Err(TransferError::Stall));

    input.clear_halt().unwrap();
    rig.write(&[5]);
    let received = input.transfer_blocking(Buffer::with_capacity(512), SOON);
    assert_eq!((received.actual_length, received.status), (1, Ok(())));
}

#[test]
fn recovery_cancels_what_is_pending() {
    let rig = Rig::new();
    let mut input = rig.input();
    input.submit_all((0..4).map(|_| Buffer::with_capacity(512)));
    input.clear_halt().unwrap();
    for _ in 0..4 {
        let completion = input.wait(Some(SOON)).unwrap();
        assert_eq!(completion.status, Err(TransferError::Cancelled));
    }
}

#[test]
fn unplugging_completes_every_transfer_once() {
    let rig = Rig::new();
    let mut input = rig.input();
    input.submit_all((0..32).map(|_| Buffer::with_capacity(512)));
    rig.echo.port().cable().pull();
    for _ in 0..32 {
        let completion = input.wait(Some(SOON)).unwrap();
        assert_eq!(completion.status, Err(TransferError::Disconnected));
    }
    assert!(input.wait(Some(SOON)).is_none());
    let late = input.transfer_blocking(Buffer::with_capacity(512), SOON);
    assert_eq!(late.status, Err(TransferError::Disconnected));
    assert_eq!(input.clear_halt(), Err(TransferError::Disconnected));
}

#[test]
fn a_device_plugged_back_in_is_another_device() {
    let rig = Rig::new();
    let mut input = rig.input();
    let cable = rig.echo.port().cable();
    cable.pull();
    cable.plug();
    let late = input.transfer_blocking(Buffer::with_capacity(512), SOON);
    assert_eq!(late.status, Err(TransferError::Disconnected));
    let again = rig.host.open(&"1-1".into()).unwrap().claim(0).unwrap();
    let mut output = again.endpoint::<Bulk, Out>(0x01).unwrap();
    let sent = output.transfer_blocking(Buffer::from(vec![1]), SOON);
    assert_eq!(sent.status, Ok(()));
}

#[test]
fn an_endpoint_dropped_with_transfers_in_flight_can_be_opened_again() {
    let rig = Rig::new();
    let mut input = rig.input();
    input.submit_all((0..32).map(|_| Buffer::with_capacity(512)));
    drop(input);
    // Nothing of the dropped endpoint takes the bytes away.
    rig.write(&[8; 10]);
    let received = rig
        .input()
        .transfer_blocking(Buffer::with_capacity(512), SOON);
    assert_eq!(received.actual_length, 10);
}

#[test]
fn async_completions_arrive_on_any_executor() {
    let rig = Rig::new();
    let (mut output, mut input) = (rig.output(), rig.input());
    futures::executor::block_on(async {
        let (sent, received) = futures::join!(
            output.transfer(Buffer::from(vec![4; 700])),
            input.transfer(Buffer::with_capacity(1024)),
        );
        assert_eq!(sent.actual_length, 700);
        assert_eq!(received.actual_length, 700);
        assert!(input.next_complete().await.is_none());
    });
}

#[test]
fn a_dropped_wait_loses_no_completion() {
    let rig = Rig::new();
    let (mut output, mut input) = (rig.output(), rig.input());
    input.submit(Buffer::with_capacity(512));
    futures::executor::block_on(async {
        let timer = async_io::Timer::after(Duration::from_millis(1));
        let first = futures::future::select(Box::pin(input.next_complete()), timer).await;
        assert!(matches!(first, futures::future::Either::Right(_)));
        drop(first);
        output.submit(Buffer::from(vec![6]));
        assert_eq!(&input.next_complete().await.unwrap().buffer[..], [6]);
    });
}

#[test]
fn more_than_asked_for_is_an_overflow() {
    let rig = Rig::new();
    let mut input = rig.input();
    rig.write(&[1; 100]);
    let completion = input.transfer_blocking(Buffer::with_capacity(13), SOON);
    assert_eq!(completion.status, Err(TransferError::Overflow));
}

#[test]
fn a_deadline_ends_one_transfer_and_loses_nothing() {
    let rig = Rig::new();
    let (mut output, mut input) = (rig.output(), rig.input());
    input.submit_within(Buffer::with_capacity(4096), SHORT);
    input.submit(Buffer::with_capacity(4096));
    input.submit_within(Buffer::with_capacity(4096), SHORT);
    input.submit_within(Buffer::with_capacity(4096), SOON);
    let second = Some(SOON);
    // A whole packet does not end a transfer; its deadline does.
    rig.echo.send(0x81, &bytes(512, 3));
    let first = input.wait(second).unwrap();
    assert_eq!((first.actual_length, first.status), (512, Ok(())));
    assert_eq!(&first.buffer[..], bytes(512, 3));
    // The next has none, and takes what comes.
    assert!(input.wait(Some(SHORT * 2)).is_none());
    output.submit(Buffer::from(bytes(5, 4)));
    assert_eq!(&input.wait(second).unwrap().buffer[..], bytes(5, 4));
    // The third's was over before its turn came.
    let third = block_on(input.next_complete()).unwrap();
    assert_eq!(third.status, Err(TransferError::TimedOut));
    output.submit(Buffer::from(bytes(6, 5)));
    let fourth = block_on(input.next_complete()).unwrap();
    assert_eq!(&fourth.buffer[..], bytes(6, 5));
    assert_eq!(input.pending(), 0);
}

#[test]
fn a_cancelled_transfer_has_not_timed_out() {
    let rig = Rig::new();
    let mut input = rig.input();
    input.submit_within(Buffer::with_capacity(512), SOON);
    input.cancel_all();
    let cancelled = input.wait(Some(SOON)).unwrap();
    assert_eq!(cancelled.status, Err(TransferError::Cancelled));
    let buffer = input.allocate(512);
    input.submit_within(buffer, SHORT);
    let late = input.wait(None).unwrap();
    assert_eq!(late.status, Err(TransferError::TimedOut));
    assert_eq!(late.buffer.capacity(), 512);
}
