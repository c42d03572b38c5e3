//! The table of a run, and the page it is kept on.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::figures::Figures;

const BEGIN: &str = "<!-- figures: cargo xtask fuzz --record -->\n";
const END: &str = "<!-- end of figures -->\n";

/// The closing table, which is also Markdown.
pub(super) fn table(all: &[(String, Figures)]) -> String {
    let mut text = heading();
    for (target, figures) in all {
        text += &row(target, figures);
    }
    text
}

fn heading() -> String {
    let titles = [
        "target",
        "seconds",
        "executions",
        "edges",
        "features",
        "findings",
    ];
    let [target, rest @ ..] = titles;
    let mut text = format!("| {target:<18} |");
    for title in rest {
        text += &format!(" {title:>12} |");
    }
    text + "\n|--------------------|" + &"-------------:|".repeat(rest.len()) + "\n"
}

fn row(target: &str, figures: &Figures) -> String {
    let findings = u8::from(figures.finding.is_some());
    format!(
        "| {target:<18} | {:>12} | {:>12} | {:>12} | {:>12} | {findings:>12} |\n",
        figures.seconds, figures.executions, figures.coverage, figures.features
    )
}

/// Puts the rows of these targets in place of their older ones.
pub(super) fn record(page: &Path, all: &[(String, Figures)]) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("read {}", page.display()))?;
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{} has no place for figures", page.display()))?;
    let (old, after) = rest
        .split_once(END)
        .with_context(|| format!("{} has no end of its figures", page.display()))?;
    let mut rows: Vec<String> = old
        .lines()
        .skip(heading().lines().count())
        .map(|line| format!("{line}\n"))
        .collect();
    for (target, figures) in all {
        let begins = format!("| {target} ");
        let new = row(target, figures);
        match rows.iter_mut().find(|row| row.starts_with(&begins)) {
            Some(row) => *row = new,
            None => rows.push(new),
        }
    }
    let text = [before, BEGIN, &heading(), &rows.concat(), END, after].concat();
    fs::write(page, text).with_context(|| format!("write {}", page.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_replaced_and_the_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("page.md");
        fs::write(&page, format!("before\n{BEGIN}{}{END}after\n", heading())).unwrap();
        let figures = |executions| Figures {
            executions,
            ..Figures::default()
        };
        record(
            &page,
            &[("bot".into(), figures(1)), ("setup".into(), figures(2))],
        )
        .unwrap();
        record(&page, &[("bot".into(), figures(3))]).unwrap();
        let wanted = [
            ("bot".to_owned(), figures(3)),
            ("setup".to_owned(), figures(2)),
        ];
        let expected = format!("before\n{BEGIN}{}{END}after\n", table(&wanted));
        assert_eq!(fs::read_to_string(&page).unwrap(), expected);
    }
}
