//! A report descriptor, and a report of it. The first byte says how long the descriptor is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use usbfs2_protocol::hid::ReportDescriptor;

fuzz_target!(|bytes: &[u8]| {
    let Some((&length, rest)) = bytes.split_first() else {
        return;
    };
    let (descriptor, report_bytes) = rest.split_at(rest.len().min(length.into()));
    let Ok(descriptor) = ReportDescriptor::parse(descriptor) else {
        return;
    };
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
});
