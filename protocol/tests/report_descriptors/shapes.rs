//! What the specification allows, one thing at a time.

use usbfs2_protocol::hid::report_descriptor::{FieldFlags, Value};
use usbfs2_protocol::hid::{ReportDescriptor, ReportType, Usage};

/// Items in an application collection of page 1.
fn parse(items: &[&[u8]]) -> ReportDescriptor {
    let begin: &[u8] = &[0x05, 0x01, 0x09, 0x05, 0xa1, 0x01];
    let bytes = [&[begin], items, &[&[0xc0]]].concat().concat();
    ReportDescriptor::parse(&bytes).unwrap()
}

/// The numbers of the only input report.
fn numbers(descriptor: &ReportDescriptor, bytes: &[u8]) -> Vec<i64> {
    let report = descriptor.report(ReportType::Input, 0).unwrap();
    let values = report.values(bytes);
    values.filter_map(|(.., value)| value.number()).collect()
}

fn usages(descriptor: &ReportDescriptor) -> Vec<Usage> {
    let report = descriptor.report(ReportType::Input, 0).unwrap();
    let bytes = report.zeroed();
    report.values(&bytes).map(|(_, usage, _)| usage).collect()
}

#[test]
fn a_range_is_signed_where_its_minimum_is_negative() {
    let axis = |minimum: &[u8], maximum: &[u8]| {
        let field: &[u8] = &[0x75, 8, 0x95, 1, 0x81, 2];
        let descriptor = parse(&[&[0x09, 0x30], minimum, maximum, field]);
        let report = descriptor.report(ReportType::Input, 0).unwrap();
        (
            report.fields[0].logical.clone(),
            numbers(&descriptor, &[0xff]),
        )
    };
    assert_eq!(axis(&[0x15, 0x81], &[0x25, 0x7f]), (-127..=127, vec![-1]));
    assert_eq!(axis(&[0x15, 0], &[0x26, 0xff, 0]), (0..=255, vec![255]));
    // Too short for its sign, and meant as 255 all the same.
    assert_eq!(axis(&[0x15, 0], &[0x25, 0xff]), (0..=255, vec![255]));
    assert_eq!(axis(&[0x14], &[0x25, 0x7f]), (0..=127, vec![255]));
    let wide = axis(&[0x15, 0], &[0x27, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(wide.0, 0..=0xffff_ffff);
}

#[test]
fn more_controls_than_usages_share_the_last() {
    let descriptor = parse(&[&[0x09, 0x30, 0x09, 0x31, 0x75, 8, 0x95, 4, 0x25, 9, 0x81, 2]]);
    assert_eq!(
        usages(&descriptor),
        [Usage::X, Usage::Y, Usage::Y, Usage::Y]
    );
}

#[test]
fn a_usage_of_four_bytes_has_its_own_page() {
    let descriptor = parse(&[
        &[
            0x0b, 0x38, 0x02, 0x0c, 0x00, 0x09, 0x30, 0x1b, 1, 0, 9, 0, 0x2b, 2, 0, 9, 0,
        ],
        &[0x25, 1, 0x75, 8, 0x95, 4, 0x81, 2],
    ]);
    let expected = [Usage::PAN, Usage::X, Usage::new(9, 1), Usage::new(9, 2)];
    assert_eq!(usages(&descriptor), expected);
}

#[test]
fn a_page_that_comes_after_its_usages_is_theirs() {
    // As hid-core does: back to the first usage that has that page already.
    let field: &[u8] = &[0x25, 1, 0x75, 8, 0x95, 2, 0x81, 2];
    let late = parse(&[&[0x09, 0x30, 0x09, 0x31, 0x05, 0x0c], field]);
    assert_eq!(usages(&late), [Usage::new(12, 0x30), Usage::new(12, 0x31)]);
    let mixed = parse(&[&[0x09, 0x30, 0x05, 0x0c, 0x09, 0xe9], field]);
    assert_eq!(usages(&mixed), [Usage::X, Usage::new(12, 0xe9)]);
}

#[test]
fn push_and_pop_keep_every_global_item() {
    let descriptor = parse(&[
        &[0x15, 0x81, 0x25, 0x7f, 0x75, 8, 0x95, 1, 0xa4],
        &[
            0x05, 9, 0x15, 0, 0x25, 1, 0x75, 1, 0x95, 8, 0x19, 1, 0x29, 8, 0x81, 2,
        ],
        &[0xb4, 0x09, 0x30, 0x81, 6],
    ]);
    let report = descriptor.report(ReportType::Input, 0).unwrap();
    assert_eq!(report.length(), 2);
    assert_eq!(
        numbers(&descriptor, &[0, 0x80]),
        [0, 0, 0, 0, 0, 0, 0, 0, -128]
    );
    assert_eq!(report.fields[1].logical, -127..=127);
    assert_eq!(report.fields[1].usage(0), Some(Usage::X));
}

#[test]
fn long_and_reserved_items_change_nothing() {
    let plain = parse(&[&[0x09, 0x30, 0x25, 9, 0x75, 8, 0x95, 1, 0x81, 2]]);
    let with = parse(&[
        &[0xfe, 3, 0xf0, 1, 2, 3, 0x09, 0x30, 0x25, 9, 0xfc, 0x75, 8],
        &[0xfe, 0, 0xff, 0x95, 1],
        &[0x39, 1, 0x49, 1, 0x59, 9, 0x79, 4, 0x81, 2],
    ]);
    assert_eq!(plain, with);
}

#[test]
fn of_alternatives_between_delimiters_the_first_counts() {
    let field: &[u8] = &[0x25, 1, 0x75, 8, 0x95, 2, 0x81, 2];
    let descriptor = parse(&[
        &[
            0xa9, 1, 0x09, 0x30, 0x09, 0x36, 0x09, 0x37, 0xa9, 0, 0x09, 0x31,
        ],
        field,
    ]);
    assert_eq!(usages(&descriptor), [Usage::X, Usage::Y]);
    let ranges = parse(&[
        &[
            0xa9, 1, 0x19, 0x30, 0x29, 0x31, 0x19, 0x33, 0x29, 0x34, 0xa9, 0,
        ],
        field,
    ]);
    assert_eq!(usages(&ranges), [Usage::X, Usage::Y]);
}

#[test]
fn fields_wider_than_32_bits_are_read() {
    let descriptor = parse(&[
        &[
            0x06, 0, 0xff, 0x09, 1, 0x15, 0xff, 0x25, 1, 0x75, 40, 0x95, 1, 0x81, 2,
        ],
        &[0x09, 2, 0x15, 0, 0x75, 64, 0x81, 2],
        &[0x09, 3, 0x75, 128, 0x82, 2, 1],
    ]);
    let mut bytes = vec![0xff; 5];
    bytes.extend_from_slice(&0x7000_0000_0000_0001_u64.to_le_bytes());
    bytes.extend([7; 16]);
    // The one of 128 bits is bytes, not a number.
    assert_eq!(numbers(&descriptor, &bytes), [-1, 0x7000_0000_0000_0001]);
    let report = descriptor.report(ReportType::Input, 0).unwrap();
    assert!(report.fields[2].flags.contains(FieldFlags::BUFFERED_BYTES));
    assert_eq!(report.length(), bytes.len());
}

#[test]
fn values_outside_the_range_are_null_only_where_there_is_a_null_state() {
    let field = |flags| {
        let items = [0x09, 0x39, 0x15, 1, 0x25, 8, 0x75, 4, 0x95, 1, 0x81, flags];
        let descriptor = parse(&[&items]);
        let report = descriptor.report(ReportType::Input, 0).unwrap();
        report.fields[0].value(&[0x0f], 0)
    };
    assert_eq!(field(0x42), Some(Value::Null));
    assert_eq!(field(0x02), Some(Value::Number(15)));
}

#[test]
fn reports_are_told_apart_by_type_and_id_and_may_be_interleaved() {
    let descriptor = parse(&[
        &[0x25, 1, 0x75, 8, 0x95, 1, 0x85, 1, 0x09, 0x30, 0x81, 2],
        &[0x85, 2, 0x09, 0x30, 0x81, 2, 0x09, 0x31, 0xb1, 2],
        &[0x85, 1, 0x09, 0x31, 0x81, 2, 0x09, 0x32, 0x91, 2],
    ]);
    let shape = descriptor.reports().iter();
    let shape = shape.map(|report| (report.report_type, report.id, report.length()));
    use ReportType::{Feature, Input, Output};
    let expected = [
        (Input, 1, 3),
        (Input, 2, 2),
        (Feature, 2, 2),
        (Output, 1, 2),
    ];
    assert_eq!(shape.collect::<Vec<_>>(), expected);
    let report = descriptor.report_of(Input, &[1, 5, 6]).unwrap();
    let numbers = report
        .values(&[1, 5, 6])
        .filter_map(|(.., value)| value.number());
    assert_eq!(numbers.collect::<Vec<_>>(), [5, 6]);
}

#[test]
fn a_report_that_came_short_says_what_it_has() {
    let descriptor = parse(&[&[0x09, 0x30, 0x09, 0x31, 0x25, 9, 0x75, 12, 0x95, 2, 0x81, 2]]);
    assert_eq!(numbers(&descriptor, &[1, 0]), [1]);
    assert_eq!(numbers(&descriptor, &[1]), []);
    assert_eq!(numbers(&descriptor, &[]), []);
}

#[test]
fn a_field_without_room_is_none() {
    let descriptor = parse(&[&[
        0x09, 0x30, 0x75, 0, 0x95, 8, 0x81, 2, 0x75, 8, 0x95, 0, 0x81, 2,
    ]]);
    assert_eq!(descriptor.reports(), []);
    assert_eq!(
        ReportDescriptor::parse(&[]).unwrap(),
        ReportDescriptor::default()
    );
}

#[test]
fn unit_exponents_are_four_bits_or_a_number() {
    let exponent = |items: &[u8]| {
        let field: &[u8] = &[0x09, 0x30, 0x75, 8, 0x95, 1, 0x81, 2];
        let descriptor = parse(&[items, field]);
        descriptor.reports()[0].fields[0].unit_exponent
    };
    assert_eq!(exponent(&[0x55, 0x0e]), -2);
    assert_eq!(exponent(&[0x55, 0xfe]), -2);
    assert_eq!(exponent(&[0x55, 0x07]), 7);
    assert_eq!(exponent(&[0x54]), 0);
}
