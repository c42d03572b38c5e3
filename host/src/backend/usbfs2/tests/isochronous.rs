//! Isochronous requests to files whose content is what the kernel would answer: at the offset, which is the
//! flags, first the packets' slots and then a `struct usbfs2_status` for each and one for all.

use std::fs;
use std::path::Path;

use aio_rs::Buffer;
use tempfile::TempDir;

use super::{SOON, open, tree};
use crate::backend::Backend as _;
use crate::{
    EndpointError, In, Interface, IsochronousEndpoint, IsochronousTransfer, Out, PacketError,
    TransferError, TransferType,
};

const ISO_STATUS: usize = 2;

fn statuses(entries: &[(i32, i32)]) -> Vec<u8> {
    let bytes = entries.iter().flat_map(|&(length, status)| {
        let [length, status] = [length, status].map(i32::to_ne_bytes);
        [length, status].concat()
    });
    bytes.collect()
}

/// Makes ep83 a file that answers with these slots and statuses.
fn answer(mount: &Path, slots: &[u8], entries: &[(i32, i32)]) {
    let content = [&[0; ISO_STATUS], slots, &statuses(entries)].concat();
    fs::write(mount.join("1-1/1.0/ep83"), content).unwrap();
}

fn rig() -> (TempDir, Interface, IsochronousEndpoint<In>) {
    let (mount, backend) = tree();
    let interface = open(&backend).claim(0).unwrap();
    let input = interface.isochronous_endpoint(0x83).unwrap();
    (mount, interface, input)
}

#[test]
fn every_packet_has_its_place_its_length_and_its_status() {
    let (mount, _interface, mut input) = rig();
    let entries = [(3, 0), (0, -18), (4, -75), (0, 0), (9, 0), (1234, 2)];
    answer(mount.path(), b"abc.....defghi......", &entries);
    let transfer = IsochronousTransfer::receive(Buffer::new(), vec![4; 5]);
    input.submit(transfer);
    assert_eq!(input.pending(), 1);
    let done = input.wait(Some(SOON)).unwrap();
    assert_eq!((done.status, done.start_frame), (Ok(()), Some(1234)));
    assert_eq!(done.buffer.len(), 20);
    let payloads: Vec<_> = done.payloads().collect();
    let expected: [Result<&[u8], _>; 5] = [
        Ok(b"abc"),
        Err(PacketError::Missed),
        Err(PacketError::Overflow),
        Ok(b""),
        // No more than the slot has, whatever the driver says.
        Ok(b"...."),
    ];
    assert_eq!(payloads, expected);
    assert_eq!(done.actual_length(), 7);
}

#[test]
fn a_request_goes_round_and_round() {
    let (mount, _interface, mut input) = rig();
    // The driver cannot tell where it began.
    answer(mount.path(), b"12345678", &[(4, 0), (4, 0), (-1, 0)]);
    let transfer = || IsochronousTransfer::receive(Buffer::new(), vec![4; 2]);
    input.submit_all((0..200).map(|_| transfer()));
    assert_eq!(input.pending(), 200);
    for round in 0..1000 {
        let done = input.wait(Some(SOON)).unwrap();
        assert_eq!((done.status, done.start_frame), (Ok(()), None), "{round}");
        assert_eq!(&done.buffer[..], b"12345678", "{round}");
        assert!(done.payloads().all(|payload| payload.unwrap().len() == 4));
        if round < 800 {
            input.submit(done.into_transfer());
        }
    }
    assert!(input.wait(Some(SOON)).is_none());
}

#[test]
fn a_write_has_a_vector_a_packet_and_the_statuses_behind() {
    let (mount, interface, _input) = rig();
    let mut output = interface.isochronous_endpoint::<Out>(0x04).unwrap();
    let mut buffer = Buffer::with_capacity(64);
    buffer.extend_from_slice(b"one,three");
    output.submit(IsochronousTransfer::send(buffer, vec![4, 0, 5]));
    let done = output.wait(Some(SOON)).unwrap();
    assert_eq!((done.status, done.start_frame), (Ok(()), Some(0)));
    // An ordinary file takes the room for the statuses for bytes, which were 0: success of 0 bytes.
    assert!(done.packets.iter().all(|packet| packet.status.is_ok()));
    let written = fs::read(mount.path().join("1-1/1.0/ep04")).unwrap();
    assert_eq!(&written[ISO_STATUS..ISO_STATUS + 9], b"one,three");
    assert_eq!(written.len(), ISO_STATUS + 9 + 4 * 8);

    let mut again = done.into_transfer();
    again.buffer_mut().clear();
    again.buffer_mut().extend_from_slice(b"two");
    again.set_packet_lengths([1, 2]);
    output.submit(again);
    assert_eq!(output.wait(Some(SOON)).unwrap().status, Ok(()));
    let written = fs::read(mount.path().join("1-1/1.0/ep04")).unwrap();
    assert_eq!(&written[ISO_STATUS..ISO_STATUS + 4], b"two\0");
}

