//! What can go wrong with a HID function.

use thiserror::Error;
use usbfs2_protocol::hid::ReportType;

/// The host did not take all reports in time. They stay queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the host has not taken {pending} reports: is it attached, and does it read the device?")]
pub struct NotDrained {
    /// Reports the host has yet to take.
    pub pending: usize,
}

/// The report descriptor has no such report.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the report descriptor has no {report_type} report of {} bytes that begins with {:02x?}: give all of \
     its bytes, the report ID first where there are any",
    .report.len(), .report.first().unwrap_or(&0)
)]
pub struct NoSuchReport {
    /// Which kind was meant.
    pub report_type: ReportType,
    /// What was given.
    pub report: Vec<u8>,
}
