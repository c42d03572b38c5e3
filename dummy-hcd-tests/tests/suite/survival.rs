//! Gadgets whose program is killed while `usbfs2 gadget hold` keeps them on the bus.

mod systemd;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::kernel_log;
use dummy_hcd_tests::wait::{self, DEADLINE};
use tempfile::TempDir;
use usbfs2_hid::HidDevice;

use crate::command::{Running, path, program};
use crate::gadget_runs::ensure_nothing_left;
use crate::kernel_disks::KernelDisk;
use crate::kernel_drivers;
use crate::runner::Test;
use crate::scenarios::random::Random;
use crate::world::KernelHost;

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = vec![
        Test::new(
            "survival::a_killed_keyboard_types_on_and_answers_the_request_it_was_asked",
            || keyboard_types_on("gadgetfs"),
        ),
        Test::new(
            "survival::a_killed_keyboard_in_configfs_types_on_and_leaves_nothing",
            in_configfs,
        ),
        Test::new(
            "survival::a_disk_killed_in_the_middle_of_commands_loses_nothing",
            disk_loses_nothing,
        ),
        Test::new(
            "survival::another_gadget_does_not_go_on_in_its_place",
            || another_gadget_starts_anew("gadgetfs"),
        ),
        Test::new(
            "survival::another_gadget_does_not_go_on_in_its_place_in_configfs",
            || {
                another_gadget_starts_anew("functionfs")?;
                ensure_nothing_left()
            },
        ),
    ];
    tests.extend(systemd::tests());
    tests
}

/// The command, in memory: what is started again and again is not to wait for the machine's files.
fn program_in(directory: &TempDir) -> Result<PathBuf> {
    let copy = directory.path().join("usbfs2");
    fs::copy(program()?, &copy)?;
    Ok(copy)
}

const KILLS: usize = 5;

/// `usbfs2 gadget hold` with a gadget's program.
struct Held {
    holder: Option<Running>,
    device: SysfsDevice,
    /// The number the host has given the device. A device that is enumerated again gets another one.
    number: String,
}

impl Held {
    fn start(arguments: &[&str]) -> Result<Self> {
        let holder = Running::start(&[&["gadget", "hold"], arguments].concat())?;
        let device = SysfsDevice::wait(0)?;
        let number = device.attribute("devnum")?;
        Ok(Self {
            holder: Some(holder),
            device,
            number,
        })
    }

    /// Kills the program, and returns when another one is there.
    fn kill(&self) -> Result<()> {
        let holder = self.holder.as_ref().context("the holder is there")?;
        kill_held(holder.id())
    }

    /// Asks the holder to end, which takes the gadget off the bus, and fails if the host ever saw it go before.
    fn end(self) -> Result<()> {
        ensure!(
            self.device.attribute("devnum")? == self.number,
            "the host has enumerated the device again"
        );
        self.let_go()
    }

    /// Asks the holder to end, which takes the gadget off the bus.
    fn let_go(mut self) -> Result<()> {
        let holder = self.holder.take().context("the holder is there")?;
        holder.end()?;
        SysfsDevice::wait_gone(0)?;
        Ok(())
    }
}

impl Drop for Held {
    /// After a failure: nobody is left behind for the next test.
    fn drop(&mut self) {
        if self.holder.is_some() {
            let program = self.holder.as_ref().map(|holder| program_of(holder.id()));
            drop(self.holder.take());
            if let Some(Ok(program)) = program {
                let _ = kernel_drivers::succeed("kill", &["-KILL", &program.to_string()]);
            }
        }
    }
}

/// The process of the program that `usbfs2 gadget hold`, whose process is `holder`, has started.
fn program_of(holder: u32) -> Result<u32> {
    let path = format!("/proc/{holder}/task/{holder}/children");
    let program = wait::until("the holder has started the program", || {
        let children = fs::read_to_string(&path).ok()?;
        children.split_whitespace().next()?.parse().ok()
    });
    Ok(program?)
}

/// Kills the program that a holder has started, and returns when another one is there.
pub(crate) fn kill_held(holder: u32) -> Result<()> {
    let killed = program_of(holder)?;
    kernel_drivers::succeed("kill", &["-KILL", &killed.to_string()])?;
    wait::until("the program was started again", || {
        (program_of(holder).ok()? != killed).then_some(())
    })?;
    Ok(())
}

fn in_configfs() -> Result<()> {
    keyboard_types_on("functionfs")?;
    ensure_nothing_left()
}

