//! Packets between the host's transfers and the firmware's reads and writes.

use std::sync::{Arc, Mutex};

use usb_device::UsbError;
use usbfs2_loopback::{BusError, Transfer};

use crate::probe::{self, Script};
use crate::rig::{PATIENCE, Rig, until};

const OUTPUT: u8 = 0x01;
const INPUT: u8 = 0x81;

fn rig(script: &Arc<Mutex<Script>>) -> Rig {
    let script = Arc::clone(script);
    Rig::configured(move |allocator, started| probe::run(allocator, script, started))
}

fn reading(room: usize) -> Arc<Mutex<Script>> {
    Arc::new(Mutex::new(Script {
        reads: true,
        room,
        ..Script::default()
    }))
}

fn received(script: &Mutex<Script>, count: usize) -> Vec<Result<Vec<u8>, UsbError>> {
    until("the packets arrive", || {
        let script = script.lock().unwrap();
        (script.received.len() >= count).then(|| script.received.clone())
    })
}

#[test]
fn a_transfer_is_read_in_the_packets_it_came_in() {
    let script = reading(64);
    let rig = rig(&script);
    let bytes: Vec<u8> = (0..150).collect();
    rig.write(OUTPUT, &bytes);
    rig.write(OUTPUT, &[]);
    let packets = received(&script, 4);
    let expected: Vec<Result<Vec<u8>, UsbError>> =
        [&bytes[..64], &bytes[64..128], &bytes[128..], &[]]
            .map(|packet| Ok(packet.to_vec()))
            .to_vec();
    assert_eq!(packets, expected);
    rig.finish();
}

#[test]
fn transfers_of_several_packets_are_sliced() {
    let script = reading(64);
    let (sender, receiver) = std::sync::mpsc::channel();
    let rig = Rig::configured({
        let script = Arc::clone(&script);
        move |allocator, started| {
            probe::run_with(allocator, script, started, &mut |bus| {
                let unknown = bus.set_packets_per_transfer(0x0f.into(), 4);
                sender.send(unknown).unwrap();
                bus.set_packets_per_transfer(OUTPUT.into(), 4).unwrap();
            });
        }
    });
    assert_eq!(receiver.recv(), Ok(Err(UsbError::InvalidEndpoint)));
    let bytes: Vec<u8> = (0..=255).collect();
    rig.write(OUTPUT, &bytes);
    rig.write(OUTPUT, &bytes[..70]);
    let packets: Vec<Vec<u8>> = received(&script, 6).into_iter().flatten().collect();
    let lengths: Vec<usize> = packets.iter().map(Vec::len).collect();
    assert_eq!(lengths, [64, 64, 64, 64, 64, 6]);
    assert_eq!(packets.concat(), [&bytes[..], &bytes[..70]].concat());
    rig.finish();
}

#[test]
fn a_packet_too_long_for_the_firmwares_buffer_stays() {
    let script = reading(10);
    let rig = rig(&script);
    rig.write(OUTPUT, b"more than ten");
    assert_eq!(received(&script, 1)[0], Err(UsbError::BufferOverflow));
    script.lock().unwrap().room = 64;
    rig.handle.wake();
    let packet = until("the packet is read", || {
        let script = script.lock().unwrap();
        script.received.iter().find(|one| one.is_ok()).cloned()
    });
    assert_eq!(packet, Ok(b"more than ten".to_vec()));
    rig.finish();
}

#[test]
fn a_firmware_that_does_not_read_makes_the_host_wait_and_is_left_to_sleep() {
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    for number in 0..40 {
        rig.submit(OUTPUT, Transfer::send(vec![number; 64]));
    }
    for _ in 0..16 {
        assert_eq!(rig.host.wait(Some(PATIENCE)).unwrap().status, Ok(()));
    }
    // The rest waits for room; the firmware, told once, is not told again.
    let polls = script.lock().unwrap().polls;
    let bound = polls + 40;
    assert!(rig.host.try_next().is_none());
    {
        let mut script = script.lock().unwrap();
        assert!(script.polls <= bound, "{} polls", script.polls);
        (script.reads, script.room) = (true, 64);
    }
    rig.handle.wake();
    let packets = received(&script, 40);
    let expected: Vec<_> = (0..40).map(|number| Ok(vec![number; 64])).collect();
    assert_eq!(packets, expected);
    rig.finish();
}

#[test]
fn writes_are_bounded_and_go_out_as_they_were_written() {
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    let packets: Vec<Vec<u8>> = (0..100).map(|number| vec![number; 64]).collect();
    {
        let mut script = script.lock().unwrap();
        script.to_send = packets.clone();
        script.to_send.push(b"short".to_vec());
        script.to_send.push(Vec::new());
        script.to_send.push(vec![0; 65]);
    }
    rig.handle.wake();
    until("the endpoint is full", || {
        (script.lock().unwrap().send_error == Some(UsbError::WouldBlock)).then_some(())
    });
    assert_eq!(script.lock().unwrap().to_send.len(), 103 - 64);
    let read = rig.read(INPUT, 64 * 1024);
    assert_eq!(read, [packets.concat(), b"short".to_vec()].concat());
    assert_eq!(rig.read(INPUT, 64), b"");
    until("the packet too long is refused", || {
        (script.lock().unwrap().send_error == Some(UsbError::BufferOverflow)).then_some(())
    });
    assert!(script.lock().unwrap().sent_events > 0);
    assert_eq!(rig.handle.counters().packets_in, 102);
    rig.finish();
}

#[test]
fn halts_end_when_the_host_clears_them() {
    let script = reading(64);
    let rig = rig(&script);
    // Data written before the halt goes out first.
    {
        let mut script = script.lock().unwrap();
        script.to_send = vec![b"before".to_vec()];
        (script.stall_in, script.stall_out) = (true, true);
    }
    rig.handle.wake();
    assert_eq!(rig.read(INPUT, 64), b"before");
    let halted = |endpoint, transfer| {
        assert_eq!(
            rig.transfer(endpoint, transfer).status,
            Err(BusError::Stall)
        );
        let address = endpoint.try_into().unwrap();
        rig.device.clear_halt(address, PATIENCE).unwrap();
    };
    halted(INPUT, Transfer::receive(64));
    halted(OUTPUT, Transfer::send(vec![1]));
    rig.write(OUTPUT, b"after");
    assert_eq!(received(&script, 1), [Ok(b"after".to_vec())]);
    script.lock().unwrap().to_send = vec![b"after".to_vec()];
    rig.handle.wake();
    assert_eq!(rig.read(INPUT, 64), b"after");
    rig.finish();
}

#[test]
fn a_full_endpoint_that_is_halted_takes_what_comes_after_the_halt() {
    let script = Arc::<Mutex<Script>>::default();
    let rig = rig(&script);
    for number in 0..16 {
        rig.write(OUTPUT, &[number; 64]);
    }
    script.lock().unwrap().stall_out = true;
    rig.handle.wake();
    assert_eq!(
        rig.transfer(OUTPUT, Transfer::send(vec![16; 64])).status,
        Err(BusError::Stall)
    );
    rig.device
        .clear_halt(OUTPUT.try_into().unwrap(), PATIENCE)
        .unwrap();
    {
        let mut script = script.lock().unwrap();
        (script.reads, script.room) = (true, 64);
    }
    rig.write(OUTPUT, b"after");
    assert_eq!(received(&script, 1), [Ok(b"after".to_vec())]);
    assert_eq!(rig.handle.counters().packets_dropped, 16);
    rig.finish();
}
