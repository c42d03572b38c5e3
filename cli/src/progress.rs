//! Progress of long copies: a bar with rate and time left, where a person watches.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts bytes. It draws on standard error, and only when that is a terminal.
pub(crate) fn bytes(total: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template(
        "{msg:>12} {wide_bar} {binary_bytes:>10} of {binary_total_bytes} {binary_bytes_per_sec:>12}, {eta} left",
    ) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// A bar that counts the milliseconds of a sound.
pub(crate) fn seconds(total: f64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new((total * 1000.0) as u64).with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{msg:>12} {wide_bar} {eta} left") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
