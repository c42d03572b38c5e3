//! Descriptors that make no sense: each says at which byte, and which rule.

use usbfs2_protocol::hid::{ReportDescriptor, ReportDescriptorError as Error};

use crate::corpus;

#[track_caller]
fn fails(bytes: &[u8], expected: &Error) {
    assert_eq!(ReportDescriptor::parse(bytes).as_ref(), Err(expected));
}

#[test]
fn each_broken_rule_is_named_with_its_place() {
    fails(&[0x09, 0x02, 0xa1, 0x01], &Error::NoUsagePage { offset: 2 });
    fails(
        &[0x05, 1, 0x19, 1, 0x81, 2],
        &Error::UsageRange { offset: 4 },
    );
    fails(
        &[0x05, 1, 0x19, 2, 0x29, 1],
        &Error::UsageRange { offset: 4 },
    );
    let pages = [0x1b, 1, 0, 1, 0, 0x2b, 2, 0, 2, 0];
    fails(&pages, &Error::UsageRange { offset: 5 });
    fails(&[0x85, 0], &Error::ReportId { offset: 0, id: 0 });
    let id = Error::ReportId { offset: 0, id: 256 };
    fails(&[0x86, 0, 1], &id);
    let unbalanced = |offset, what| Error::Unbalanced { offset, what };
    fails(&[0xc0], &unbalanced(0, "End Collection"));
    fails(&[0xb4], &unbalanced(0, "Pop"));
    fails(&[0xa1, 1], &unbalanced(2, "Collection"));
    fails(&[0xa9, 0], &unbalanced(0, "Delimiter"));
    fails(&[0xa9, 1, 0xa9, 1], &unbalanced(2, "Delimiter"));
    fails(&[0xa9, 1, 0x81, 2], &unbalanced(2, "Delimiter"));
    fails(&[0xa9, 1], &unbalanced(2, "Delimiter"));
}

#[test]
fn sizes_beyond_any_device_are_refused() {
    // 2^32 - 1 elements of 2^32 - 1 bits.
    let most = [0xff; 4];
    let bytes = [&[0x77], &most[..], &[0x97], &most, &[0x81, 2]].concat();
    let bits = 0xffff_ffff_u64 * 0xffff_ffff;
    fails(&bytes, &Error::ReportTooLong { offset: 10, bits });
    let collections = [0xa1, 1].repeat(65);
    let what = "collections";
    let limit = 64;
    let offset = 128;
    fails(
        &collections,
        &Error::TooDeep {
            offset,
            what,
            limit,
        },
    );
    let what = "pushed items";
    let offset = 64;
    fails(
        &[0xa4; 65],
        &Error::TooDeep {
            offset,
            what,
            limit,
        },
    );
}

#[test]
fn every_descriptor_that_is_cut_is_an_error() {
    for bytes in corpus::ALL {
        for end in 1..bytes.len() {
            let cut = ReportDescriptor::parse(&bytes[..end]);
            // Between the applications of one that has several, the part before is whole.
            if let Ok(part) = cut {
                assert!(
                    part.reports().len() < ReportDescriptor::parse(bytes).unwrap().reports().len()
                );
            }
        }
    }
}
