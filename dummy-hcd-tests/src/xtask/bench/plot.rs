//! Rows as bars: a panel for each column of the tables, a bar for each stack.

use std::path::Path;

use anyhow::{Result, anyhow};
use dummy_hcd_tests::bench_row::{Row, Stack};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::table::{Block, Column, OURS, blocks};

const PANEL_WIDTH: u32 = 250;
/// Room for a row's title.
const TITLE_HEIGHT: u32 = 34;
const LEGEND_HEIGHT: u32 = 64;
const PANELS_IN_A_ROW: usize = 6;

const TEXT: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(120, 126, 138);

/// Ours stand out, the peers come in pairs of a colour, the kernel's own are grey.
fn colour(stack: Stack) -> RGBColor {
    match stack {
        Stack::Kernel => RGBColor(150, 154, 162),
        Stack::UsbfsRaw => RGBColor(120, 94, 170),
        Stack::Libusb => RGBColor(140, 182, 222),
        Stack::LibusbZerocopy => RGBColor(58, 120, 184),
        Stack::Nusb => RGBColor(158, 208, 170),
        Stack::NusbZerocopy => RGBColor(62, 146, 92),
        Stack::Usbfs2File => RGBColor(244, 164, 96),
        Stack::Usbfs2Host => RGBColor(214, 84, 38),
        Stack::UsbStorage | Stack::Hidraw | Stack::SndUsbAudio => RGBColor(104, 110, 122),
    }
}

/// A row of panels.
struct Strip {
    title: String,
    panels: Vec<(String, Column)>,
}

impl Strip {
    /// As high as its largest panel.
    fn height(&self) -> u32 {
        let bars = self
            .panels
            .iter()
            .map(|(_, column)| column.rows.len())
            .max();
        let bars = u32::try_from(bars.unwrap_or(0)).unwrap_or(u32::MAX);
        TITLE_HEIGHT
            + BARS_TOP.unsigned_abs()
            + bars.saturating_mul(BAR_STEP.unsigned_abs())
            + SPACE_BELOW
    }
}

/// Draws `rows` to an SVG file.
pub(crate) fn draw(rows: &[Row], path: &Path) -> Result<()> {
    let blocks = blocks(rows);
    let strips = strips(&blocks);
    let widest = strips
        .iter()
        .map(|strip| strip.panels.len())
        .max()
        .unwrap_or(1);
    let strips_height = strips.iter().map(Strip::height).sum::<u32>();
    let width = PANEL_WIDTH * u32::try_from(widest)?.max(4);
    let size = (width, LEGEND_HEIGHT + strips_height);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    let (legend, mut rest) = area.split_vertically(LEGEND_HEIGHT);
    let stacks = Stack::ALL
        .iter()
        .filter(|stack| rows.iter().any(|row| row.spec.stack == **stack));
    draw_legend(&legend, stacks)?;
    for strip in strips {
        let (this, below) = rest.split_vertically(strip.height());
        draw_strip(&this, &strip)?;
        rest = below;
    }
    area.present().map_err(failed)
}

/// A table of several columns is a row of panels; tables of one column share one.
fn strips(blocks: &[Block]) -> Vec<Strip> {
    let (wide, narrow): (Vec<_>, Vec<_>) = blocks.iter().partition(|block| block.columns.len() > 1);
    let mut strips = Vec::new();
    for block in wide {
        let panels = block
            .columns
            .iter()
            .map(|column| (column.title.clone(), column.clone()));
        strips.push(Strip {
            title: block.title.clone(),
            panels: panels.collect(),
        });
    }
    for blocks in narrow.chunks(PANELS_IN_A_ROW) {
        let panels = blocks.iter().flat_map(|block| {
            block
                .columns
                .iter()
                .map(|column| (format!("{}, {}", block.title, column.title), column.clone()))
        });
        strips.push(Strip {
            title: String::new(),
            panels: panels.collect(),
        });
    }
    strips
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("draw the plot: {error}")
}

