//! The gadget: it sends a stream of numbered packets, and keeps what it is sent.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use usbfs2_gadget::{
    Endpoint, EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass,
    PerSpeed,
};
use usbfs2_host::{Buffer, Direction, IsochronousTransfer};

/// What packets a stream has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// bInterval.
    pub(super) interval: u8,
    /// wMaxPacketSize.
    pub(super) max_packet: u16,
    /// Bytes of the longest packet.
    pub(super) longest: usize,
    /// Packets of a whole stream.
    pub(super) packets: u32,
}

pub(super) const EVERY_MICROFRAME: Shape = Shape {
    interval: 1,
    max_packet: 200,
    longest: 200,
    packets: 4_000,
};
/// In each eighth microframe (USB 2.0 9.6.6: two more transactions).
pub(super) const THREE_TRANSACTIONS: Shape = Shape {
    interval: 4,
    max_packet: 2 << 11 | 1024,
    longest: 3 * 1024,
    packets: 500,
};

pub(super) const EVERY_MILLISECOND: Shape = Shape {
    interval: 4,
    max_packet: 100,
    longest: 100,
    packets: 0,
};

impl Shape {
    /// Packet `number` of a stream tells its place; every fifth is empty, and some fill all there is room for.
    pub(super) fn packet(&self, number: u32) -> Vec<u8> {
        let length = match number % 5 {
            4 => return Vec::new(),
            3 => self.longest,
            _ => 4 + number as usize * 7 % (self.longest - 3),
        };
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.extend((4..length).map(|place| (number as usize + place) as u8));
        bytes
    }

    fn lengths(&self, packets: usize) -> Vec<u32> {
        vec![self.longest as u32; packets]
    }

    pub(super) fn receive(&self, packets: usize) -> IsochronousTransfer {
        IsochronousTransfer::receive(Buffer::new(), self.lengths(packets))
    }
}

/// Sends the stream in setting 1, and keeps what it is sent.
#[derive(Debug)]
pub(super) struct Streams {
    shape: Shape,
    /// Packets that the present run has had ready.
    pub(super) readied: AtomicU32,
    taken: Mutex<Vec<Vec<u8>>>,
}

/// Packets the gadget has queued.
const AHEAD: u32 = 256;

impl Function for Streams {
    fn name(&self) -> &str {
        "streams"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let every = |high| PerSpeed {
            full: 1,
            high,
            super_speed: high,
        };
        let size = |high| PerSpeed {
            full: 1023,
            high,
            super_speed: 1024,
        };
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.alternate_setting(InterfaceClass::VENDOR);
        for direction in [Direction::Out, Direction::In] {
            let endpoint = EndpointRequest::isochronous(direction, 1023, Duration::from_millis(1));
            let endpoint = endpoint.max_packet_sizes(size(self.shape.max_packet));
            interface.endpoint(endpoint.intervals(every(self.shape.interval)));
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let Ok(output) = endpoints.take(0) else {
            return Ok(());
        };
        let input = endpoints.take(1)?;
        self.readied.store(0, Ordering::SeqCst);
        thread::scope(|scope| {
            let taking = scope.spawn(|| self.take(output));
            let sent = self.send(input);
            sent.and(taking.join().unwrap_or(Ok(())))
        })
    }
}

impl Streams {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            readied: AtomicU32::new(0),
            taken: Mutex::default(),
        }
    }

    fn send(&self, mut input: Endpoint) -> Result<(), FunctionError> {
        for number in 0.. {
            if number >= AHEAD {
                let Some(completion) = input.wait(None) else {
                    break;
                };
                completion.status?;
            }
            input.submit(self.shape.packet(number).into());
            self.readied.store(number + 1, Ordering::SeqCst);
        }
        Ok(())
    }

    fn take(&self, mut output: Endpoint) -> Result<(), FunctionError> {
        let buffer = || Buffer::with_capacity(self.shape.longest);
        for _ in 0..AHEAD {
            output.submit(buffer());
        }
        while let Some(completion) = output.wait(None) {
            completion.status?;
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.push(completion.buffer.into_vec());
            drop(taken);
            output.submit(buffer());
        }
        Ok(())
    }

    pub(super) fn taken(&self) -> Vec<Vec<u8>> {
        let taken = self.taken.lock();
        taken.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
