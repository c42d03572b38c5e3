//! `usbfs2 hid info`.

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use usbfs2_hid::report_descriptor::{Field, Report};
use usbfs2_hid::{HidDevice, ReportDescriptor};
use usbfs2_host::Host;

use super::{descriptor, names};
use crate::args::HidInfoArgs;
use crate::output::{note, say};

/// Prints what a device's reports are made of.
pub(super) fn run(host: &Host, args: &HidInfoArgs) -> Result<()> {
    let device = super::open(host, &args.device)?;
    if args.items {
        for line in descriptor::lines(device.report_descriptor_bytes()) {
            say!("{line}")?;
        }
        return Ok(());
    }
    let descriptor = device.report_descriptor().map_err(Clone::clone)?;
    let rows: Vec<Row> = descriptor
        .reports()
        .iter()
        .flat_map(|report| report.fields.iter().map(move |field| (report, field)))
        .map(|(report, field)| Row::of(descriptor, report, field))
        .collect();
    if args.output.json {
        say!("{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(());
    }
    say!("{}", headline(&device))?;
    for report in descriptor.reports() {
        let id = match report.id {
            0 => String::new(),
            id => format!(" {id}"),
        };
        say!(
            "\n{} report{id}, {} bytes",
            report.report_type,
            report.length()
        )?;
        let same =
            |row: &&Row| row.report == report.report_type.to_string() && row.report_id == report.id;
        say!("{}", table(rows.iter().filter(same)))?;
    }
    if descriptor.reports().is_empty() {
        note!("its report descriptor has no reports");
    }
    Ok(())
}

fn headline(device: &HidDevice) -> String {
    let info = device.device().info();
    let applications = device.report_descriptor().map_or_else(
        |_| String::new(),
        |descriptor| {
            let names: Vec<String> = descriptor.applications().map(names::usage).collect();
            names.join(", ")
        },
    );
    format!(
        "{} interface {}: {applications}{}, report descriptor of {} bytes",
        info.id(),
        device.interface().number(),
        if device.has_boot_protocol() {
            ", with a boot protocol"
        } else {
            ""
        },
        device.report_descriptor_bytes().len(),
    )
}

/// A field of a report.
#[derive(Debug, Serialize)]
struct Row {
    report: String,
    report_id: u8,
    bit_offset: usize,
    bit_size: usize,
    count: usize,
    usages: Vec<String>,
    application: Option<String>,
    logical_minimum: i64,
    logical_maximum: i64,
    physical_minimum: f64,
    physical_maximum: f64,
    unit: String,
    properties: Vec<&'static str>,
}

impl Row {
    fn of(descriptor: &ReportDescriptor, report: &Report, field: &Field) -> Self {
        let (minimum, maximum) = (*field.logical.start(), *field.logical.end());
        Self {
            report: report.report_type.to_string(),
            report_id: report.id,
            bit_offset: field.bit_offset,
            bit_size: field.bit_size,
            count: field.count,
            usages: if field.is_padding() {
                Vec::new()
            } else {
                usages(field)
            },
            application: descriptor.application(field).map(names::usage),
            logical_minimum: minimum,
            logical_maximum: maximum,
            physical_minimum: field.physical_value(minimum),
            physical_maximum: field.physical_value(maximum),
            unit: field.unit.to_string(),
            properties: descriptor::names_of_flags(field.flags),
        }
    }
}

/// Usages in a row as `first to last`.
fn usages(field: &Field) -> Vec<String> {
    let name = |range: usbfs2_hid::report_descriptor::UsageRange, id| {
        names::usage(usbfs2_hid::Usage::new(range.page, id))
    };
    field
        .usages
        .ranges()
        .map(|range| {
            if range.first == range.last {
                name(range, range.first)
            } else {
                format!(
                    "{} to {}",
                    name(range, range.first),
                    name(range, range.last)
                )
            }
        })
        .collect()
}

fn table<'a>(rows: impl Iterator<Item = &'a Row>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "byte.bit",
        "size",
        "usage",
        "range",
        "physical",
        "properties",
    ]);
    for row in rows {
        let size = if row.count == 1 {
            format!("{}", row.bit_size)
        } else {
            format!("{} x {}", row.count, row.bit_size)
        };
        let is_padding = row.usages.is_empty();
        let range = format!("{} to {}", row.logical_minimum, row.logical_maximum);
        let physical = if row.unit.is_empty() {
            String::new()
        } else {
            let (from, to) = (row.physical_minimum, row.physical_maximum);
            format!("{from} to {to} {}", row.unit)
        };
        table.add_row([
            format!("{}.{}", row.bit_offset / 8, row.bit_offset % 8),
            size,
            if is_padding {
                "padding".into()
            } else {
                row.usages.join(", ")
            },
            if is_padding { String::new() } else { range },
            physical,
            if is_padding {
                String::new()
            } else {
                row.properties.join(", ")
            },
        ]);
    }
    table
}
