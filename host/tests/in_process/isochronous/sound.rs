//! A device with an isochronous endpoint of each direction, whose packets the tests give and take.

use std::sync::Arc;
use std::thread::JoinHandle;

use usbfs2_host::{
    Device, EndpointAddress, Host, In, Interface, IsochronousEndpoint, Out, SetupPacket, Speed,
    TransferType,
};
use usbfs2_loopback::{
    Bus, Completed, CompletionQueue, ControlResponse, DeviceEvent, DevicePort, EndpointSpec,
    PortOptions, Transfer,
};

pub(super) const OUT: u8 = 0x02;
pub(super) const IN: u8 = 0x82;
/// Bytes of a packet.
pub(super) const PACKET: u32 = 192;
/// Microframes from packet to packet, at full and at high speed.
pub(super) const INTERVAL: u64 = 8;

fn device(speed: Speed) -> [u8; 18] {
    // Control packets of 64 bytes, or of 2^9.
    let (version, packet) = if speed == Speed::Super {
        (3, 9)
    } else {
        (2, 64)
    };
    [
        18, 1, 0, version, 0, 0, 0, packet, 0x09, 0x12, 0x02, 0x00, 0x00, 0x01, 0, 0, 0, 1,
    ]
}

/// Interface 0 has nothing in alternate setting 0, and a packet of 192 bytes each millisecond both ways in
/// setting 1.
fn configuration(speed: Speed) -> Vec<u8> {
    let interval = if speed == Speed::Full { 1 } else { 4 };
    #[rustfmt::skip]
    let mut bytes = vec![
        9, 2, 0, 0, 1, 1, 0, 0x80, 50,
        9, 4, 0, 0, 0, 0xff, 0, 0, 0,
        9, 4, 0, 1, 2, 0xff, 0, 0, 0,
    ];
    for address in [OUT, IN] {
        bytes.extend([7, 5, address, 5, 192, 0, interval]);
        if speed == Speed::Super {
            bytes.extend([6, 48, 0, 0, 192, 0]);
        }
    }
    bytes[2] = u8::try_from(bytes.len()).unwrap();
    bytes
}

/// The plugged device on a manual clock, claimed and in alternate setting 1.
pub(super) struct Sound {
    pub(super) interface: Interface,
    pub(super) bus: Bus,
    pub(super) port: Arc<DevicePort>,
    received: CompletionQueue,
    sent: CompletionQueue,
    control: Option<JoinHandle<()>>,
}

impl Sound {
    pub(super) fn new() -> Self {
        Self::at(Speed::High)
    }

    pub(super) fn at(speed: Speed) -> Self {
        Self::on(Bus::with_manual_clock(), speed)
    }

    pub(super) fn on(bus: Bus, speed: Speed) -> Self {
        let port = Arc::new(bus.plug(PortOptions::new(speed)).unwrap());
        let control = std::thread::spawn({
            let port = Arc::clone(&port);
            move || answer(&port, speed)
        });
        let device: Device = Host::on(&bus).open(&"1-1".into()).unwrap();
        let interface = device.claim(0).unwrap();
        interface.set_alternate_setting(1).unwrap();
        Self {
            interface,
            received: CompletionQueue::new(&bus),
            sent: CompletionQueue::new(&bus),
            bus,
            port,
            control: Some(control),
        }
    }

    pub(super) fn output(&self) -> IsochronousEndpoint<Out> {
        self.interface.isochronous_endpoint(OUT).unwrap()
    }

    pub(super) fn input(&self) -> IsochronousEndpoint<In> {
        self.interface.isochronous_endpoint(IN).unwrap()
    }

    /// The device sends a packet.
    pub(super) fn send(&self, bytes: &[u8]) {
        let transfer = Transfer::send(bytes.to_vec());
        self.port.submit(&self.sent, address(IN), transfer);
    }

    /// The device takes packets.
    pub(super) fn receive(&self, count: usize) {
        for _ in 0..count {
            let transfer = Transfer::receive(PACKET as usize);
            self.port.submit(&self.received, address(OUT), transfer);
        }
    }

    /// What the device received since the last look.
    pub(super) fn received(&self) -> Vec<Vec<u8>> {
        let completions = std::iter::from_fn(|| self.received.try_next());
        completions.map(|done: Completed| done.buffer).collect()
    }

    /// Lets service intervals pass.
    pub(super) fn pass(&self, intervals: u64) {
        self.bus.step(intervals * INTERVAL);
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        let cable = self.port.cable();
        cable.plug();
        cable.pull();
        let answered = self.control.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(answered, Some(Ok(()))), "the device panicked");
        }
    }
}

pub(super) fn address(byte: u8) -> EndpointAddress {
    EndpointAddress::try_from(byte).unwrap()
}

/// Answers control requests until the cable is pulled.
fn answer(port: &DevicePort, speed: Speed) {
    while let Some(event) = port.next_event(None) {
        match event {
            DeviceEvent::Setup { setup, .. } => {
                // The host may have given the request up, which is its business.
                let _ = port.respond(response(port, speed, &setup));
            }
            DeviceEvent::Disconnect => return,
            _ => {}
        }
    }
}

fn response(port: &DevicePort, speed: Speed, setup: &SetupPacket) -> ControlResponse {
    let [low, high] = setup.value.to_le_bytes();
    match (setup.request, high) {
        (6, 1) => ControlResponse::Data(device(speed).to_vec()),
        (6, 2) => ControlResponse::Data(configuration(speed)),
        (9, _) => ControlResponse::Acknowledge,
        (11, _) => {
            for byte in [OUT, IN] {
                port.disable(address(byte));
                if low == 1 {
                    let enabled = port.enable(EndpointSpec {
                        address: address(byte),
                        transfer_type: TransferType::Isochronous,
                        max_packet_size: 192,
                        interval: if speed == Speed::Full { 1 } else { 4 },
                    });
                    enabled.unwrap();
                }
            }
            ControlResponse::Acknowledge
        }
        _ => ControlResponse::Stall,
    }
}
