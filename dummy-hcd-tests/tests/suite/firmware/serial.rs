//! The kernel's cdc_acm on `usbd-serial`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::random::Random;
use dummy_hcd_tests::wait;
use rustix::termios::{self, ControlModes, OptionalActions};
use usbfs2_host::{Host, SetupPacket, TransferError};

use super::board::Board;
use crate::runner::Test;
use crate::survival::kill_held;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "firmware::serial::a_terminal_echoes_a_mebibyte_each_way",
            echo,
        ),
        Test::new(
            "firmware::serial::the_firmware_sees_how_the_line_is_set",
            line_coding,
        ),
        Test::new(
            "firmware::serial::a_killed_firmware_goes_on_with_the_terminal_that_is_open",
            killed_firmware_goes_on,
        ),
        Test::new(
            "firmware::serial::a_break_is_refused_and_harms_nothing",
            a_break,
        ),
    ]
}

/// The terminal that cdc_acm makes of the device, its control interface being `control`.
pub(crate) fn terminal(device: &SysfsDevice, control: u8) -> Result<PathBuf> {
    device.wait_driver(control, "cdc_acm")?;
    Ok(wait::until("the serial port has a terminal", || {
        let entries = fs::read_dir("/sys/class/tty").ok()?;
        entries.flatten().find_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let mut parts = target.components();
            let is_ours = parts.any(|part| part.as_os_str() == device.name());
            let node = Path::new("/dev").join(entry.file_name());
            (is_ours && node.exists()).then_some(node)
        })
    })?)
}

/// Opens a terminal that passes on every byte as it is.
pub(crate) fn open(terminal: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::NOCTTY.bits().cast_signed())
        .open(terminal)?;
    let mut settings = termios::tcgetattr(&file)?;
    settings.make_raw();
    termios::tcsetattr(&file, OptionalActions::Now, &settings)?;
    Ok(file)
}

fn start() -> Result<(Board, File)> {
    modprobe::load("cdc_acm")?;
    let board = Board::start("firmware_serial")?;
    let file = open(&terminal(&board.device, 0)?)?;
    Ok((board, file))
}

fn echo() -> Result<()> {
    let (board, terminal) = start()?;
    exchange(&terminal, 1 << 20)?;
    drop(terminal);
    board.end()?;
    Ok(())
}

/// Writes this many bytes, and expects them back.
pub(super) fn exchange(terminal: &File, bytes: usize) -> Result<()> {
    let mut sent = vec![0; bytes];
    Random::new(5).fill(&mut sent);
    let mut came = vec![0; bytes];
    thread::scope(|scope| {
        let writer = scope.spawn(|| (&*terminal).write_all(&sent));
        // A read waits for the kernel; the test's own deadline ends one that waits in vain.
        (&*terminal).read_exact(&mut came)?;
        writer
            .join()
            .map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        anyhow::Ok(())
    })?;
    let first = sent.iter().zip(&came).position(|(sent, came)| sent != came);
    ensure!(first.is_none(), "byte {first:?} came back changed");
    Ok(())
}

/// Sets a line to 115200 baud, 7 bits, even parity and 2 stop bits.
fn set_line(terminal: &File) -> Result<termios::Termios> {
    let mut settings = termios::tcgetattr(terminal)?;
    settings.set_speed(115_200)?;
    settings.control_modes.remove(ControlModes::CSIZE);
    settings.control_modes |= ControlModes::CS7 | ControlModes::PARENB | ControlModes::CSTOPB;
    termios::tcsetattr(terminal, OptionalActions::Now, &settings)?;
    Ok(settings)
}

fn killed_firmware_goes_on() -> Result<()> {
    modprobe::load("cdc_acm")?;
    let mut board = Board::start_held("firmware_serial")?;
    let number = board.device.attribute("devnum")?;
    let terminal = open(&terminal(&board.device, 0)?)?;
    set_line(&terminal)?;
    board.wait_line("115200 7E2 with a terminal")?;
    exchange(&terminal, 4096)?;
    for _ in 0..3 {
        kill_held(board.id())?;
        // The next one learns how the line is set, though the host does not say so again.
        board.wait_line("115200 7E2 with a terminal")?;
        exchange(&terminal, 4096)?;
    }
    ensure!(
        board.device.attribute("devnum")? == number,
        "the host has enumerated the device again"
    );
    drop(terminal);
    board.end()?;
    Ok(())
}

fn line_coding() -> Result<()> {
    let (mut board, terminal) = start()?;
    board.wait_line("9600 8N1 with a terminal")?;
    let mut settings = set_line(&terminal)?;
    board.wait_line("115200 7E2 with a terminal")?;
    settings.set_speed(300)?;
    settings
        .control_modes
        .remove(ControlModes::CSIZE | ControlModes::CSTOPB);
    settings.control_modes |= ControlModes::CS8 | ControlModes::PARODD;
    termios::tcsetattr(&terminal, OptionalActions::Now, &settings)?;
    board.wait_line("300 8O1 with a terminal")?;
    // The last one to close it hangs up.
    drop(terminal);
    board.wait_line("300 8O1 without a terminal")?;
    board.end()?;
    Ok(())
}

fn a_break() -> Result<()> {
    const SEND_BREAK: u8 = 0x23;
    let (board, terminal) = start()?;
    // The class says that it has no breaks (bmCapabilities, CDC PSTN 1.2, 5.3.2), so that kernels do not even ask.
    let refusal = termios::tcsendbreak(&terminal);
    exchange(&terminal, 4096).with_context(|| format!("after a break: {refusal:?}"))?;
    drop(terminal);

    // Who asks all the same is refused by the class, and that is all.
    let host = Host::usbfs2(dummy_hcd_tests::usbfs2::MOUNT.as_ref())?;
    let devices = host.devices()?;
    let info = devices.iter().find(|info| info.product() == Some("Echo"));
    let device = host.open(info.context("the device is gone")?.id())?;
    let control = device.claim(0)?;
    let setup = SetupPacket::class_interface_out(SEND_BREAK, 100, 0, 0);
    for _ in 0..3 {
        let answer = control.control_out_blocking(setup, &[], Duration::from_secs(5));
        ensure!(answer == Err(TransferError::Stall), "a break: {answer:?}");
    }
    drop((control, device));
    let terminal = open(&self::terminal(&board.device, 0)?)?;
    exchange(&terminal, 4096).context("after three breaks")?;
    drop(terminal);

    let stalled = board.end_with_stalled()?;
    ensure!(stalled >= 3, "{stalled} requests were counted");
    Ok(())
}
