//! The keyboard as a USB function.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use usbfs2_protocol::hid::{
    BOOT_KEYBOARD_REPORT_DESCRIPTOR, BootKeyboardReport, HidDescriptor, Leds, PROTOCOL_KEYBOARD,
    Protocol, ReportType, Request, SUBCLASS_BOOT,
};
use usbfs2_protocol::standard::{class, descriptor_type};

use super::{DEFAULT_IDLE_RATE, Keyboard};
use crate::{
    Buffer, ControlRequest, ControlResponse, ControlTarget, Direction, Endpoint, EndpointError,
    EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass, Session,
};

/// Bytes of a report of the lights.
const LEDS_LENGTH: u16 = 1;

/// A report on its way to the host.
#[derive(Debug, Clone, Copy)]
enum Outgoing {
    /// The first that waits.
    Next(BootKeyboardReport),
    /// The last one, again, since it has not changed for a while.
    Repeat(BootKeyboardReport),
}

impl Keyboard {
    /// Sends reports until the endpoint fails.
    fn send_reports(
        &self,
        session: &Session,
        endpoint: &mut Endpoint,
    ) -> Result<(), EndpointError> {
        let mut buffer = Buffer::with_capacity(BootKeyboardReport::LENGTH);
        let mut last_sent = Instant::now();
        loop {
            let outgoing = self.next_report(session, last_sent)?;
            let (Outgoing::Next(report) | Outgoing::Repeat(report)) = outgoing;
            buffer.clear();
            buffer.extend_from_slice(&report.to_bytes());
            buffer = endpoint.write(buffer)?;
            last_sent = Instant::now();
            if let Outgoing::Next(_) = outgoing {
                self.update(|state| {
                    state.queue.taken();
                    // `disabled` may have been called since the host took the report.
                    if session.is_disabled() {
                        state.queue.unplugged();
                    }
                });
            }
        }
    }

    /// Waits for a report to send: the next one, or at the idle rate the last one.
    fn next_report(
        &self,
        session: &Session,
        last_sent: Instant,
    ) -> Result<Outgoing, EndpointError> {
        let mut state = self.lock();
        loop {
            if session.is_disabled() {
                return Err(EndpointError::Disabled);
            }
            if let Some(report) = state.queue.next() {
                return Ok(Outgoing::Next(report));
            }
            let last = state.queue.current();
            let due = state.idle_rate.duration().map(|period| last_sent + period);
            match self.wait_until(state, due) {
                Some(changed) => state = changed,
                None => return Ok(Outgoing::Repeat(last)),
            }
        }
    }

    /// Takes the lights from their endpoint until it fails or `is_over`.
    fn receive_leds(
        &self,
        endpoint: &mut Endpoint,
        is_over: &AtomicBool,
    ) -> Result<(), EndpointError> {
        let mut buffer = Buffer::with_capacity(endpoint.max_packet_size());
        loop {
            endpoint.submit(buffer);
            // Between submit and wait: whoever ends this sets the flag first and cancels then.
            if is_over.load(Ordering::SeqCst) {
                return Ok(());
            }
            let completion = endpoint.wait(None).ok_or(EndpointError::Disabled)?;
            completion.status?;
            match *completion.buffer {
                [leds] => self.set_leds(leds),
                ref other => log::warn!("a report of the lights has 1 byte, not {}", other.len()),
            }
            buffer = completion.buffer;
        }
    }

    fn set_leds(&self, leds: u8) {
        // Bits 5 to 7 are padding.
        self.update(|state| state.leds = Leds::from_bits_truncate(leds));
    }

    /// HID 1.11 7.2: reports have no identifiers, and there are no feature reports.
    fn class_request(&self, request: Request, data: &[u8]) -> ControlResponse {
        use ControlResponse::{Acknowledge, Data, Stall};
        match request {
            Request::GetReport {
                report_type: ReportType::Input,
                report_id: 0,
                ..
            } => Data(self.lock().queue.current().to_bytes().to_vec()),
            Request::GetReport {
                report_type: ReportType::Output,
                report_id: 0,
                ..
            } => Data(vec![self.lock().leds.bits()]),
            Request::SetReport {
                report_type: ReportType::Output,
                report_id: 0,
                ..
            } => {
                let &[leds] = data else { return Stall };
                self.set_leds(leds);
                Acknowledge
            }
            Request::GetIdle { report_id: 0 } => Data(vec![self.lock().idle_rate.0]),
            Request::SetIdle { report_id: 0, rate } => {
                self.update(|state| state.idle_rate = rate);
                Acknowledge
            }
            Request::GetProtocol => Data(vec![self.lock().protocol.to_byte()]),
            Request::SetProtocol(protocol) => {
                self.update(|state| state.protocol = protocol);
                Acknowledge
            }
            Request::GetReport { .. }
            | Request::SetReport { .. }
            | Request::GetIdle { .. }
            | Request::SetIdle { .. } => Stall,
        }
    }
}

impl Function for Keyboard {
    fn name(&self) -> &str {
        "keyboard"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        const REPORT_LENGTH: u16 = BootKeyboardReport::LENGTH as u16;
        const DESCRIPTOR_LENGTH: u16 = BOOT_KEYBOARD_REPORT_DESCRIPTOR.len() as u16;
        let class = InterfaceClass::new(class::HID, SUBCLASS_BOOT, PROTOCOL_KEYBOARD);
        let mut interface = builder.interface(class);
        interface
            .class_descriptor(HidDescriptor::new(DESCRIPTOR_LENGTH).to_bytes())
            .descriptor(descriptor_type::HID_REPORT, BOOT_KEYBOARD_REPORT_DESCRIPTOR);
        let interval = self.options.poll_interval;
        let endpoint = |direction, length| EndpointRequest::interrupt(direction, length, interval);
        interface.endpoint(endpoint(Direction::In, REPORT_LENGTH));
        if self.options.led_endpoint {
            interface.endpoint(endpoint(Direction::Out, LEDS_LENGTH));
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
        if !self.options.led_endpoint {
            return Ok(self.send_reports(&session, &mut reports)?);
        }
        let mut leds = endpoints.take(1)?;
        let (canceller, is_over) = (leds.canceller(), AtomicBool::new(false));
        thread::scope(|scope| {
            let receiving = scope.spawn(|| self.receive_leds(&mut leds, &is_over));
            let sent = self.send_reports(&session, &mut reports);
            is_over.store(true, Ordering::SeqCst);
            canceller.cancel_all();
            if let Ok(Err(error)) = receiving.join() {
                log::debug!("the endpoint of the lights: {error}");
            }
            Ok(sent?)
        })
    }

    fn disabled(&self) {
        self.update(|state| state.queue.unplugged());
    }

    fn reset(&self) {
        self.update(|state| {
            state.leds = Leds::empty();
            state.idle_rate = DEFAULT_IDLE_RATE;
            state.protocol = Protocol::Report;
        });
    }
}
