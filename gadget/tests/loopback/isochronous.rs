//! Isochronous endpoints: a submission is the packet of one service interval (USB 2.0 5.6).

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use usbfs2_gadget::{
    Buffer, Direction, EndpointError, EndpointRequest, Endpoints, Function, FunctionBuilder,
    FunctionError, Gadget, InterfaceClass, PerSpeed, Running, Speed,
};
use usbfs2_loopback::{Bus, BusDevice, BusError, Completed, CompletionQueue, Target, Transfer};

use usbfs2_protocol::descriptor::{SynchronizationType, UsageType};

use crate::echo::{IDS, PATIENCE, address, enumerate};

/// What the run tells: that packets are queued, and the OUT packets as they come.
#[derive(Debug, PartialEq)]
enum Told {
    Queued { speed: Speed, longest: usize },
    Packet(Vec<u8>),
    Ended { unsent: usize },
}

/// A setting without endpoints, and one with a stream each way of up to 3072 bytes an interval at high speed.
struct Stream {
    told: Mutex<Sender<Told>>,
}

/// The IN packets of a run.
const LENGTHS: [usize; 4] = [44, 0, 45, 1000];

impl Function for Stream {
    fn name(&self) -> &str {
        "stream"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let sizes = PerSpeed {
            full: 1000,
            high: 1024 | 2 << 11,
            super_speed: 1024,
        };
        let every = Duration::from_millis(1);
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.alternate_setting(InterfaceClass::VENDOR);
        for direction in [Direction::Out, Direction::In] {
            let request = EndpointRequest::isochronous(direction, 0, every);
            interface.endpoint(
                request
                    .max_packet_sizes(sizes)
                    .synchronization(SynchronizationType::Asynchronous, UsageType::Data),
            );
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let Ok(mut output) = endpoints.take(0) else {
            return Ok(());
        };
        let mut input = endpoints.take(1)?;
        let longest = output.max_packet_size();
        for _ in LENGTHS {
            output.submit(Buffer::with_capacity(longest));
        }
        for length in LENGTHS {
            input.submit(Buffer::from(vec![7; length]));
        }
        assert!(matches!(
            input.set_halt(),
            Err(EndpointError::NoHalt { .. })
        ));
        let tell = |told| self.told.lock().unwrap().send(told).unwrap();
        let speed = endpoints.speed();
        tell(Told::Queued { speed, longest });
        while let Some(completion) = output.wait(None) {
            if completion.status.is_err() {
                break;
            }
            tell(Told::Packet(completion.buffer.into_vec()));
        }
        let mut unsent = 0;
        while let Some(completion) = input.wait(Some(PATIENCE)) {
            unsent += usize::from(completion.status.is_err());
        }
        tell(Told::Ended { unsent });
        Ok(())
    }
}

struct Setting {
    bus: Bus,
    _running: Running,
    host: BusDevice,
    told: Receiver<Told>,
}

impl Setting {
    fn new(speed: Speed) -> Self {
        let (sender, told) = channel();
        let function = Arc::new(Stream {
            told: Mutex::new(sender),
        });
        let bus = Bus::with_manual_clock();
        let gadget = Gadget::builder(IDS).function(function).build().unwrap();
        let running = gadget.start_on(&bus, speed).unwrap();
        let host = enumerate(&bus, &running);
        Self {
            bus,
            _running: running,
            host,
            told,
        }
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    /// One transfer of the host, in the service intervals that pass meanwhile.
    fn stream(&self, direction: Direction, transfer: Transfer, intervals: u64) -> Completed {
        let queue = CompletionQueue::new(&self.bus);
        let to = Target::Endpoint(address(1, direction));
        self.host.submit(&queue, to, transfer);
        self.bus.step(8 * intervals);
        queue.try_next().expect("its intervals have passed")
    }
}

#[test]
fn each_packet_has_its_interval_at_every_speed() {
    for (speed, longest) in [
        (Speed::Full, 1000),
        (Speed::High, 3072),
        (Speed::Super, 1024),
    ] {
        let setting = Setting::new(speed);
        setting.host.set_interface(0, 1, PATIENCE).unwrap();
        assert_eq!(setting.next(), Told::Queued { speed, longest });

        // One interval more than packets were submitted.
        let slots = [1000; LENGTHS.len() + 1];
        let received = setting.stream(Direction::In, Transfer::isochronous_receive(slots), 5);
        let outcomes = received
            .packets
            .iter()
            .map(|packet| packet.status.map(|()| packet.actual_length as usize));
        let mut expected: Vec<_> = LENGTHS.map(Ok).to_vec();
        expected.push(Err(BusError::Missed));
        assert_eq!(outcomes.collect::<Vec<_>>(), expected);

        let longest = u32::try_from(longest).unwrap();
        let lengths = [longest, 0, 3];
        let bytes: Vec<u8> = (0..=255).cycle().take(longest as usize + 3).collect();
        let sent = Transfer::isochronous_send(bytes.clone(), lengths);
        assert_eq!(setting.stream(Direction::Out, sent, 3).status, Ok(()));
        let (first, last) = bytes.split_at(longest as usize);
        for packet in [first, &[], last] {
            assert_eq!(setting.next(), Told::Packet(packet.to_vec()));
        }
    }
}

#[test]
fn set_interface_opens_and_closes_the_stream() {
    let setting = Setting::new(Speed::High);
    for _ in 0..20 {
        setting.host.set_interface(0, 1, PATIENCE).unwrap();
        assert!(matches!(setting.next(), Told::Queued { .. }));
        let received = setting.stream(Direction::In, Transfer::isochronous_receive([44]), 1);
        assert_eq!(received.packets[0].actual_length, 44);
        setting.host.set_interface(0, 0, PATIENCE).unwrap();
        // Each submission completes, and nothing of a run is left for the next.
        assert_eq!(setting.next(), Told::Ended { unsent: 3 });
    }
}

#[test]
fn a_cable_pulled_mid_stream_ends_the_run() {
    let setting = Setting::new(Speed::High);
    setting.host.set_interface(0, 1, PATIENCE).unwrap();
    assert!(matches!(setting.next(), Told::Queued { .. }));
    let cable = setting.bus.cable("1-1").unwrap();
    cable.pull();
    assert_eq!(setting.next(), Told::Ended { unsent: 4 });
}
