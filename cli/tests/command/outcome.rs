//! Running the command, and what came of it.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const USBFS2: &str = env!("CARGO_BIN_EXE_usbfs2");

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Outcome {
    /// What a run printed that succeeded and complained of nothing.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// The one line a run complained in that printed nothing else and failed.
    #[track_caller]
    pub(crate) fn complaint(self) -> String {
        assert_eq!((self.code, &*self.stdout), (Some(1), ""), "{self:?}");
        let line = self.stderr.strip_prefix("usbfs2: ");
        let line = line.and_then(|line| line.strip_suffix('\n'));
        let line = line.filter(|line| !line.contains('\n'));
        line.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

pub(crate) fn usbfs2<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome {
    let mut command = Command::new(USBFS2);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap().into()
}

/// Runs the command as somebody who may do nothing special: as nobody where this test is root.
pub(crate) fn usbfs2_unprivileged<A: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = A>,
) -> Outcome {
    const NOBODY: u32 = 65_534;
    // Nobody may not enter every directory that a workspace lies in. Copied by another process: one started
    // by another test meanwhile would inherit the file open for writing, which cannot be executed then.
    let folder = open_folder();
    let program = folder.path().join("usbfs2");
    let copied = Command::new("cp").arg(USBFS2).arg(&program).status();
    assert!(copied.unwrap().success());
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::null());
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap().into()
}

/// A temporary directory that every user may enter.
pub(crate) fn open_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    set_mode(folder.path(), 0o755);
    folder
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