#[test]
fn the_start_frame_is_in_the_offset() {
    let (_mount, interface, _input) = rig();
    let mut output = interface.isochronous_endpoint::<Out>(0x04).unwrap();
    let transfer = IsochronousTransfer::send(Buffer::from(b"x".as_slice()), vec![1]);
    output.submit(transfer.start_frame(0x7fff_ffff));
    // No file system holds a file of that size.
    let done = output.wait(Some(SOON)).unwrap();
    assert_eq!(done.status, Err(TransferError::InvalidRequest));
    assert_eq!(&done.buffer[..], b"x");
    assert_eq!(done.packets[0].status, Err(PacketError::Cancelled));
}

#[test]
fn a_request_of_the_wrong_form_is_refused_and_given_back() {
    let (mount, interface, mut input) = rig();
    answer(mount.path(), b"1234", &[(4, 0), (0, 0)]);
    let mut output = interface.isochronous_endpoint::<Out>(0x04).unwrap();
    assert_eq!(input.max_packet_size(), 512);
    let receive = |lengths| IsochronousTransfer::receive(Buffer::new(), lengths);
    let send = |lengths| IsochronousTransfer::send(Buffer::from(vec![0; 8]), lengths);
    let many = IsochronousTransfer::MAX_PACKETS + 1;
    let wrong = [
        receive(vec![]),
        receive(vec![513]),
        receive(vec![1; many]),
        receive(vec![u32::MAX; many]),
        receive(vec![4]).start_frame(1 << 31),
        send(vec![8]),
    ];
    input.submit_all([receive(vec![4])].into_iter().chain(wrong));
    assert_eq!(input.pending(), 7);
    for _ in 0..6 {
        let done = input.wait(Some(SOON)).unwrap();
        assert_eq!(done.status, Err(TransferError::InvalidRequest));
    }
    assert_eq!(input.wait(Some(SOON)).unwrap().status, Ok(()));

    for lengths in [vec![7], vec![9], vec![4, 5], vec![]] {
        output.submit(send(lengths));
        let done = output.wait(Some(SOON)).unwrap();
        assert_eq!(done.status, Err(TransferError::InvalidRequest));
        assert_eq!(done.buffer.len(), 8);
    }
    output.submit(send(vec![8]));
    assert_eq!(output.wait(Some(SOON)).unwrap().status, Ok(()));
    // As many packets as there may be, as long as they may be.
    let most = vec![512; IsochronousTransfer::MAX_PACKETS];
    input.submit(receive(most));
    assert_eq!(input.wait(Some(SOON)).unwrap().status, Ok(()));
}

#[test]
fn a_cancelled_backlog_completes_after_what_the_kernel_has() {
    let (mount, interface, input) = rig();
    drop(input);
    let input = interface.isochronous_endpoint_with_depth::<In>(0x83, 4);
    let mut input = input.unwrap();
    answer(mount.path(), b"1234", &[(4, 0), (0, 0)]);
    let transfer = || IsochronousTransfer::receive(Buffer::new(), vec![4]);
    input.submit_all((0..10).map(|_| transfer()));
    input.cancel_all();
    let mut statuses = Vec::new();
    while let Some(done) = input.wait(Some(SOON)) {
        assert_eq!(done.packets.len(), 1);
        statuses.push(done.status);
    }
    assert_eq!(statuses[..4], [Ok(()); 4]);
    assert_eq!(statuses[4..], [Err(TransferError::Cancelled); 6]);
}

#[test]
fn the_endpoints_of_other_types_stay_apart() {
    let (_mount, interface, _input) = rig();
    let bulk = interface.endpoint::<crate::Bulk, Out>(0x04).unwrap_err();
    let EndpointError::WrongTransferType { actual, asked, .. } = bulk else {
        panic!("unexpected: {bulk}");
    };
    assert_eq!(
        (actual, asked),
        (TransferType::Isochronous, TransferType::Bulk)
    );
    let twice = interface.isochronous_endpoint::<In>(0x83);
    assert!(matches!(twice, Err(EndpointError::Busy(_))));
}

#[test]
fn an_endpoint_whose_packets_have_no_room_says_so() {
    let (_mount, interface, _input) = rig();
    let error = interface.isochronous_endpoint::<In>(0x85).unwrap_err();
    assert!(matches!(error, EndpointError::NoPackets(_)), "{error}");
}

#[test]
fn a_device_that_left_is_disconnected() {
    let (mount, backend) = tree();
    let interface = open(&backend).claim(0).unwrap();
    assert_eq!(backend.devices().unwrap().len(), 1);
    fs::remove_dir_all(mount.path().join("1-1")).unwrap();
    let endpoint = interface.isochronous_endpoint::<In>(0x83);
    assert!(matches!(endpoint, Err(EndpointError::Disconnected)));
}
