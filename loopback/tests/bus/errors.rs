//! Bytes first, errors next; a stopped endpoint stays stopped; exactly one completion for everything.

use usbfs2_loopback::{BusError, CompletionQueue, HaltError, Target, Transfer};
use usbfs2_protocol::{EndpointAddress, SetupPacket};

use crate::rig::{Rig, address, bulk, drain, outcome, pattern};

#[test]
fn a_cancelled_transfer_that_moved_nothing_is_cancelled() {
    let rig = Rig::new();
    let id = rig.read(512);
    assert!(rig.device.cancel(id));
    assert_eq!(rig.host_outcomes(), [Err(BusError::Cancelled)]);
    assert!(!rig.device.cancel(id));
    rig.read(512);
    rig.send(pattern(3));
    assert_eq!(
        rig.host_outcomes(),
        [Ok(3)],
        "a cancel does not stop the endpoint"
    );
}

#[test]
fn a_cancelled_transfer_delivers_the_bytes_that_came() {
    let rig = Rig::new();
    let id = rig.read(4096);
    rig.send(pattern(1024));
    rig.device.cancel(id);
    let read = rig.host.try_next().unwrap();
    assert_eq!((read.status, read.buffer), (Ok(()), pattern(1024)));

    let id = rig.write(pattern(2048));
    rig.receive(512);
    rig.device.cancel(id);
    assert_eq!(rig.host_outcomes(), [Ok(512)]);
}

#[test]
fn a_cancel_that_lost_the_race_reports_the_success() {
    let rig = Rig::new();
    let id = rig.read(512);
    rig.send(pattern(512));
    assert!(!rig.device.cancel(id));
    assert_eq!(rig.host_outcomes(), [Ok(512)]);
}

#[test]
fn a_transfer_cancelled_in_the_middle_of_a_queue_leaves_the_others_alone() {
    let rig = Rig::new();
    let ids = [rig.read(512), rig.read(512), rig.read(512)];
    rig.device.cancel(ids[1]);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Cancelled)]);
    rig.send(pattern(512));
    rig.send(pattern(1));
    assert_eq!(rig.host_outcomes(), [Ok(512), Ok(1)]);
}

#[test]
fn cancelling_the_first_lets_the_next_go_on() {
    let rig = Rig::new();
    let first = rig.receive(512);
    rig.receive(1024);
    assert!(rig.port.cancel(first));
    rig.write(pattern(1024));
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::Cancelled), Ok(1024)]);
}

#[test]
fn neither_end_cancels_the_other_ends_transfers() {
    let rig = Rig::new();
    let read = rig.read(512);
    let receive = rig.receive(512);
    assert!(!rig.port.cancel(read));
    assert!(!rig.device.cancel(receive));
    assert_eq!((rig.host.pending(), rig.gadget.pending()), (1, 1));
}

#[test]
fn cancelling_a_queue_cancels_all_of_it_and_no_more() {
    let rig = Rig::new();
    let other = CompletionQueue::new(&rig.bus);
    let target = Target::Endpoint(address(0x81));
    rig.read(512);
    rig.device.submit(&other, target, Transfer::receive(512));
    rig.read(512);
    rig.write(pattern(3));
    rig.control(SetupPacket::get_configuration(), Transfer::receive(1));
    rig.host.cancel_all();
    assert_eq!(rig.host_outcomes(), [Err(BusError::Cancelled); 4]);
    rig.send(pattern(7));
    assert_eq!(
        drain(&other).iter().map(outcome).collect::<Vec<_>>(),
        [Ok(7)]
    );
}

#[test]
fn dropping_a_queue_cancels_its_transfers() {
    let rig = Rig::new();
    let dropped = CompletionQueue::new(&rig.bus);
    let target = Target::Endpoint(address(0x81));
    rig.device.submit(&dropped, target, Transfer::receive(512));
    drop(dropped);
    rig.read(512);
    rig.send(pattern(7));
    assert_eq!(rig.host_outcomes(), [Ok(7)]);
}

#[test]
fn a_halt_stalls_the_first_cancels_the_queued_and_stalls_the_new() {
    let rig = Rig::new();
    rig.read(512);
    rig.read(512);
    rig.read(512);
    rig.port.set_halt(address(0x81), true).unwrap();
    assert_eq!(
        rig.host_outcomes(),
        [
            Err(BusError::Stall),
            Err(BusError::Cancelled),
            Err(BusError::Cancelled)
        ]
    );
    rig.read(512);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Stall)]);
}

#[test]
fn a_halt_waits_for_a_transfer_to_show() {
    let rig = Rig::new();
    rig.port.set_halt(address(0x81), true).unwrap();
    assert!(rig.port.is_halted(address(0x81)));
    rig.read(512);
    rig.read(512);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Stall); 2]);
}

#[test]
fn bytes_before_a_stall_come_first_and_the_stall_next() {
    let rig = Rig::new();
    rig.read(4096);
    rig.read(4096);
    rig.send(pattern(1024));
    rig.port.set_halt(address(0x81), true).unwrap();
    assert_eq!(rig.host_outcomes(), [Ok(1024), Err(BusError::Cancelled)]);
    rig.read(4096);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Stall)]);
}

