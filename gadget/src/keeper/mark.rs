//! What a function leaves for the process after it to read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Where a function notes that it has something in hand: taken from the host, and not answered in full.
///
/// Only where somebody keeps the gadget ([`Keeper`](crate::Keeper)) is there one ([`Endpoints::mark`]). If the process is
/// killed, the next one's [`Function::restored`] is told what was noted last. Setting it is a system call.
///
/// [`Endpoints::mark`]: crate::Endpoints::mark
/// [`Function::restored`]: crate::Function::restored
#[derive(Debug, Clone)]
pub struct Mark {
    record: Arc<File>,
    place: u64,
}

impl Mark {
    pub(crate) fn new(record: Arc<File>, place: u64) -> Self {
        Self { record, place }
    }

    /// Notes whether something is in hand.
    pub fn set(&self, in_hand: bool) {
        if let Err(error) = self.record.write_all_at(&[u8::from(in_hand)], self.place) {
            log::error!("noting what is in hand: {error}");
        }
    }
}