fn keyboard_types_on(backend: &str) -> Result<()> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let text = directory.path().join("text");
    fs::write(&text, "a")?;
    let program = program_in(&directory)?;
    let program = path(&program)?;
    let keyboard = ["gadget", "run", "keyboard", "--text", path(&text)?];
    let held = Held::start(&[&[program], &keyboard[..], &["--backend", backend]].concat())?;
    let device = KernelHost::Usbfs2
        .connect()?
        .open(&held.device.name().into())?;
    let mut keys = HidDevice::open_blocking(&device)?.keys()?;
    let mut types = || -> Result<()> {
        loop {
            let event = keys.next_timeout(DEADLINE)?;
            let event = event.context("the keyboard types nothing")?;
            if event.text == Some('a') {
                return Ok(());
            }
        }
    };
    let product = device.info().product().map(str::to_owned);
    let is_over = AtomicBool::new(false);
    let asked = thread::scope(|scope| -> Result<u32> {
        // Somebody asks the device for its product's name all the time: gadgetfs has the program answer that.
        let asking = scope.spawn(|| -> Result<u32> {
            let mut asked = 0;
            while !is_over.load(Ordering::SeqCst) {
                let answer = device.string_blocking(2)?;
                ensure!(Some(&answer) == product.as_ref(), "the product is {answer}");
                asked += 1;
                thread::sleep(Duration::from_millis(10));
            }
            Ok(asked)
        });
        let mut longest = Duration::ZERO;
        let mut killed = || -> Result<()> {
            for _ in 0..KILLS {
                let since = Instant::now();
                held.kill()?;
                types()?;
                longest = longest.max(since.elapsed());
            }
            Ok(())
        };
        let result = killed();
        is_over.store(true, Ordering::SeqCst);
        let Ok(asked) = asking.join() else {
            bail!("the thread that asks panicked");
        };
        result?;
        println!("figure: {backend}, {KILLS} kills; from kill to the next key at most {longest:?}");
        asked
    })?;
    ensure!(asked > 0, "nothing was asked");
    println!("{asked} requests answered");
    drop((keys, device));
    held.end()
}

/// How much is written and read back while the disk's program is killed.
const PIECES: usize = 160;
const PIECE: usize = 64 * 1024;
const SECTOR: usize = 512;

fn disk_loses_nothing() -> Result<()> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let image = directory.path().join("image");
    let program = program_in(&directory)?;
    let program = path(&program)?;
    let image = path(&image)?;
    let held = Held::start(&[program, "gadget", "disk", "--image", image, "--size", "16M"])?;
    held.device.wait_driver(0, "usb-storage")?;
    let disk = wait::until("the kernel has the disk", || {
        KernelDisk::of(&held.device).remove(&0)
    })?;
    let logged = kernel_log::position()?;

    let mut bytes = vec![0; PIECES * PIECE];
    Random::new(11).fill(&mut bytes);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_DIRECT)
        .open(disk.node())?;
    let moved = AtomicUsize::new(0);
    thread::scope(|scope| -> Result<()> {
        let moving = scope.spawn(|| -> Result<()> {
            // O_DIRECT wants whole sectors in memory, too.
            let mut memory = vec![0; PIECE + SECTOR];
            let begin = memory.as_ptr().align_offset(SECTOR);
            let buffer = &mut memory[begin..begin + PIECE];
            for (piece, bytes) in bytes.chunks(PIECE).enumerate() {
                let place = (piece * PIECE) as u64;
                buffer.copy_from_slice(bytes);
                file.write_all_at(buffer, place)
                    .with_context(|| format!("writing piece {piece}"))?;
                buffer.fill(0);
                file.read_exact_at(buffer, place)
                    .with_context(|| format!("reading piece {piece}"))?;
                ensure!(*buffer == *bytes, "piece {piece} is read back wrong");
                moved.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        });
        let mut kills = 0;
        let mut random = Random::new(5);
        while !moving.is_finished() && kills < KILLS {
            thread::sleep(Duration::from_millis(random.below(60) as u64));
            held.kill()?;
            kills += 1;
            // The host recovers, before the next one is killed: the piece under way may have been past its last
            // command, but the one that follows had its commands from the program that was started.
            let before = moved.load(Ordering::SeqCst);
            wait::until("the disk goes on", || {
                let goes_on = moved.load(Ordering::SeqCst) >= before + 2 || moving.is_finished();
                goes_on.then_some(())
            })?;
        }
        let Ok(outcome) = moving.join() else {
            bail!("the thread that writes panicked");
        };
        outcome?;
        println!("{kills} kills while {PIECES} pieces were written and read");
        ensure!(kills >= 3, "it was over before the third kill");
        Ok(())
    })?;
    drop(file);
    let log = kernel_log::since(logged)?;
    ensure!(!log.contains("USB disconnect"), "the host saw the disk go");
    held.end()?;
    let medium = fs::read(image)?;
    ensure!(
        medium[..bytes.len()] == bytes[..],
        "the medium holds something else"
    );
    Ok(())
}

fn another_gadget_starts_anew(backend: &str) -> Result<()> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let been_here = directory.path().join("been-here");
    let been_here = path(&been_here)?;
    let program = program_in(&directory)?;
    let program = path(&program)?;
    let script = format!(
        "[ -e {been_here} ] && exec {program} gadget run mouse --backend {backend}; : > {been_here}; \
         exec {program} gadget run tablet --backend {backend}"
    );
    let held = Held::start(&["sh", "-c", &script])?;
    ensure!(held.device.attribute("product")? == "Tablet", "no tablet");
    held.kill()?;
    wait::until("the mouse is there", || {
        let device = SysfsDevice::wait(0).ok()?;
        (device.attribute("product").ok()? == "Mouse").then_some(())
    })?;
    held.let_go()
}
