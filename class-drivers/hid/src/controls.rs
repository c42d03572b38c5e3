//! Consumer and system controls: volume, playback, power.

use std::collections::VecDeque;
use std::sync::Arc;

use usbfs2_protocol::hid::report_descriptor::page;
use usbfs2_protocol::hid::{ReportDescriptor, ReportType, Usage};

use crate::decoded::{Decode, Decoded};
use crate::held::{self, HeldControls};

/// A consumer or system control that went down or came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlEvent {
    /// The control: a usage of the consumer page (HID Usage Tables 15), or a system control of the
    /// generic desktop page (HID Usage Tables 4.5).
    pub usage: Usage,
    /// It went down rather than came up.
    pub pressed: bool,
}

/// The events of consumer and system controls.
pub type Controls = Decoded<ControlDecoder>;

/// Tells which consumer and system controls go down and come up.
#[derive(Debug)]
pub struct ControlDecoder {
    descriptor: Arc<ReportDescriptor>,
    held: HeldControls<Usage>,
}

impl ControlDecoder {
    /// Of reports as the descriptor says.
    #[must_use]
    pub fn new(descriptor: Arc<ReportDescriptor>) -> Self {
        Self {
            descriptor,
            held: HeldControls::default(),
        }
    }

    /// Whether a usage is a consumer or system control.
    #[must_use]
    pub fn is_control(usage: Usage) -> bool {
        match usage.page {
            // Horizontal scrolling is a pointer's, and usage 0 is none.
            page::CONSUMER => usage != Usage::PAN && usage.id != 0,
            page::GENERIC_DESKTOP => (0x81..=0xb7).contains(&usage.id),
            _ => false,
        }
    }
}

impl Decode for ControlDecoder {
    type Event = ControlEvent;

    fn decode(&mut self, bytes: &[u8], events: &mut VecDeque<ControlEvent>) {
        let Some(report) = self.descriptor.report_of(ReportType::Input, bytes) else {
            return;
        };
        if bytes.len() < report.length() {
            return;
        }
        let controls = held::on(report, bytes).filter(|&usage| Self::is_control(usage));
        let changes = self.held.update(report.id, controls);
        let event = |pressed| move |usage| ControlEvent { usage, pressed };
        events.extend(changes.came_up.into_iter().map(event(false)));
        events.extend(changes.went_down.into_iter().map(event(true)));
    }
}
