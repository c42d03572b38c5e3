//! `docs/benchmarks.md`: its marked part and its plot are made by the command, the rest is written by hand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::spread;

use super::guest_run::Measured;
use super::{plot, table};

const BEGIN: &str = "<!-- cargo xtask bench --document: begin -->\n";
const END: &str = "<!-- cargo xtask bench --document: end -->\n";

/// Rewrites the marked part of the page, and the plot beside it.
pub(crate) fn write(measured: &Measured) -> Result<()> {
    let docs = directory();
    let path = docs.join("benchmarks.md");
    let page = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let page = replaced(&page, &section(measured))
        .with_context(|| format!("{} has not one pair of marks", path.display()))?;
    fs::write(&path, page).with_context(|| format!("write {}", path.display()))?;
    plot::draw(&measured.rows(), &docs.join("benchmarks.svg"))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// `page` with `section` between its marks.
fn replaced(page: &str, section: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, BEGIN, section, END, after].concat())
}

fn section(measured: &Measured) -> String {
    let worst = measured
        .rows
        .iter()
        .map(|(_, runs)| spread(runs))
        .fold(0.0, f64::max);
    let mut text = format!(
        "\nKernel {}. {} rows, each measured twice; the two are at most {:.2} % apart.\n",
        measured.kernel,
        measured.rows.len(),
        worst * 100.0
    );
    for block in table::blocks(&measured.rows()) {
        let table = table::render(&block);
        text.push_str(&format!("\n### {}\n\n{table}\n", block.title));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marked_part_changes() {
        let page = format!("# Title\n\n{BEGIN}old\n{END}by hand\n");
        assert_eq!(
            replaced(&page, "new\n"),
            Some(format!("# Title\n\n{BEGIN}new\n{END}by hand\n"))
        );
        assert_eq!(replaced("no marks", "new"), None);
    }

    #[test]
    fn the_page_has_its_marks() {
        let page = fs::read_to_string(directory().join("benchmarks.md")).expect("the page");
        assert!(replaced(&page, "").is_some());
    }
}
