//! Reports of devices as people have them, and what they say.

use usbfs2_protocol::hid::report_descriptor::{CollectionKind, Value, page};
use usbfs2_protocol::hid::{ReportDescriptor, ReportType, Usage};

use crate::corpus;

fn parse(bytes: &[u8]) -> ReportDescriptor {
    ReportDescriptor::parse(bytes).unwrap()
}

/// The values of an input report, padding left out.
fn values(descriptor: &ReportDescriptor, bytes: &[u8]) -> Vec<(Usage, Option<i64>)> {
    let report = descriptor.report_of(ReportType::Input, bytes).unwrap();
    assert_eq!(report.length(), bytes.len());
    let values = report.values(bytes);
    values
        .map(|(_, usage, value)| (usage, value.number()))
        .collect()
}

const fn some(usage: Usage, number: i64) -> (Usage, Option<i64>) {
    (usage, Some(number))
}

#[test]
fn a_keyboard_with_a_bit_for_each_key() {
    let descriptor = parse(corpus::NKRO_KEYBOARD);
    let mut bytes = [0; 16];
    bytes[0] = 6;
    bytes[1] = 0x22; // both shifts
    bytes[2] = 0x01; // A
    bytes[15] = 0x80; // F24
    let down = values(&descriptor, &bytes);
    assert_eq!(down.len(), 8 + 112);
    let down = down.into_iter().filter(|(_, number)| *number == Some(1));
    let down = down.map(|(usage, _)| usage).collect::<Vec<_>>();
    let key = |id| Usage::new(page::KEYBOARD, id);
    assert_eq!(down, [key(0xe1), key(0xe5), key(0x04), key(0x73)]);

    let lights = descriptor.report(ReportType::Output, 6).unwrap();
    assert_eq!(lights.length(), 2);
    assert_eq!(lights.zeroed(), [6, 0]);
    let mut bytes = lights.zeroed();
    lights.fields[0].set(&mut bytes, 1, 1);
    assert_eq!(bytes, [6, 0x02]);
}

