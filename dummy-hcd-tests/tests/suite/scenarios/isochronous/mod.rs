//! Packets of isochronous endpoints between our host and our gadget: what arrives is in order and whole, and both
//! ends agree on what did.

mod packets;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use usbfs2_gadget::{
    Endpoint, EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass,
};
use usbfs2_host::{Buffer, Direction, In, Interface, IsochronousEndpoint, Out, TransferType};

use super::Scenario;
use crate::world::{Connected, World};

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    let mut scenarios = in_one_setting();
    scenarios.extend([
        (
            "isochronous::settings_open_and_close_the_streams",
            packets::settings as Scenario,
        ),
        // The kernel answers for functions on FunctionFS before they hear of it.
        (
            "isochronous::the_first_packets_out_are_taken",
            packets::first,
        ),
    ]);
    scenarios
}

/// Those that a composite can have too: FunctionFS knows no alternate settings.
pub(crate) fn in_one_setting() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "isochronous::packets_in_are_those_sent_in_order",
            packets::packets_in,
        ),
        (
            "isochronous::packets_out_are_those_taken_in_order",
            packets::packets_out,
        ),
        ("isochronous::both_ways_at_once", packets::both_ways),
        (
            "isochronous::a_cancel_delivers_what_was_done",
            packets::cancel,
        ),
        (
            "isochronous::the_cable_ends_what_is_pending",
            packets::unplug,
        ),
    ]
}

/// Bytes of the longest packet, one a millisecond.
const LONGEST: u16 = 200;
const EVERY: Duration = Duration::from_millis(1);

/// Packet `number` of a stream, which tells its place; every fifth is empty.
fn packet(number: u32) -> Vec<u8> {
    if number % 5 == 4 {
        return Vec::new();
    }
    let length = 4 + number as usize * 7 % (usize::from(LONGEST) - 3);
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(length, number as u8);
    bytes
}

/// Sends the stream in its last setting, and keeps what it is sent.
#[derive(Debug, Default)]
struct Streams {
    /// There is a setting 0 without streams.
    can_be_closed: bool,
    /// Packets the present run has sent.
    sent: AtomicU32,
    taken: Mutex<Vec<Vec<u8>>>,
}

impl Function for Streams {
    fn name(&self) -> &str {
        "streams"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        if self.can_be_closed {
            interface.alternate_setting(InterfaceClass::VENDOR);
        }
        for direction in [Direction::Out, Direction::In] {
            interface.endpoint(EndpointRequest::isochronous(direction, LONGEST, EVERY));
        }
    }

    fn prepare(&self, endpoints: &mut Endpoints) {
        if let Ok(output) = endpoints.get_mut(0) {
            for _ in 0..Self::AHEAD {
                output.submit(Buffer::with_capacity(LONGEST.into()));
            }
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let Ok(output) = endpoints.take(0) else {
            return Ok(());
        };
        let input = endpoints.take(1)?;
        self.sent.store(0, Ordering::SeqCst);
        thread::scope(|scope| {
            let taking = scope.spawn(|| self.take(output));
            let sent = self.send(input);
            let taken = taking.join().unwrap_or(Ok(()));
            sent.and(taken)
        })
    }
}

impl Streams {
    /// Packets an endpoint has queued, so that this thread may be late.
    const AHEAD: u32 = 64;

    fn send(&self, mut input: Endpoint) -> Result<(), FunctionError> {
        for number in 0..Self::AHEAD {
            input.submit(packet(number).into());
        }
        while let Some(completion) = input.wait(None) {
            completion.status?;
            let sent = self.sent.fetch_add(1, Ordering::SeqCst);
            input.submit(packet(sent + Self::AHEAD).into());
        }
        Ok(())
    }

    fn take(&self, mut output: Endpoint) -> Result<(), FunctionError> {
        while let Some(completion) = output.wait(None) {
            completion.status?;
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.push(completion.buffer.into_vec());
            drop(taken);
            output.submit(Buffer::with_capacity(LONGEST.into()));
        }
        Ok(())
    }

    fn forget(&self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.clear();
    }

    fn taken(&self) -> Vec<Vec<u8>> {
        let taken = self.taken.lock();
        taken.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The gadget, seen from the host with its streams open.
struct Rig {
    // The host lets go before the gadget goes.
    interface: Interface,
    connected: Connected,
    streams: Arc<Streams>,
}

impl Rig {
    fn new(world: &World) -> Result<Self> {
        let can_be_closed = !matches!(world, World::Composite(_));
        let streams = Arc::new(Streams {
            can_be_closed,
            ..Streams::default()
        });
        let gadget = World::gadget().function(streams.clone()).build()?;
        let connected = world.connect(&gadget)?;
        let interface = connected.device.claim(0)?;
        if can_be_closed {
            interface.set_alternate_setting(1)?;
        }
        Ok(Self {
            interface,
            connected,
            streams,
        })
    }

    fn input(&self) -> Result<IsochronousEndpoint<In>> {
        Ok(self
            .interface
            .isochronous_endpoint(self.address(Direction::In)?)?)
    }

    fn output(&self) -> Result<IsochronousEndpoint<Out>> {
        Ok(self
            .interface
            .isochronous_endpoint(self.address(Direction::Out)?)?)
    }

    fn address(&self, direction: Direction) -> Result<u8> {
        let setting = self.interface.alternate_setting()?;
        let endpoint = setting.find_endpoint(TransferType::Isochronous, direction);
        Ok(endpoint
            .context("the setting lacks an endpoint")?
            .address
            .into())
    }
}
