//! The benchmark as a test: a row or two of each case, in the form that others read.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::bench_row::{Case, Direction, Speed, Stack};
use serde_json::Value;

use super::{all_repeat, guest_run, json};

/// Every stack, case, speed and direction, in as few rows as that takes.
const FILTERS: &[&str] = &[
    "bulk/high/in/4096/16",
    "control/super/in",
    "interrupt/high/out",
    "storage/super/in/4096",
    "hid/high",
    "audio/384",
];

const ALWAYS: &[&str] = &[
    "case",
    "stack",
    "speed",
    "direction",
    "bytes",
    "depth",
    "ns_per_transfer",
    "transfers_per_second",
    "syscalls_per_transfer",
];

const WITH_LATENCY: &[&str] = &["median_ns", "p99_ns"];

/// Fails unless every stack answers, every row repeats, and the JSON is what the documentation says.
pub(crate) fn run(kernel: &str) -> Result<()> {
    let filters = FILTERS
        .iter()
        .map(|&filter| filter.to_owned())
        .collect::<Vec<_>>();
    let measured = guest_run::measure(kernel, &filters)?;
    let text = json(&measured.rows())?;
    let rows: Vec<Value> = serde_json::from_str(&text).context("the JSON is no array")?;
    for row in &rows {
        well_formed(row).with_context(|| row.to_string())?;
    }
    for stack in Stack::ALL {
        ensure!(
            rows.iter().any(|row| row["stack"] == stack.word()),
            "no row of {stack}"
        );
    }
    ensure!(all_repeat(&measured), "a row does not repeat");
    Ok(())
}

/// Fails unless `row` has exactly the keys of its case, with words and numbers that make sense.
fn well_formed(row: &Value) -> Result<()> {
    let object = row.as_object().context("a row is an object")?;
    let word = |key: &str| {
        object
            .get(key)
            .and_then(Value::as_str)
            .with_context(|| format!("no word for {key}"))
    };
    let case = word("case")?.parse::<Case>()?;
    word("stack")?.parse::<Stack>()?;
    word("speed")?.parse::<Speed>()?;
    word("direction")?.parse::<Direction>()?;
    let mut expected = ALWAYS.to_vec();
    if matches!(case, Case::Hid | Case::Audio) {
        expected.extend(WITH_LATENCY);
    }
    expected.sort_unstable();
    let mut keys = object.keys().map(String::as_str).collect::<Vec<_>>();
    keys.sort_unstable();
    ensure!(keys == expected, "its keys are not {expected:?}");
    for key in expected
        .into_iter()
        .filter(|key| !["case", "stack", "speed", "direction"].contains(key))
    {
        let number = row[key]
            .as_f64()
            .with_context(|| format!("{key} is no number"))?;
        // usbtest moves thousands of transfers in one system call.
        let least = if key == "syscalls_per_transfer" {
            0.0
        } else {
            1.0
        };
        ensure!(number >= least, "{key} is {number}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_exactly_the_keys_of_their_case() {
        let mut row = serde_json::json!({
            "case": "bulk", "stack": "libusb", "speed": "high", "direction": "in", "bytes": 512, "depth": 1,
            "ns_per_transfer": 20000.0, "transfers_per_second": 7000.0, "syscalls_per_transfer": 4.0,
        });
        well_formed(&row).expect("a row");
        row["median_ns"] = 1.into();
        assert!(well_formed(&row).is_err(), "a median of bulk transfers");
        row["case"] = "hid".into();
        assert!(well_formed(&row).is_err(), "no 99th percentile");
        row["p99_ns"] = 2.into();
        well_formed(&row).expect("a row of hid");
        row["stack"] = "openusb".into();
        assert!(well_formed(&row).is_err(), "a stack nobody knows");
    }
}
