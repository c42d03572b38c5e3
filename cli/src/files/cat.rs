//! `usbfs2 disk cat`.

use std::io::Write;

use anyhow::{Result, bail};

use super::copy::pour;
use super::filesystem::{Files, Found};

/// Passes a file's bytes on.
pub(super) fn run(files: &Files, path: &[String], output: &mut impl Write) -> Result<()> {
    let entry = match files.get(path)? {
        Found::Entry(entry) if entry.is_file() => entry,
        _ => bail!(
            "/{} is a directory: `usbfs2 disk ls` lists it",
            path.join("/")
        ),
    };
    pour(&mut entry.to_file(), entry.len(), |piece| {
        Ok(output.write_all(piece)?)
    })?;
    output.flush()?;
    Ok(())
}
