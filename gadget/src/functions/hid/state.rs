//! What the threads of a HID function share.

use std::collections::BTreeMap;

use usbfs2_protocol::hid::{IdleRate, Protocol, ReportDescriptor, ReportType};

use super::queue::{self, ReportQueue};
use super::{Controls, HidFunction};

#[derive(Debug)]
pub(in super::super) struct State<C> {
    pub(in super::super) controls: C,
    pub(super) queue: ReportQueue,
    /// Output and feature reports by their ID, which they begin with where there are any.
    pub(in super::super) outputs: BTreeMap<u8, Vec<u8>>,
    pub(super) features: BTreeMap<u8, Vec<u8>>,
    /// Of the reports whose rate was set.
    idle_rates: BTreeMap<u8, IdleRate>,
    pub(super) protocol: Protocol,
}

impl<C: Controls> State<C> {
    pub(super) fn new(descriptor: &ReportDescriptor, controls: C) -> Self {
        Self {
            controls,
            queue: ReportQueue::new(descriptor),
            outputs: queue::zeroed(descriptor, ReportType::Output),
            features: queue::zeroed(descriptor, ReportType::Feature),
            idle_rates: BTreeMap::new(),
            // What is in force after a reset (HID 1.11 7.2.6).
            protocol: Protocol::Report,
        }
    }

    /// How often the report with this ID is repeated.
    pub(super) fn idle_rate(&self, report_id: u8) -> IdleRate {
        let rate = self.idle_rates.get(&report_id);
        rate.copied().unwrap_or(IdleRate::INDEFINITE)
    }

    /// Sets the rate of a report; ID 0 means all of them (HID 1.11 7.2.4).
    pub(super) fn set_idle_rate(
        &mut self,
        descriptor: &ReportDescriptor,
        report_id: u8,
        rate: IdleRate,
    ) {
        let reports = descriptor.reports_of(ReportType::Input);
        for report in reports.filter(|report| report_id == 0 || report.id == report_id) {
            self.idle_rates.insert(report.id, rate);
        }
    }

    /// The host is gone.
    pub(super) fn unplugged(&mut self) {
        if self.queue.unplugged() {
            self.controls.release();
        }
    }

    /// The bus was reset.
    pub(super) fn reset(&mut self, descriptor: &ReportDescriptor) {
        self.outputs = queue::zeroed(descriptor, ReportType::Output);
        self.idle_rates.clear();
        self.protocol = Protocol::Report;
    }
}

impl<C: Controls> HidFunction<C> {
    /// A report as it goes to the host in the protocol in force; `None` for one it is not told of.
    pub(super) fn outgoing(state: &State<C>, report: &[u8]) -> Option<Vec<u8>> {
        match state.protocol {
            Protocol::Report => Some(report.to_vec()),
            Protocol::Boot => state.controls.boot_report(report),
        }
    }
}