#[test]
fn a_mouse_with_smooth_wheels() {
    let descriptor = parse(corpus::SMOOTH_MOUSE);
    let bytes = [26, 0b1_0001, 0xff, 0xff, 0x00, 0x80, 0x78, 0, 0x88, 0xff];
    let button = |id| Usage::new(page::BUTTON, id);
    let expected = [
        some(button(1), 1),
        some(button(2), 0),
        some(button(3), 0),
        some(button(4), 0),
        some(button(5), 1),
        some(Usage::X, -1),
        some(Usage::Y, -32768),
        some(Usage::WHEEL, 120),
        some(Usage::PAN, -120),
    ];
    assert_eq!(values(&descriptor, &bytes), expected);

    // The second multiplier has the ranges that were pushed with the first.
    let multipliers = descriptor.report(ReportType::Feature, 18).unwrap();
    assert_eq!(multipliers.bits, 8 + 2 + 2);
    for field in &multipliers.fields {
        assert_eq!(
            field.usage(0),
            Some(Usage::new(page::GENERIC_DESKTOP, 0x48))
        );
        assert_eq!(
            (field.logical.clone(), field.physical.clone()),
            (0..=1, 1..=16)
        );
        assert_eq!(
            (field.physical_value(0), field.physical_value(1)),
            (1.0, 16.0)
        );
    }
    assert_eq!(
        descriptor.applications().collect::<Vec<_>>(),
        [Usage::MOUSE]
    );

    let mut settled = bytes;
    let report = descriptor.report(ReportType::Input, 26).unwrap();
    report.settle(&mut settled);
    assert_eq!(settled, [26, 0b1_0001, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_pen_with_pressure_and_tilt_in_real_units() {
    let descriptor = parse(corpus::PEN);
    let bytes = [7, 0b10_0001, 0x30, 0x2a, 0x5e, 0x1a, 0xff, 0x0f, 0xc4, 0x1e];
    let digitizer = |id| Usage::new(page::DIGITIZER, id);
    let expected = [
        some(Usage::TIP_SWITCH, 1),
        some(digitizer(0x44), 0),
        some(digitizer(0x45), 0),
        some(digitizer(0x3c), 0),
        some(Usage::IN_RANGE, 1),
        some(Usage::X, 0x2a30),
        some(Usage::Y, 0x1a5e),
        some(Usage::TIP_PRESSURE, 0x0fff),
        some(digitizer(0x3d), -60),
        some(digitizer(0x3e), 30),
    ];
    assert_eq!(values(&descriptor, &bytes), expected);

    let report = descriptor.report(ReportType::Input, 7).unwrap();
    let field = |usage| {
        let mut fields = report.fields.iter();
        fields.find(|field| field.usages.contains(usage)).unwrap()
    };
    let x = field(Usage::X);
    assert_eq!(x.unit.to_string(), "cm");
    // The middle of 21.6 cm.
    assert!((x.physical_value(0x2a30) - 10.8).abs() < 1e-9);
    assert!((field(Usage::Y).physical_value(0x34bc) - 13.5).abs() < 1e-9);
    let pressure = field(Usage::TIP_PRESSURE);
    assert_eq!(pressure.logical, 0..=8191);
    let tilt = field(digitizer(0x3d));
    assert_eq!(
        (tilt.unit.to_string(), tilt.physical_value(-60)),
        ("deg".into(), -60.0)
    );
}

#[test]
fn a_gamepad_with_ten_bit_triggers_and_a_hat_that_counts_from_one() {
    let descriptor = parse(corpus::GAMEPAD_TEN_BIT_TRIGGERS);
    let mut bytes = [
        1, 0x00, 0x80, 0xff, 0xff, 0, 0, 1, 0, 0xff, 0x03, 0x01, 0x02, 3, 0x01, 0x02,
    ];
    let simulation = |id| Usage::new(page::SIMULATION, id);
    let button = |id| Usage::new(page::BUTTON, id);
    let mut expected = vec![
        some(Usage::X, 0x8000),
        some(Usage::Y, 0xffff),
        some(Usage::Z, 0),
        some(Usage::RZ, 1),
        some(simulation(0xc5), 1023),
        some(simulation(0xc4), 513),
        some(Usage::HAT_SWITCH, 3),
    ];
    expected.extend((1..=10).map(|id| some(button(id), (id == 1 || id == 10).into())));
    assert_eq!(values(&descriptor, &bytes), expected);
    // Nobody touches the hat.
    bytes[13] = 0;
    assert_eq!(values(&descriptor, &bytes)[6], (Usage::HAT_SWITCH, None));

    let motors = descriptor.report(ReportType::Output, 3).unwrap();
    assert_eq!(motors.length(), 1 + 1 + 4);
    let hat = &descriptor.report(ReportType::Input, 1).unwrap().fields[6];
    assert_eq!(hat.value(&bytes, 0), Some(Value::Null));
    assert!((hat.physical_value(3) - 90.0).abs() < 1e-9, "to the right");
}

#[test]
fn a_gamepad_with_eight_bit_sticks_and_a_vendors_fields() {
    let descriptor = parse(corpus::GAMEPAD_EIGHT_BIT_STICKS);
    let mut bytes = vec![0; 64];
    bytes[..10].copy_from_slice(&[1, 127, 128, 0, 255, 0x18, 0x00, 0x82, 0x10, 0xff]);
    let all = values(&descriptor, &bytes);
    let button = |id| Usage::new(page::BUTTON, id);
    let vendor = |id| Usage::new(0xff00, id);
    let mut expected = vec![
        some(Usage::X, 127),
        some(Usage::Y, 128),
        some(Usage::Z, 0),
        some(Usage::RZ, 255),
        (Usage::HAT_SWITCH, None),
    ];
    expected.extend((1..=14).map(|id| some(button(id), (id == 1 || id == 14).into())));
    expected.extend([
        some(vendor(0x20), 32),
        some(Usage::RX, 16),
        some(Usage::RY, 255),
    ]);
    assert_eq!(all[..expected.len()], expected);
    assert_eq!(all.len(), expected.len() + 54);
    let lengths = |report_type| {
        let reports = descriptor.reports_of(report_type);
        reports
            .map(|report| (report.id, report.length()))
            .collect::<Vec<_>>()
    };
    assert_eq!(lengths(ReportType::Input), [(1, 64)]);
    assert_eq!(lengths(ReportType::Output), [(5, 32)]);
    assert_eq!(lengths(ReportType::Feature), [(2, 37)]);
}

#[test]
fn media_keys_in_arrays_and_bits() {
    let descriptor = parse(corpus::MEDIA_KEYS);
    let selected = |bytes: &[u8]| {
        let report = descriptor.report_of(ReportType::Input, bytes).unwrap();
        report
            .selected(bytes)
            .map(|(_, usage)| usage)
            .collect::<Vec<_>>()
    };
    let consumer = |id| Usage::new(page::CONSUMER, id);
    assert_eq!(
        selected(&[3, 0xe9, 0, 0x23, 0x02]),
        [consumer(0xe9), consumer(0x223)]
    );
    assert_eq!(
        selected(&[3, 0, 0, 0x3d, 0x02]),
        [consumer(0)],
        "beyond the range"
    );
    // An array that counts from 1: its first usage is its first number.
    assert_eq!(selected(&[8, 0x01]), [Usage::new(0xffbc, 1)]);
    assert_eq!(selected(&[8, 0x00]), []);
    let system = values(&descriptor, &[2, 0b010]);
    assert_eq!(system[1], some(Usage::new(page::GENERIC_DESKTOP, 0x82), 1));
    assert_eq!(descriptor.longest(ReportType::Input), 5);
    assert!(descriptor.is_numbered(ReportType::Input));
    assert_eq!(descriptor.report_of(ReportType::Input, &[9, 0]), None);
    assert_eq!(descriptor.report_of(ReportType::Input, &[]), None);
}

#[test]
fn a_touch_screens_fingers_are_collections_of_their_own() {
    let descriptor = parse(corpus::TOUCH);
    let bytes = [1, 1, 5, 0x10, 0, 0x20, 0, 0, 6, 0, 0, 0, 0, 1, 0x34, 0x12];
    let report = descriptor.report_of(ReportType::Input, &bytes).unwrap();
    let fingers = report
        .values(&bytes)
        .filter(|(_, usage, _)| *usage == Usage::new(page::DIGITIZER, 0x51))
        .map(|(field, _, value)| (field.collection.unwrap(), value.number().unwrap()));
    assert_eq!(fingers.collect::<Vec<_>>(), [(1, 5), (2, 6)]);
    let collections = descriptor.collections();
    let finger = &collections[2];
    assert_eq!(
        (finger.kind, finger.parent),
        (CollectionKind::Logical, Some(0))
    );
    assert_eq!(collections[0].kind, CollectionKind::Application);
    let field = &report.fields[0];
    let screen = Usage::new(page::DIGITIZER, 0x04);
    assert_eq!(descriptor.application(field), Some(screen));
    let (time, _, value) = report.values(&bytes).last().unwrap();
    assert_eq!(
        (time.unit.to_string(), value),
        ("s".into(), Value::Number(0x1234))
    );
    assert!((time.physical_value(0x1234) - 0.466).abs() < 1e-9);
}

#[test]
fn a_joystick_whose_fields_begin_within_bytes() {
    let descriptor = parse(corpus::JOYSTICK);
    // X -2048, Y 2047, throttle 0x55, Rz -3.
    let number: u64 = 0x800 | 0x7ff << 12 | 0x55 << 24 | 0x1fd << 31;
    let bytes = &number.to_le_bytes()[..5];
    let expected = [
        some(Usage::X, -2048),
        some(Usage::Y, 2047),
        some(Usage::new(page::SIMULATION, 0xbb), 0x55),
        some(Usage::RZ, -3),
    ];
    assert_eq!(values(&descriptor, bytes), expected);
}
