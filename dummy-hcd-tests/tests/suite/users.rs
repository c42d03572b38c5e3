//! Processes without root's rights.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// Two users; no file but what a test gives them is theirs.
pub(crate) const ALICE: u32 = 1001;
pub(crate) const BOB: u32 = 1002;

/// A program where every user may run it: the build's directories may be root's alone.
pub(crate) struct Program {
    path: PathBuf,
    _directory: TempDir,
}

impl Program {
    pub(crate) fn copy_of(original: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("program")
            .tempdir_in("/dev/shm")?;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        let path = directory.path().join("program");
        fs::copy(original, &path).with_context(|| format!("copy {}", original.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(Self {
            path,
            _directory: directory,
        })
    }

    /// The program, to be run by a user who belongs to no group but his own.
    pub(crate) fn run_by(&self, user: u32) -> Command {
        let mut command = Command::new(&self.path);
        command
            .uid(user)
            .gid(user)
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }
}

/// A process that is told what to do, and answers, line by line. Killed if the test fails before its end.
pub(crate) struct Helper {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Helper {
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a helping process")?;
        Ok(Self {
            input: child.stdin.take().context("its input is a pipe")?,
            output: BufReader::new(child.stdout.take().context("its output is a pipe")?),
            child,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}").with_context(|| format!("tell a helping process {line:?}"))
    }

    /// Fails unless the next line is `expected`; the supervisor ends a test whose helper is silent.
    pub(crate) fn expect(&mut self, expected: &str) -> Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(
            line.trim_end() == expected,
            "{line:?} instead of {expected:?}"
        );
        Ok(())
    }

    /// Kills it with SIGKILL, whatever it is doing.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends its input, on which it ends itself.
    pub(crate) fn end(self) -> Result<()> {
        let Self {
            mut child, input, ..
        } = self;
        drop(input);
        let status = child.wait()?;
        ensure!(status.success(), "a helping process ended with {status}");
        Ok(())
    }

    pub(crate) fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}
