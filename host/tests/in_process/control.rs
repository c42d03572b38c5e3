//! Control transfers of devices and interfaces.

use crate::rig::{BOS, CONFIGURATION, DEVICE, Echo, Rig, SHORT, SOON, request};
use usbfs2_host::protocol::RequestKind;
use usbfs2_host::{BosError, Host, SetupPacket, StringError, TransferError, Waiting, block_on};
use usbfs2_loopback::Bus;

fn read(request: u8, length: u16) -> SetupPacket {
    SetupPacket::device_in(RequestKind::Vendor, request, 0, 0, length)
}

fn write(request: u8, length: u16) -> SetupPacket {
    SetupPacket::device_out(RequestKind::Vendor, request, 0, 0, length)
}

#[test]
fn data_goes_both_ways() {
    let rig = Rig::new();
    let store = write(request::STORE, 200);
    rig.device
        .control_out_blocking(store, &[7; 200], SOON)
        .unwrap();
    let stored = rig
        .device
        .control_in_blocking(read(request::STORE, 500), SOON);
    assert_eq!(stored.unwrap(), [7; 200]);
    let part = rig
        .interface
        .control_in_blocking(read(request::STORE, 20), SOON);
    assert_eq!(part.unwrap(), [7; 20]);
}

#[test]
fn async_requests_run_on_any_executor() {
    let rig = Rig::new();
    futures::executor::block_on(async {
        rig.interface
            .control_out(write(request::STORE, 3), b"abc", SOON)
            .await
            .unwrap();
        let stored = rig.device.control_in(read(request::STORE, 64), SOON).await;
        assert_eq!(stored.unwrap(), b"abc");
    });
}

#[test]
fn a_refused_request_leaves_the_pipe_working() {
    let rig = Rig::new();
    let refused = rig
        .device
        .control_in_blocking(read(request::REFUSE, 8), SOON);
    assert_eq!(refused, Err(TransferError::Stall));
    let stored = rig
        .device
        .control_in_blocking(read(request::STORE, 8), SOON);
    assert_eq!(stored, Ok(vec![]));
}

#[test]
fn an_unanswered_request_times_out_and_leaves_the_pipe_working() {
    let rig = Rig::new();
    for waiting in [Waiting::Blocking, Waiting::Async] {
        let ignored = rig
            .device
            .control(waiting, read(request::IGNORE, 8), &[], SHORT);
        assert_eq!(block_on(ignored), Err(TransferError::TimedOut));
        let stored = rig
            .device
            .control_in_blocking(read(request::STORE, 8), SOON);
        assert_eq!(stored, Ok(vec![]));
    }
}

#[test]
fn the_length_of_the_data_must_be_that_of_the_setup_packet() {
    let rig = Rig::new();
    let short = rig
        .device
        .control_out_blocking(write(request::STORE, 3), &[1, 2], SOON);
    assert_eq!(short, Err(TransferError::InvalidRequest));
    let data_for_in =
        block_on(
            rig.device
                .control(Waiting::Blocking, read(request::STORE, 2), &[1, 2], SOON),
        );
    assert_eq!(data_for_in, Err(TransferError::InvalidRequest));
}

#[test]
fn requests_to_an_interface_are_for_whoever_claimed_it() {
    let rig = Rig::new();
    let other = Host::on(&rig.bus).open(&"1-1".into()).unwrap();
    let status = SetupPacket::get_interface_status(0);
    let answer = other.control_in_blocking(status, SOON);
    assert_eq!(answer, Err(TransferError::Busy));
    // Its endpoints belong to it, and requests to the device are for everybody.
    let input = usbfs2_host::EndpointAddress::try_from(0x81).unwrap();
    let halted = SetupPacket::get_endpoint_status(input);
    assert_eq!(
        other.control_in_blocking(halted, SOON),
        Err(TransferError::Busy)
    );
    assert_eq!(rig.device.control_in_blocking(halted, SOON), Ok(vec![0, 0]));
    assert_eq!(
        other.control_in_blocking(read(request::STORE, 8), SOON),
        Ok(vec![])
    );
}

#[test]
fn unplugging_ends_requests() {
    let rig = Rig::new();
    rig.echo.port().cable().pull();
    let answer = rig
        .device
        .control_in_blocking(read(request::STORE, 8), SOON);
    assert_eq!(answer, Err(TransferError::Disconnected));
}

#[test]
fn strings_are_read_in_the_devices_language() {
    let rig = Rig::new();
    assert_eq!(rig.device.string_blocking(2).unwrap(), "Echo");
    let none = rig.device.string_blocking(0);
    assert!(matches!(none, Err(StringError::NoString)));
    let missing = rig.device.string_blocking(9);
    assert!(matches!(
        missing,
        Err(StringError::Transfer(TransferError::Stall))
    ));
}

#[test]
fn the_bos_descriptor_is_read_from_devices_that_have_one() {
    // The same answer from both; only bcdUSB says that it counts.
    assert!(matches!(
        Rig::new().device.bos_blocking(),
        Err(BosError::None)
    ));

    let mut descriptor = DEVICE;
    descriptor[2] = 0x01;
    let bus = Bus::new();
    let _echo = Echo::plug_with(&bus, descriptor.to_vec(), CONFIGURATION.to_vec());
    let device = Host::on(&bus).open(&"1-1".into()).unwrap();
    let bos = device.bos_blocking().unwrap();
    assert_eq!(bos.capabilities.len(), 1);
    assert_eq!(bos.to_bytes(), BOS);
}
