//! Faults a test puts on the wire.

use std::fmt;

use thiserror::Error;
use usbfs2_protocol::{Direction, EndpointAddress};

use crate::Bus;
use crate::port::Port;

/// What goes wrong with one host transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The device answers STALL and, except on the control pipe, halts the endpoint.
    Stall,
    /// The device answers NAK for this many microframes (125 us each), then goes on normally.
    Nak {
        /// Microframes, counted from when the transfer is first in its queue.
        microframes: u64,
    },
    /// The transfer ends with a short packet after this many bytes. What an IN endpoint's device had
    /// left to send in its own transfer is lost, though the device believes it was sent; an OUT
    /// transfer reports the short length to both sides.
    Short {
        /// Bytes of the host's transfer that still move. No effect when it is not shorter without.
        length: usize,
    },
    /// The device sends too long a packet: the host sees [`BusError::Overflow`](crate::BusError). IN
    /// endpoints and the control pipe only.
    Babble,
    /// One byte arrives changed, though every checksum agreed.
    Corrupt {
        /// The byte's place in the host's transfer. No effect on a shorter transfer.
        offset: usize,
        /// The bits to flip.
        mask: u8,
    },
    /// The cable comes out during the transfer.
    Unplug {
        /// Bytes that move first, rounded down to whole packets: the receiver throws away a packet
        /// that was cut off. A transfer that is shorter completes, then the cable comes out.
        after_bytes: usize,
    },
}

/// What goes wrong with one packet of the host's isochronous transfers.
///
/// Isochronous packets are neither acknowledged nor repeated: one end cannot know what the other met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketFault {
    /// It does not arrive. IN: the device believes it was sent, and the host sees
    /// [`BusError::Protocol`](crate::BusError::Protocol). OUT: the host believes it was sent, and the device's
    /// transfer waits for the next one.
    Lost,
    /// One byte arrives changed.
    Corrupt {
        /// The byte's place in the packet. No effect on a shorter packet.
        offset: usize,
        /// The bits to flip.
        mask: u8,
    },
    /// It ends after this many bytes. What an IN endpoint's device had left to send in it is lost; the host is
    /// told the short length of an OUT packet.
    Short {
        /// Bytes that still move. No effect when it is not shorter without.
        length: usize,
    },
    /// The device sends more than the host has room for: the host sees
    /// [`BusError::Overflow`](crate::BusError::Overflow), and what the device had queued is gone. IN endpoints
    /// only.
    Babble,
    /// The host's controller comes too late for it: [`BusError::Missed`](crate::BusError::Missed). What the
    /// device has queued waits for the next packet.
    Late,
    /// The cable comes out before it.
    Unplug,
}

/// Why a fault was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FaultError {
    /// That transfer is over, so the fault could never show.
    #[error("transfer {asked} is over: the next one that can fail is {next}")]
    Passed {
        /// The number asked for.
        asked: u64,
        /// The number of the first transfer that is not over.
        next: u64,
    },
    /// That packet had its turn, so the fault could never show.
    #[error("packet {asked} is over: the next one that can fail is {next}")]
    PacketPassed {
        /// The number asked for.
        asked: u64,
        /// The number of the first packet that is not over.
        next: u64,
    },
    /// Isochronous transfers go wrong by the packet, the others as a whole.
    #[error("{0} is isochronous: inject_packet() is for its faults")]
    Isochronous(EndpointAddress),
    /// The endpoint is not isochronous.
    #[error("{0} is not isochronous: inject() is for its faults")]
    NotIsochronous(EndpointAddress),
    /// Only data that goes to the host can babble.
    #[error("babble needs an IN endpoint: an OUT endpoint's device sends no data")]
    BabbleNeedsIn,
    /// The port is gone.
    #[error("the device port is gone: inject faults while it exists")]
    PortGone,
}

/// Injects faults into one port's transfers, by transfer number.
///
/// Host transfers are numbered from 0 on each endpoint, in the order they were submitted since the
/// device was plugged in. Faults belong to one plug: pulling the cable forgets those that have not
/// fired; while the cable is out, faults are for the next plug.
#[derive(Clone)]
pub struct Faults {
    bus: Bus,
    port: u8,
}

impl Faults {
    pub(crate) fn new(bus: Bus, port: u8) -> Self {
        Self { bus, port }
    }

    /// Makes `fault` happen to transfer number `transfer` on the endpoint at `address`
    /// ([`EndpointAddress::CONTROL`] for control transfers, those of enumeration included). A second
    /// fault for the same transfer replaces the first.
    ///
    /// # Errors
    /// See [`FaultError`]: a fault that could never fire is refused.
    pub fn inject(
        &self,
        address: EndpointAddress,
        transfer: u64,
        fault: Fault,
    ) -> Result<(), FaultError> {
        let is_out = address.number() != 0 && address.direction() == Direction::Out;
        if fault == Fault::Babble && is_out {
            return Err(FaultError::BabbleNeedsIn);
        }
        self.bus.locked(|state, rings| {
            let port = state.port_mut(self.port).ok_or(FaultError::PortGone)?;
            match port.pipe_mut(address) {
                Some(pipe) if pipe.service.is_some() => {
                    return Err(FaultError::Isochronous(address));
                }
                Some(pipe) => pipe.schedule.inject(pipe.host.iter(), transfer, fault)?,
                None => port.control.inject(transfer, fault)?,
            }
            // It may be for a transfer that waits for the device already.
            state.advance(self.port, address, rings);
            Ok(())
        })
    }

    /// Makes `fault` happen to packet number `packet` of the host's isochronous transfers on the endpoint at
    /// `address`, counted from 0 in the order they were submitted since the device was plugged in. A second
    /// fault for the same packet replaces the first.
    ///
    /// # Errors
    /// See [`FaultError`]: a fault that could never fire is refused.
    pub fn inject_packet(
        &self,
        address: EndpointAddress,
        packet: u64,
        fault: PacketFault,
    ) -> Result<(), FaultError> {
        if fault == PacketFault::Babble && address.direction() == Direction::Out {
            return Err(FaultError::BabbleNeedsIn);
        }
        self.bus.locked(|state, _| {
            let port = state.port_mut(self.port).ok_or(FaultError::PortGone)?;
            let pipe = port
                .pipe_mut(address)
                // One that is not enabled yet may become isochronous.
                .filter(|pipe| pipe.enabled.is_none() || pipe.service.is_some())
                .ok_or(FaultError::NotIsochronous(address))?;
            pipe.schedule.inject_packet(pipe.host.iter(), packet, fault)
        })
    }

    /// The number the next packet the host submits to this isochronous endpoint gets. 0 once the port is gone.
    #[must_use]
    pub fn next_packet(&self, address: EndpointAddress) -> u64 {
        self.bus.locked(|state, _| {
            let port = state.ports().get(&self.port);
            let pipe = port.and_then(|port| port.pipe(address));
            pipe.map_or(0, |pipe| pipe.schedule.next_packet())
        })
    }

    /// The number the next host transfer on this endpoint gets. 0 once the port is gone.
    #[must_use]
    pub fn next_transfer(&self, address: EndpointAddress) -> u64 {
        self.bus.locked(|state, _| {
            let port = state.ports().get(&self.port);
            port.map_or(0, |port| match port.pipe(address) {
                Some(pipe) => pipe.schedule.next(),
                None => port.control.schedule.next(),
            })
        })
    }

    /// How many injected faults wait for their transfer to be first in its queue, or for their packet. 0 once the port is
    /// gone.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.bus.locked(|state, _| {
            let port = state.ports().get(&self.port);
            port.map_or(0, Port::planned_faults)
        })
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
