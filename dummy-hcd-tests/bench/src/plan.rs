//! Every row there is.

use dummy_hcd_tests::bench_row::{Case, Direction, Spec, Speed, Stack};

use crate::gadgets::Kind;

/// Bytes of a control or interrupt transfer.
const SMALL: u32 = 32;
/// Bytes of a keyboard's report.
const REPORT: u32 = 8;

const BULK_STACKS: &[Stack] = &[
    Stack::Kernel,
    Stack::UsbfsRaw,
    Stack::Libusb,
    Stack::LibusbZerocopy,
    Stack::Nusb,
    Stack::NusbZerocopy,
    Stack::Usbfs2File,
    Stack::Usbfs2Host,
];

/// usbfs maps no memory for control transfers.
const CONTROL_STACKS: &[Stack] = &[
    Stack::Kernel,
    Stack::UsbfsRaw,
    Stack::Libusb,
    Stack::Nusb,
    Stack::Usbfs2File,
    Stack::Usbfs2Host,
];

const INTERRUPT_STACKS: &[Stack] = &[
    Stack::Hidraw,
    Stack::UsbfsRaw,
    Stack::Libusb,
    Stack::LibusbZerocopy,
    Stack::Nusb,
    Stack::NusbZerocopy,
    Stack::Usbfs2File,
    Stack::Usbfs2Host,
];

const STORAGE_STACKS: &[Stack] = &[Stack::UsbStorage, Stack::Usbfs2Host];

/// The kernel's first: once unbound, it does not take the streams of a device again.
const AUDIO_STACKS: &[Stack] = &[Stack::SndUsbAudio, Stack::Usbfs2Host];

/// 1, 2 and 8 ms of 48 kHz stereo.
const AUDIO_BYTES: &[u32] = &[192, 384, 1536];

const HID_STACKS: &[Stack] = &[Stack::Hidraw, Stack::Usbfs2Host];

/// One case's part of the plan.
struct Part {
    case: Case,
    speeds: &'static [Speed],
    stacks: &'static [Stack],
    directions: &'static [Direction],
    bytes: &'static [u32],
    depths: &'static [u32],
}

const PARTS: &[Part] = &[
    Part {
        case: Case::Bulk,
        speeds: Speed::ALL,
        stacks: BULK_STACKS,
        directions: Direction::ALL,
        bytes: &[512, 4096, 65536],
        depths: &[1, 16],
    },
    Part {
        case: Case::Control,
        speeds: Speed::ALL,
        stacks: CONTROL_STACKS,
        directions: Direction::ALL,
        bytes: &[SMALL],
        depths: &[1],
    },
    Part {
        case: Case::Interrupt,
        speeds: Speed::ALL,
        stacks: INTERRUPT_STACKS,
        directions: Direction::ALL,
        bytes: &[SMALL],
        depths: &[1],
    },
    Part {
        case: Case::Storage,
        speeds: Speed::ALL,
        stacks: STORAGE_STACKS,
        directions: Direction::ALL,
        bytes: &[4096, 65536, 1 << 20],
        depths: &[1],
    },
    Part {
        case: Case::Hid,
        speeds: Speed::ALL,
        stacks: HID_STACKS,
        directions: &[Direction::In],
        bytes: &[REPORT],
        depths: &[1],
    },
    Part {
        case: Case::Audio,
        speeds: &[Speed::High],
        stacks: AUDIO_STACKS,
        directions: Direction::ALL,
        bytes: AUDIO_BYTES,
        depths: &[1],
    },
];

/// The rows any of `filters` selects, all when there is none: those on the `dummy_hcd` that carries isochronous
/// transfers, or those on the kernel's own.
pub(crate) fn rows(filters: &[String], isochronous: bool) -> Vec<Spec> {
    let mut rows = Vec::new();
    for part in PARTS {
        for &speed in part.speeds {
            for &bytes in part.bytes {
                for &depth in part.depths {
                    for &direction in part.directions {
                        let row = |&stack| Spec {
                            case: part.case,
                            stack,
                            speed,
                            direction,
                            bytes,
                            depth,
                        };
                        rows.extend(part.stacks.iter().map(row));
                    }
                }
            }
        }
    }
    rows.retain(|row| (row.case == Case::Audio) == isochronous);
    rows.retain(|row| filters.is_empty() || filters.iter().any(|filter| row.matches(filter)));
    rows
}

/// A key's values, for each key, in the order of their first appearance.
type Grouped<K, V> = Vec<(K, Vec<V>)>;

/// Rows that share a gadget, and of these those that share a stack.
pub(crate) fn by_gadget(rows: &[Spec]) -> Grouped<(Speed, Kind), (Stack, Vec<Spec>)> {
    let mut gadgets = Vec::new();
    for row in rows {
        let stacks = entry(&mut gadgets, (row.speed, Kind::of(row)));
        entry(stacks, row.stack).push(*row);
    }
    gadgets
}

/// The list filed under `key`, made when missing.
fn entry<K: PartialEq, V>(list: &mut Grouped<K, V>, key: K) -> &mut Vec<V> {
    let at = list
        .iter()
        .position(|(other, _)| *other == key)
        .unwrap_or_else(|| {
            list.push((key, Vec::new()));
            list.len() - 1
        });
    &mut list[at].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_what_the_issue_asks_for() {
        let rows = [rows(&[], false), rows(&[], true)].concat();
        let count = |case| rows.iter().filter(|row| row.case == case).count();
        let counts = Case::ALL
            .iter()
            .map(|&case| count(case))
            .collect::<Vec<_>>();
        // Bulk: 3 sizes, 2 depths, 2 directions, 2 speeds, 8 stacks.
        assert_eq!(counts, [192, 24, 32, 24, 4, 12]);
        for (index, row) in rows.iter().enumerate() {
            assert!(!rows[index + 1..].contains(row), "{row} comes twice");
        }
    }

    #[test]
    fn bulk_rows_of_one_size_share_one_gadget_configuration() {
        for row in rows(&["bulk".to_owned()], false) {
            let small = row.bytes == 512;
            assert_eq!(
                Kind::of(&row),
                Kind::SourceSink(if small { 512 } else { 65536 })
            );
        }
    }

    #[test]
    fn grouping_keeps_every_row() {
        let rows = rows(&["storage".to_owned(), "bulk/super".to_owned()], false);
        let grouped = by_gadget(&rows);
        let count: usize = grouped
            .iter()
            .flat_map(|(_, stacks)| stacks)
            .map(|(_, rows)| rows.len())
            .sum();
        assert_eq!(count, rows.len());
        assert_eq!(grouped.len(), 4);
    }
}
