//! What a host may do at any time: malformed requests, the cable pulled, a request given up, transfers in flight.

use std::sync::{Arc, Mutex};

use usb_device::device::UsbDeviceState;
use usbfs2_gadget::State;
use usbfs2_loopback::{BusError, Completed, Target, Transfer};
use usbfs2_protocol::SetupPacket;
use usbfs2_protocol::standard::descriptor_type;

use crate::probe::{self, IGNORE, KEEP, LONG_STRING, OVERFLOW, Script};
use crate::rig::{PATIENCE, Rig, until};

const OUTPUT: u8 = 0x01;
const INPUT: u8 = 0x81;

fn rig(script: &Arc<Mutex<Script>>) -> Rig {
    let script = Arc::clone(script);
    Rig::configured(move |allocator, started| probe::run(allocator, script, started))
}

/// The device still answers, and its data endpoints move data.
fn still_works(rig: &Rig, script: &Mutex<Script>) {
    let bytes: Vec<u8> = (0..=255).collect();
    let out = SetupPacket::device_out(usbfs2_protocol::RequestKind::Vendor, KEEP, 0, 0, 256);
    let back = SetupPacket::device_in(usbfs2_protocol::RequestKind::Vendor, KEEP, 0, 0, 256);
    rig.control(out, &bytes).unwrap();
    assert_eq!(rig.control(back, &[]).unwrap(), bytes);
    {
        let mut script = script.lock().unwrap();
        (script.reads, script.room) = (true, 64);
        script.received.clear();
        script.to_send.push(b"alive".to_vec());
    }
    rig.handle.wake();
    assert_eq!(rig.read(INPUT, 64), b"alive");
    rig.write(OUTPUT, b"too");
    until("the packet arrives", || {
        let script = script.lock().unwrap();
        (script.received == [Ok(b"too".to_vec())]).then_some(())
    });
}

#[test]
fn malformed_requests_are_stalled_and_counted() {
    use usbfs2_protocol::RequestKind::{Class, Reserved, Vendor};
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    let before = rig.handle.counters();
    let requests = [
        SetupPacket::get_descriptor(0x7f, 0, 0, 64),
        SetupPacket::get_descriptor(descriptor_type::STRING, 99, 0x0409, 64),
        SetupPacket::get_interface_descriptor(0x22, 0, 9, 64),
        SetupPacket::set_configuration(7),
        SetupPacket::set_interface(0, 9),
        SetupPacket::device_in(Class, 0xa1, 1, 2, 3),
        SetupPacket::device_in(Reserved, 0, 0, 0, u16::MAX),
        SetupPacket::device_in(Vendor, IGNORE, 0, 0, 0),
        SetupPacket::device_out(Class, 0xff, 0, 0, 0),
        SetupPacket::device_out(Vendor, IGNORE, 0, 0, 40),
    ];
    for (number, setup) in requests.into_iter().enumerate() {
        let data = vec![0; usize::from(setup.length)];
        assert_eq!(rig.control(setup, &data), Err(BusError::Stall), "{setup}");
        let counters = rig.handle.counters();
        let stalled = counters.requests_stalled - before.requests_stalled;
        assert_eq!(stalled, number as u64 + 1);
        assert_eq!(counters.requests_unanswered, 0, "{setup}");
    }
    still_works(&rig, &script);
    rig.finish();
}

#[test]
fn requests_that_overflow_the_control_buffer_are_stalled_and_do_not_hang() {
    use usbfs2_protocol::RequestKind::Vendor;
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    let overflow = SetupPacket::device_in(Vendor, OVERFLOW, 0, 0, 300);
    assert_eq!(rig.control(overflow, &[]), Err(BusError::Stall));
    // usb-device gives these two no answer at all.
    let kind = descriptor_type::STRING;
    let long = SetupPacket::get_descriptor(kind, LONG_STRING, 0x0409, 255);
    assert_eq!(rig.control(long, &[]), Err(BusError::Stall));
    let too_long = SetupPacket::device_out(Vendor, KEEP, 0, 0, 300);
    assert_eq!(rig.control(too_long, &[0; 300]), Err(BusError::Stall));
    assert_eq!(rig.handle.counters().requests_unanswered, 2);
    still_works(&rig, &script);
    rig.finish();
}

/// Whether a transfer of more than these bytes ended early: with what had moved, or with an error if nothing had.
fn is_cut_off(completed: &Completed) -> bool {
    completed.status.is_err() || completed.actual_length <= 200 * 64
}

