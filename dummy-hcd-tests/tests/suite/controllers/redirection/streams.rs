//! Isochronous packets between QEMU and the bus of the device, and how time passes there.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dummy_hcd_tests::usbredir::Answer;
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_loopback::{BusDevice, BusError, CompletionQueue, Target, Transfer};
use usbfs2_protocol::descriptor::Endpoint;
use usbfs2_protocol::{Direction, EndpointAddress};

use super::port::Port;
use super::server::status_of;

/// The streams that QEMU has opened.
#[derive(Debug)]
pub(super) struct Streams {
    port: Arc<Port>,
    device: BusDevice,
    open: BTreeMap<EndpointAddress, Stream>,
}

#[derive(Debug)]
struct Stream {
    queue: CompletionQueue,
    /// Of an interval.
    microframes: u32,
    /// Room for a packet.
    most: u32,
    /// Packets that went to QEMU.
    sent: u64,
}

impl Streams {
    pub(super) fn new(port: Arc<Port>, device: BusDevice) -> Self {
        Self {
            port,
            device,
            open: BTreeMap::new(),
        }
    }

    pub(super) fn sent(&self, address: EndpointAddress) -> Option<u64> {
        Some(self.open.get(&address)?.sent)
    }

    /// QEMU takes packets of this endpoint from now on, or sends some.
    pub(super) fn start(&mut self, endpoint: &Endpoint) {
        // USB 2.0 9.6.6: up to three transactions.
        let transactions = 1 + u32::from(endpoint.max_packet_size_raw >> 11 & 3);
        let stream = Stream {
            queue: CompletionQueue::new(self.device.bus()),
            microframes: 1 << (endpoint.interval.clamp(1, 16) - 1),
            most: transactions * u32::from(endpoint.max_packet_size()),
            sent: 0,
        };
        if endpoint.address.direction() == Direction::In {
            ask(&self.device, endpoint.address, &stream);
        }
        self.open.insert(endpoint.address, stream);
    }

    pub(super) fn stop(&mut self, address: EndpointAddress) {
        self.open.remove(&address);
    }

    pub(super) fn stop_all(&mut self) {
        self.open.clear();
    }

    /// Lets time pass; what IN endpoints have to say in it goes to QEMU.
    pub(super) fn let_pass(&mut self, microframes: u32) -> io::Result<()> {
        for _ in 0..microframes {
            self.device.bus().step(1);
            for (address, stream) in &mut self.open {
                if address.direction() == Direction::In {
                    forward(&self.port, &self.device, *address, stream)?;
                }
            }
        }
        Ok(())
    }

    /// An interval passes, in which the device is sent this packet.
    ///
    /// A device that is late has the interval once more: QEMU sends no packet twice, and hears of no failure.
    pub(super) fn take(&mut self, address: EndpointAddress, data: Vec<u8>) -> io::Result<()> {
        let since = Instant::now();
        loop {
            let Some(stream) = self.open.get(&address) else {
                // The stream was closed while this was under way.
                return Ok(());
            };
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let packet = Transfer::isochronous_send(data.clone(), [length]);
            let target = Target::Endpoint(address);
            let microframes = stream.microframes;
            self.device.submit(&stream.queue, target, packet);
            self.let_pass(microframes)?;
            let stream = self.open.get(&address);
            let Some(completed) = stream.and_then(|stream| stream.queue.try_next()) else {
                return Err(io::Error::other(
                    "an interval passed, and its packet is there",
                ));
            };
            let outcome = completed.packets.first().map(|packet| packet.status);
            if completed.status.is_err() || outcome != Some(Err(BusError::Missed)) {
                return Ok(());
            }
            if since.elapsed() > DEADLINE {
                return Err(io::Error::other("the device takes no packet"));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Asks the device for the packet of the next interval.
fn ask(device: &BusDevice, address: EndpointAddress, stream: &Stream) {
    let target = Target::Endpoint(address);
    let packet = Transfer::isochronous_receive([stream.most]);
    device.submit(&stream.queue, target, packet);
}

/// Sends QEMU the packet whose interval this was, if it was one's and the device had one.
fn forward(
    port: &Port,
    device: &BusDevice,
    address: EndpointAddress,
    stream: &mut Stream,
) -> io::Result<()> {
    let Some(completed) = stream.queue.try_next() else {
        return Ok(());
    };
    // The device is gone, or the setting: nobody sends any more.
    if completed.status.is_err() {
        return Ok(());
    }
    ask(device, address, stream);
    let Some(packet) = completed.packets.first() else {
        return Ok(());
    };
    if packet.status == Err(BusError::Missed) {
        return Ok(());
    }
    stream.sent += 1;
    let length = packet.actual_length as usize;
    port.send(&Answer::Isochronous {
        endpoint: address.to_byte(),
        status: status_of(packet.status),
        data: completed.buffer.get(..length).unwrap_or_default(),
    })
}
