//! What the person in front of the terminal is told, on stderr: stdout is the guest's.

use std::cell::Cell;
use std::io::{self, Stderr, Stdout, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

thread_local! {
    static LABEL: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Does `work`, which shares the terminal with others: what this thread says meanwhile begins with `label`.
pub(crate) fn labelled(label: &'static str, work: impl FnOnce()) {
    LABEL.set(Some(label));
    work();
    LABEL.set(None);
}

/// Whether this thread shares the terminal, where no bar and no spinner may stand.
pub(crate) fn is_labelled() -> bool {
    LABEL.get().is_some()
}

/// One line about what happens.
pub(crate) fn say(message: &str) {
    match LABEL.get() {
        Some(label) => eprintln!("xtask: {label}: {message}"),
        None => eprintln!("xtask: {message}"),
    }
}

/// Standard output, for any thread, with this one's label.
pub(crate) fn stdout() -> Lines<Stdout> {
    Lines::new(LABEL.get(), io::stdout())
}

/// Standard error, for any thread, with this one's label.
pub(crate) fn stderr() -> Lines<Stderr> {
    Lines::new(LABEL.get(), io::stderr())
}

/// Passes bytes on; whole lines at a time, each behind the label, where there is one.
#[derive(Debug)]
pub(crate) struct Lines<W: Write> {
    label: Option<&'static str>,
    line: Vec<u8>,
    to: W,
}

impl<W: Write> Lines<W> {
    fn new(label: Option<&'static str>, to: W) -> Self {
        let mut lines = Self {
            label,
            line: Vec::new(),
            to,
        };
        lines.begin();
        lines
    }

    fn begin(&mut self) {
        self.line.clear();
        if let Some(label) = self.label {
            self.line.extend_from_slice(label.as_bytes());
            self.line.extend_from_slice(b": ");
        }
    }

    /// Bytes of an unfinished line.
    fn held(&self) -> usize {
        let label = self.label.map_or(0, |label| label.len() + 2);
        self.line.len() - label
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.label.is_none() {
            return self.to.write(bytes);
        }
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                // An empty line would set nothing apart among those of others.
                if self.held() > 1 {
                    self.to.write_all(&self.line)?;
                }
                self.begin();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Write> Drop for Lines<W> {
    /// Ends a line that nobody else did.
    fn drop(&mut self) {
        if self.held() > 0 {
            self.line.push(b'\n');
            // Nobody is left to be told.
            let _ = self.to.write_all(&self.line);
        }
    }
}

/// A step that takes a while: a spinner with the time on a terminal, lines elsewhere.
#[derive(Debug)]
pub(crate) struct Step {
    bar: ProgressBar,
    what: String,
    since: Instant,
}

impl Step {
    pub(crate) fn begin(what: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.set_draw_target(ProgressDrawTarget::stderr());
        let template = "{spinner} {msg} ({elapsed})";
        bar.set_style(
            ProgressStyle::with_template(template).expect("the template is a valid constant"),
        );
        if is_labelled() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        if bar.is_hidden() {
            say(&format!("{what} ..."));
        }
        Self {
            bar,
            what: what.to_owned(),
            since: Instant::now(),
        }
    }

    /// Says how far it is, on a terminal.
    pub(crate) fn say(&self, message: &str) {
        self.bar.set_message(message.to_owned());
    }

    /// Says how far it is, on a terminal; elsewhere only if it `matters`.
    pub(crate) fn note(&self, message: &str, matters: bool) {
        self.say(message);
        if matters && self.bar.is_hidden() {
            say(message);
        }
    }

    /// Ends the step with its duration; a step that is dropped instead leaves the error to its caller.
    pub(crate) fn done(self) {
        self.bar.finish_and_clear();
        say(&format!(
            "{}: {:.1} s",
            self.what,
            self.since.elapsed().as_secs_f32()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(label: Option<&'static str>, pieces: &[&str]) -> String {
        let mut bytes = Vec::new();
        let mut lines = Lines::new(label, &mut bytes);
        for piece in pieces {
            lines.write_all(piece.as_bytes()).expect("memory");
        }
        drop(lines);
        String::from_utf8(bytes).expect("the text that was written")
    }

    #[test]
    fn whole_lines_come_behind_the_label() {
        let text = written(
            Some("faults"),
            &["\ntest a ... ", "ok\ntest", " b", " ... ok\n", "end"],
        );
        assert_eq!(
            text,
            "faults: test a ... ok\nfaults: test b ... ok\nfaults: end\n"
        );
    }

    #[test]
    fn nothing_changes_without_a_label() {
        assert_eq!(written(None, &["a", "b\n", "c"]), "ab\nc");
        assert_eq!(written(Some("faults"), &[]), "");
    }

    #[test]
    fn a_thread_says_its_label_for_as_long_as_told() {
        labelled("faults", || assert!(is_labelled()));
        assert!(!is_labelled());
    }
}
