//! Data toggles, where they show (USB 2.0 8.6): a packet is lost when one end starts afresh alone.

use usbfs2_loopback::{ControlResponse, DeviceEvent, Transfer};
use usbfs2_protocol::SetupPacket;

use crate::rig::{Rig, address, pattern};

fn move_packets(rig: &Rig, packets: usize) {
    rig.read(512 * packets);
    rig.send(pattern(512 * packets));
    assert_eq!(rig.host_outcomes(), [Ok(512 * packets)]);
}

#[test]
fn a_device_that_resets_its_toggle_alone_loses_a_packet_after_an_odd_number() {
    let rig = Rig::new();
    move_packets(&rig, 3);
    rig.port.set_halt(address(0x81), false).unwrap();
    rig.read(2048);
    rig.send(pattern(1500));
    let read = rig.host.try_next().unwrap();
    assert_eq!(read.buffer, pattern(1500)[512..]);
}

#[test]
fn after_an_even_number_both_happen_to_agree() {
    let rig = Rig::new();
    move_packets(&rig, 2);
    rig.port.set_halt(address(0x81), false).unwrap();
    rig.read(2048);
    rig.send(pattern(1500));
    assert_eq!(rig.host_outcomes(), [Ok(1500)]);
}

#[test]
fn a_lost_packet_may_be_a_whole_transfer() {
    let rig = Rig::new();
    rig.receive(512);
    rig.write(pattern(1));
    rig.port.set_halt(address(0x01), false).unwrap();
    rig.receive(512);
    rig.write(pattern(2));
    rig.write(pattern(3));
    assert_eq!(rig.host_outcomes(), [Ok(1), Ok(2), Ok(3)]);
    assert_eq!(rig.gadget_outcomes(), [Ok(1), Ok(3)]);
}

#[test]
fn a_zero_length_packet_counts() {
    let rig = Rig::new();
    rig.read(512 * 4);
    rig.gadget_submit(0x81, Transfer::send(pattern(1024)).zero_length_packet(true));
    rig.port.set_halt(address(0x81), false).unwrap();
    rig.read(512);
    rig.send(pattern(5));
    assert_eq!(
        rig.host_outcomes(),
        [Ok(1024)],
        "the five bytes were taken for a repetition"
    );
}

#[test]
fn a_zero_length_packet_is_lost_like_any_other() {
    let rig = Rig::new();
    move_packets(&rig, 1);
    rig.gadget_outcomes();
    rig.port.set_halt(address(0x81), false).unwrap();
    rig.read(512);
    rig.send(Vec::new());
    assert_eq!(rig.gadget_outcomes(), [Ok(0)]);
    assert_eq!(rig.host_outcomes(), []);
}

#[test]
fn clearing_a_halt_from_the_host_resets_both() {
    let rig = Rig::new();
    move_packets(&rig, 1);
    rig.clear_halt(0x81);
    move_packets(&rig, 1);
}

#[test]
fn a_new_configuration_resets_the_host_and_the_device_must_follow() {
    for follows in [true, false] {
        let rig = Rig::new();
        move_packets(&rig, 1);
        rig.control(
            SetupPacket::set_configuration(1),
            Transfer::send(Vec::new()),
        );
        let setup = std::iter::from_fn(|| rig.port.next_event(None))
            .find(|event| matches!(event, DeviceEvent::Setup { .. }));
        assert!(setup.is_some());
        if follows {
            rig.port.set_halt(address(0x81), false).unwrap();
        }
        rig.port.respond(ControlResponse::Acknowledge).unwrap();
        rig.host_outcomes();
        rig.read(512);
        rig.send(pattern(5));
        let expected: &[_] = if follows { &[Ok(5)] } else { &[] };
        assert_eq!(rig.host_outcomes(), expected);
    }
}
