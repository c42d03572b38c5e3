//! A HID device as a USB function.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use usbfs2_protocol::hid::{HidDescriptor, Protocol, ReportType, Request, SUBCLASS_BOOT};
use usbfs2_protocol::standard::{class, descriptor_type};

use super::{Controls, HidFunction};
use crate::{
    Buffer, ControlRequest, ControlResponse, ControlTarget, Direction, Endpoint, EndpointError,
    EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass, PerSpeed,
    Session,
};

/// A report on its way to the host.
#[derive(Debug)]
enum Outgoing {
    /// The first that waits, in the form it travels in.
    Next(Vec<u8>),
    /// The last of an ID, again, since it has not changed for a while.
    Repeat(u8, Vec<u8>),
}

impl<C: Controls> HidFunction<C> {
    /// Sends reports until the endpoint fails.
    fn send_reports(
        &self,
        session: &Session,
        endpoint: &mut Endpoint,
    ) -> Result<(), EndpointError> {
        let mut buffer = Buffer::with_capacity(self.longest(ReportType::Input));
        let ids = self.descriptor.reports_of(ReportType::Input);
        let start = Instant::now();
        let mut last_sent: BTreeMap<u8, Instant> = ids.map(|form| (form.id, start)).collect();
        loop {
            let outgoing = self.next_report(session, &last_sent)?;
            let (Outgoing::Next(report) | Outgoing::Repeat(_, report)) = &outgoing;
            buffer.clear();
            buffer.extend_from_slice(report);
            buffer = endpoint.write(buffer)?;
            let sent = Instant::now();
            match outgoing {
                Outgoing::Repeat(id, _) => {
                    last_sent.insert(id, sent);
                }
                Outgoing::Next(_) => self.update(|state| {
                    let next = state.queue.next();
                    let form =
                        next.and_then(|next| self.descriptor.report_of(ReportType::Input, next));
                    last_sent.insert(form.map_or(0, |form| form.id), sent);
                    state.queue.taken(&self.descriptor);
                    // `disabled` may have been called since the host took the report.
                    if session.is_disabled() {
                        state.unplugged();
                    }
                }),
            }
        }
    }

