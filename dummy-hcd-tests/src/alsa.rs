//! `aplay`, `arecord` and `amixer` of alsa-utils on one card, without conversions: 16-bit stereo.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::sound::SoundCard;
use crate::wait::{self, TimedOut};

/// Has the programs and what they read in memory, so that none of them waits for a file of the machine with a
/// stream in progress: where time is counted in instructions, such a wait may last seconds.
///
/// # Errors
/// When one cannot be started or fails.
pub fn warm_up() -> io::Result<()> {
    for arguments in [
        &["aplay", "-D", "null", "-t", "raw", "-s", "1", "/dev/zero"][..],
        &["arecord", "-D", "null", "-t", "raw", "-s", "1", "/dev/null"],
    ] {
        succeed(&output(arguments)?, arguments)?;
    }
    Ok(())
}

/// A program that plays or records; killed when dropped.
#[derive(Debug)]
pub struct Stream {
    child: Child,
    said: PathBuf,
    status: (SoundCard, &'static str),
}

impl Stream {
    /// Plays the frames in `file`, once.
    ///
    /// # Errors
    /// When `aplay` cannot be started.
    pub fn play(card: SoundCard, rate: u32, file: &Path) -> io::Result<Self> {
        let command = program("aplay", card, rate);
        Self::start(command, file, (card, "pcm0p/sub0/status"))
    }

    /// Records `frames` frames into `file`.
    ///
    /// # Errors
    /// When `arecord` cannot be started.
    pub fn record(card: SoundCard, rate: u32, frames: u64, file: &Path) -> io::Result<Self> {
        let mut command = program("arecord", card, rate);
        command.args(["-s", &frames.to_string()]);
        Self::start(command, file, (card, "pcm0c/sub0/status"))
    }

    fn start(
        mut command: Command,
        file: &Path,
        status: (SoundCard, &'static str),
    ) -> io::Result<Self> {
        let mut said = file.as_os_str().to_owned();
        said.push(".said");
        let said = PathBuf::from(said);
        let child = command
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&said)?)
            .spawn()?;
        Ok(Self {
            child,
            said,
            status,
        })
    }

    /// Waits until the PCM runs, or the program is over.
    ///
    /// # Errors
    /// When neither comes.
    pub fn wait_running(&mut self) -> Result<(), TimedOut> {
        let (card, file) = self.status;
        wait::until("a PCM runs", || {
            let running = card.state(file)?.contains("state: RUNNING");
            let over = matches!(self.child.try_wait(), Ok(Some(_)));
            (running || over).then_some(())
        })
    }

    /// Whether the program is over, and how.
    ///
    /// # Errors
    /// As the system says.
    pub fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it fails, with what it said: an xrun is a failure.
    pub fn finish(mut self) -> io::Result<()> {
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        let said = self.said();
        Err(io::Error::other(format!("{status}: {said}")))
    }

    /// What the program has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Fails only if it is over, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `amixer -c CARD` with these arguments and returns what it printed.
///
/// # Errors
/// When it cannot be started or fails.
pub fn mixer(card: SoundCard, arguments: &[&str]) -> io::Result<String> {
    let device = card.mixer();
    let arguments = [&["amixer", "-D", &device][..], arguments].concat();
    let output = output(&arguments)?;
    succeed(&output, &arguments)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn program(name: &str, card: SoundCard, rate: u32) -> Command {
    let mut command = Command::new(name);
    // With -N they poll: a blocking call fails when the other end takes its time to begin.
    command
        .args(["-q", "--fatal-errors", "-N", "-D", &card.pcm(), "-t", "raw"])
        .args(["-f", "S16_LE", "-c", "2", "-r", &rate.to_string()]);
    command
}

fn output(arguments: &[&str]) -> io::Result<Output> {
    Command::new(arguments[0])
        .args(&arguments[1..])
        .stdin(Stdio::null())
        .output()
}

fn succeed(output: &Output, arguments: &[&str]) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{}: {}: {}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )))
}
