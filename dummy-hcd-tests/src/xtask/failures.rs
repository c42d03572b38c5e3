//! What a failed test said, found in the output of its program.

use std::fmt;

/// Of a longer text the first and the last lines are kept: the error stands first, a kernel's log last.
const FIRST_LINES: usize = 20;
const LAST_LINES: usize = 30;

/// A test or check that failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    name: String,
    text: String,
}

impl Failure {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let lines = text.trim().lines().collect::<Vec<_>>();
        let text = match lines.len().checked_sub(FIRST_LINES + LAST_LINES) {
            Some(left_out @ 1..) => format!(
                "{}\n[{left_out} lines left out]\n{}",
                lines[..FIRST_LINES].join("\n"),
                lines[FIRST_LINES + left_out..].join("\n"),
            ),
            _ => lines.join("\n"),
        };
        Self {
            name: name.to_owned(),
            text,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "FAILED {}\n{}", self.name, self.text)
    }
}

/// The failures that libtest and libtest-mimic list when their tests are done: below a line of the test's name
/// between dashes stands what it said.
pub(crate) fn of_tests(program: &str, output: &str) -> Vec<Failure> {
    let mut sections = Vec::<(&str, Vec<&str>)>::new();
    let mut inside = false;
    for line in output.lines() {
        if let Some(name) = test_name(line) {
            sections.push((name, Vec::new()));
            inside = true;
        } else if line == "failures:" || line.starts_with("test result: ") {
            inside = false;
        } else if inside && let Some((_, said)) = sections.last_mut() {
            said.push(line);
        }
    }
    let failure = |(name, said): (&str, Vec<&str>)| {
        Failure::new(&format!("{program}: {name}"), &said.join("\n"))
    };
    sections.into_iter().map(failure).collect()
}

fn test_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix("---- ")?.strip_suffix(" ----")?;
    Some(name.strip_suffix(" stdout").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_libraries_lists_are_read() {
        let libtest = "test a ... FAILED\n\nfailures:\n\n---- a::b stdout ----\n\nthread panicked\nleft: 1\n\n\n\
                       failures:\n    a::b\n\ntest result: FAILED. 0 passed; 1 failed\n";
        let mimic = "failures:\n\n---- c ----\nno device\n\n---- d ----\nfailures: two\n\n\
                     failures:\n    c\n    d\n\n\ntest result: FAILED. 3 passed; 2 failed\n";
        let found = of_tests("programs", &format!("{libtest}{mimic}"));
        let wanted = [
            Failure::new("programs: a::b", "thread panicked\nleft: 1"),
            Failure::new("programs: c", "no device"),
            Failure::new("programs: d", "failures: two"),
        ];
        assert_eq!(found, wanted);
        assert!(of_tests("programs", "test a ... ok\ntest result: ok. 1 passed\n").is_empty());
    }

    #[test]
    fn of_a_long_text_both_ends_are_kept() {
        let text = (0..100).map(|line| format!("{line}\n")).collect::<String>();
        let failure = Failure::new("long", &text);
        let lines = failure.text.lines().collect::<Vec<_>>();
        assert_eq!(lines.len(), FIRST_LINES + 1 + LAST_LINES);
        assert_eq!((lines[0], lines[lines.len() - 1]), ("0", "99"));
        assert_eq!(lines[FIRST_LINES], "[50 lines left out]");
        assert_eq!(lines[FIRST_LINES + 1], "70");

        let whole = (0..FIRST_LINES + LAST_LINES).map(|line| format!("{line}\n"));
        let failure = Failure::new("whole", &whole.collect::<String>());
        assert!(!failure.text.contains("left out"));
    }
}