#[test]
fn an_endpoint_the_device_recovered_alone_stays_stopped_for_the_host() {
    let rig = Rig::new();
    rig.port.set_halt(address(0x81), true).unwrap();
    rig.read(512);
    rig.port.set_halt(address(0x81), false).unwrap();
    rig.send(pattern(9));
    rig.read(512);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Stall); 2]);
    rig.clear_halt(0x81);
    rig.read(512);
    assert_eq!(rig.host_outcomes(), [Ok(9)]);
}

#[test]
fn clearing_a_halt_cancels_what_is_queued_and_clears_both_ends() {
    let rig = Rig::new();
    rig.write(pattern(5));
    rig.clear_halt(0x01);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Cancelled)]);
    rig.port.set_halt(address(0x01), true).unwrap();
    rig.write(pattern(5));
    rig.clear_halt(0x01);
    assert!(!rig.port.is_halted(address(0x01)));
    rig.write(pattern(5));
    rig.receive(512);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Stall), Ok(5)]);
}

#[test]
fn an_in_endpoint_with_data_queued_refuses_a_halt() {
    let rig = Rig::new();
    rig.send(pattern(1));
    let refused = rig.port.set_halt(address(0x81), true);
    assert_eq!(refused, Err(HaltError::Queued(address(0x81))));
    rig.receive(512);
    assert_eq!(rig.port.set_halt(address(0x01), true), Ok(()));
    let absent = address(0x05);
    assert_eq!(
        rig.port.set_halt(absent, true),
        Err(HaltError::NotEnabled(absent))
    );
    let control = EndpointAddress::CONTROL;
    assert_eq!(
        rig.port.set_halt(control, true),
        Err(HaltError::NotEnabled(control))
    );
}

#[test]
fn an_endpoint_nobody_enabled_does_not_answer() {
    let rig = Rig::new();
    rig.host_submit(0x82, Transfer::receive(512));
    rig.gadget_submit(0x82, Transfer::send(vec![1]));
    assert_eq!(rig.host_outcomes(), [Err(BusError::Protocol)]);
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::NotEnabled)]);
}

#[test]
fn disabling_ends_both_ends_transfers() {
    let rig = Rig::new();
    rig.read(512);
    rig.read(512);
    rig.receive(512);
    rig.port.disable(address(0x81));
    rig.port.disable(address(0x01));
    assert_eq!(
        rig.host_outcomes(),
        [Err(BusError::Protocol), Err(BusError::Cancelled)]
    );
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::NotEnabled)]);
    rig.port.enable(bulk(0x81, 512)).unwrap();
    rig.read(512);
    assert_eq!(
        rig.host_outcomes(),
        [Err(BusError::Stall)],
        "until recovered"
    );
}

#[test]
fn pulling_the_cable_ends_everything_at_both_ends() {
    let rig = Rig::new();
    rig.read(512);
    rig.read(512);
    rig.receive(512);
    rig.gadget_submit(0x01, Transfer::receive(512));
    rig.control(SetupPacket::get_configuration(), Transfer::receive(1));
    rig.port.cable().pull();
    assert_eq!(rig.host_outcomes(), [Err(BusError::Unplugged); 3]);
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::Unplugged); 2]);
    rig.read(512);
    rig.receive(512);
    rig.control(SetupPacket::get_configuration(), Transfer::receive(1));
    assert_eq!(rig.host_outcomes(), [Err(BusError::Unplugged); 2]);
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::Unplugged)]);
}

#[test]
fn bytes_before_the_cable_came_out_are_delivered() {
    let rig = Rig::new();
    rig.read(4096);
    rig.send(pattern(512));
    rig.write(pattern(4096));
    rig.receive(1024);
    rig.receive(1024 + 512);
    rig.port.cable().pull();
    assert_eq!(rig.host_outcomes(), [Ok(2560), Ok(512)]);
    assert_eq!(rig.gadget_outcomes(), [Ok(512), Ok(1024), Ok(1536)]);
}

#[test]
fn a_device_from_before_the_pull_stays_unplugged_after_the_plug() {
    let rig = Rig::new();
    let cable = rig.port.cable();
    let id = rig.read(512);
    cable.pull();
    cable.plug();
    rig.port.enable(bulk(0x81, 512)).unwrap();
    rig.read(512);
    assert!(!rig.device.is_plugged());
    assert!(!rig.device.cancel(id));
    assert_eq!(rig.host_outcomes(), [Err(BusError::Unplugged); 2]);
    let again = rig.bus.devices().pop().unwrap();
    assert_ne!(again.plug_id(), rig.device.plug_id());
    let target = Target::Endpoint(address(0x81));
    again.submit(&rig.host, target, Transfer::receive(512));
    rig.send(pattern(4));
    assert_eq!(rig.host_outcomes(), [Ok(4)]);
}

#[test]
fn dropping_the_device_port_unplugs() {
    let Rig {
        bus,
        port,
        device,
        host,
        gadget,
    } = Rig::new();
    let target = Target::Endpoint(address(0x81));
    device.submit(&host, target, Transfer::receive(512));
    port.submit(&gadget, address(0x01), Transfer::receive(512));
    let cable = port.cable();
    drop(port);
    assert_eq!(host.try_next().unwrap().status, Err(BusError::Unplugged));
    assert_eq!(gadget.try_next().unwrap().status, Err(BusError::Unplugged));
    assert_eq!(bus.devices().len(), 0);
    cable.plug();
    assert!(!cable.is_plugged());
    assert_eq!(bus.devices().len(), 0);
}
