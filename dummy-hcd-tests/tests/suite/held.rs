//! Processes that end with transfers in flight: killed, by exit, or as another program.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::{env, io, process};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::usbfs2::{self, InterfaceFiles};

use crate::setup::Plugged;

/// How such a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Kill,
    Exit,
    Exec,
}

impl End {
    const ALL: [Self; 3] = [Self::Kill, Self::Exit, Self::Exec];

    fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Exit => "exit",
            Self::Exec => "exec",
        }
    }

    /// Ends processes that play `role` so, one after the other: nothing is left of any, and `then` succeeds.
    pub(crate) fn leaves_nothing(
        self,
        role: &str,
        plugged: &Plugged,
        rounds: u32,
        then: fn(&Plugged) -> Result<()>,
    ) -> Result<()> {
        for round in 0..rounds {
            let once = || {
                let held = Held::start(role, &plugged.interface, self)?;
                // As another program it lives on.
                let program = match self {
                    Self::Kill => held.kill().map(|()| None)?,
                    Self::Exit => held.end().map(|()| None)?,
                    Self::Exec => Some(held),
                };
                nothing_is_left(plugged)?;
                then(plugged)?;
                program.map_or(Ok(()), Held::end)
            };
            once().with_context(|| format!("round {round} of {rounds}"))?;
        }
        Ok(())
    }
}

/// A process that holds an interface and has transfers in flight when it is started.
pub(crate) struct Held {
    child: Child,
    /// It ends when this is closed, unless it is killed.
    input: ChildStdin,
}

impl Held {
    /// Starts it and waits until its transfers are in flight; `role` is the argument that makes this program it.
    pub(crate) fn start(role: &str, interface: &InterfaceFiles, end: End) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(role)
            .arg(interface.path())
            .arg(end.word())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a process that holds transfers")?;
        let input = child.stdin.take().context("its input is a pipe")?;
        let output = child.stdout.take().context("its output is a pipe")?;
        let held = Self { child, input };
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        if read.is_ok() && line == "ready\n" {
            return Ok(held);
        }
        held.kill()?;
        read?;
        bail!("a process with transfers said {line:?}")
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Has it end by itself.
    fn end(mut self) -> Result<()> {
        drop(self.input);
        let status = self.child.wait()?;
        ensure!(status.success(), "the process ended with {status}");
        Ok(())
    }
}

/// No request is held, and the former driver is back.
pub(crate) fn nothing_is_left(plugged: &Plugged) -> Result<()> {
    usbfs2::wait_no_live_request()?;
    plugged.device.wait_driver(0, "usbtest")?;
    Ok(())
}

/// The process: has `start` put transfers in flight in the interface its arguments name, and keeps what that returns
/// until it ends as they say.
pub(crate) fn hold<T>(
    arguments: &[String],
    start: impl FnOnce(&InterfaceFiles) -> Result<T>,
) -> ExitCode {
    let held = match arguments {
        [interface, end] => end_with(&InterfaceFiles::at(interface), end, start),
        _ => Err(anyhow::anyhow!("an interface and how to end")),
    };
    if let Err(error) = held {
        println!("{error:#}");
    }
    ExitCode::FAILURE
}

fn end_with<T>(
    interface: &InterfaceFiles,
    end: &str,
    start: impl FnOnce(&InterfaceFiles) -> Result<T>,
) -> Result<()> {
    let end = End::ALL.into_iter().find(|one| one.word() == end);
    let end = end.context("kill, exit or exec")?;
    let _in_flight = start(interface)?;
    println!("ready");
    if end == End::Exec {
        return Err(Command::new("cat").exec()).context("run cat");
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    // Without running any destructor.
    process::exit(0)
}
