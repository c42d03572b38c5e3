//! Whatever a device writes: no panic, no memory out of proportion, and the same as another parser says.

use hidreport::Report as _;
use proptest::prelude::*;
use usbfs2_protocol::hid::report_descriptor::Items;
use usbfs2_protocol::hid::{ReportDescriptor, ReportType};

use crate::corpus;

/// Items that make reports, with small values, so that many descriptors make sense.
fn item() -> impl Strategy<Value = Vec<u8>> {
    let prefixes = vec![
        0x04_u8, 0x08, 0x18, 0x28, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0x84, 0x94, 0xa4,
        0xb4, 0x80, 0x90, 0xb0, 0xa0, 0xc0, 0xa8, 0xfc,
    ];
    let value = prop_oneof![0_u32..9, any::<u8>().prop_map(u32::from), any::<u32>()];
    (proptest::sample::select(prefixes), 0_usize..4, value).prop_map(|(prefix, size, value)| {
        let mut item = vec![prefix | u8::try_from(size).unwrap()];
        item.extend_from_slice(&value.to_le_bytes()[..[0, 1, 2, 4][size]]);
        item
    })
}

/// Reads all there is to read, whatever the descriptor and the report, and writes it back.
fn exercise(descriptor: &[u8], report_bytes: &[u8]) {
    let Ok(descriptor) = ReportDescriptor::parse(descriptor) else {
        return;
    };
    for report in descriptor.reports() {
        assert!(report.length() <= 65_536);
        let values: Vec<_> = report.values(report_bytes).collect();
        for (field, _, value) in values {
            let _ = field.physical_value(value.number().unwrap_or_default());
        }
        report.selected(report_bytes).for_each(drop);
        let mut copy = report_bytes.to_vec();
        for field in &report.fields {
            assert!(field.bit_offset + field.bits() <= report.bits);
            for index in 0..field.count {
                if let Some(number) = field.number(report_bytes, index) {
                    field.set(&mut copy, index, number);
                }
            }
            let _ = descriptor.application(field);
        }
        // Numbers of 64 bits without a sign saturate; all others come back as they were.
        let saturates = |number: u64| i64::try_from(number).is_err();
        let fields = report.fields.iter();
        let any_saturates = fields
            .flat_map(|field| (0..field.count).filter_map(|index| field.raw(report_bytes, index)));
        if !any_saturates.into_iter().any(saturates) {
            assert_eq!(copy, report_bytes);
        }
        report.settle(&mut copy);
    }
    assert_eq!(
        descriptor.longest(ReportType::Input),
        descriptor
            .reports_of(ReportType::Input)
            .map(|report| report.length())
            .max()
            .unwrap_or(0)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn made_up_descriptors_never_panic(
        items in prop::collection::vec(item(), 0..40),
        report in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        exercise(&items.concat(), &report);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        report in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        exercise(&bytes, &report);
    }

    #[test]
    fn devices_descriptors_with_a_byte_changed_never_panic(
        which in 0..corpus::ALL.len(),
        at: prop::sample::Index,
        byte: u8,
        report in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = corpus::ALL[which].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        exercise(&bytes, &report);
    }

    #[test]
    fn items_are_the_bytes_in_order(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let items = Items::new(&bytes).map_while(Result::ok);
        let joined = items.map(|item| item.bytes.to_vec()).collect::<Vec<_>>().concat();
        prop_assert!(bytes.starts_with(&joined));
    }

    /// The hidreport crate reads the same out of reports of devices as they are.
    #[test]
    fn another_parser_reads_the_same(
        which in 0..corpus::ALL.len(),
        mut bytes in prop::collection::vec(any::<u8>(), 64..65),
    ) {
        let ours = ReportDescriptor::parse(corpus::ALL[which]).unwrap();
        let theirs = hidreport::ReportDescriptor::try_from(corpus::ALL[which]).unwrap();
        for report in ours.reports_of(ReportType::Input) {
            bytes[0] = if report.id == 0 { bytes[0] } else { report.id };
            let their_report = theirs.find_input_report(&bytes).unwrap();
            prop_assert_eq!(their_report.size_in_bytes(), report.length());
            let mut expected = Vec::new();
            let mut array = Vec::new();
            for field in their_report.fields() {
                match field {
                    hidreport::Field::Variable(field) => {
                        let value = field.extract(&bytes).unwrap();
                        let number = if field.is_signed() {
                            i64::from(i32::from(value))
                        } else {
                            i64::from(u32::from(value))
                        };
                        expected.push((u32::from(&field.usage), number));
                    }
                    hidreport::Field::Array(field) => {
                        let values = field.extract(&bytes).unwrap();
                        array.extend(values.into_iter().map(|value| i64::from(u32::from(value))));
                    }
                    hidreport::Field::Constant(_) => {}
                }
            }
            let numbers = report.fields.iter().filter(|field| !field.is_padding());
            let mut found = Vec::new();
            let mut found_in_arrays = Vec::new();
            for field in numbers {
                for index in 0..field.count {
                    let number = field.number(&bytes, index).unwrap();
                    if field.is_variable() {
                        found.push((field.usage(index).unwrap().to_extended(), number));
                    } else {
                        found_in_arrays.push(number);
                    }
                }
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(found_in_arrays, array);
        }
    }
}

/// Looking up each element's usage one by one would take minutes, and this test with it.
#[test]
fn as_many_usages_and_elements_as_a_descriptor_can_have_are_read() {
    let mut bytes = vec![0x05, 1];
    bytes.extend([0x09, 0x30].repeat(30_000));
    bytes.extend([0x75, 1, 0x97, 0xf8, 0xff, 0x07, 0, 0x81, 0x02]);
    let descriptor = ReportDescriptor::parse(&bytes).unwrap();
    let report = &descriptor.reports()[0];
    assert_eq!(report.values(&report.zeroed()).count(), 524_280);
}
