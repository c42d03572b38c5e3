//! Descriptors of a device that lies. gadgetfs looks at the headers alone, and the host at all of it.

use dummy_hcd_tests::random::Random;

/// Descriptor types (USB 2.0 table 9-5).
const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;

/// Classes that no driver of the guest's kernel takes: those drivers' faults are not looked for.
const CLASSES: [u8; 5] = [0xff, 0xfe, 0x0a, 0x0d, 0xef];

/// What is written to gadgetfs's first file: a tag, both configurations and the device.
pub(crate) fn message(random: &mut Random) -> Vec<u8> {
    let mut message = 0_u32.to_ne_bytes().to_vec();
    message.extend(configuration(random));
    message.extend(configuration(random));
    message.extend(device(random));
    message
}

fn byte(random: &mut Random) -> u8 {
    random.below(256).to_le_bytes()[0]
}

fn one_of(random: &mut Random, choices: &[u8]) -> u8 {
    choices[random.below(choices.len())]
}

fn device(random: &mut Random) -> [u8; 18] {
    let mut device = [0; 18];
    random.fill(&mut device);
    device[..2].copy_from_slice(&[18, DEVICE]);
    device[4] = one_of(random, &CLASSES);
    device[7] = 64;
    // A number that no driver knows by itself.
    device[8..10].copy_from_slice(&[0x6b, 0x1d]);
    device[10] |= 0x80;
    // Strings are asked for, and stalled.
    device[17] = 1;
    device
}

/// gadgetfs wants the length, the type, wTotalLength, a value and attributes that are right; the rest is anything.
fn configuration(random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    let interfaces = random.below(5);
    for number in 0..interfaces {
        interface(random, u8::try_from(number).unwrap_or(0), &mut body);
    }
    mutate(random, &mut body);
    body.truncate(900);
    let total = u16::try_from(9 + body.len()).unwrap_or(9);
    let [low, high] = total.to_le_bytes();
    let claimed = match random.below(4) {
        0 => byte(random),
        _ => u8::try_from(interfaces).unwrap_or(0),
    };
    let header = [
        9,
        CONFIGURATION,
        low,
        high,
        claimed,
        // The module's directories are 1.0 and so on; others come as well.
        one_of(random, &[1, 1, 1, 2, 255]),
        byte(random),
        0x80,
        byte(random),
    ];
    [&header[..], &body].concat()
}

fn interface(random: &mut Random, number: u8, body: &mut Vec<u8>) {
    let number = match random.below(8) {
        0 => byte(random),
        _ => number,
    };
    for alternate in 0..1 + random.below(3) {
        let endpoints = random.below(6);
        let claimed = match random.below(8) {
            0 => byte(random),
            _ => u8::try_from(endpoints).unwrap_or(0),
        };
        let alternate = u8::try_from(alternate).unwrap_or(0);
        let class = one_of(random, &CLASSES);
        let words = [
            9,
            INTERFACE,
            number,
            alternate,
            claimed,
            class,
            byte(random),
            byte(random),
            0,
        ];
        body.extend(words);
        for _ in 0..endpoints {
            endpoint(random, body);
        }
    }
}

fn endpoint(random: &mut Random, body: &mut Vec<u8>) {
    let number = match random.below(8) {
        0 => byte(random),
        _ => one_of(random, &[0x81, 0x82, 0x01, 0x02, 0x83, 0x8f, 0x80, 0x00]),
    };
    let [low, high] = [[0, 2], [64, 0], [0, 4], [0, 0], [0xff, 0xff], [8, 0x18]][random.below(6)];
    let attributes = match random.below(8) {
        0 => byte(random),
        _ => one_of(random, &[2, 3, 1, 0]),
    };
    let interval = one_of(random, &[0, 1, 4, 16, 17, 255]);
    body.extend([7, ENDPOINT, number, attributes, low, high, interval]);
    if random.below(4) == 0 {
        // Something of a class's, or of nobody's.
        let length = 2 + random.below(12);
        let mut extra = vec![0; length];
        random.fill(&mut extra);
        extra[0] = u8::try_from(length).unwrap_or(2);
        extra[1] = one_of(random, &[0x24, 0x25, 0x30, 0x0b, 0x0f, 0x21, 0xff]);
        body.extend(extra);
    }
}

/// A few bytes anywhere: lengths that lead nowhere among them.
fn mutate(random: &mut Random, body: &mut [u8]) {
    if body.is_empty() || random.below(3) == 0 {
        return;
    }
    for _ in 0..1 + random.below(4) {
        let place = random.below(body.len());
        body[place] = match random.below(4) {
            0 => 0,
            1 => 255,
            2 => 1,
            _ => byte(random),
        };
    }
    // But no class that a driver of the kernel's would take.
    for place in 0..body.len().saturating_sub(6) {
        if body[place + 1] == INTERFACE && !CLASSES.contains(&body[place + 5]) {
            body[place + 5] = CLASSES[0];
        }
    }
}

/// The addresses of the endpoints that a message's second configuration, that of high speed, tells of.
pub(crate) fn addresses(message: &[u8]) -> Vec<u8> {
    let total = |bytes: &[u8]| match bytes {
        [_, CONFIGURATION, low, high, ..] => usize::from(u16::from_le_bytes([*low, *high])),
        _ => 0,
    };
    let first = message.get(4..).unwrap_or_default();
    let second = first.get(total(first)..).unwrap_or_default();
    let mut rest = second.get(..total(second)).unwrap_or_default();
    let mut addresses = Vec::new();
    while let [length @ 2..=u8::MAX, kind, address, ..] = *rest {
        if kind == ENDPOINT && address & 0x0f != 0 && !addresses.contains(&address) {
            addresses.push(address);
        }
        rest = rest.get(usize::from(length)..).unwrap_or_default();
    }
    addresses
}
