//! Pages of docs/ that keep what runs have said, a section each.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::cargo::workspace;
use crate::progress;

/// What every page's sections begin with.
const SECTION: &str = "\n## ";

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Of its file in docs/.
    pub(crate) name: &'static str,
    /// What stands before the first section.
    pub(crate) intro: &'static str,
}

impl Page {
    /// Puts `text` into the section called `title`, in place of what was there.
    pub(crate) fn record(&self, title: &str, text: &str) -> Result<()> {
        let path = workspace().join("docs").join(self.name);
        self.record_in(&path, title, text)?;
        progress::say(&format!("wrote {}", path.display()));
        Ok(())
    }

    fn record_in(&self, path: &Path, title: &str, text: &str) -> Result<()> {
        let old = fs::read_to_string(path).unwrap_or_default();
        let old = old.split(SECTION).skip(1).map(str::trim_end);
        let new = format!("{title}\n\n{}", text.trim());
        let mut sections: Vec<&str> = old.collect();
        let begins = format!("{title}\n");
        match sections
            .iter_mut()
            .find(|section| section.starts_with(&begins))
        {
            Some(section) => *section = &new,
            None => sections.push(&new),
        }
        let sections: String = sections
            .iter()
            .map(|section| format!("{SECTION}{section}\n"))
            .collect();
        fs::write(path, format!("{}{sections}", self.intro))
            .with_context(|| format!("write {}", path.display()))
    }
}

/// A seed that nobody chose.
pub(crate) fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let page = Page {
            name: "page.md",
            intro: "# Page\n",
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(page.name);
        page.record_in(&path, "6.1", "one\n").unwrap();
        page.record_in(&path, "6.12", "two").unwrap();
        page.record_in(&path, "6.1", "| three |\n\nfour\n").unwrap();
        let expected = "# Page\n\n## 6.1\n\n| three |\n\nfour\n\n## 6.12\n\ntwo\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
}
