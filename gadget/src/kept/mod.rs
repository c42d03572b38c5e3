//! A gadget whose files somebody keeps ([`Keeper`]), so that another process can go on with it.

mod history;
mod replay;
mod settings;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, memfd_create};
use usbfs2_protocol::Speed;

use crate::keeper::{Keeper, Mark, OpenFile};
pub(crate) use history::{History, Request};
pub(crate) use replay::{Keeping, Replayed};

/// What the file system of a gadget's files is to whoever keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What the names of its files begin with: of gadgets on several, each keeps its own.
    pub(crate) name: String,
    /// Where in the set-up message descriptors begin, the interfaces' among them.
    pub(crate) descriptors: usize,
}

impl Place {
    fn file(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// The name of endpoint 0's file; endpoints have those of their files.
    fn control(&self) -> String {
        self.file("control")
    }

    fn record(&self) -> String {
        self.file("record")
    }

    /// Whether a process before this one has left a gadget.
    pub(crate) fn has_gadget(&self, keeper: &Keeper) -> bool {
        keeper.names().contains(&self.control())
    }

    /// Closes the files that were kept and not taken.
    fn forget_the_rest(&self, keeper: &Keeper) {
        let prefix = self.file("");
        for name in keeper.names() {
            if name.starts_with(&prefix) {
                keeper.forget(&name);
            }
        }
    }
}

/// Room for the history: a page, so that it is written whole or not at all when the process is killed.
const HISTORY_ROOM: usize = 4096;
/// Where the marks of what functions have in hand are, a byte for each.
const MARKS: u64 = HISTORY_ROOM as u64;
/// Room for them: there are at most as many functions as interfaces.
const MARK_ROOM: usize = 256;
/// Where the set-up message is.
const MESSAGE: usize = HISTORY_ROOM + MARK_ROOM;

/// The record of a gadget that is kept: its set-up message, and what the host has done to it.
#[derive(Debug)]
pub(crate) struct Kept {
    keeper: Keeper,
    place: Place,
    /// In memory, and open with the keeper as well.
    record: Arc<File>,
    set_up_message: Vec<u8>,
    history: History,
}

/// A gadget found with the keeper.
pub(crate) struct Found {
    pub(crate) kept: Kept,
    /// Endpoint 0's file.
    pub(crate) control: File,
    /// By function: whether it had something in hand.
    pub(crate) in_hand: Vec<bool>,
}

impl Kept {
    /// Hands a gadget over that has just been connected.
    pub(crate) fn begin(
        keeper: Keeper,
        place: Place,
        control: &File,
        set_up_message: &[u8],
    ) -> io::Result<Self> {
        let record = File::from(memfd_create("usbfs2 gadget", MemfdFlags::CLOEXEC)?);
        let kept = Self {
            keeper,
            place,
            record: Arc::new(record),
            set_up_message: set_up_message.to_vec(),
            history: History::default(),
        };
        kept.write()?;
        kept.record.write_all_at(set_up_message, MESSAGE as u64)?;
        kept.keeper.keep(&kept.place.record(), &kept.record)?;
        kept.keeper.keep(&kept.place.control(), control)?;
        Ok(kept)
    }

    /// The gadget that a process before this one has left behind. One that is another than this set-up message describes
    /// is taken off the bus.
    pub(crate) fn find(keeper: &Keeper, place: Place, set_up_message: &[u8]) -> Option<Found> {
        let Some(control) = keeper.take(&place.control()).map(File::from) else {
            // A process that was killed when it had handed over a part.
            place.forget_the_rest(keeper);
            return None;
        };
        let found = keeper
            .take(&place.record())
            .map(File::from)
            .ok_or("its record is missing")
            .and_then(|record| {
                let (history, in_hand) = read(&record, set_up_message)?;
                Ok((record, history, in_hand))
            });
        match found {
            Ok((record, history, in_hand)) => Some(Found {
                kept: Self {
                    keeper: keeper.clone(),
                    place,
                    record: Arc::new(record),
                    set_up_message: set_up_message.to_vec(),
                    history,
                },
                control,
                in_hand,
            }),
            Err(reason) => {
                log::warn!("the gadget that was kept is taken off the bus: {reason}");
                discard(keeper, &place, control);
                None
            }
        }
    }

