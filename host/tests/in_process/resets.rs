//! Resetting a device.

use crate::rig::{Rig, SOON};
use usbfs2_host::{Buffer, ResetError, TransferError};

#[test]
fn each_transfer_in_flight_is_told_once_and_everything_goes_on() {
    let rig = Rig::new();
    let mut input = rig.input();
    for round in 0..3 {
        input.submit_all((0..5).map(|_| Buffer::with_capacity(512)));
        rig.device.reset().unwrap();
        for _ in 0..5 {
            let completion = input.wait(Some(SOON)).unwrap();
            assert_eq!(completion.status, Err(TransferError::Cancelled));
        }
        assert_eq!(input.pending(), 0);
        rig.write(&[round; 100]);
        let received = input.transfer_blocking(Buffer::with_capacity(512), SOON);
        assert_eq!(&received.into_result().unwrap()[..], [round; 100]);
    }
}

#[test]
fn a_device_that_was_unplugged_cannot_be_reset() {
    let rig = Rig::new();
    rig.bus.cable("1-1").unwrap().pull();
    assert!(matches!(rig.device.reset(), Err(ResetError::Disconnected)));
}
