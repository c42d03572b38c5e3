//! A device on gadgetfs that is another one every moment, with descriptors that lie. Ends when its standard input does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::cable;
use dummy_hcd_tests::random::Random;
use dummy_hcd_tests::stress::counts::Counts;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::endpoints::Served;
use crate::{descriptors, sys};

/// The controller gadgetfs takes: the first that is free.
const BUS: u8 = 0;
const EVENT: usize = 12;
const SETUP: u32 = 3;
/// How long a device is there: long enough for the host to know it and its files to be used.
const LIFE: Duration = Duration::from_millis(700);
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

pub(crate) fn run(seed: u64) -> Result<()> {
    sys::interruptible()?;
    let directory = PathBuf::from("/run/usbfs2-liar");
    fs::create_dir_all(&directory)?;
    mount(
        "gadgetfs",
        &directory,
        "gadgetfs",
        MountFlags::empty(),
        None,
    )
    .context("mount gadgetfs")?;
    let result = lie(&directory, &mut Random::new(seed));
    unmount(&directory, UnmountFlags::empty()).context("unmount gadgetfs")?;
    result
}

fn lie(directory: &Path, random: &mut Random) -> Result<()> {
    while !is_over()? {
        let mut counts = Counts::default();
        let message = descriptors::message(random);
        let life = LIFE / 2 + LIFE * u32::try_from(random.below(100))? / 100;
        one(directory, &message, life, random, &mut counts)?;
        let mut line = serde_json::to_string(&counts)?;
        line.push('\n');
        io::stdout().write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Whether the process that started this one has ended its input.
fn is_over() -> Result<bool> {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let now = Timespec::default();
    Ok(poll(&mut fds, Some(&now))? > 0)
}

/// One device, from plugging in to pulling out.
fn one(
    directory: &Path,
    message: &[u8],
    life: Duration,
    random: &mut Random,
    counts: &mut Counts,
) -> Result<()> {
    let controller = directory.join(format!("dummy_udc.{BUS}"));
    let controller = match controller.exists() {
        true => controller,
        // The name without a number is the driver's.
        false => directory.join("dummy_udc"),
    };
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&controller);
    let mut file = opened.with_context(|| format!("open {}", controller.display()))?;
    counts.count("devices that lie");
    if let Err(error) = file.write_all(message) {
        ensure!(
            error.raw_os_error() == Some(libc::EINVAL),
            "gadgetfs said {error} to descriptors"
        );
        counts.count("devices that lie: refused by gadgetfs");
        return Ok(());
    }
    let addresses = descriptors::addresses(message);
    let until = Instant::now() + life;
    let mut served = None;
    while Instant::now() < until && !is_over()? {
        let is_configured = answer(&mut file, random, counts)?;
        if is_configured && served.is_none() {
            served = Some(Served::start(directory, &addresses, random)?);
        }
    }
    // A request that is not answered when the file is closed is the end of the kernel (6.12): first nobody asks any more.
    cable::pull(BUS).context("pull the liar's cable")?;
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(50) {
        answer(&mut file, random, counts)?;
    }
    if let Some(served) = served {
        served.end(counts)?;
    }
    drop(file);
    // Its files are released by then; a moment more until the controller is free.
    thread::sleep(Duration::from_millis(20));
    Ok(())
}

/// Waits a moment for an event, and answers it if it is a request. True when it was SET_CONFIGURATION.
fn answer(file: &mut File, random: &mut Random, counts: &mut Counts) -> Result<bool> {
    {
        let mut fds = [PollFd::new(&*file, PollFlags::IN)];
        match poll(&mut fds, Some(&LOOK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut event = [0; EVENT];
    match file.read(&mut event) {
        Ok(EVENT) => {}
        // None there, or it is void.
        Ok(_) => return Ok(false),
        Err(error) => {
            let errno = error.raw_os_error();
            let passes = matches!(
                errno,
                Some(libc::EAGAIN | libc::EIDRM | libc::EINTR | libc::EL2HLT)
            );
            ensure!(passes, "gadgetfs said {error} instead of an event");
            return Ok(false);
        }
    }
    let [setup @ .., _, _, _, _] = event;
    let kind = u32::from_ne_bytes([event[8], event[9], event[10], event[11]]);
    if kind != SETUP {
        return Ok(false);
    }
    let setup: [u8; 8] = setup;
    counts.count("requests to devices that lie");
    let length = usize::from(u16::from_le_bytes([setup[6], setup[7]]));
    let is_in = setup[0] & 0x80 != 0;
    if !is_in && length > 0 {
        take_data(file, length);
    } else if !is_in && setup[0] != 0 && random.below(4) == 0 {
        // A stall.
        let _ = file.write(&[]);
    } else {
        // A stall for a request with data, which would otherwise lie in the kernel; yes to one without.
        let _ = file.read(&mut []);
    }
    // SET_CONFIGURATION (USB 2.0 9.4.7).
    Ok(setup[..2] == [0, 9] && setup[2] != 0)
}

/// The data of a request are on their way, and are not announced.
fn take_data(file: &mut File, length: usize) {
    let mut data = vec![0; length];
    for _ in 0..20 {
        match file.read(&mut data) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
                thread::sleep(Duration::from_millis(1));
            }
            _ => return,
        }
    }
}
