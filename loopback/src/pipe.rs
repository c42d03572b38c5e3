//! One endpoint: two queues that meet.

use std::collections::VecDeque;
use std::sync::Arc;

use usbfs2_protocol::Speed;

use crate::clock::{Clock, Held, Timers};
use crate::isochronous::Service;
use crate::mailbox::{Mailbox, Rings};
use crate::schedule::Schedule;
use crate::transfer::{End, Pending};
use crate::{BusError, Completed, EndpointSpec, TransferId};

/// What an endpoint needs from the bus around it.
pub(crate) struct Wire<'a> {
    pub(crate) clock: &'a mut Clock,
    /// Counts how often somebody came to serve what is due.
    pub(crate) visit: u64,
    /// The microframe in which somebody was to come, where that is past.
    pub(crate) expected: Option<u64>,
    pub(crate) timers: &'a mut Timers,
    pub(crate) rings: &'a mut Rings,
}

impl Wire<'_> {
    /// Holds a transfer back for some microframes.
    pub(crate) fn hold(&mut self, pending: &mut Pending, microframes: u64) {
        let until = self.clock.now().saturating_add(microframes);
        pending.held_until = Some(until);
        self.timers
            .set(until, (pending.id.port, pending.id.address));
        pending.alarm(self.rings);
    }

    /// Lets a transfer go on, because its time has come or because it ends.
    pub(crate) fn release(&mut self, pending: &mut Pending) {
        if let Some(until) = pending.held_until.take() {
            self.timers
                .unset(until, (pending.id.port, pending.id.address));
        }
    }

    /// Whether a transfer must still be held back; once not, it never is again.
    pub(crate) fn holds(&mut self, pending: &mut Pending) -> bool {
        if pending
            .held_until
            .is_some_and(|until| self.clock.now() < until)
        {
            return true;
        }
        self.release(pending);
        false
    }
}

/// What moving data led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Flow {
    /// There is nothing left to do until somebody acts.
    Waits,
    /// An injected fault pulled the cable.
    Unplugged,
}

/// An endpoint, seen from both ends.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    // The device's end.
    pub(crate) enabled: Option<EndpointSpec>,
    /// Of an enabled isochronous endpoint.
    pub(crate) service: Option<Service>,
    pub(crate) halted: bool,
    /// DATA1 comes next (USB 2.0 8.6).
    pub(crate) device_toggle: bool,
    pub(crate) device: VecDeque<Pending>,

    // The host's end.
    /// Set after an error: what the next transfer ends with, until the endpoint is recovered.
    pub(crate) stopped: Option<BusError>,
    pub(crate) host_toggle: bool,
    pub(crate) host: VecDeque<Pending>,
    pub(crate) schedule: Schedule,
    /// When an isochronous transfer's next packet is due.
    pub(crate) timer: Option<(u64, Held)>,
    /// The last service interval that was served.
    pub(crate) served: Option<u64>,
    /// The visit in which the last packet the device had queued was served.
    pub(crate) drained: Option<u64>,
}

impl Pipe {
    /// Queues a host transfer.
    pub(crate) fn submit_host(&mut self, mut pending: Pending, wire: &mut Wire<'_>) {
        if pending.transfer.packets.is_some() {
            return self.submit_isochronous(pending, wire);
        }
        self.schedule.number(&mut pending);
        match &mut self.stopped {
            Some(error) => {
                let error = std::mem::replace(error, BusError::Stall);
                self.schedule.complete(pending, Err(error), wire.rings);
            }
            None => self.host.push_back(pending),
        }
    }

    /// Queues a device transfer.
    pub(crate) fn submit_device(&mut self, pending: Pending, wire: &mut Wire<'_>) {
        match (self.enabled, self.service) {
            (None, _) => pending.complete(Err(BusError::NotEnabled), wire.rings),
            (Some(_), None) => self.device.push_back(pending),
            (Some(_), Some(service)) => self.submit_packet(pending, service, wire),
        }
    }

