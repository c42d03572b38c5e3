//! A file that a keeper may have open as well.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use super::Keeper;

/// An open file. Dropped, it is closed here, and then by the keeper that has it too: only then is it closed.
#[derive(Debug)]
pub(crate) struct OpenFile {
    /// Closed first: fields are dropped in their order.
    file: File,
    _kept: Option<KeptName>,
}

/// The name of a file with the keeper.
#[derive(Debug)]
struct KeptName {
    keeper: Keeper,
    name: String,
}

impl OpenFile {
    /// A file that the keeper has been handed, under this name.
    pub(crate) fn kept(file: File, keeper: Keeper, name: String) -> Self {
        Self {
            file,
            _kept: Some(KeptName { keeper, name }),
        }
    }
}

impl From<File> for OpenFile {
    fn from(file: File) -> Self {
        Self { file, _kept: None }
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for KeptName {
    fn drop(&mut self) {
        self.keeper.forget(&self.name);
    }
}
