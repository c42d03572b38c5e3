//! Rows as tables of text: a table for each case, speed and direction, a line for each stack.

use comfy_table::presets;
use comfy_table::{Cell, CellAlignment, Table};
use dummy_hcd_tests::bench_row::{Case, Direction, Row, Stack};

use super::targets;

/// What the others are compared with.
pub(crate) const OURS: Stack = Stack::Usbfs2Host;

/// Bytes of a millisecond of 48 kHz stereo, 16 bits.
const AUDIO_BYTES: u32 = 192;

/// One table: the rows of a case that differ in what its columns say, and in the stack.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) title: String,
    pub(crate) columns: Vec<Column>,
    /// The stacks that have a row, in the order of the vocabulary.
    pub(crate) stacks: Vec<Stack>,
}

/// Rows that can be compared with each other: one for each stack.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

impl Column {
    pub(crate) fn row(&self, stack: Stack) -> Option<&Row> {
        self.rows.iter().find(|row| row.spec.stack == stack)
    }

    /// How many times what ours costs `stack` does.
    pub(crate) fn ratio(&self, stack: Stack) -> Option<f64> {
        Some(self.row(stack)?.ns_per_transfer / self.row(OURS)?.ns_per_transfer)
    }
}

/// How a number of bytes is written in titles.
pub(crate) fn size(bytes: u32) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// `rows` sorted into tables.
pub(crate) fn blocks(rows: &[Row]) -> Vec<Block> {
    let mut blocks = Vec::<(String, Vec<Row>)>::new();
    let mut sorted = rows.to_vec();
    // Where a table is about one speed and direction, these come first.
    sorted.sort_by_key(|row| {
        let spec = row.spec;
        (
            spec.case,
            spec.speed,
            spec.direction,
            spec.bytes,
            spec.depth,
            spec.stack,
        )
    });
    for row in sorted {
        let title = block_title(&row);
        match blocks.last_mut() {
            Some((last, rows)) if *last == title => rows.push(row),
            _ => blocks.push((title, vec![row])),
        }
    }
    blocks
        .into_iter()
        .map(|(title, rows)| block(title, &rows))
        .collect()
}

fn block(title: String, rows: &[Row]) -> Block {
    let mut columns = Vec::<Column>::new();
    for row in rows {
        let title = column_title(row);
        match columns.iter_mut().find(|column| column.title == title) {
            Some(column) => column.rows.push(*row),
            None => columns.push(Column {
                title,
                rows: vec![*row],
            }),
        }
    }
    let has = |stack: &&Stack| rows.iter().any(|row| row.spec.stack == **stack);
    Block {
        title,
        columns,
        stacks: Stack::ALL.iter().filter(has).copied().collect(),
    }
}

fn block_title(row: &Row) -> String {
    let spec = row.spec;
    let (case, speed, direction) = (spec.case, spec.speed, spec.direction);
    match (case, direction) {
        (Case::Bulk, _) => format!("{case}, {speed} speed, {direction}"),
        (Case::Storage, Direction::In) => format!("{case}, {speed} speed, read"),
        (Case::Storage, Direction::Out) => format!("{case}, {speed} speed, write"),
        (Case::Hid, _) => format!("{case}, {speed} speed, a keyboard's report"),
        (Case::Audio, Direction::In) => format!("{case}, a second of 48 kHz stereo recorded"),
        (Case::Audio, Direction::Out) => format!("{case}, a second of 48 kHz stereo played"),
        (Case::Control | Case::Interrupt, _) => format!("{case}, {}", size(spec.bytes)),
    }
}

fn column_title(row: &Row) -> String {
    let spec = row.spec;
    match spec.case {
        Case::Bulk => format!("{}, depth {}", size(spec.bytes), spec.depth),
        Case::Storage if spec.bytes <= 4096 => format!("{} at random", size(spec.bytes)),
        Case::Storage => format!("{} in sequence", size(spec.bytes)),
        Case::Control | Case::Interrupt => format!("{} speed, {}", spec.speed, spec.direction),
        Case::Hid => size(spec.bytes),
        Case::Audio => format!("{} ms kept", spec.bytes / AUDIO_BYTES),
    }
}

/// The tables for a terminal.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut text = String::from(
        "A transfer's cost in instructions of the whole system, in brackets how many times the cost by usbfs2-host\n\
         (above 1.00 ours is cheaper), then its system calls. Of a stream: millions of instructions and system calls\n\
         for a second of it, and from program to program the median latency in frames (and that of 99 in 100).\n",
    );
    for block in blocks(rows) {
        let table = render(&block);
        text.push_str(&format!("\n{}\n{table}\n", block.title));
    }
    if let Some(table) = targets::render(&targets::standings(rows)) {
        text.push_str(&format!("\nfigures to reach, high speed\n{table}\n"));
    }
    text
}

