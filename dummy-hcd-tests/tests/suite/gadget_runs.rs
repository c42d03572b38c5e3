//! `usbfs2 gadget run`: what it carries, and what it leaves when it is asked to end, and when it is killed.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::sound::SoundCard;
use dummy_hcd_tests::usbtest::UsbTest;
use dummy_hcd_tests::wait;
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::command::{Running, path, succeed, usbfs2};
use crate::firmware::serial;
use crate::runner::{FIGURE, Test};

const GADGETS: &str = "/sys/kernel/config/usb_gadget";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "command::a_gadget_in_configfs_is_used_and_leaves_nothing",
            functionfs_leaves_nothing,
        ),
        Test::new(
            "command::what_a_killed_gadget_left_is_cleaned_up",
            killed_is_cleaned_up,
        ),
        Test::new("command::a_serial_gadget_carries_text_both_ways", || {
            carries("serial", text_both_ways)
        }),
        Test::new("command::a_midi_gadget_carries_notes_both_ways", || {
            carries("midi", notes_both_ways)
        }),
        Test::new("command::a_source_sink_gadget_passes_usbtest", || {
            carries("source-sink", bulk_both_ways)
        }),
    ]
}

/// A run with its lines, in and out.
struct Run {
    gadget: Running,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    device: SysfsDevice,
}

impl Run {
    fn start(kind: &str) -> Result<Self> {
        let mut child = usbfs2()?
            .args(["gadget", "run", kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("the input is a pipe")?;
        let output = child.stdout.take().context("the output is a pipe")?;
        Ok(Self {
            gadget: Running::of(child),
            input,
            output: BufReader::new(output),
            device: SysfsDevice::wait(0)?,
        })
    }

    /// The next line that the run prints.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }
}

/// Runs the kind twice on gadgetfs: once to be killed, and once until Ctrl-C. Nothing is left either time.
fn carries(kind: &str, traffic: fn(&mut Run) -> Result<()>) -> Result<()> {
    for module in ["cdc_acm", "snd-usb-audio", "usbtest"] {
        modprobe::load(module)?;
    }
    let mut run = Run::start(kind)?;
    traffic(&mut run).context("the first run")?;
    drop(run);
    SysfsDevice::wait_gone(0)?;
    ensure_nothing_left()?;

    let mut run = Run::start(kind)?;
    traffic(&mut run).context("after a kill")?;
    run.gadget.interrupt()?;
    SysfsDevice::wait_gone(0)?;
    ensure_nothing_left()
}

fn text_both_ways(run: &mut Run) -> Result<()> {
    let mut terminal = serial::open(&serial::terminal(&run.device, 0)?)?;
    terminal.write_all(b"from the host\n")?;
    let line = run.line()?;
    ensure!(line == "from the host\n", "{line:?} was printed");
    run.input.write_all(b"to the host\n")?;
    let mut came = [0; 12];
    terminal.read_exact(&mut came)?;
    ensure!(came == *b"to the host\n", "{came:?} came");
    Ok(())
}

fn notes_both_ways(run: &mut Run) -> Result<()> {
    run.device.wait_driver(0, "snd-usb-audio")?;
    let port = SoundCard::wait_host(&run.device)?.midi();
    let mut port = File::options().read(true).write(true).open(port)?;
    port.write_all(&[0x90, 64, 100])?;
    let line = run.line()?;
    ensure!(line == "channel 1: on 64 100\n", "{line:?} was printed");
    // Of what the device sends, ALSA keeps nothing until somebody has read or polled.
    let now = Timespec::default();
    let readable = rustix::event::poll(&mut [PollFd::new(&port, PollFlags::IN)], Some(&now))?;
    ensure!(readable == 0, "a note came before it was played");
    run.input.write_all(b"on 60 1\n")?;
    let mut note = [0; 3];
    port.read_exact(&mut note)?;
    ensure!(note == [0x90, 60, 1], "{note:02x?} came");
    Ok(())
}

fn bulk_both_ways(run: &mut Run) -> Result<()> {
    run.device.wait_driver(0, "usbtest")?;
    // Bulk writes, bulk reads, and control requests.
    for number in [1, 2, 9] {
        let mut test = UsbTest {
            number,
            iterations: 20,
            length: 4096,
            ..UsbTest::default()
        };
        test.run_on(&run.device)
            .with_context(|| format!("usbtest {number}"))?;
    }
    Ok(())
}

/// What runs have made in configfs.
fn made() -> Result<Vec<String>> {
    let entries = match fs::read_dir(GADGETS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.starts_with("usbfs2-run-").then_some(name));
    }
    Ok(names)
}

/// Where FunctionFS is mounted.
fn mounts() -> Result<Vec<String>> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    let lines = mounts.lines().map(str::to_owned);
    Ok(lines.filter(|line| line.contains(" functionfs ")).collect())
}

