//! The figures this project is to reach, each a ratio of rows of one run.

use comfy_table::presets;
use comfy_table::{Cell, CellAlignment, Table};
use dummy_hcd_tests::bench_row::{Case, Direction, Row, Speed, Stack};

use super::table::size;

/// The libraries on usbfs, of which the best is what counts.
const LIBRARIES: &[Stack] = &[
    Stack::Libusb,
    Stack::LibusbZerocopy,
    Stack::Nusb,
    Stack::NusbZerocopy,
];
const NUSB: &[Stack] = &[Stack::Nusb, Stack::NusbZerocopy];

/// What of a row is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    /// Instructions of a transfer.
    Cost,
    Calls,
    /// Transfers of a second.
    Rate,
    Median,
    P99,
}

impl Figure {
    fn of(self, row: &Row) -> Option<f64> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "nanoseconds of a millisecond or so"
        )]
        let nanoseconds = |ns: Option<u64>| ns.map(|ns| ns as f64);
        match self {
            Self::Cost => Some(row.ns_per_transfer),
            Self::Calls => Some(row.syscalls_per_transfer),
            Self::Rate => Some(row.transfers_per_second),
            Self::Median => nanoseconds(row.median_ns),
            Self::P99 => nanoseconds(row.p99_ns),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Calls => "system calls",
            Self::Rate => "transfers a second",
            Self::Median => "median latency",
            Self::P99 => "latency of 99 in 100",
        }
    }

    /// Whether more is better.
    fn is_gain(self) -> bool {
        self == Self::Rate
    }
}

/// One figure: that of a stack, as a part of the best of others.
#[derive(Debug, Clone, Copy)]
struct Target {
    case: Case,
    direction: Direction,
    bytes: u32,
    depth: u32,
    stack: Stack,
    figure: Figure,
    /// None: the figure itself is the measure.
    others: &'static [Stack],
    limit: f64,
}

/// Where a target stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    what: String,
    measured: f64,
    limit: f64,
    pub(crate) is_reached: bool,
}

fn targets() -> Vec<Target> {
    let mut all = Vec::new();
    for &direction in Direction::ALL {
        let queued = Target {
            case: Case::Bulk,
            direction,
            bytes: 4096,
            depth: 16,
            stack: Stack::Usbfs2Host,
            figure: Figure::Cost,
            others: LIBRARIES,
            limit: 0.47,
        };
        for (bytes, library, kernel, operation, calls) in [
            (512, 0.36, 1.55, 0.50, 0.15),
            (4096, 0.47, 1.35, 0.58, 0.16),
            (65_536, 0.72, 1.07, 0.75, 0.3),
        ] {
            let sized = Target { bytes, ..queued };
            all.extend([
                Target {
                    limit: library,
                    ..sized
                },
                Target {
                    others: &[Stack::Kernel],
                    limit: kernel,
                    ..sized
                },
                Target {
                    stack: Stack::Usbfs2File,
                    limit: operation,
                    ..sized
                },
                Target {
                    figure: Figure::Calls,
                    others: &[],
                    limit: calls,
                    ..sized
                },
            ]);
        }
        let single = Target { depth: 1, ..queued };
        all.extend([
            Target {
                others: &[Stack::UsbfsRaw],
                limit: 0.8,
                ..single
            },
            Target {
                others: NUSB,
                limit: 0.6,
                ..single
            },
        ]);
    }
    all.extend(storage());
    let report = Target {
        case: Case::Hid,
        direction: Direction::In,
        bytes: 8,
        depth: 1,
        stack: Stack::Usbfs2Host,
        figure: Figure::Median,
        others: &[Stack::Hidraw],
        limit: 1.0,
    };
    all.extend([
        report,
        Target {
            figure: Figure::P99,
            ..report
        },
    ]);
    all
}

fn storage() -> Vec<Target> {
    let mut all = Vec::new();
    for (direction, bytes, rate, cost) in [
        (Direction::In, 4096, 1.5, 0.7),
        (Direction::Out, 4096, 1.0, 0.7),
        (Direction::In, 65_536, 1.05, 0.8),
        (Direction::In, 1 << 20, 1.5, 0.8),
    ] {
        let disk = Target {
            case: Case::Storage,
            direction,
            bytes,
            depth: 1,
            stack: Stack::Usbfs2Host,
            figure: Figure::Rate,
            others: &[Stack::UsbStorage],
            limit: rate,
        };
        all.extend([
            disk,
            Target {
                figure: Figure::Cost,
                limit: cost,
                ..disk
            },
        ]);
    }
    all
}

