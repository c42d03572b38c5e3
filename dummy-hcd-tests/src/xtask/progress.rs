//! What the person in front of the terminal is told, on stderr: stdout is the guest's.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One line about what happens.
pub(crate) fn say(message: &str) {
    eprintln!("xtask: {message}");
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
