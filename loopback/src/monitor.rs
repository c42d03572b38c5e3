//! Watching host transfers, as usbmon does on a real host.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use usbfs2_protocol::{EndpointAddress, SetupPacket, TransferType};

use crate::transfer::Pending;
use crate::{BusError, PacketOutcome};

/// The host submitted a transfer, or it ended. A transfer that was refused at once is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic<'a> {
    /// The same for both ends of one transfer, and of no other on this bus.
    pub transfer: u64,
    /// The device's address on the bus, 2 to 127, another one for each plug (USB 2.0 9.4.6).
    pub device: u8,
    /// The endpoint; [`EndpointAddress::CONTROL`] for control transfers.
    pub endpoint: EndpointAddress,
    /// The endpoint's type, as the device enabled it; bulk where it did not.
    pub transfer_type: TransferType,
    /// Whether data goes to the device.
    pub sends: bool,
    /// Which end of the transfer this is.
    pub moment: Moment<'a>,
    /// More of an isochronous transfer; `None` of the others.
    pub isochronous: Option<Isochronous<'a>>,
}

/// What isochronous transfers have besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Isochronous<'a> {
    /// The endpoint's service interval in microframes.
    pub interval: u64,
    /// The microframe of the first packet; `None` until it is on the bus's schedule.
    pub start_microframe: Option<u64>,
    /// Its packets. All are missed when it is submitted. Data are in slots one behind the other, each as
    /// long as its packet's `length`.
    pub packets: &'a [PacketOutcome],
}

/// An end of a transfer's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment<'a> {
    /// The host submitted it.
    Submitted {
        /// The request, of a control transfer.
        setup: Option<SetupPacket>,
        /// Bytes asked for.
        length: usize,
        /// What is to be sent. Empty where the transfer receives.
        data: &'a [u8],
    },
    /// It ended.
    Ended {
        /// Success, or why not.
        status: Result<(), BusError>,
        /// Bytes that moved.
        length: usize,
        /// What was received, in its slots if it was isochronous. Empty where the transfer sent.
        data: &'a [u8],
    },
}

type Watcher = Mutex<dyn FnMut(&Traffic<'_>) + Send>;

/// Keeps a watcher of [`Bus::monitor`](crate::Bus::monitor) in place; dropping it removes the watcher.
#[must_use = "the watcher is removed when this is dropped"]
pub struct BusMonitor {
    _watcher: Arc<Watcher>,
}

impl fmt::Debug for BusMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusMonitor").finish_non_exhaustive()
    }
}

/// Who watches the bus.
#[derive(Clone, Default)]
pub(crate) struct Watchers(Vec<Weak<Watcher>>);

impl Watchers {
    pub(crate) fn add(&mut self, watch: impl FnMut(&Traffic<'_>) + Send + 'static) -> BusMonitor {
        let watcher: Arc<Watcher> = Arc::new(Mutex::new(watch));
        self.0.retain(|watcher| watcher.strong_count() > 0);
        self.0.push(Arc::downgrade(&watcher));
        BusMonitor { _watcher: watcher }
    }

    fn tell(&self, traffic: &Traffic<'_>) {
        for watcher in self.0.iter().filter_map(Weak::upgrade) {
            // One that panicked has lost its own state, not the bus's.
            let mut watch = watcher.lock().unwrap_or_else(PoisonError::into_inner);
            watch(traffic);
        }
    }

    /// Tells that the host submitted a transfer to the device at address `device`.
    pub(crate) fn submitted(&self, pending: &Pending, setup: Option<SetupPacket>) {
        let transfer = &pending.transfer;
        let moment = Moment::Submitted {
            setup,
            length: transfer.length,
            data: if transfer.sends {
                &transfer.buffer
            } else {
                &[]
            },
        };
        self.end_of(pending, moment);
    }

    /// Tells that a transfer ended.
    pub(crate) fn ended(&self, pending: &Pending, status: Result<(), BusError>) {
        let transfer = &pending.transfer;
        let moment = Moment::Ended {
            status,
            length: pending.moved,
            data: if transfer.sends {
                &[]
            } else {
                &transfer.buffer
            },
        };
        self.end_of(pending, moment);
    }

    fn end_of(&self, pending: &Pending, moment: Moment<'_>) {
        if let Some(seen) = pending.seen_as {
            self.tell(&Traffic {
                transfer: pending.id.number,
                device: seen.device,
                endpoint: pending.id.address,
                transfer_type: seen.transfer_type,
                sends: pending.transfer.sends,
                moment,
                isochronous: pending
                    .transfer
                    .packets
                    .as_ref()
                    .map(|packets| Isochronous {
                        interval: seen.interval,
                        start_microframe: pending.start_microframe,
                        packets: &packets.outcomes,
                    }),
            });
        }
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watchers").field(&self.0.len()).finish()
    }
}

/// What a monitor is told of a host transfer besides what the transfer knows itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeenAs {
    pub(crate) device: u8,
    pub(crate) transfer_type: TransferType,
    /// An isochronous endpoint's, in microframes.
    pub(crate) interval: u64,
}