impl Target {
    fn row<'a>(&self, rows: &'a [Row], stack: Stack) -> Option<&'a Row> {
        rows.iter().find(|row| {
            let spec = row.spec;
            (spec.case, spec.speed, spec.direction) == (self.case, Speed::High, self.direction)
                && (spec.bytes, spec.depth, spec.stack) == (self.bytes, self.depth, stack)
        })
    }

    /// `None` where a row it is about was not measured.
    fn standing(&self, rows: &[Row]) -> Option<Standing> {
        let figure = self.figure;
        let own = figure.of(self.row(rows, self.stack)?)?;
        let others = self
            .others
            .iter()
            .map(|&stack| figure.of(self.row(rows, stack)?))
            .collect::<Option<Vec<_>>>()?;
        let better = if figure.is_gain() { f64::max } else { f64::min };
        let measured = own / others.into_iter().reduce(better).unwrap_or(1.0);
        let is_reached = if figure.is_gain() {
            measured >= self.limit
        } else {
            measured <= self.limit
        };
        let of = match self.others {
            [] => String::new(),
            [other] => format!(" of {other}'s"),
            NUSB => " of nusb's".to_owned(),
            _ => " of the best library's".to_owned(),
        };
        let words = figure.words();
        let Self {
            case,
            direction,
            stack,
            depth,
            ..
        } = self;
        let bytes = size(self.bytes);
        Some(Standing {
            what: format!("{case} {direction}, {bytes}, depth {depth}: {stack}'s {words}{of}"),
            measured,
            limit: self.limit,
            is_reached,
        })
    }
}

/// Every target that `rows` have the figures of, at high speed.
pub(crate) fn standings(rows: &[Row]) -> Vec<Standing> {
    let targets = targets();
    targets
        .iter()
        .filter_map(|target| target.standing(rows))
        .collect()
}

/// The standings as a table, which is Markdown too; `None` without any.
pub(crate) fn render(standings: &[Standing]) -> Option<Table> {
    if standings.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["figure", "measured", "to reach", ""]);
    for standing in standings {
        let number =
            |value: f64| Cell::new(format!("{value:.2}")).set_alignment(CellAlignment::Right);
        let verdict = if standing.is_reached {
            "reached"
        } else {
            "not reached"
        };
        table.add_row([
            Cell::new(&standing.what),
            number(standing.measured),
            number(standing.limit),
            Cell::new(verdict),
        ]);
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dummy_hcd_tests::bench_row::Spec;

    fn row(stack: Stack, cost: f64) -> Row {
        Row {
            spec: Spec {
                case: Case::Bulk,
                stack,
                speed: Speed::High,
                direction: Direction::In,
                bytes: 512,
                depth: 16,
            },
            ns_per_transfer: cost,
            transfers_per_second: 1.0,
            syscalls_per_transfer: 0.2,
            median_ns: None,
            p99_ns: None,
        }
    }

    #[test]
    fn the_best_library_is_the_measure() {
        let mut rows = vec![row(Stack::Usbfs2Host, 300.0)];
        for (&stack, cost) in LIBRARIES.iter().zip([1000.0, 900.0, 1200.0, 950.0]) {
            rows.push(row(stack, cost));
        }
        let standings = standings(&rows);
        let [library, calls] = &standings[..] else {
            panic!("{standings:?}");
        };
        assert!((library.measured - 300.0 / 900.0).abs() < 1e-9 && library.is_reached);
        assert!((calls.measured - 0.2).abs() < 1e-9 && !calls.is_reached);
        let table = render(&standings).expect("a table").to_string();
        assert!(
            table.contains("not reached") && table.contains("0.33"),
            "{table}"
        );
    }

    #[test]
    fn rows_that_were_not_measured_have_no_standing() {
        assert!(standings(&[row(Stack::Usbfs2File, 1.0)]).is_empty());
        assert!(render(&[]).is_none());
    }

    #[test]
    fn more_transfers_a_second_are_better() {
        let disk = |stack, rate| {
            let mut row = row(stack, 100.0);
            row.spec.case = Case::Storage;
            (row.spec.bytes, row.spec.depth) = (4096, 1);
            row.transfers_per_second = rate;
            row
        };
        let rows = [disk(Stack::Usbfs2Host, 3.2), disk(Stack::UsbStorage, 2.0)];
        let standings = standings(&rows);
        assert!(standings[0].is_reached && (standings[0].measured - 1.6).abs() < 1e-9);
        assert!(!standings[1].is_reached, "it costs as much");
    }
}
