//! The control pipe: stages, clamping, stalls, requests given up, requests the bus answers.

use std::time::Duration;

use usbfs2_loopback::{BusError, ControlResponse, DeviceEvent, RespondError, Transfer};
use usbfs2_protocol::{RequestKind, SetupPacket};

use crate::rig::{Rig, address, pattern};

fn vendor_in(length: u16) -> SetupPacket {
    SetupPacket::device_in(RequestKind::Vendor, 1, 2, 3, length)
}

fn vendor_out(length: u16) -> SetupPacket {
    SetupPacket::device_out(RequestKind::Vendor, 1, 2, 3, length)
}

/// The next setup packet and its data, past any other event.
fn next_setup(rig: &Rig) -> (SetupPacket, Vec<u8>) {
    loop {
        let event = rig.port.next_event(Some(Duration::ZERO));
        if let DeviceEvent::Setup { setup, data } = event.expect("a setup packet is waiting") {
            return (setup, data);
        }
    }
}

fn no_event(rig: &Rig) -> bool {
    rig.port.next_event(Some(Duration::ZERO)).is_none()
}

fn nothing() -> Transfer {
    Transfer::send(Vec::new())
}

#[test]
fn an_in_request_brings_data() {
    let rig = Rig::new();
    rig.control(vendor_in(64), Transfer::receive(64));
    assert_eq!(next_setup(&rig), (vendor_in(64), Vec::new()));
    rig.port
        .respond(ControlResponse::Data(pattern(10)))
        .unwrap();
    let completed = rig.host.try_next().unwrap();
    assert_eq!((completed.status, completed.buffer), (Ok(()), pattern(10)));
}

#[test]
fn data_is_clamped_to_w_length() {
    let rig = Rig::new();
    rig.control(vendor_in(9), Transfer::receive(9));
    next_setup(&rig);
    rig.port
        .respond(ControlResponse::Data(pattern(100)))
        .unwrap();
    assert_eq!(rig.host.try_next().unwrap().buffer, pattern(9));
    rig.control(vendor_in(0), Transfer::receive(0));
    next_setup(&rig);
    rig.port
        .respond(ControlResponse::Data(pattern(100)))
        .unwrap();
    assert_eq!(rig.host_outcomes(), [Ok(0)]);
}

#[test]
fn an_out_request_takes_its_data_along() {
    let rig = Rig::new();
    rig.control(vendor_out(5), Transfer::send(pattern(5)));
    assert_eq!(next_setup(&rig), (vendor_out(5), pattern(5)));
    let refused = rig.port.respond(ControlResponse::Data(pattern(1)));
    assert_eq!(refused, Err(RespondError::NotIn));
    rig.port.respond(ControlResponse::Acknowledge).unwrap();
    assert_eq!(rig.host_outcomes(), [Ok(5)]);
}

#[test]
fn acknowledging_an_in_request_sends_no_data() {
    let rig = Rig::new();
    rig.control(vendor_in(5), Transfer::receive(5));
    next_setup(&rig);
    rig.port.respond(ControlResponse::Acknowledge).unwrap();
    assert_eq!(rig.host_outcomes(), [Ok(0)]);
}

#[test]
fn a_protocol_stall_ends_with_the_next_setup() {
    let rig = Rig::new();
    for _ in 0..2 {
        rig.control(vendor_in(5), Transfer::receive(5));
    }
    next_setup(&rig);
    rig.port.respond(ControlResponse::Stall).unwrap();
    next_setup(&rig);
    rig.port.respond(ControlResponse::Data(pattern(2))).unwrap();
    assert_eq!(rig.host_outcomes(), [Err(BusError::Stall), Ok(2)]);
}

#[test]
fn the_device_sees_one_request_at_a_time() {
    let rig = Rig::new();
    rig.control(vendor_out(0), nothing());
    rig.control(vendor_out(1), Transfer::send(vec![1]));
    assert_eq!(next_setup(&rig).0, vendor_out(0));
    assert!(no_event(&rig));
    rig.port.respond(ControlResponse::Acknowledge).unwrap();
    assert_eq!(next_setup(&rig).0, vendor_out(1));
}

#[test]
fn a_request_given_up_before_the_device_saw_it_never_shows() {
    let rig = Rig::new();
    let id = rig.control(vendor_in(5), Transfer::receive(5));
    rig.device.cancel(id);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Cancelled)]);
    rig.control(vendor_in(6), Transfer::receive(6));
    assert_eq!(next_setup(&rig).0, vendor_in(6));
}

#[test]
fn an_answer_to_a_request_given_up_does_not_answer_the_next() {
    let rig = Rig::new();
    let id = rig.control(vendor_in(5), Transfer::receive(5));
    next_setup(&rig);
    rig.device.cancel(id);
    rig.control(vendor_in(6), Transfer::receive(6));
    let late = rig.port.respond(ControlResponse::Data(pattern(5)));
    assert_eq!(late, Err(RespondError::Superseded));
    assert_eq!(rig.host_outcomes(), [Err(BusError::Cancelled)]);
    assert_eq!(next_setup(&rig).0, vendor_in(6));
    rig.port.respond(ControlResponse::Data(pattern(6))).unwrap();
    assert_eq!(rig.host_outcomes(), [Ok(6)]);
}

