//! `cargo xtask picture`: what the demo prints, as the picture in the README.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{cargo, progress};

const PICTURE: &str = "docs/demo.svg";
/// What a user types to see the same.
const COMMAND: &str = "cargo run --release -- demo";

/// Pixels of a character cell, of the border, and of the title bar.
const CELL: (f64, f64) = (8.4, 18.0);
const BORDER: f64 = 16.0;
const TITLE_BAR: f64 = 30.0;

/// Runs the demo and writes the picture.
pub(crate) fn run() -> Result<u8> {
    progress::say("building the command");
    let program = cargo::optimized_program(cargo::COMMAND)?;
    let output = Command::new(program)
        .arg("demo")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("run the demo")?;
    ensure!(output.status.success(), "the demo: {}", output.status);
    let printed = String::from_utf8(output.stdout)?;
    let workspace = cargo::workspace();
    let path = workspace.join(PICTURE);
    fs::write(&path, draw(&printed)?).with_context(|| format!("write {}", path.display()))?;
    progress::say(&format!("{} is new", path.display()));
    Ok(0)
}

/// A terminal with the command and what it printed.
fn draw(printed: &str) -> Result<String> {
    let lines: Vec<&str> = printed.lines().collect();
    let columns = lines.iter().map(|line| line.chars().count()).max();
    let columns = columns.unwrap_or_default().max(COMMAND.len() + 2);
    let width = columns as f64 * CELL.0 + 2.0 * BORDER;
    let height = (lines.len() + 2) as f64 * CELL.1 + TITLE_BAR + BORDER;
    let mut svg = String::new();
    write!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" role="img" aria-label="A terminal in which usbfs2 demo ran">
<rect width="100%" height="100%" rx="8" fill="#1e2127"/>
<g fill="#565c64"><circle cx="20" cy="16" r="6"/><circle cx="40" cy="16" r="6"/><circle cx="60" cy="16" r="6"/></g>
<g font-family="'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" fill="#d7dae0" xml:space="preserve">
"##
    )?;
    write_line(&mut svg, 0, "$ ", "#98c379", 0)?;
    write_line(&mut svg, 0, COMMAND, "#ffffff", 2)?;
    for (row, line) in lines.iter().enumerate() {
        let colour = match line {
            line if line.starts_with("Everything that was sent") => "#98c379",
            line if line.contains("cable pulled") => "#e5c07b",
            line if line.starts_with(['─', '═']) => "#565c64",
            _ => "#d7dae0",
        };
        write_line(&mut svg, row + 2, line, colour, 0)?;
    }
    svg += "</g>\n</svg>\n";
    Ok(svg)
}

fn write_line(svg: &mut String, row: usize, line: &str, colour: &str, column: usize) -> Result<()> {
    let text = line.trim_end();
    if text.is_empty() {
        return Ok(());
    }
    let indent = text
        .chars()
        .take_while(|character| *character == ' ')
        .count();
    let text = text.trim_start();
    let x = BORDER + (column + indent) as f64 * CELL.0;
    let y = TITLE_BAR + (row as f64 + 0.8) * CELL.1;
    // Whatever font there is, a table's columns stand below each other.
    let length = text.chars().count() as f64 * CELL.0;
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" fill="{colour}" textLength="{length:.1}" lengthAdjust="spacingAndGlyphs">{text}</text>"#
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_empty_lines_only_take_room() {
        let svg = draw("a < b & c\n\nEverything that was sent arrived.\n").unwrap();
        assert!(svg.contains(">a &lt; b &amp; c</text>"), "{svg}");
        assert_eq!(svg.matches("<text ").count(), 4);
        assert!(svg.contains("fill=\"#98c379\" textLength"));
    }
}