#[test]
fn the_cable_comes_out_in_mid_transfer() {
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    for _ in 0..5 {
        {
            let mut script = script.lock().unwrap();
            (script.reads, script.to_send) = (false, vec![vec![7; 64]; 80]);
        }
        rig.handle.wake();
        rig.submit(OUTPUT, Transfer::send(vec![0; 64 * 1024]));
        rig.submit(INPUT, Transfer::receive(64 * 1024));
        rig.cable().pull();
        for _ in 0..2 {
            let completed = rig.host.wait(Some(PATIENCE)).unwrap();
            assert!(is_cut_off(&completed), "{:?}", completed.status);
        }
        rig.handle
            .wait_for_state(State::Detached, PATIENCE)
            .unwrap();
        until("the firmware knows", || {
            let script = script.lock().unwrap();
            (script.states.last() == Some(&UsbDeviceState::Default)).then_some(())
        });
        script.lock().unwrap().to_send.clear();
        rig.cable().plug();
        let device = rig.bus.devices().remove(0);
        assert_eq!(device.enumerate(PATIENCE).unwrap().problem, None);
        rig.handle
            .wait_for_state(State::Configured, PATIENCE)
            .unwrap();
        // Nothing of what was written for the host that has gone.
        let rig = rig.with_device(device);
        still_works(&rig, &script);
    }
    assert!(rig.handle.counters().packets_dropped > 0);
    rig.finish();
}

#[test]
fn a_request_given_up_or_cut_off_by_the_cable_is_forgotten() {
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    let setup = SetupPacket::get_descriptor(descriptor_type::STRING, 2, 0x0409, 255);
    for round in 0..20 {
        // While the firmware is kept from answering.
        let held = script.lock().unwrap();
        let target = Target::Control(setup);
        let id = rig.device.submit(&rig.host, target, Transfer::receive(255));
        if round % 2 == 0 {
            rig.device.cancel(id);
        } else {
            rig.cable().pull();
            rig.cable().plug();
        }
        drop(held);
        let status = rig.host.wait(Some(PATIENCE)).unwrap().status;
        assert!(status.is_err(), "{status:?}");
        let device = rig.bus.devices().remove(0);
        let rig = rig.with_device(device);
        if round % 2 == 1 {
            assert_eq!(rig.device.enumerate(PATIENCE).unwrap().problem, None);
            rig.handle
                .wait_for_state(State::Configured, PATIENCE)
                .unwrap();
        }
        assert!(rig.control(setup, &[]).is_ok());
    }
    still_works(&rig.with_device(rig.bus.devices().remove(0)), &script);
    rig.finish();
}

#[test]
fn the_firmware_ends_with_transfers_in_flight() {
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    script.lock().unwrap().to_send = vec![vec![7; 64]; 200];
    rig.handle.wake();
    rig.submit(OUTPUT, Transfer::send(vec![0; 64 * 1024]));
    rig.submit(INPUT, Transfer::receive(1 << 20));
    let (bus, host) = rig.finish_for_host();
    for _ in 0..2 {
        let completed = host.wait(Some(PATIENCE)).unwrap();
        assert!(is_cut_off(&completed), "{:?}", completed.status);
    }
    assert!(bus.devices().is_empty());
}

#[test]
fn alternate_settings_are_the_classes_own() {
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    let current = || rig.control(SetupPacket::get_interface(0), &[]).unwrap()[0];
    assert_eq!(current(), 0);
    rig.device.set_interface(0, 1, PATIENCE).unwrap();
    assert_eq!((current(), script.lock().unwrap().alternate), (1, 1));
    // The other setting has no IN endpoint, and shares the OUT endpoint.
    let status = rig.transfer(INPUT, Transfer::receive(64)).status;
    assert!(status.is_err(), "{status:?}");
    rig.device.set_interface(0, 0, PATIENCE).unwrap();
    still_works(&rig, &script);
    rig.device.set_configuration(0, PATIENCE).unwrap();
    rig.handle
        .wait_for_state(State::Connected, PATIENCE)
        .unwrap();
    rig.device.set_configuration(1, PATIENCE).unwrap();
    still_works(&rig, &script);
    rig.finish();
}

#[test]
fn suspend_and_resume_reach_the_firmware() {
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    rig.device.suspend();
    let state_is = |wanted| {
        until("the state changes", || {
            (script.lock().unwrap().states.last() == Some(&wanted)).then_some(())
        });
    };
    state_is(UsbDeviceState::Suspend);
    assert_eq!(rig.handle.state(), State::Suspended);
    rig.device.resume();
    state_is(UsbDeviceState::Configured);
    still_works(&rig, &script);
    rig.finish();
}
