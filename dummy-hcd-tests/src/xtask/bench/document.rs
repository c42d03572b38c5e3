//! `docs/benchmarks.md`: its marked part and its plot are made by the command, the rest is written by hand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::{Case, Row, spread};

use super::guest_run::Measured;
use super::{plot, table, targets};

/// A part of the page that the command writes.
#[derive(Debug, Clone, Copy)]
struct Part {
    begin: &'static str,
    end: &'static str,
}

const TRANSFERS: Part = Part {
    begin: "<!-- cargo xtask bench --document: begin -->\n",
    end: "<!-- cargo xtask bench --document: end -->\n",
};
const STREAMS: Part = Part {
    begin: "<!-- cargo xtask bench --document --case audio: begin -->\n",
    end: "<!-- cargo xtask bench --document --case audio: end -->\n",
};

/// Rewrites the marked parts of the page that `measured` has rows for, and the plot beside it.
pub(crate) fn write(measured: &Measured) -> Result<()> {
    let (streams, transfers) = measured
        .rows
        .iter()
        .cloned()
        .partition::<Vec<_>, _>(|(row, _)| row.spec.case == Case::Audio);
    for (part, rows) in [(TRANSFERS, &transfers), (STREAMS, &streams)] {
        if !rows.is_empty() {
            write_part(part, &section(&measured.kernel, rows))?;
        }
    }
    if !transfers.is_empty() {
        let rows = transfers.iter().map(|(row, _)| *row).collect::<Vec<_>>();
        plot::draw(&rows, &directory().join("benchmarks.svg"))?;
    }
    Ok(())
}

fn write_part(part: Part, section: &str) -> Result<()> {
    let docs = directory();
    let path = docs.join("benchmarks.md");
    let page = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let page = replaced(&page, part, section)
        .with_context(|| format!("{} has not one pair of {part:?}", path.display()))?;
    fs::write(&path, page).with_context(|| format!("write {}", path.display()))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// `page` with `section` between the part's marks.
fn replaced(page: &str, part: Part, section: &str) -> Option<String> {
    let (before, rest) = page.split_once(part.begin)?;
    let (_, after) = rest.split_once(part.end)?;
    Some([before, part.begin, section, part.end, after].concat())
}

fn section(kernel: &str, measured: &[(Row, Vec<f64>)]) -> String {
    let worst = measured
        .iter()
        .map(|(_, runs)| spread(runs))
        .fold(0.0, f64::max);
    let mut text = format!(
        "\nKernel {}. {} rows, each measured twice; the two are at most {:.2} % apart.\n",
        kernel,
        measured.len(),
        worst * 100.0
    );
    let rows = measured.iter().map(|(row, _)| *row).collect::<Vec<_>>();
    for block in table::blocks(&rows) {
        let table = table::render(&block);
        text.push_str(&format!("\n### {}\n\n{table}\n", block.title));
    }
    if let Some(table) = targets::render(&targets::standings(&rows)) {
        text.push_str(&format!("\n### figures to reach, high speed\n\n{table}\n"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marked_part_changes() {
        let Part { begin, end } = TRANSFERS;
        let page = format!("# Title\n\n{begin}old\n{end}by hand\n");
        assert_eq!(
            replaced(&page, TRANSFERS, "new\n"),
            Some(format!("# Title\n\n{begin}new\n{end}by hand\n"))
        );
        assert_eq!(replaced(&page, STREAMS, "new"), None);
    }

    #[test]
    fn the_page_has_its_marks() {
        let page = fs::read_to_string(directory().join("benchmarks.md")).expect("the page");
        for part in [TRANSFERS, STREAMS] {
            assert!(replaced(&page, part, "").is_some(), "{part:?}");
        }
    }
}
