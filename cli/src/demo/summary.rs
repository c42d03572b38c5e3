//! The table the tour ends with.

use std::fmt;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

/// What one device went through.
pub(crate) struct Row {
    pub(crate) device: &'static str,
    /// Transfers of data: reports, or commands.
    pub(crate) transfers: u64,
    pub(crate) bytes: u64,
    /// Errors met, all of them survived.
    pub(crate) errors: Vec<String>,
}

/// Every device's row.
#[derive(Default)]
pub(crate) struct Summary {
    rows: Vec<Row>,
}

impl Summary {
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY);
        table.set_header(["device", "transfers", "bytes", "errors met and survived"]);
        for row in &self.rows {
            let errors = if row.errors.is_empty() {
                "none".into()
            } else {
                row.errors.join("\n")
            };
            table.add_row([
                row.device.to_owned(),
                row.transfers.to_string(),
                row.bytes.to_string(),
                errors,
            ]);
        }
        for column in 1..=2 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        write!(f, "{table}")
    }
}
