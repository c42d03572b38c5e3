//! Report descriptors, and reports that are decoded by them.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use usbfs2_hid::{
    ControlDecoder, Decode, GamepadDecoder, KeyDecoder, PointerDecoder, UsageDecoder,
};
use usbfs2_protocol::hid::ReportDescriptor;

use crate::script::Script;

/// A report descriptor, and a report of it: a field that is set reads as what it was set to.
pub(crate) fn report_descriptor(input: &[u8]) {
    let mut script = Script::new(input);
    let Ok(descriptor) = ReportDescriptor::parse(script.counted()) else {
        return;
    };
    let report_bytes = script.some(usize::MAX);
    for report in descriptor.reports() {
        let mut copy = report_bytes.to_vec();
        for (field, _, value) in report.values(report_bytes) {
            let _ = field.physical_value(value.number().unwrap_or_default());
        }
        report.selected(report_bytes).for_each(drop);
        for field in &report.fields {
            for index in 0..field.count {
                if let Some(number) = field.number(report_bytes, index) {
                    field.set(&mut copy, index, number);
                    assert_eq!(field.number(&copy, index), Some(number));
                }
            }
        }
        report.settle(&mut copy);
    }
}

/// Every decoder survives every report, and what it makes of it can be told.
pub(crate) fn hid_reports(input: &[u8]) {
    let mut script = Script::new(input);
    let Ok(descriptor) = ReportDescriptor::parse(script.counted()) else {
        return;
    };
    let descriptor = Arc::new(descriptor);
    let mut reports = Vec::new();
    while !script.is_over() {
        reports.push(script.counted());
    }
    decode(&mut KeyDecoder::boot(), &reports);
    decode(
        &mut KeyDecoder::described(Arc::clone(&descriptor)),
        &reports,
    );
    decode(&mut PointerDecoder::new(Arc::clone(&descriptor)), &reports);
    decode(&mut GamepadDecoder::new(Arc::clone(&descriptor)), &reports);
    decode(&mut ControlDecoder::new(Arc::clone(&descriptor)), &reports);
    decode(&mut UsageDecoder::new(descriptor), &reports);
}

fn decode<D: Decode>(decoder: &mut D, reports: &[&[u8]])
where
    D::Event: Debug,
{
    let now = Instant::now();
    let mut events = VecDeque::new();
    for report in reports {
        decoder.decode(report, &mut events);
        if decoder.due().is_some() {
            decoder.tick(now, &mut events);
        }
        events
            .drain(..)
            .for_each(|event| drop(format!("{event:?}")));
    }
}
