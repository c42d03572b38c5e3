//! Where kernel packages come from: the machine's own apt sources, and the backports beside them; for kernels
//! newer than those, the release that Debian prepares, from the same mirror.
//!
//! The sources are derived at run time, so that a machine behind a mirror stays behind it, and kept in
//! a private apt state: the machine's own configuration is only read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt;
use crate::progress::Step;
pub(crate) use crate::suites::Suites;
use crate::suites::{codename, field};

/// One version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The field `Depends`.
    pub(crate) depends: String,
}

/// An apt of its own below the cache directory; needs no root.
#[derive(Debug)]
pub(crate) struct PrivateApt {
    configuration: PathBuf,
    lists: PathBuf,
    archives: PathBuf,
}

impl PrivateApt {
    /// Writes the configuration and the derived sources.
    pub(crate) fn prepare(cache: &Path, suites: Suites) -> Result<Self> {
        let base = cache.join(suites.cache_directory());
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
                true => suites.deb822(&text, &codename),
                false => suites.lines(&text, &codename),
            };
            let name = path.file_name().context("a sources file has a name")?;
            fs::write(parts.join(name), derived)?;
        }
        let configuration = base.join("apt.conf");
        // Nothing counts as installed, so that the packages a package needs are downloaded with it.
        fs::write(base.join("status"), "")?;
        let archives = base.join("cache/archives");
        let base = base.display();
        // The sandbox user cannot enter a home directory; signatures are checked all the same.
        let text = format!(
            "Dir::State::lists \"{base}/lists/\";\nDir::State::status \"{base}/status\";\n\
             Dir::Cache \"{base}/cache/\";\n\
             Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{base}/sources.list.d/\";\n\
             APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
        );
        fs::write(&configuration, text)?;
        Ok(Self {
            configuration,
            lists,
            archives,
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

    /// Every known version of `package`.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<Package>> {
        self.show(&[package])
    }

    /// Every known version of the packages whose names begin with `prefix` and are `wanted`.
    pub(crate) fn beginning_with(
        &self,
        prefix: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Package>> {
        let output = self
            .command("apt-cache")
            .args(["pkgnames", prefix])
            .output()
            .context("run apt-cache")?;
        let names = String::from_utf8_lossy(&output.stdout);
        let names = names.lines().filter(|name| wanted(name));
        match names.collect::<Vec<_>>() {
            none if none.is_empty() => Ok(Vec::new()),
            names => self.show(&names),
        }
    }

    fn show(&self, names: &[&str]) -> Result<Vec<Package>> {
        let output = self
            .command("apt-cache")
            .arg("show")
            .args(names)
            .output()
            .context("run apt-cache")?;
        Ok(parse_packages(&String::from_utf8_lossy(&output.stdout)))
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

    /// Downloads `packages` and all they need, as onto an empty machine, and returns the archives' directory,
    /// which is the caller's to empty.
    pub(crate) fn download_with_dependencies(&self, packages: &[String]) -> Result<&Path> {
        let output = self
            .command("apt-get")
            .args(["-q", "--yes", "--download-only", "--no-install-recommends"])
            .arg("install")
            .args(packages)
            .output()
            .context("run apt-get")?;
        if !output.status.success() {
            bail!(
                "apt-get install --download-only {}: {}",
                packages.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(&self.archives)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", &self.configuration)
            .env("LC_ALL", "C");
        command
    }
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

fn parse_packages(text: &str) -> Vec<Package> {
    text.split("\n\n")
        .filter_map(|stanza| {
            let value = |name| stanza.lines().find_map(|line| field(line, name));
            Some(Package {
                name: value("Package")?.to_owned(),
                version: value("Version")?.to_owned(),
                depends: value("Depends").unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_with_their_dependencies() {
        let text = "Package: a\nVersion: 6.12.9-1\nDepends: b (= 6.12.9-1)\n\nPackage: a\nVersion: 6.1.2-1\n";
        let package = |version: &str, depends: &str| Package {
            name: "a".to_owned(),
            version: version.to_owned(),
            depends: depends.to_owned(),
        };
        let expected = [
            package("6.12.9-1", "b (= 6.12.9-1)"),
            package("6.1.2-1", ""),
        ];
        assert_eq!(parse_packages(text), expected);
    }
}
