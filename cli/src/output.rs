//! What the command prints. `println!` panics when nobody reads any more, as after `usbfs2 list | head -1`.

/// Prints a line on standard output. The error is for `?`: [`main`](crate::main) knows that a reader who
/// has seen enough is no failure.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($text)*)
    }};
}

/// Prints a line on standard error, for whoever is there to read it.
macro_rules! note {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        drop(writeln!(std::io::stderr(), $($text)*));
    }};
}

pub(crate) use {note, say};
