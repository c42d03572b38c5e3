//! The files that a process was started with (sd_listen_fds(3)).

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::os::fd::OwnedFd;

use super::{KeeperError, sys};

/// The files whose names begin with `prefix`, by the rest of the name. Empty when there are none, when they are for
/// another process, or when they have been taken before.
pub(super) fn take(prefix: &str) -> Result<BTreeMap<String, OwnedFd>, KeeperError> {
    let text = |name| env::var(name).unwrap_or_default();
    if text("LISTEN_PID") != std::process::id().to_string() {
        return Ok(BTreeMap::new());
    }
    let count = text("LISTEN_FDS");
    let refused = |error| KeeperError::Inherited {
        count: count.clone(),
        error,
    };
    let number: u16 = count
        .parse()
        .map_err(|_| refused(io::ErrorKind::InvalidInput.into()))?;
    let names = text("LISTEN_FDNAMES");
    let ours = indices(&names, number, prefix);
    let fds = sys::take_passed(ours.iter().map(|&(index, _)| index)).map_err(refused)?;
    let names = ours.into_iter().map(|(_, name)| name);
    Ok(names.zip(fds).collect())
}

/// Which of the files are ours: their places and what follows the prefix. Of several with one name the last counts, the
/// others stay as they are.
fn indices(names: &str, count: u16, prefix: &str) -> Vec<(u16, String)> {
    let ours = (0..count).zip(names.split(':'));
    let ours =
        ours.filter_map(|(index, name)| Some((name.strip_prefix(prefix)?.to_owned(), index)));
    let ours: BTreeMap<String, u16> = ours.collect();
    ours.into_iter()
        .map(|(name, index)| (index, name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_begin_right_are_ours() {
        let names = "web:usbfs2-gadget-ep0:stored:usbfs2-gadget-ep1in-bulk:usbfs2-gadget-late";
        assert_eq!(
            indices(names, 4, "usbfs2-gadget-"),
            [(1, "ep0".to_owned()), (3, "ep1in-bulk".to_owned())]
        );
        assert_eq!(indices("", 3, "usbfs2-gadget-"), []);
        assert_eq!(indices("p-a:p-a", 2, "p-"), [(1, "a".to_owned())]);
    }
}
