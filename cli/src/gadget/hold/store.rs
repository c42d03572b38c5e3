//! The files that a program has handed over, by the protocol of systemd's file descriptor store (sd_notify(3)).

use std::os::fd::OwnedFd;

/// The most files that are held: two, and one for each endpoint, with room.
const ROOM: usize = 64;

/// The name of a file that was given none.
const UNNAMED: &str = "stored";

/// Open files and their names, oldest first.
#[derive(Debug, Default)]
pub(super) struct Store(Vec<(String, OwnedFd)>);

impl Store {
    /// Does what a message says with the files that came with it. What it does not know, it leaves alone.
    ///
    /// The end of a barrier (`BARRIER=1`) is that its file is closed, which happens on return.
    pub(super) fn obey(&mut self, message: &str, files: Vec<OwnedFd>) {
        let said = |wanted: &str| message.lines().any(|line| line == wanted);
        let name = message
            .lines()
            .filter_map(|line| line.strip_prefix("FDNAME="))
            .next_back()
            .filter(|name| is_name(name))
            .unwrap_or(UNNAMED);
        if said("FDSTOREREMOVE=1") {
            self.0.retain(|(held, _)| held != name);
        } else if said("FDSTORE=1") {
            let room = ROOM.saturating_sub(self.0.len());
            let files = files.into_iter().take(room);
            self.0.extend(files.map(|file| (name.to_owned(), file)));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names as LISTEN_FDNAMES has them.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.join(":")
    }

    /// Each file once more, in the order of the names.
    pub(super) fn files(&self) -> std::io::Result<Vec<OwnedFd>> {
        self.0.iter().map(|(_, file)| file.try_clone()).collect()
    }
}

/// What systemd takes for a name: up to 255 printable ASCII characters, no colon.
fn is_name(name: &str) -> bool {
    let is_right = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b':';
    (1..=255).contains(&name.len()) && name.bytes().all(is_right)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn file() -> Vec<OwnedFd> {
        vec![File::open("/dev/null").unwrap().into()]
    }

    #[test]
    fn files_are_held_by_name_until_removed() {
        let mut store = Store::default();
        store.obey("FDSTORE=1\nFDPOLL=0\nFDNAME=one", file());
        store.obey("FDNAME=two\nFDSTORE=1", file());
        store.obey("FDSTORE=1\nFDNAME=a:b", file());
        store.obey("READY=1", file());
        store.obey("BARRIER=1", file());
        assert_eq!(store.names(), "one:two:stored");
        assert_eq!(store.files().unwrap().len(), 3);
        store.obey("FDSTOREREMOVE=1\nFDNAME=two", Vec::new());
        store.obey("FDSTOREREMOVE=1\nFDNAME=three", Vec::new());
        assert_eq!(store.names(), "one:stored");
    }

    #[test]
    fn a_program_cannot_fill_the_holder() {
        let mut store = Store::default();
        for _ in 0..2 * ROOM {
            store.obey("FDSTORE=1", file());
        }
        assert_eq!(store.files().unwrap().len(), ROOM);
    }
}