    /// Cancels one transfer. `None` where it has ended before.
    pub(crate) fn cancel(&mut self, id: TransferId, wire: &mut Wire<'_>) -> Option<()> {
        let queue = match id.end {
            End::Host => &mut self.host,
            End::Device => &mut self.device,
        };
        // Transfers are numbered as they are queued.
        let place = queue
            .binary_search_by_key(&id.number, |pending| pending.id.number)
            .ok()?;
        let pending = queue.remove(place)?;
        self.cancelled(pending, wire);
        Some(())
    }

    /// Cancels what was submitted to one queue, without serving anything meanwhile. Returns whether
    /// there was any.
    pub(crate) fn cancel_queue(
        &mut self,
        queue: &Arc<Mailbox<Completed>>,
        wire: &mut Wire<'_>,
    ) -> bool {
        let mut any = false;
        for end in [End::Host, End::Device] {
            let transfers = match end {
                End::Host => &mut self.host,
                End::Device => &mut self.device,
            };
            if !transfers.iter().any(|pending| pending.is_queued_on(queue)) {
                continue;
            }
            any = true;
            let (cancelled, kept) = std::mem::take(transfers)
                .into_iter()
                .partition::<VecDeque<_>, _>(|pending| pending.is_queued_on(queue));
            *transfers = kept;
            for pending in cancelled {
                self.cancelled(pending, wire);
            }
        }
        any
    }

    fn cancelled(&mut self, mut pending: Pending, wire: &mut Wire<'_>) {
        wire.release(&mut pending);
        match pending.id.end {
            End::Host => {
                self.schedule
                    .interrupt(pending, BusError::Cancelled, wire.rings);
            }
            End::Device => {
                pending.interrupt(BusError::Cancelled, wire.rings);
            }
        }
    }

    /// Nothing is due any more.
    pub(crate) fn clear_timer(&mut self, wire: &mut Wire<'_>) {
        if let Some((due, held)) = self.timer.take() {
            wire.timers.unset(due, held);
        }
    }

    /// Ends every host transfer with `error`, after the bytes that moved.
    pub(crate) fn end_host(&mut self, error: BusError, wire: &mut Wire<'_>) {
        self.clear_timer(wire);
        for mut pending in std::mem::take(&mut self.host) {
            wire.release(&mut pending);
            self.schedule.interrupt(pending, error, wire.rings);
        }
    }

    /// Ends every device transfer with `error`, after the bytes that moved.
    pub(crate) fn end_device(&mut self, error: BusError, wire: &mut Wire<'_>) {
        for pending in std::mem::take(&mut self.device) {
            pending.interrupt(error, wire.rings);
        }
    }

    /// An error ends the first host transfer and stops the endpoint: what is queued behind it would
    /// leave a hole in the stream.
    pub(crate) fn stop(&mut self, error: BusError, wire: &mut Wire<'_>) {
        let Some(mut first) = self.host.pop_front() else {
            return;
        };
        wire.release(&mut first);
        let bytes_first = self.schedule.interrupt(first, error, wire.rings);
        self.end_host(BusError::Cancelled, wire);
        self.stopped = Some(if bytes_first { error } else { BusError::Stall });
    }

    /// The host starts afresh: a new configuration or alternate setting, or a halt it cleared.
    pub(crate) fn recover_host(&mut self, wire: &mut Wire<'_>) {
        self.end_host(BusError::Cancelled, wire);
        self.stopped = None;
        self.host_toggle = false;
    }

    /// The device ends a halt.
    pub(crate) fn recover_device(&mut self) {
        self.halted = false;
        self.device_toggle = false;
    }

    pub(crate) fn enable(&mut self, endpoint: EndpointSpec, speed: Speed) {
        self.recover_device();
        self.enabled = Some(endpoint);
        self.service = endpoint.service(speed);
    }

    pub(crate) fn disable(&mut self, wire: &mut Wire<'_>) {
        self.enabled = None;
        self.service = None;
        self.recover_device();
        self.end_device(BusError::NotEnabled, wire);
    }

    /// The cable came out.
    pub(crate) fn unplug(&mut self, wire: &mut Wire<'_>) {
        self.end_host(BusError::Unplugged, wire);
        self.end_device(BusError::Unplugged, wire);
        self.enabled = None;
        self.service = None;
        self.recover_device();
        self.recover_host(wire);
        self.schedule.reset();
    }
}