/// One table, which is Markdown too.
pub(crate) fn render(block: &Block) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let rows = || block.columns.iter().flat_map(|column| &column.rows);
    let streams = rows().any(|row| row.spec.case == Case::Audio);
    let latencies = !streams && rows().any(|row| row.median_ns.is_some());
    let mut header = vec!["stack".to_owned()];
    for column in &block.columns {
        header.push(column.title.clone());
        if streams {
            header.push("late by, in frames".to_owned());
        }
    }
    if latencies {
        header.extend(["median latency".to_owned(), "99 of 100 within".to_owned()]);
    }
    table.set_header(header);
    for &stack in &block.stacks {
        let mut cells = vec![Cell::new(stack)];
        for column in &block.columns {
            cells.push(Cell::new(cell(column, stack)).set_alignment(CellAlignment::Right));
            if streams {
                let late = column.row(stack).map_or(String::new(), frames_late);
                cells.push(Cell::new(late).set_alignment(CellAlignment::Right));
            }
        }
        if latencies {
            let row = block.columns.iter().find_map(|column| column.row(stack));
            let microseconds = |ns: Option<u64>| {
                let [whole, tenth] = ns.map_or([0, 0], |ns| [ns / 1000, ns % 1000 / 100]);
                Cell::new(format!("{whole}.{tenth} us")).set_alignment(CellAlignment::Right)
            };
            cells.push(microseconds(row.and_then(|row| row.median_ns)));
            cells.push(microseconds(row.and_then(|row| row.p99_ns)));
        }
        table.add_row(cells);
    }
    table
}

/// The median, and what one frame in a hundred exceeds.
fn frames_late(row: &Row) -> String {
    let frames = |ns: Option<u64>| ns.map_or(0, |ns| (ns * 48).div_ceil(1_000_000));
    format!("{} ({})", frames(row.median_ns), frames(row.p99_ns))
}

fn cell(column: &Column, stack: Stack) -> String {
    let Some(row) = column.row(stack) else {
        return String::new();
    };
    let ratio = column
        .ratio(stack)
        .map_or(String::new(), |ratio| format!(" ({ratio:.2})"));
    if row.spec.case == Case::Audio {
        // A transfer is a millisecond: these are thousands a second, and calls in one.
        let (thousands, calls) = (row.ns_per_transfer, row.syscalls_per_transfer * 1000.0);
        return format!("{:.2} M{ratio} {calls:.0}", thousands / 1000.0);
    }
    format!(
        "{:.0}{ratio} {:.1}",
        row.ns_per_transfer, row.syscalls_per_transfer
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use dummy_hcd_tests::bench_row::{Spec, Speed};

    fn row(stack: Stack, bytes: u32, depth: u32, ns_per_transfer: f64) -> Row {
        let spec = Spec {
            case: Case::Bulk,
            stack,
            speed: Speed::High,
            direction: Direction::In,
            bytes,
            depth,
        };
        Row {
            spec,
            ns_per_transfer,
            transfers_per_second: 1.0,
            syscalls_per_transfer: 2.0,
            median_ns: None,
            p99_ns: None,
        }
    }

    #[test]
    fn stacks_are_compared_with_ours_in_the_same_column() {
        let rows = [
            row(Stack::Libusb, 512, 16, 3000.0),
            row(OURS, 512, 16, 2000.0),
            row(OURS, 65536, 1, 10000.0),
        ];
        let blocks = blocks(&rows);
        let [block] = &blocks[..] else {
            panic!("{} tables", blocks.len());
        };
        assert_eq!(block.title, "bulk, high speed, in");
        let titles = block
            .columns
            .iter()
            .map(|column| &*column.title)
            .collect::<Vec<_>>();
        assert_eq!(titles, ["512 B, depth 16", "64 KiB, depth 1"]);
        assert_eq!(cell(&block.columns[0], Stack::Libusb), "3000 (1.50) 2.0");
        assert_eq!(cell(&block.columns[1], Stack::Libusb), "");
        let text = text(&rows);
        assert!(text.contains("2000 (1.00) 2.0"), "{text}");
    }

    #[test]
    fn without_ours_there_is_no_ratio() {
        let rows = [row(Stack::Nusb, 4096, 1, 20.4)];
        assert_eq!(cell(&blocks(&rows)[0].columns[0], Stack::Nusb), "20 2.0");
    }

    #[test]
    fn a_stream_is_told_by_the_second_and_its_latency_in_frames() {
        let mut stream = row(OURS, 384, 1, 12_345.0);
        stream.spec.case = Case::Audio;
        (stream.median_ns, stream.p99_ns) = (Some(1_000_000), Some(2_000_001));
        let text = text(&[stream]);
        for expected in ["12.35 M (1.00) 2000", "48 (97)", "2 ms kept", "recorded"] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn latencies_have_columns_of_their_own() {
        let mut hid = row(OURS, 8, 1, 100.0);
        hid.spec.case = Case::Hid;
        (hid.median_ns, hid.p99_ns) = (Some(82_827), Some(143_083));
        let text = text(&[hid]);
        assert!(
            text.contains("82.8 us") && text.contains("143.0 us"),
            "{text}"
        );
    }
}
