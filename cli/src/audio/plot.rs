//! `--plot`: a stream's level, buffer and clock over time, as SVG.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::level::decibels;
use super::trace::{Moment, Trace};

const SIZE: (u32, u32) = (960, 640);
const TITLE_HEIGHT: u32 = 36;
/// The quietest that the level's panel shows, in dBFS.
const FLOOR: f64 = -72.0;

const TEXT: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(216, 219, 226);
const LEVEL: RGBColor = RGBColor(62, 146, 92);
const BUFFER: RGBColor = RGBColor(58, 120, 184);
const RATE: RGBColor = RGBColor(214, 84, 38);
const XRUN: RGBColor = RGBColor(196, 30, 58);

/// What a plot is of.
pub(crate) struct Plot<'a> {
    /// The line on top.
    pub(crate) title: &'a str,
    /// Frames in a second, by the device's own count of them: what its feedback differs from.
    pub(crate) nominal_rate: u32,
    pub(crate) trace: &'a Trace,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Plot<'_> {
    /// Draws it to a file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let moments: Vec<&Moment> = self.trace.moments().collect();
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let (title, panels) = area.split_vertically(TITLE_HEIGHT);
        let style = ("sans-serif", 18).into_font().color(&TEXT);
        title
            .draw(&Text::new(self.title.to_owned(), (14, 12), style))
            .map_err(failed)?;
        let panels = panels.split_evenly((3, 1));
        let end = moments.last().map_or(0.0, |moment| moment.at.as_secs_f64());
        let time = 0.0..end.max(0.001);
        self.level(&panels[0], &time, &moments)?;
        self.buffer(&panels[1], &time, &moments)?;
        self.rate(&panels[2], &time, &moments)?;
        area.present().map_err(failed)
    }

    fn level(&self, area: &Area<'_>, time: &Range<f64>, moments: &[&Moment]) -> Result<()> {
        let name = "level of the loudest channel, dBFS: peak (light) and RMS";
        let mut chart = panel(area, name, time, FLOOR..0.0)?;
        let level = |of: fn(&Moment) -> f64| {
            let point =
                move |moment: &&Moment| (moment.at.as_secs_f64(), decibels(of(moment)).max(FLOOR));
            moments.iter().map(point).collect::<Vec<_>>()
        };
        let peaks = AreaSeries::new(level(|moment| moment.peak), FLOOR, LEVEL.mix(0.25));
        chart.draw_series(peaks).map_err(failed)?;
        let rms = LineSeries::new(level(|moment| moment.rms), LEVEL.stroke_width(2));
        chart.draw_series(rms).map_err(failed)?;
        Ok(())
    }

    /// The buffer between its emptiest and its fullest, and a mark where it ran dry or over.
    fn buffer(&self, area: &Area<'_>, time: &Range<f64>, moments: &[&Moment]) -> Result<()> {
        let most = moments
            .iter()
            .map(|moment| moment.fill.1)
            .fold(0.0, f64::max);
        let breaks = moments.last().map_or(0, |moment| moment.xruns);
        let name = match breaks {
            0 => "buffered sound, ms (no xrun)".to_owned(),
            1 => "buffered sound, ms (1 xrun: red)".to_owned(),
            n => format!("buffered sound, ms ({n} xruns: red)"),
        };
        let mut chart = panel(area, &name, time, 0.0..(most * 1.15).max(1.0))?;
        let at = |moment: &&Moment| moment.at.as_secs_f64();
        let lower = moments.iter().map(|moment| (at(moment), moment.fill.0));
        let upper = moments.iter().map(|moment| (at(moment), moment.fill.1));
        let around: Vec<_> = lower.clone().chain(upper.rev()).collect();
        let band = Polygon::new(around, BUFFER.mix(0.25));
        chart.draw_series([band]).map_err(failed)?;
        let line = LineSeries::new(lower, BUFFER.stroke_width(2));
        chart.draw_series(line).map_err(failed)?;
        let broken = moments
            .windows(2)
            .filter(|pair| pair[0].xruns < pair[1].xruns);
        let marks = broken.map(|pair| {
            let at = at(&pair[1]);
            PathElement::new(vec![(at, 0.0), (at, most * 1.15)], XRUN.stroke_width(1))
        });
        chart.draw_series(marks).map_err(failed)?;
        Ok(())
    }

    fn rate(&self, area: &Area<'_>, time: &Range<f64>, moments: &[&Moment]) -> Result<()> {
        let nominal = f64::from(self.nominal_rate);
        let points: Vec<(f64, f64)> = moments
            .iter()
            .filter_map(|moment| {
                let off = (moment.rate? / nominal - 1.0) * 1e6;
                Some((moment.at.as_secs_f64(), off))
            })
            .collect();
        let name = if points.is_empty() {
            "feedback: the device gives none".into()
        } else {
            format!("feedback, ppm off {} Hz", self.nominal_rate)
        };
        let (least, most) = points
            .iter()
            .fold((-10.0_f64, 10.0_f64), |(least, most), (_, off)| {
                (least.min(*off), most.max(*off))
            });
        let room = (most - least) * 0.1;
        let mut chart = panel(area, &name, time, least - room..most + room)?;
        let line = LineSeries::new(points, RATE.stroke_width(2));
        chart.draw_series(line).map_err(failed)?;
        Ok(())
    }
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// An empty panel with its axes.
fn panel<'a, 'b>(
    area: &'a Area<'b>,
    name: &str,
    time: &Range<f64>,
    values: Range<f64>,
) -> Result<Chart<'a, 'b>> {
    let font = |size: u32| ("sans-serif", size).into_font().color(&TEXT);
    let mut chart = ChartBuilder::on(area)
        .caption(name, font(14))
        .margin_right(20)
        .margin_left(8)
        .x_label_area_size(24)
        .y_label_area_size(52)
        .build_cartesian_2d(time.clone(), values)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(FAINT)
        .label_style(font(12))
        .x_label_formatter(&|seconds| format!("{seconds:.3} s").replace(".000 s", " s"))
        .y_label_formatter(&|value| format!("{}", (value * 1000.0).round() / 1000.0))
        .y_labels(6)
        .draw()
        .map_err(failed)?;
    Ok(chart)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw the plot: {error}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::super::level::Level;
    use super::*;

    fn moment(step: u64, rate: Option<f64>, xruns: u64) -> Moment {
        let phase = step as f64 / 40.0;
        let level = Level {
            peak: 0.5 + 0.4 * phase.sin(),
            rms: 0.2 + 0.15 * phase.sin(),
            clipped: 0,
        };
        Moment {
            rate,
            xruns,
            ..Moment::new(
                Duration::from_millis(50 * step),
                &[level],
                30.0 + 4.0 * (phase * 3.0).cos(),
            )
        }
    }

    fn drawn(moments: impl Iterator<Item = Moment>) -> String {
        let mut trace = Trace::new();
        moments.for_each(|moment| trace.add(moment));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plot.svg");
        let plot = Plot {
            title: "played 30.0 s at 48000 Hz, 2 channels, 16 bits",
            nominal_rate: 48_000,
            trace: &trace,
        };
        plot.write(&path).unwrap();
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_stream_is_drawn_with_its_breaks_and_its_clock() {
        let svg = drawn((0..600).map(|step| {
            let off = 24.0 * (1.0 - (-(step as f64) / 100.0).exp());
            moment(step, Some(48_000.0 + off), u64::from(step >= 300))
        }));
        assert!(svg.contains("played 30.0 s at 48000 Hz"), "{svg}");
        assert!(
            svg.contains("ppm off 48000 Hz") && svg.contains("1 xrun"),
            "{svg}"
        );
        // The colour of xruns.
        assert_eq!(svg.matches("#C41E3A").count(), 1);
    }

    #[test]
    fn a_stream_without_feedback_or_of_no_length_is_drawn_too() {
        let svg = drawn((0..10).map(|step| moment(step, None, 0)));
        assert!(svg.contains("the device gives none") && svg.contains("no xrun"));
        drawn((0..1).map(|step| moment(step, Some(48_000.0), 0)));
        drawn(std::iter::empty());
    }
}
