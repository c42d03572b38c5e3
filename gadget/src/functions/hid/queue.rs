//! The reports the host has yet to take, and those it has.

use std::collections::{BTreeMap, VecDeque};

use usbfs2_protocol::hid::{ReportDescriptor, ReportType};

/// Keeps each report until the host has taken it.
#[derive(Debug)]
pub(super) struct ReportQueue {
    /// Not taken yet, oldest first; the first may be on its way.
    waiting: VecDeque<Vec<u8>>,
    /// The last of each ID that the host has taken, settled: what is held, but no motion.
    current: BTreeMap<u8, Vec<u8>>,
    /// What a host that has just come takes each to be.
    initial: BTreeMap<u8, Vec<u8>>,
}

impl ReportQueue {
    pub(super) fn new(descriptor: &ReportDescriptor) -> Self {
        let initial = zeroed(descriptor, ReportType::Input);
        Self {
            waiting: VecDeque::new(),
            current: initial.clone(),
            initial,
        }
    }

    /// Queues a report.
    pub(super) fn push(&mut self, report: Vec<u8>) {
        self.waiting.push_back(report);
    }

    /// Queues a report, unless the last one of its ID says the same.
    pub(super) fn note(&mut self, descriptor: &ReportDescriptor, report: Vec<u8>) {
        let id = id_of(descriptor, &report);
        let same_id = |one: &&Vec<u8>| id_of(descriptor, one) == id;
        let last = self.waiting.iter().rev().find(same_id);
        let mut last = last.or(self.current.get(&id)).cloned().unwrap_or_default();
        if let Some(form) = descriptor.report(ReportType::Input, id) {
            form.settle(&mut last);
        }
        if last != report {
            self.waiting.push_back(report);
        }
    }

    /// The report to send next. It stays until [`taken`](Self::taken).
    pub(super) fn next(&self) -> Option<&[u8]> {
        self.waiting.front().map(Vec::as_slice)
    }

    /// The host has taken the next report.
    pub(super) fn taken(&mut self, descriptor: &ReportDescriptor) {
        let Some(mut report) = self.waiting.pop_front() else {
            return;
        };
        if let Some(form) = descriptor.report_of(ReportType::Input, &report) {
            form.settle(&mut report);
            self.current.insert(form.id, report);
        }
    }

    /// The host is gone. Reports that were not taken stay as they are. Says whether none is waiting.
    pub(super) fn unplugged(&mut self) -> bool {
        self.current.clone_from(&self.initial);
        self.waiting.is_empty()
    }

    /// Begins with reports that nothing is held, before those that wait.
    pub(super) fn rest(&mut self) {
        for report in self.initial.values().rev() {
            self.waiting.push_front(report.clone());
        }
    }

    /// What the host knows of the report with this ID.
    pub(super) fn current(&self, id: u8) -> Option<&[u8]> {
        self.current.get(&id).map(Vec::as_slice)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

fn id_of(descriptor: &ReportDescriptor, report: &[u8]) -> u8 {
    let form = descriptor.report_of(ReportType::Input, report);
    form.map_or(0, |form| form.id)
}

/// Every report of a type, all zero, by its ID.
pub(super) fn zeroed(
    descriptor: &ReportDescriptor,
    report_type: ReportType,
) -> BTreeMap<u8, Vec<u8>> {
    let reports = descriptor.reports_of(report_type);
    reports.map(|report| (report.id, report.zeroed())).collect()
}
