//! Which endpoint is what, and what is refused.

use std::time::Duration;

use usbfs2_host::{
    AlternateSettingError, Buffer, Bulk, EndpointError, In, IsochronousTransfer, Out, Speed,
    TransferError, TransferType,
};

use super::sound::{IN, OUT, Sound};
use crate::rig::{Rig, SOON};

#[test]
fn a_bulk_endpoint_is_no_isochronous_one() {
    let rig = Rig::new();
    let error = rig.interface.isochronous_endpoint::<In>(0x81).unwrap_err();
    assert!(matches!(error, EndpointError::WrongTransferType { .. }));
    assert_eq!(
        error.to_string(),
        "endpoint 0x81 is bulk, not isochronous: the interface has 0x01 bulk OUT, 0x81 bulk IN"
    );
    // The refusal holds nothing.
    rig.interface.endpoint::<Bulk, In>(0x81).unwrap();
}

#[test]
fn an_isochronous_endpoint_is_no_bulk_one() {
    let sound = Sound::new();
    let error = sound.interface.endpoint::<Bulk, Out>(OUT).unwrap_err();
    let EndpointError::WrongTransferType { actual, asked, .. } = error else {
        panic!("unexpected: {error}");
    };
    let isochronous = TransferType::Isochronous;
    assert_eq!((actual, asked), (isochronous, TransferType::Bulk));
    let backwards = sound.interface.isochronous_endpoint::<In>(OUT);
    assert!(matches!(
        backwards,
        Err(EndpointError::WrongDirection { .. })
    ));
}

#[test]
fn an_endpoint_is_there_in_its_alternate_setting_and_holds_it() {
    let sound = Sound::new();
    let input = sound.input();
    let held = sound.interface.set_alternate_setting(0);
    assert!(matches!(held, Err(AlternateSettingError::EndpointsOpen(_))));
    let twice = sound.interface.isochronous_endpoint::<In>(IN);
    assert!(matches!(twice, Err(EndpointError::Busy(_))));
    drop(input);
    sound.interface.set_alternate_setting(0).unwrap();
    let gone = sound.interface.isochronous_endpoint::<In>(IN);
    assert!(matches!(gone, Err(EndpointError::NotFound { .. })));
    sound.interface.set_alternate_setting(1).unwrap();
    sound.send(&[1]);
    let mut input = sound.input();
    input.submit(IsochronousTransfer::receive(Buffer::new(), vec![192]));
    sound.pass(1);
    assert_eq!(input.wait(Some(SOON)).unwrap().actual_length(), 1);
}

#[test]
fn the_interval_is_the_same_at_every_speed() {
    for speed in [Speed::Full, Speed::High, Speed::Super] {
        let sound = Sound::at(speed);
        let mut input = sound.input();
        assert_eq!(input.service_interval(), Duration::from_millis(1));
        assert_eq!(input.max_packet_size(), 192, "{speed}");
        assert_eq!(input.address().to_byte(), IN);
        sound.send(&[3; 192]);
        input.submit(IsochronousTransfer::receive(Buffer::new(), vec![192]));
        sound.pass(1);
        let done = input.wait(Some(SOON)).unwrap();
        assert_eq!(done.payloads().next(), Some(Ok([3; 192].as_slice())));
        let frame = if speed == Speed::Full { 1 } else { 8 };
        assert_eq!(done.start_frame, Some(frame), "{speed}");
    }
}

#[test]
fn a_request_of_the_wrong_form_completes_at_once() {
    let sound = Sound::new();
    let mut output = sound.output();
    let send = |bytes, lengths| IsochronousTransfer::send(Buffer::from(vec![0; bytes]), lengths);
    output.submit(send(192, vec![192]));
    let wrong = [
        send(193, vec![193]),
        send(3, vec![2]),
        send(2, vec![2, 1]),
        send(0, vec![]),
        send(2, vec![1, 1]).start_frame(u32::MAX),
        IsochronousTransfer::receive(Buffer::new(), vec![1]),
    ];
    let count = wrong.len();
    output.submit_all(wrong);
    assert_eq!(output.pending(), 1 + count);
    for _ in 0..count {
        let done = output.wait(Some(SOON)).unwrap();
        assert_eq!(done.status, Err(TransferError::InvalidRequest));
    }
    // The one before them is as it was.
    sound.receive(1);
    sound.pass(1);
    assert_eq!(output.wait(Some(SOON)).unwrap().status, Ok(()));
    assert_eq!(sound.received(), [[0; 192]]);
}