    /// Where a function notes whether it has something in hand.
    pub(crate) fn mark(&self, function: usize) -> Option<Mark> {
        let room = 0..MARK_ROOM;
        let place = room
            .contains(&function)
            .then_some(MARKS + function as u64)?;
        Some(Mark::new(Arc::clone(&self.record), place))
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Endpoint 0's file says that a host is there.
    pub(crate) fn connected(&mut self, speed: Speed) {
        self.change(|history, _| history.connected(speed));
    }

    pub(crate) fn disconnected(&mut self) {
        self.change(|history, _| history.disconnected());
    }

    /// A request has come and is about to be told.
    pub(crate) fn asked(&mut self, request: Request) {
        self.change(|history, _| history.pending = Some(request));
    }

    /// The request has been answered.
    pub(crate) fn answered(&mut self, accepted: bool) {
        self.change(|history, configuration| history.answered(accepted, configuration));
    }

    /// Changes the history by what this does, which is given the first configuration.
    fn change(&mut self, change: impl FnOnce(&mut History, &[u8])) {
        let configuration = self.set_up_message.get(self.place.descriptors..);
        let configuration = configuration.unwrap_or_default();
        change(&mut self.history, configuration);
        if let Err(error) = self.write() {
            log::error!("recording what the host did: {error}");
        }
    }

    fn write(&self) -> io::Result<()> {
        self.record
            .write_all_at(&self.history.to_bytes(HISTORY_ROOM), 0)
    }

    /// Hands over the file of an endpoint that has been enabled.
    pub(crate) fn keep_endpoint(&self, name: &str, file: File) -> OpenFile {
        let name = self.place.file(name);
        if let Err(error) = self.keeper.keep(&name, &file) {
            log::warn!("{name} is not kept, and will not outlive this process: {error}");
        }
        OpenFile::kept(file, self.keeper.clone(), name)
    }

    /// The file of an endpoint that was enabled by the process before.
    pub(crate) fn take_endpoint(&self, name: &str) -> Option<OpenFile> {
        let name = self.place.file(name);
        let file = self.keeper.take(&name)?;
        Some(OpenFile::kept(file.into(), self.keeper.clone(), name))
    }

    /// Closes what the process before had open and this one has no use for.
    pub(crate) fn forget_the_rest(&self) {
        self.place.forget_the_rest(&self.keeper);
    }
}

impl Drop for Kept {
    /// The gadget ends: the keeper must let go, or it would stay on the bus.
    fn drop(&mut self) {
        self.forget_the_rest();
        self.keeper.forget(&self.place.record());
        self.keeper.forget(&self.place.control());
    }
}

/// Reads a record: what the host has done, and which functions had something in hand.
fn read(record: &File, set_up_message: &[u8]) -> Result<(History, Vec<bool>), &'static str> {
    let mut bytes = vec![0; MESSAGE + set_up_message.len()];
    let is_as_long = record
        .metadata()
        .is_ok_and(|metadata| metadata.len() == bytes.len() as u64);
    if !is_as_long || record.read_exact_at(&mut bytes, 0).is_err() {
        return Err("its descriptors differ in length");
    }
    if bytes[MESSAGE..] != *set_up_message {
        return Err("its descriptors differ");
    }
    let history = History::from_bytes(&bytes[..HISTORY_ROOM]);
    let history = history.ok_or("another version of this program kept it")?;
    let marks = &bytes[HISTORY_ROOM..MESSAGE];
    Ok((history, marks.iter().map(|&mark| mark != 0).collect()))
}

/// Takes a kept gadget off the bus.
fn discard(keeper: &Keeper, place: &Place, control: File) {
    place.forget_the_rest(keeper);
    keeper.forget(&place.record());
    keeper.forget(&place.control());
    drop(control);
}
