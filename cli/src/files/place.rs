//! Where a file is: on a disk, or on this machine.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, bail};

/// A place on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The disk, as users name devices; the first there is by default.
    pub(crate) device: Option<String>,
    /// The names from the root on.
    pub(crate) path: Vec<String>,
}

/// One side of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Side {
    Disk(Place),
    Local(PathBuf),
}

impl Place {
    /// What `[DISK] [PATH]` mean: `1-1`, `/dir`, `1-1 /dir`, `1-1:/dir`, `:/dir` or nothing.
    pub(crate) fn of(disk: Option<&str>, path: Option<&str>) -> Result<Self> {
        let Some(disk) = disk else {
            return Ok(Self::new(None, ""));
        };
        let joined = split(disk);
        match (joined, path) {
            (Some((device, path)), None) => Ok(Self::new(device, path)),
            (None, None) if disk.starts_with('/') => Ok(Self::new(None, disk)),
            (None, Some(path)) => Ok(Self::new(Some(disk), path)),
            (None, None) => Ok(Self::new(Some(disk), "")),
            (Some(_), Some(path)) => {
                bail!("{disk} has a path already: leave {path} out, or give the disk alone")
            }
        }
    }

    fn new(device: Option<&str>, path: &str) -> Self {
        let mut names = Vec::new();
        for name in path.split('/') {
            match name {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => names.push(name.to_owned()),
            }
        }
        Self {
            device: device.map(str::to_owned),
            path: names,
        }
    }
}

impl Side {
    /// `1-1:/dir` and `:/dir` are on a disk, all else on this machine.
    pub(crate) fn parse(text: &str) -> Self {
        match split(text) {
            Some((device, path)) => Self::Disk(Place::new(device, path)),
            None => Self::Local(PathBuf::from(text)),
        }
    }
}

/// The disk and the path of `1-1:/dir`. What has a slash before the colon is a local path, so that
/// `./1-1:/dir` is one.
fn split(text: &str) -> Option<(Option<&str>, &str)> {
    let (device, path) = text.split_once(":/")?;
    if device.contains('/') {
        return None;
    }
    Some((Some(device).filter(|device| !device.is_empty()), path))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = self.device.as_deref().unwrap_or_default();
        write!(f, "{device}:/{}", self.path.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(disk: Option<&str>, path: Option<&str>) -> String {
        Place::of(disk, path).unwrap().to_string()
    }

    #[test]
    fn a_disk_and_a_path_may_be_given_apart_together_or_not_at_all() {
        assert_eq!(place(None, None), ":/");
        assert_eq!(place(Some("1-1"), None), "1-1:/");
        assert_eq!(place(Some("/a/b"), None), ":/a/b");
        assert_eq!(place(Some("1-1"), Some("/a/b/")), "1-1:/a/b");
        assert_eq!(place(Some("0781:5567"), Some("a")), "0781:5567:/a");
        assert_eq!(place(Some("0781:5567:/a"), None), "0781:5567:/a");
        assert_eq!(place(Some(":/a/../b/./c"), None), ":/b/c");
        assert_eq!(place(Some("1-1"), Some("/../..")), "1-1:/");
        assert!(Place::of(Some("1-1:/a"), Some("/b")).is_err());
    }

    #[test]
    fn only_a_disk_and_a_slash_are_on_a_disk() {
        for local in ["file", "./1-1:/file", "/tmp/a:/b", "a:b", "-", "."] {
            assert_eq!(Side::parse(local), Side::Local(local.into()));
        }
        let Side::Disk(place) = Side::parse("1-1.2:/") else {
            panic!("not on a disk");
        };
        assert_eq!(place.device.as_deref(), Some("1-1.2"));
        assert!(place.path.is_empty());
    }
}
