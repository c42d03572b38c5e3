//! `usbfs2 man`: the manual pages.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Cli;
use crate::output::say;

/// The kernel interface, which the command does not need to be there.
const KERNEL_INTERFACE: &str = include_str!("../../docs/man/usbfs2.5");

/// When the pages last changed in more than words of the command line.
const DATE: &str = "2026-11-20";

const SEE_ALSO: &str = "\
.SH EXIT STATUS
0 when the command did what it was asked, 1 when it could not, 2 when it was asked wrongly.
.SH SEE ALSO
.BR usbfs2 (1),
.BR usbfs2 (5)
";

/// Writes usbfs2(1), a page for each subcommand, and usbfs2(5) below `directory`.
pub(crate) fn run(directory: &Path) -> Result<()> {
    let [commands, formats] = ["man1", "man5"].map(|section| directory.join(section));
    for section in [&commands, &formats] {
        fs::create_dir_all(section)
            .with_context(|| format!("cannot make {}", section.display()))?;
    }
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let pages = write_command(&command, &commands)?;
    write(&formats.join("usbfs2.5"), KERNEL_INTERFACE.as_bytes())?;
    say!(
        "{} pages are in {}: `man -M {1} usbfs2` shows the first.",
        pages + 1,
        directory.display()
    )?;
    Ok(())
}

/// Writes the page of a command, as `usbfs2-disk-read.1`, and those of its subcommands; returns how many.
fn write_command(command: &Command, directory: &Path) -> Result<usize> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    let page = Man::new(command.clone())
        .title(name.to_uppercase())
        .date(DATE)
        .source(concat!("usbfs2 ", env!("CARGO_PKG_VERSION")))
        .manual("usbfs2");
    let mut text = Vec::new();
    page.render(&mut text)?;
    // man(7) makes this space itself, and its checkers say so.
    let text = String::from_utf8(text)?
        .replace(".br\n\n.br\n", ".IP\n")
        .replace(".SH EXTRA\n", ".SH NOTES\n")
        .replace(" \n", "\n");
    write(
        &directory.join(format!("{name}.1")),
        [&text, SEE_ALSO].concat().as_bytes(),
    )?;
    let mut pages = 1;
    for subcommand in command.get_subcommands() {
        pages += write_command(subcommand, directory)?;
    }
    Ok(pages)
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
