//! Where kernel packages come from: the machine's own apt sources, and the backports beside them.
//!
//! The sources are derived at run time, so that a machine behind a mirror stays behind it, and kept in
//! a private apt state: the machine's own configuration is only read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt;
use crate::progress::Step;

/// An apt of its own below the cache directory; needs no root.
#[derive(Debug)]
pub(crate) struct PrivateApt {
    configuration: PathBuf,
    lists: PathBuf,
}

impl PrivateApt {
    /// Writes the configuration and the derived sources.
    pub(crate) fn prepare(cache: &Path) -> Result<Self> {
        let base = cache.join("apt");
        let lists = base.join("lists");
        let parts = base.join("sources.list.d");
        if parts.exists() {
            fs::remove_dir_all(&parts)?;
        }
        for directory in [
            lists.join("partial"),
            base.join("cache/archives/partial"),
            parts.clone(),
        ] {
            fs::create_dir_all(&directory)
                .with_context(|| format!("create {}", directory.display()))?;
        }
        let codename = codename()?;
        for path in machine_sources()? {
            let text =
                fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let derived = match path
                .extension()
                .is_some_and(|extension| extension == "sources")
            {
                true => with_backports_deb822(&text, &codename),
                false => with_backports_lines(&text, &codename),
            };
            let name = path.file_name().context("a sources file has a name")?;
            fs::write(parts.join(name), derived)?;
        }
        let configuration = base.join("apt.conf");
        let base = base.display();
        // The sandbox user cannot enter a home directory; signatures are checked all the same.
        let text = format!(
            "Dir::State::lists \"{base}/lists/\";\nDir::Cache \"{base}/cache/\";\n\
             Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{base}/sources.list.d/\";\n\
             APT::Sandbox::User \"\";\n"
        );
        fs::write(&configuration, text)?;
        Ok(Self {
            configuration,
            lists,
        })
    }

    /// Fetches the package lists if they are old. A source that fails is left out: what matters is
    /// whether the wanted package is found afterwards.
    ///
    /// Returns what apt complained about, for the message that says so.
    pub(crate) fn update(&self) -> Result<String> {
        if apt::lists_are_fresh(&self.lists) {
            return Ok(String::new());
        }
        let step = Step::begin("fetching the lists of kernel packages");
        let output = self
            .command("apt-get")
            .args(["-q", "update"])
            .output()
            .context("run apt-get")?;
        step.done();
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Every known version of `package`, as pairs of version and `Depends` field.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<(String, String)>> {
        let output = self
            .command("apt-cache")
            .args(["show", package])
            .output()
            .context("run apt-cache")?;
        Ok(parse_versions(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Downloads `packages` (`name=version`) into `directory`; apt checks their hashes against the signed lists.
    pub(crate) fn download(&self, packages: &[String], directory: &Path) -> Result<()> {
        let output = self
            .command("apt-get")
            .args(["-q", "download"])
            .args(packages)
            .current_dir(directory)
            .output()
            .context("run apt-get")?;
        if !output.status.success() {
            bail!(
                "apt-get download {}: {}",
                packages.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", &self.configuration)
            .env("LC_ALL", "C");
        command
    }
}

fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release names no VERSION_CODENAME: this harness needs a Debian release")
}

fn machine_sources() -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let list = PathBuf::from("/etc/apt/sources.list");
    if list.exists() {
        paths.push(list);
    }
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        paths.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "list" || extension == "sources")
        }));
    }
    if paths.is_empty() {
        bail!(
            "apt has no sources: neither /etc/apt/sources.list nor anything in /etc/apt/sources.list.d"
        );
    }
    Ok(paths)
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
        let fields = line.split_whitespace().collect::<Vec<_>>();
        if fields.first() != Some(&"deb") {
            continue;
        }
        // The options, `[signed-by=...]`, may hold blanks, so the suite is what follows the address.
        let suite = fields
            .iter()
            .skip_while(|field| !field.contains(":/"))
            .nth(1);
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

fn parse_versions(text: &str) -> Vec<(String, String)> {
    text.split("\n\n")
        .filter_map(|stanza| {
            let value = |name| stanza.lines().find_map(|line| field(line, name));
            Some((
                value("Version")?.to_owned(),
                value("Depends").unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

fn field<'line>(line: &'line str, name: &str) -> Option<&'line str> {
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
    fn versions_are_read_with_their_dependencies() {
        let text = "Package: a\nVersion: 6.12.9-1\nDepends: b (= 6.12.9-1)\n\nPackage: a\nVersion: 6.1.2-1\n";
        let expected = [
            ("6.12.9-1".to_owned(), "b (= 6.12.9-1)".to_owned()),
            ("6.1.2-1".to_owned(), String::new()),
        ];
        assert_eq!(parse_versions(text), expected);
    }
}
