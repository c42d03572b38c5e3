//! `usbfs2 gadget hold`: runs a gadget's program, and keeps the gadget on the bus when that is killed.

mod socket;
mod store;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use command_fds::{CommandFdExt as _, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use self::socket::NotifySocket;
use self::store::Store;
use super::attend::GLANCE;
use crate::interrupt;
use crate::output::note;

/// The first file that a program is passed (SD_LISTEN_FDS_START).
const FIRST_FILE: i32 = 3;

/// So many ends within this time are a program that cannot run, not one that was killed.
const MOST_ENDS: usize = 5;
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// How long a program may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(10);

/// Sets LISTEN_PID, which only the process itself can know, and becomes the program.
const BECOME: &str = "export LISTEN_PID=$$; exec \"$@\"";

/// Runs the program until it ends by itself or Ctrl-C, and again each time it is killed or fails.
pub(crate) fn run(command: &[OsString]) -> Result<()> {
    interrupt::catch()?;
    let socket = NotifySocket::new()?;
    let mut store = Store::default();
    let mut ends = VecDeque::new();
    loop {
        let mut child = start(command, &socket, &store)?;
        let status = attend(&mut child, &socket, &mut store)?;
        let name = command[0].to_string_lossy();
        if status.success() || interrupt::requested() {
            return Ok(());
        }
        if store.is_empty() {
            bail!("{name} {}, and has no gadget to be held", describe(status));
        }
        ends.push_back(Instant::now());
        if ends.len() > MOST_ENDS
            && ends
                .pop_front()
                .is_some_and(|end| end.elapsed() < ENDS_WITHIN)
        {
            bail!(
                "{name} {} for the {}th time within {ENDS_WITHIN:?}: the gadget is taken off the bus",
                describe(status),
                MOST_ENDS + 1
            );
        }
        note!(
            "{name} {}; the gadget stays on the bus, and it is started again",
            describe(status)
        );
    }
}

/// Starts the program with what is held.
fn start(command: &[OsString], socket: &NotifySocket, store: &Store) -> Result<Child> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", BECOME, "sh"]).args(command);
    shell.env("NOTIFY_SOCKET", socket.path());
    let files = store.files().context("cannot pass on what is held")?;
    shell.env("LISTEN_FDS", files.len().to_string());
    shell.env("LISTEN_FDNAMES", store.names());
    let mappings = (FIRST_FILE..).zip(files);
    let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping {
        parent_fd,
        child_fd,
    });
    shell
        .fd_mappings(mappings.collect())
        .context("cannot pass on what is held")?;
    shell
        .spawn()
        .with_context(|| format!("cannot start {}", command[0].to_string_lossy()))
}

/// Obeys the program's messages until it has ended.
fn attend(child: &mut Child, socket: &NotifySocket, store: &mut Store) -> Result<ExitStatus> {
    let pid = Pid::from_child(child);
    let ended = pidfd_open(pid, PidfdFlags::empty()).context("cannot watch the program")?;
    let glance = Timespec::try_from(GLANCE).ok();
    let mut asked_to_end = None;
    loop {
        let mut fds = [
            PollFd::new(socket, PollFlags::IN),
            PollFd::new(&ended, PollFlags::IN),
        ];
        // Ctrl-C interrupts this, or is seen at the next glance.
        let _ = poll(&mut fds, glance.as_ref());
        let has_ended = !fds[1].revents().is_empty();
        while let Some((message, files)) = socket.receive()? {
            store.obey(&message, files);
        }
        if has_ended {
            return child.wait().context("cannot learn how the program ended");
        }
        if interrupt::requested() {
            let asked = *asked_to_end.get_or_insert_with(|| {
                // Ctrl-C has told it already; SIGTERM and SIGHUP came to us alone.
                let _ = kill_process(pid, Signal::TERM);
                Instant::now()
            });
            if asked.elapsed() > FAREWELL {
                note!("it does not end, and is killed");
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was killed by signal {signal}"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}
