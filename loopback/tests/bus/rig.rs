//! A bus on a manual clock with one device on it, its two bulk endpoints enabled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use usbfs2_loopback::{
    Bus, BusDevice, BusError, Completed, CompletionQueue, DevicePort, EndpointSpec, PortOptions,
    Target, Transfer, TransferId,
};
use usbfs2_protocol::{EndpointAddress, SetupPacket, Speed, TransferType};

/// What a completion says: the bytes that moved, or why none did.
pub(crate) type Outcome = Result<usize, BusError>;

pub(crate) struct Rig {
    pub(crate) bus: Bus,
    pub(crate) port: DevicePort,
    pub(crate) device: BusDevice,
    /// Completions of the host's transfers.
    pub(crate) host: CompletionQueue,
    /// Completions of the device's transfers.
    pub(crate) gadget: CompletionQueue,
}

pub(crate) fn address(byte: u8) -> EndpointAddress {
    EndpointAddress::try_from(byte).unwrap()
}

pub(crate) fn bulk(byte: u8, max_packet_size: u16) -> EndpointSpec {
    EndpointSpec {
        address: address(byte),
        transfer_type: TransferType::Bulk,
        max_packet_size,
        interval: 0,
    }
}

/// `length` bytes that tell their place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8).collect()
}

pub(crate) fn outcome(completed: &Completed) -> Outcome {
    completed.status.map(|()| completed.actual_length)
}

impl Rig {
    /// High speed: packets of 512 bytes.
    pub(crate) fn new() -> Self {
        Self::with_packets_of(Speed::High, 512)
    }

    pub(crate) fn with_packets_of(speed: Speed, max_packet_size: u16) -> Self {
        let bus = Bus::with_manual_clock();
        let port = bus.plug(PortOptions::new(speed)).unwrap();
        port.enable(bulk(0x81, max_packet_size)).unwrap();
        port.enable(bulk(0x01, max_packet_size)).unwrap();
        Self {
            device: bus.devices().pop().unwrap(),
            host: CompletionQueue::new(&bus),
            gadget: CompletionQueue::new(&bus),
            port,
            bus,
        }
    }

    pub(crate) fn host_submit(&self, endpoint: u8, transfer: Transfer) -> TransferId {
        let target = Target::Endpoint(address(endpoint));
        self.device.submit(&self.host, target, transfer)
    }

    pub(crate) fn gadget_submit(&self, endpoint: u8, transfer: Transfer) -> TransferId {
        self.port.submit(&self.gadget, address(endpoint), transfer)
    }

    /// The host reads from 0x81.
    pub(crate) fn read(&self, length: usize) -> TransferId {
        self.host_submit(0x81, Transfer::receive(length))
    }

    /// The host writes to 0x01.
    pub(crate) fn write(&self, bytes: Vec<u8>) -> TransferId {
        self.host_submit(0x01, Transfer::send(bytes))
    }

    /// The device sends on 0x81.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> TransferId {
        self.gadget_submit(0x81, Transfer::send(bytes))
    }

    /// The device receives on 0x01.
    pub(crate) fn receive(&self, length: usize) -> TransferId {
        self.gadget_submit(0x01, Transfer::receive(length))
    }

    /// A control transfer of the host.
    pub(crate) fn control(&self, setup: SetupPacket, transfer: Transfer) -> TransferId {
        self.device
            .submit(&self.host, Target::Control(setup), transfer)
    }

    /// Clears an endpoint's halt; the bus answers at once.
    pub(crate) fn clear_halt(&self, endpoint: u8) {
        let queue = CompletionQueue::new(&self.bus);
        let setup = SetupPacket::clear_endpoint_halt(address(endpoint));
        let target = Target::Control(setup);
        self.device
            .submit(&queue, target, Transfer::send(Vec::new()));
        assert_eq!(queue.try_next().unwrap().status, Ok(()));
    }

    /// Everything the host's transfers came to since the last look.
    pub(crate) fn host_outcomes(&self) -> Vec<Outcome> {
        drain(&self.host).iter().map(outcome).collect()
    }

    /// Everything the device's transfers came to since the last look.
    pub(crate) fn gadget_outcomes(&self) -> Vec<Outcome> {
        drain(&self.gadget).iter().map(outcome).collect()
    }
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Count(pub(crate) AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn drain(queue: &CompletionQueue) -> Vec<Completed> {
    std::iter::from_fn(|| queue.try_next()).collect()
}