fn font(size: u32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

fn draw_legend<'a>(area: &Area<'_>, stacks: impl Iterator<Item = &'a Stack>) -> Result<()> {
    let about = "A transfer's cost in instructions of the whole system, and how many times that of usbfs2-host; shorter is better";
    area.draw(&Text::new(about, (12, 10), font(17, TEXT)))
        .map_err(failed)?;
    let mut x = 12;
    for &stack in stacks {
        area.draw(&Rectangle::new(
            [(x, 40), (x + 12, 52)],
            colour(stack).filled(),
        ))
        .map_err(failed)?;
        area.draw(&Text::new(stack.word(), (x + 17, 39), font(14, TEXT)))
            .map_err(failed)?;
        x += 34 + i32::try_from(stack.word().len())? * 8;
    }
    Ok(())
}

fn draw_strip(area: &Area<'_>, strip: &Strip) -> Result<()> {
    area.draw(&Text::new(strip.title.clone(), (12, 12), font(16, TEXT)))
        .map_err(failed)?;
    let (_, panels) = area.split_vertically(TITLE_HEIGHT);
    let mut rest = panels;
    for (title, column) in &strip.panels {
        let (panel, right) = rest.split_horizontally(PANEL_WIDTH);
        draw_panel(&panel, title, column)?;
        rest = right;
    }
    Ok(())
}

/// Where a panel's bars begin and end, and the space of one.
const BARS_LEFT: i32 = 12;
const BARS_TOP: i32 = 24;
const LONGEST_BAR: f64 = 150.0;
const BAR_STEP: i32 = 19;
const SPACE_BELOW: u32 = 14;
const BAR_THICKNESS: i32 = 14;

fn draw_panel(area: &Area<'_>, title: &str, column: &Column) -> Result<()> {
    area.draw(&Text::new(
        title.to_owned(),
        (BARS_LEFT, 2),
        font(13, FAINT),
    ))
    .map_err(failed)?;
    let most = column
        .rows
        .iter()
        .map(|row| row.ns_per_transfer)
        .fold(1.0, f64::max);
    let mut rows = column.rows.clone();
    rows.sort_by_key(|row| row.spec.stack);
    let mut top = BARS_TOP;
    for row in rows {
        #[expect(clippy::cast_possible_truncation, reason = "at most LONGEST_BAR")]
        let length = (row.ns_per_transfer / most * LONGEST_BAR).round() as i32;
        let end = BARS_LEFT + length.max(1);
        let stack = row.spec.stack;
        area.draw(&Rectangle::new(
            [(BARS_LEFT, top), (end, top + BAR_THICKNESS)],
            colour(stack).filled(),
        ))
        .map_err(failed)?;
        let ratio = match column.ratio(stack) {
            Some(ratio) if stack != OURS => format!(" · {ratio:.2}×"),
            _ => String::new(),
        };
        let label = format!("{}{ratio}", thousands(row.ns_per_transfer));
        let style = font(12, TEXT).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(label, (end + 5, top + BAR_THICKNESS / 2), style))
            .map_err(failed)?;
        top += BAR_STEP;
    }
    Ok(())
}

/// Three digits and a unit: "8.74k", "96.9k", "2.60M".
fn thousands(value: f64) -> String {
    let (value, unit) = match value {
        1e6.. => (value / 1e6, "M"),
        1e3.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dummy_hcd_tests::bench_row::{Case, Direction, Spec, Speed};

    #[test]
    fn labels_have_three_digits() {
        let labels = [7.5, 950.0, 8739.0, 96_920.0, 149_120.0, 2_603_326.0].map(thousands);
        assert_eq!(labels, ["7.50", "950", "8.74k", "96.9k", "149k", "2.60M"]);
    }

    #[test]
    fn a_plot_has_a_bar_for_each_row_and_no_row_is_an_empty_one() {
        let spec = Spec {
            case: Case::Bulk,
            stack: Stack::Nusb,
            speed: Speed::High,
            direction: Direction::In,
            bytes: 512,
            depth: 16,
        };
        let row = |stack, ns_per_transfer| Row {
            spec: Spec { stack, ..spec },
            ns_per_transfer,
            transfers_per_second: 1.0,
            syscalls_per_transfer: 1.0,
            median_ns: None,
            p99_ns: None,
        };
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("plot.svg");
        draw(&[row(Stack::Nusb, 9000.0), row(OURS, 6000.0)], &path).expect("a plot");
        let svg = std::fs::read_to_string(&path).expect("a file");
        assert!(
            svg.contains("9.00k · 1.50×") && svg.contains("6.00k"),
            "{svg}"
        );
        draw(&[], &path).expect("a plot without bars");
    }
}