    /// Waits for a report to send: the next one, or at its idle rate the last one of an ID.
    fn next_report(
        &self,
        session: &Session,
        last_sent: &BTreeMap<u8, Instant>,
    ) -> Result<Outgoing, EndpointError> {
        let mut state = self.lock();
        loop {
            if session.is_disabled() {
                return Err(EndpointError::Disabled);
            }
            if let Some(report) = state.queue.next() {
                if let Some(report) = Self::outgoing(&state, report) {
                    return Ok(Outgoing::Next(report));
                }
                // Not part of the boot protocol.
                state.queue.taken(&self.descriptor);
                self.changed.notify_all();
                continue;
            }
            let due = last_sent
                .iter()
                .filter_map(|(&id, &sent)| Some((sent + state.idle_rate(id).duration()?, id)))
                .min();
            match (self.wait_until(state, due.map(|(at, _)| at)), due) {
                (Some(changed), _) => state = changed,
                (None, Some((_, id))) => {
                    state = self.lock();
                    let current = state.queue.current(id).unwrap_or_default();
                    if let Some(report) = Self::outgoing(&state, current) {
                        return Ok(Outgoing::Repeat(id, report));
                    }
                    // Boot protocol, and a report that is no part of it: wait for what is.
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                (None, None) => state = self.lock(),
            }
        }
    }

    /// Takes output reports from their endpoint until it fails or `is_over`.
    fn receive_outputs(
        &self,
        endpoint: &mut Endpoint,
        is_over: &AtomicBool,
    ) -> Result<(), EndpointError> {
        // Whole packets, so that nothing the host sends is too long.
        let packet = endpoint.max_packet_size().max(1);
        let length = self.longest(ReportType::Output).div_ceil(packet) * packet;
        let mut buffer = Buffer::with_capacity(length);
        loop {
            endpoint.submit(buffer);
            // Between submit and wait: whoever ends this sets the flag first and cancels then.
            if is_over.load(Ordering::SeqCst) {
                return Ok(());
            }
            let completion = endpoint.wait(None).ok_or(EndpointError::Disabled)?;
            completion.status?;
            if !self.set_output(&completion.buffer) {
                log::warn!("no output report: {:02x?}", &completion.buffer[..]);
            }
            buffer = completion.buffer;
            buffer.clear();
        }
    }

    /// Takes an output report; false where there is no such report.
    fn set_output(&self, data: &[u8]) -> bool {
        let mut report = {
            let state = self.lock();
            match state.protocol {
                Protocol::Boot => state.controls.described_output(data),
                Protocol::Report => data.to_vec(),
            }
        };
        match self.check(ReportType::Output, &report) {
            Ok(id) => {
                if let Some(form) = self.descriptor.report(ReportType::Output, id) {
                    form.clear_padding(&mut report);
                }
                self.update(|state| state.outputs.insert(id, report));
                true
            }
            Err(_) => false,
        }
    }

    fn longest(&self, report_type: ReportType) -> usize {
        self.descriptor.longest(report_type).max(1)
    }

    /// HID 1.11 7.2.
    fn class_request(&self, request: Request, data: &[u8]) -> ControlResponse {
        use ControlResponse::{Acknowledge, Data, Stall};
        match request {
            Request::GetReport {
                report_type,
                report_id,
                ..
            } => self.get_report(report_type, report_id).map_or(Stall, Data),
            Request::SetReport {
                report_type,
                report_id,
                ..
            } => {
                // In the boot protocol there are no IDs, whatever the descriptor says.
                let is_numbered =
                    self.protocol() == Protocol::Report && self.descriptor.is_numbered(report_type);
                if report_id
                    != if is_numbered {
                        data.first().copied().unwrap_or(0)
                    } else {
                        0
                    }
                {
                    return Stall;
                }
                let taken = match report_type {
                    ReportType::Output => self.set_output(data),
                    ReportType::Feature => self.set_feature(data).is_ok(),
                    ReportType::Input => false,
                };
                if taken { Acknowledge } else { Stall }
            }
            Request::GetIdle { report_id } if self.has_idle_rate(report_id) => {
                let rate = match report_id {
                    0 => self.idle_rate(),
                    id => self.idle_rate_of(id),
                };
                Data(vec![rate.0])
            }
            Request::SetIdle { report_id, rate } if self.has_idle_rate(report_id) => {
                self.update(|state| state.set_idle_rate(&self.descriptor, report_id, rate));
                Acknowledge
            }
            Request::GetProtocol if self.options.boot_protocol.is_some() => {
                Data(vec![self.protocol().to_byte()])
            }
            Request::SetProtocol(protocol) if self.options.boot_protocol.is_some() => {
                self.update(|state| state.protocol = protocol);
                Acknowledge
            }
            _ => Stall,
        }
    }

    fn get_report(&self, report_type: ReportType, report_id: u8) -> Option<Vec<u8>> {
        let state = self.lock();
        match report_type {
            ReportType::Input if report_id == 0 && state.protocol == Protocol::Boot => {
                // Of several reports the first is the boot protocol's.
                let first = self.descriptor.reports_of(ReportType::Input).next()?;
                Self::outgoing(&state, state.queue.current(first.id)?)
            }
            ReportType::Input => state.queue.current(report_id).map(<[u8]>::to_vec),
            ReportType::Output => state.outputs.get(&report_id).cloned(),
            ReportType::Feature => state.features.get(&report_id).cloned(),
        }
    }

    /// Whether there is such an input report; 0 stands for all.
    fn has_idle_rate(&self, report_id: u8) -> bool {
        let report = self.descriptor.report(ReportType::Input, report_id);
        report_id == 0 || report.is_some()
    }
}

/// `bInterval` at high and super speed of an interval below a frame (USB 2.0 9.6.6).
fn microframe_exponent(interval: Duration) -> Option<u8> {
    match interval.as_micros() {
        0..250 => Some(1),
        250..500 => Some(2),
        500..1000 => Some(3),
        _ => None,
    }
}

/// The largest packet of an interrupt endpoint at full speed, and of low latency at every speed.
const LARGEST_PACKET: usize = 64;

impl<C: Controls> Function for HidFunction<C> {
    fn name(&self) -> &str {
        C::NAME
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let options = &self.options;
        let subclass = options.boot_protocol.map_or(0, |_| SUBCLASS_BOOT);
        let protocol = options.boot_protocol.unwrap_or(0);
        let mut interface = builder.interface(InterfaceClass::new(class::HID, subclass, protocol));
        let length = u16::try_from(options.report_descriptor.len()).unwrap_or(u16::MAX);
        interface
            .class_descriptor(HidDescriptor::new(length).to_bytes())
            .descriptor(
                descriptor_type::HID_REPORT,
                options.report_descriptor.clone(),
            );
        let endpoint = |direction, report_type| {
            // At most 64, so the cast below cannot fail.
            let length = self.longest(report_type).min(LARGEST_PACKET);
            let length = u16::try_from(length).unwrap_or_default();
            let request = EndpointRequest::interrupt(direction, length, options.poll_interval);
            // Full speed cannot be so quick.
            match microframe_exponent(options.poll_interval) {
                Some(exponent) => request.intervals(PerSpeed {
                    full: 1,
                    high: exponent,
                    super_speed: exponent,
                }),
                None => request,
            }
        };
        interface.endpoint(endpoint(Direction::In, ReportType::Input));
        if options.output_endpoint {
            interface.endpoint(endpoint(Direction::Out, ReportType::Output));
        }
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        match (request.target, Request::decode(&request.setup)) {
            (ControlTarget::Interface(_), Some(asked)) => self.class_request(asked, &request.data),
            _ => ControlResponse::Stall,
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let session = endpoints.session();
        let mut reports = endpoints.take(0)?;
        if !self.options.output_endpoint {
            return Ok(self.send_reports(&session, &mut reports)?);
        }
        let mut outputs = endpoints.take(1)?;
        let (canceller, is_over) = (outputs.canceller(), AtomicBool::new(false));
        thread::scope(|scope| {
            let receiving = scope.spawn(|| self.receive_outputs(&mut outputs, &is_over));
            let sent = self.send_reports(&session, &mut reports);
            is_over.store(true, Ordering::SeqCst);
            canceller.cancel_all();
            if let Ok(Err(error)) = receiving.join() {
                log::debug!("the endpoint of output reports: {error}");
            }
            Ok(sent?)
        })
    }

    fn disabled(&self) {
        self.update(|state| state.unplugged());
    }

    fn reset(&self) {
        self.update(|state| state.reset(&self.descriptor));
    }

    fn restored(&self, _in_hand: bool) {
        if C::RESTS_AT_ZERO {
            self.update(|state| state.queue.rest());
        }
    }
}
