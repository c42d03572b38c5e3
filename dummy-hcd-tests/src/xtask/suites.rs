//! The suites that kernels come from, out of the machine's own apt sources.

use std::fs;

use anyhow::{Context, Result};

/// Which packages an apt knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suites {
    /// The machine's release with its updates and backports.
    Machine,
    /// The next release, and the kernels that were in it lately.
    Next,
}

impl Suites {
    /// What tells the package lists of one apt from those of another.
    pub(crate) fn cache_directory(self) -> &'static str {
        match self {
            Self::Machine => "apt",
            Self::Next => "apt-next",
        }
    }

    /// Entries in the newer form for these, from those of the machine.
    pub(crate) fn deb822(self, text: &str, codename: &str) -> String {
        match self {
            Self::Machine => with_backports_deb822(text, codename),
            Self::Next => next_deb822(text, codename),
        }
    }

    /// The same in the form of one line each.
    pub(crate) fn lines(self, text: &str, codename: &str) -> String {
        match self {
            Self::Machine => with_backports_lines(text, codename),
            Self::Next => next_lines(text, codename),
        }
    }
}

/// The next release by the names it has on every mirror at any time. Kernels that it has no longer stay for a
/// while in the backports of the stable one.
const NEXT: [&str; 2] = ["testing", "stable-backports"];

/// The name of the machine's release.
pub(crate) fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release names no VERSION_CODENAME: this harness needs a Debian release")
}

/// True for the suite that backports belong to.
fn is_base_suite(suite: &str, codename: &str) -> bool {
    suite == codename || matches!(suite, "stable" | "oldstable")
}

/// The stanzas of `text`, with the backports added to the suites of the release.
fn with_backports_deb822(text: &str, codename: &str) -> String {
    let mut derived = String::new();
    for line in text.lines() {
        derived.push_str(line);
        if let Some(suites) = field(line, "Suites")
            && suites
                .split_whitespace()
                .any(|suite| is_base_suite(suite, codename))
            && !line.contains("-backports")
        {
            derived.push_str(&format!(" {codename}-backports"));
        }
        derived.push('\n');
    }
    derived
}

/// The one-line entries of `text`, with an entry for the backports after each of the release.
fn with_backports_lines(text: &str, codename: &str) -> String {
    let mut derived = String::new();
    for line in text.lines() {
        derived.push_str(line);
        derived.push('\n');
        let suite = suite_of_line(line);
        if let Some(suite) = suite.filter(|suite| is_base_suite(suite, codename)) {
            let backports =
                line.replacen(&format!(" {suite} "), &format!(" {codename}-backports "), 1);
            if backports != line {
                derived.push_str(&backports);
                derived.push('\n');
            }
        }
    }
    derived
}

/// The stanza of the release alone, with its suites replaced by those of the next one.
fn next_deb822(text: &str, codename: &str) -> String {
    let is_of_release = |stanza: &&str| {
        let mut suites = stanza.lines().filter_map(|line| field(line, "Suites"));
        suites.any(|suites| {
            suites
                .split_whitespace()
                .any(|suite| is_base_suite(suite, codename))
        })
    };
    let of_release = text.split("\n\n").filter(is_of_release);
    let lines = of_release.flat_map(|stanza| stanza.lines().chain([""]));
    lines
        .map(|line| match field(line, "Suites") {
            Some(_) => format!("Suites: {}\n", NEXT.join(" ")),
            None => format!("{line}\n"),
        })
        .collect()
}

/// The one-line entries of the release alone, for the suites of the next one.
fn next_lines(text: &str, codename: &str) -> String {
    let mut derived = String::new();
    for line in text.lines() {
        if let Some(suite) = suite_of_line(line)
            && is_base_suite(suite, codename)
        {
            for next in NEXT {
                let suite = format!(" {suite} ");
                derived.push_str(&line.replacen(&suite, &format!(" {next} "), 1));
                derived.push('\n');
            }
        }
    }
    derived
}

/// The suite of a one-line entry.
fn suite_of_line(line: &str) -> Option<&str> {
    let mut fields = line.split_whitespace();
    if fields.next() != Some("deb") {
        return None;
    }
    // The options, `[signed-by=...]`, may hold blanks, so the suite is what follows the address.
    fields.skip_while(|field| !field.contains(":/")).nth(1)
}

/// The value of a field of a stanza, if the line is that field.
pub(crate) fn field<'line>(line: &'line str, name: &str) -> Option<&'line str> {
    Some(line.strip_prefix(name)?.strip_prefix(':')?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backports_join_the_stanza_of_the_release_and_keep_its_key() {
        let text = "Types: deb\nURIs: mirror:/debian\nSuites: bookworm bookworm-updates\nSigned-By: /key.gpg\n\n\
                    Types: deb\nURIs: mirror:/security\nSuites: bookworm-security\nSigned-By: /key.gpg\n";
        let derived = with_backports_deb822(text, "bookworm");
        assert!(derived.contains(
            "Suites: bookworm bookworm-updates bookworm-backports\nSigned-By: /key.gpg\n"
        ));
        assert!(derived.contains("Suites: bookworm-security\n"));
    }

    #[test]
    fn a_one_line_entry_keeps_its_options() {
        let text = "deb [arch=amd64 signed-by=/key.gpg] mirror:/debian bookworm main\n# deb mirror:/x bookworm main\n";
        let derived = with_backports_lines(text, "bookworm");
        let added = "deb [arch=amd64 signed-by=/key.gpg] mirror:/debian bookworm-backports main";
        assert_eq!(derived.lines().filter(|line| *line == added).count(), 1);
        assert_eq!(derived.lines().count(), 3);
    }

    #[test]
    fn the_next_release_comes_from_where_this_one_does() {
        let text = "Types: deb\nURIs: mirror:/debian\nSuites: bookworm bookworm-updates\nSigned-By: /key.gpg\n\n\
                    Types: deb\nURIs: mirror:/security\nSuites: bookworm-security\nSigned-By: /key.gpg\n";
        assert_eq!(
            next_deb822(text, "bookworm"),
            "Types: deb\nURIs: mirror:/debian\nSuites: testing stable-backports\nSigned-By: /key.gpg\n\n"
        );
        let text = "deb [signed-by=/key.gpg] mirror:/debian bookworm main\ndeb mirror:/security bookworm-security main\n";
        assert_eq!(
            next_lines(text, "bookworm"),
            "deb [signed-by=/key.gpg] mirror:/debian testing main\n\
             deb [signed-by=/key.gpg] mirror:/debian stable-backports main\n"
        );
    }
}
