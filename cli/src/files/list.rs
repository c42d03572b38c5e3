//! `usbfs2 disk ls`.

use anyhow::Result;
use fatfs::FileAttributes;
use serde_json::json;

use super::filesystem::{Entry, Files, Found};
use super::times;
use crate::args::DiskLsArgs;
use crate::output::say;

const ATTRIBUTES: [(FileAttributes, char, &str); 5] = [
    (FileAttributes::DIRECTORY, 'd', "directory"),
    (FileAttributes::READ_ONLY, 'r', "read_only"),
    (FileAttributes::HIDDEN, 'h', "hidden"),
    (FileAttributes::SYSTEM, 's', "system"),
    (FileAttributes::ARCHIVE, 'a', "archive"),
];

/// Lists a directory, or shows one file.
pub(super) fn run(files: &Files, path: &[String], args: &DiskLsArgs) -> Result<()> {
    let entries = entries(files, path)?;
    if args.output.json {
        say!("{}", serde_json::to_string_pretty(&facts(&entries))?)?;
        return Ok(());
    }
    for entry in &entries {
        match args.long {
            true => say!("{}", long(entry))?,
            false => say!("{}", shown(entry))?,
        }
    }
    Ok(())
}

/// What there is at a path, by name.
pub(super) fn entries<'a>(files: &'a Files, path: &[String]) -> Result<Vec<Entry<'a>>> {
    let mut entries = match files.get(path)? {
        Found::Root => files.entries(&files.root())?.0,
        Found::Entry(entry) if entry.is_dir() => files.entries(&entry.to_dir())?.0,
        Found::Entry(entry) => vec![entry],
    };
    entries.sort_by_cached_key(|entry| entry.file_name().to_lowercase());
    Ok(entries)
}

/// A name as a terminal may show it; a directory's ends in a slash.
fn shown(entry: &Entry<'_>) -> String {
    let name = entry.file_name();
    let visible = |character: char| match character.is_control() {
        true => '?',
        false => character,
    };
    let mut name: String = name.chars().map(visible).collect();
    if entry.is_dir() {
        name.push('/');
    }
    name
}

/// A line of `ls -l`.
pub(super) fn long(entry: &Entry<'_>) -> String {
    let attributes: String = ATTRIBUTES
        .iter()
        .map(
            |&(attribute, letter, _)| match entry.attributes().contains(attribute) {
                true => letter,
                false => '-',
            },
        )
        .collect();
    let size = match entry.is_dir() {
        true => "-".to_owned(),
        false => entry.len().to_string(),
    };
    let modified = match times::to_calendar(entry.modified()) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S").to_string(),
        None => "-".to_owned(),
    };
    format!("{attributes} {size:>10}  {modified:<19}  {}", shown(entry))
}

/// Everything, for a script.
pub(super) fn facts(entries: &[Entry<'_>]) -> serde_json::Value {
    let time = |time| times::to_calendar(time).map(|time| time.format("%FT%T%.3f").to_string());
    let facts = entries.iter().map(|entry| {
        let mut facts = json!({
            "name": entry.file_name(),
            "short_name": entry.short_file_name(),
            "bytes": entry.len(),
            "modified": time(entry.modified()),
            "created": time(entry.created()),
        });
        for (attribute, _, name) in ATTRIBUTES {
            facts[name] = entry.attributes().contains(attribute).into();
        }
        facts
    });
    facts.collect()
}