#[test]
fn there_is_no_answer_without_a_request_and_no_second_one() {
    let rig = Rig::new();
    let answer = || rig.port.respond(ControlResponse::Acknowledge);
    assert_eq!(answer(), Err(RespondError::NoRequest));
    rig.control(vendor_out(0), nothing());
    assert_eq!(answer(), Err(RespondError::NoRequest), "not taken yet");
    next_setup(&rig);
    assert_eq!(answer(), Ok(()));
    assert_eq!(answer(), Err(RespondError::NoRequest));
}

#[test]
fn a_request_from_before_the_pull_cannot_be_answered() {
    let rig = Rig::new();
    rig.control(vendor_out(0), nothing());
    next_setup(&rig);
    rig.port.cable().pull();
    let late = rig.port.respond(ControlResponse::Acknowledge);
    assert_eq!(late, Err(RespondError::Superseded));
}

#[test]
fn a_request_the_device_has_not_seen_goes_with_the_cable() {
    let rig = Rig::new();
    rig.control(vendor_out(0), nothing());
    rig.port.cable().pull();
    let events: Vec<_> = std::iter::from_fn(|| rig.port.next_event(Some(Duration::ZERO))).collect();
    assert_eq!(events, [DeviceEvent::Reset, DeviceEvent::Disconnect]);
}

#[test]
fn the_deadline_is_the_submitters() {
    let rig = Rig::new();
    let answer = rig.device.control(vendor_in(5), &[], Duration::ZERO);
    assert_eq!(answer, Err(BusError::TimedOut));
    assert_eq!(rig.port.next_event(None), Some(DeviceEvent::Reset));
    assert!(no_event(&rig), "the request was taken back");
}

#[test]
fn lengths_that_are_not_w_length_are_refused() {
    let rig = Rig::new();
    rig.control(vendor_in(5), Transfer::receive(6));
    rig.control(vendor_in(5), Transfer::send(pattern(5)));
    rig.control(vendor_out(5), Transfer::send(pattern(4)));
    assert_eq!(rig.host_outcomes(), [Err(BusError::InvalidRequest); 3]);
    assert_eq!(
        rig.device.control(vendor_out(5), &[1], Duration::ZERO),
        Err(BusError::InvalidRequest)
    );
}

#[test]
fn the_bus_answers_what_a_udc_answers() {
    let rig = Rig::new();
    let status = |endpoint| {
        let setup = SetupPacket::get_endpoint_status(address(endpoint));
        rig.control(setup, Transfer::receive(2));
        let completed = rig.host.try_next().unwrap();
        completed.status.map(|()| completed.buffer)
    };
    rig.control(SetupPacket::set_address(5), nothing());
    assert_eq!(rig.host_outcomes(), [Ok(0)]);
    assert_eq!(status(0x81), Ok(vec![0, 0]));
    rig.control(SetupPacket::set_endpoint_halt(address(0x81)), nothing());
    rig.host_outcomes();
    assert_eq!(status(0x81), Ok(vec![1, 0]));
    assert!(rig.port.is_halted(address(0x81)));
    rig.clear_halt(0x81);
    assert_eq!(status(0x81), Ok(vec![0, 0]));
    assert_eq!(status(0x00), Ok(vec![0, 0]));
    assert_eq!(status(0x85), Err(BusError::Stall), "not enabled");
    assert_eq!(rig.port.next_event(None), Some(DeviceEvent::Reset));
    assert!(no_event(&rig));
}

#[test]
fn a_halt_set_by_request_stops_what_waits() {
    let rig = Rig::new();
    rig.read(512);
    rig.control(SetupPacket::set_endpoint_halt(address(0x81)), nothing());
    assert_eq!(rig.host_outcomes(), [Ok(0), Err(BusError::Stall)]);
}

#[test]
fn selecting_a_configuration_cancels_and_resets_every_endpoint() {
    let rig = Rig::new();
    rig.port.set_halt(address(0x81), true).unwrap();
    rig.read(512);
    rig.write(pattern(3));
    rig.control(SetupPacket::set_configuration(1), nothing());
    assert_eq!(
        rig.host_outcomes(),
        [Err(BusError::Stall), Err(BusError::Cancelled)]
    );
    next_setup(&rig);
    assert_eq!(rig.device.active_configuration(), None);
    rig.port.set_halt(address(0x81), false).unwrap();
    rig.port.respond(ControlResponse::Acknowledge).unwrap();
    assert_eq!(rig.device.active_configuration(), Some(1));
    rig.send(pattern(4));
    rig.read(512);
    assert_eq!(rig.host_outcomes(), [Ok(0), Ok(4)]);
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let rig = Rig::new();
    rig.control(SetupPacket::set_configuration(9), nothing());
    next_setup(&rig);
    rig.port.respond(ControlResponse::Stall).unwrap();
    assert_eq!(rig.device.active_configuration(), None);
}

#[test]
fn nothing_moves_while_suspended() {
    let rig = Rig::new();
    rig.device.suspend();
    rig.device.suspend();
    rig.read(512);
    rig.send(pattern(4));
    rig.control(vendor_out(0), nothing());
    assert_eq!(rig.host_outcomes(), []);
    rig.device.resume();
    assert_eq!(rig.host_outcomes(), [Ok(4)]);
    let events: Vec<_> = (0..4).map(|_| rig.port.next_event(None).unwrap()).collect();
    assert_eq!(
        events[..3],
        [
            DeviceEvent::Reset,
            DeviceEvent::Suspend,
            DeviceEvent::Resume
        ]
    );
    assert!(matches!(events[3], DeviceEvent::Setup { .. }));
}