/// Fails if a run has left a gadget in configfs, or a mount of FunctionFS.
pub(crate) fn ensure_nothing_left() -> Result<()> {
    let (made, mounts) = (made()?, mounts()?);
    ensure!(
        made.is_empty() && mounts.is_empty(),
        "left: {made:?} {mounts:?}"
    );
    Ok(())
}

fn functionfs_leaves_nothing() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = directory.path().join("image");
    let copy = directory.path().join("copy");
    let disk = [
        "gadget",
        "run",
        "disk",
        "--image",
        path(&image)?,
        "--size",
        "4M",
        "--backend",
        "functionfs",
    ];
    for _ in 0..2 {
        let gadget = Running::start(&disk)?;
        let device = SysfsDevice::wait(0)?;
        device.wait_driver(0, "usb-storage")?;
        ensure!(made()?.len() == 1, "{:?}", made()?);
        let name = device.name();
        succeed(&["disk", "read", name, path(&copy)?, "--length", "64K"])?;
        // Somebody's that lives is nobody's to remove.
        let cleaned = succeed(&["gadget", "clean"])?;
        ensure!(
            cleaned.stdout.is_empty() && made()?.len() == 1,
            "{cleaned:?}"
        );
        device.wait_driver(0, "usb-storage")?;
        gadget.end()?;
        SysfsDevice::wait_gone(0)?;
        ensure_nothing_left()?;
    }
    Ok(())
}

fn killed_is_cleaned_up() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let text = directory.path().join("text");
    fs::write(&text, "bye\n")?;
    let text = path(&text)?;
    for backend in ["gadgetfs", "functionfs"] {
        let keyboard = [
            "gadget",
            "run",
            "keyboard",
            "--text",
            text,
            "--backend",
            backend,
        ];
        let start = || -> Result<Running> {
            let gadget = Running::start(&keyboard)?;
            SysfsDevice::wait(0)?.wait_driver(0, "usbhid")?;
            Ok(gadget)
        };
        // Killed.
        let killed = start().with_context(|| format!("first on {backend}"))?;
        let since = Instant::now();
        drop(killed);
        SysfsDevice::wait_gone(0)?;
        let left = made()?;
        ensure!(
            left.len() == usize::from(backend == "functionfs"),
            "{left:?}"
        );

        let gadget = start().with_context(|| format!("after a kill on {backend}"))?;
        let now = made()?;
        ensure!(
            now.len() == left.len() && (now.is_empty() || now != left),
            "{now:?}"
        );
        let after_kill = since.elapsed();
        let since = Instant::now();
        gadget.end()?;
        let gadget = start().with_context(|| format!("once more on {backend}"))?;
        println!(
            "{FIGURE}{backend}, kept by nobody: until the host's driver has the next one, {after_kill:?} after a kill, \
             {:?} after SIGTERM",
            since.elapsed()
        );
        gadget.end()?;
        SysfsDevice::wait_gone(0)?;
        ensure_nothing_left()?;
    }
    // By hand.
    let keyboard = [
        "gadget",
        "run",
        "keyboard",
        "--text",
        text,
        "--backend",
        "functionfs",
    ];
    let gadget = Running::start(&keyboard)?;
    SysfsDevice::wait(0)?.wait_driver(0, "usbhid")?;
    drop(gadget);
    SysfsDevice::wait_gone(0)?;
    let left = wait::until("one gadget is left", || {
        made().ok().and_then(|mut made| made.pop())
    })?;
    let cleaned = succeed(&["gadget", "clean"])?;
    let cleaned = String::from_utf8_lossy(&cleaned.stdout).into_owned();
    ensure!(cleaned == format!("removed {left}\n"), "{cleaned}");
    ensure_nothing_left()
}
