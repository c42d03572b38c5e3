//! Commands of io_uring (uapi/linux/usbfs2.h): operations that no worker waits for.

#[allow(unsafe_code)]
pub(crate) mod sys;

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::sys as system;
use dummy_hcd_tests::usbfs2::{self, DeviceFiles};
use usbfs2_gadget::GadgetfsOptions;

use crate::held::{self, End};
use crate::io_uring::{expect_echo, wait_live};
use crate::runner::{self, FIGURE, Test};
use crate::setup::{self, expect_errno};
use crate::vendor::{NOTIFICATION, Vendor};
use crate::world::World;
use sys::{CANCEL, Kind, Ring, TRANSFER, VECTORED};

const DEPTH: u32 = 8;
const KINDS: [Kind; 4] = [Kind::Plain, Kind::Deferred, Kind::Polled, Kind::Workers];

/// Run by `aio-rs`'s other engine.
const SCENARIOS: [&str; 6] = [
    "usbfs2::results::of_every_call_in_every_case_are_as_written",
    "usbfs2::source_sink::the_sink_takes_any_lengths",
    "usbfs2::source_sink::halts_of_the_host_s_lose_nothing",
    "usbfs2::source_sink::a_setting_chosen_again_begins_anew",
    "usbfs2::source_sink::the_cable_ends_what_is_pending",
    "usbfs2::source_sink::loopback_gives_back_what_it_takes",
];

/// The argument that makes this program a process that ends with commands waiting.
pub(crate) const HOLD: &str = "--hold-uring-commands";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("uring::commands_move_data", move_data),
        Test::new("uring::a_cancel_ends_those_it_names_alone", cancel),
        Test::new("uring::errors_come_with_the_bytes_before_them", errors),
        Test::new("uring::control_requests", control),
        Test::new("uring::reports_of_an_interrupt_endpoint", interrupt),
        Test::new("uring::registered_buffers", registered),
        Test::new("uring::misuse_is_refused", misuse),
        Test::new("uring::the_cable_is_pulled", pulled),
        Test::new("uring::closing_any_descriptor_cancels_all", closing),
        Test::new("uring::the_thread_that_submitted_is_gone", thread_gone),
        Test::new("uring::what_may_be_pinned_is_used_up", nothing_pinned),
        Test::long("uring::scenarios_with_aio_rs_on_io_uring", scenarios),
        Test::new("uring::kill_9_leaves_nothing", || leaves_nothing(End::Kill)),
        Test::new("uring::exit_leaves_nothing", || leaves_nothing(End::Exit)),
        Test::new("uring::exec_leaves_nothing", || leaves_nothing(End::Exec)),
    ]
}

/// Whether there are commands; before Linux 6.7 there must be none, as they could not be cancelled.
pub(crate) fn are_there(ring: &mut Ring, file: &Arc<File>) -> Result<bool> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split('.').map(str::parse::<u32>);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => bail!("{release:?} is no version of Linux"),
    };
    if version >= (6, 7) {
        return Ok(true);
    }
    ring.misuse(TRANSFER, file, 0, 0)?;
    let refused = ring.wait()?.result;
    expect_errno("a command", refused, libc::EOPNOTSUPP)?;
    println!(
        "{FIGURE}not applicable: Linux {}.{} has no commands to cancel, 6.7 has",
        version.0, version.1
    );
    Ok(false)
}

/// Waits for so many completions, which all must be this error.
fn expect_all(ring: &mut Ring, count: u32, errno: i32) -> Result<()> {
    for _ in 0..count {
        let one = ring.wait()?;
        ensure!(one.status.status == -errno, "{:?}", one.status);
        expect_errno("a command that waited", one.result, errno)?;
    }
    Ok(())
}

fn move_data() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let input = Arc::new(plugged.interface.open_in()?);
    let out = Arc::new(plugged.interface.open_out()?);
    for kind in KINDS {
        let mut ring = Ring::new(kind)?;
        if !are_there(&mut ring, &input)? {
            return Ok(());
        }
        // The loopback waits for 4096 bytes or a short packet.
        for length in [1, 511, 700, 4000, 4096] {
            let message: Vec<u8> = (0..=250).cycle().take(length).collect();
            let write = ring.start(&out, 0, message.clone())?;
            let one = ring.wait()?;
            ensure!(
                one.token == write
                    && one.result? == length
                    && one.status == system::Status::moved(length),
                "{kind:?}: a write of {length} bytes was cut short"
            );
            ring.start(&input, 0, vec![0; 4096])?;
            let one = ring.wait()?;
            ensure!(
                one.result? == length && one.buffer[..length] == message,
                "{kind:?}: {length} bytes came back as others"
            );
            ensure!(
                one.status == system::Status::moved(length),
                "{kind:?}: {:?}",
                one.status
            );
        }
    }
    usbfs2::wait_no_live_request()?;
    Ok(())
}

fn cancel() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let out = plugged.interface.open_out()?;
    for kind in KINDS {
        let (mut ring, mut other) = (Ring::new(kind)?, Ring::new(Kind::Plain)?);
        if !are_there(&mut ring, &file)? {
            return Ok(());
        }
        let mut tokens = Vec::new();
        for number in 1..=DEPTH {
            tokens.push(ring.start(&file, 0, vec![0; 512])?);
            // Workers have no order among themselves.
            wait_live(number)?;
        }
        // Names are a ring's own.
        let foreign = other.cancel(&file, tokens[3]);
        expect_errno("another ring's command", foreign, libc::ENOENT)?;
        ensure!(ring.cancel(&file, tokens[3])? == 1, "{kind:?}");
        let one = ring.wait()?;
        ensure!(one.token == tokens[3], "{kind:?}: another was cancelled");
        expect_errno("the cancelled command", one.result, libc::ECANCELED)?;
        let again = ring.cancel(&file, tokens[3]);
        expect_errno("a command that is over", again, libc::ENOENT)?;
        // Those behind it go on, in their order.
        for (number, token) in (0..DEPTH).zip(&tokens).filter(|(number, _)| *number != 3) {
            let byte = u8::try_from(number)?;
            out.write_at(&[byte; 100], 0)?;
            let one = ring.wait()?;
            ensure!(
                one.token == *token && one.result? == 100 && one.buffer[..100] == [byte; 100],
                "{kind:?}: read {number} got what another should"
            );
        }
        usbfs2::wait_no_live_request()?;
    }
    Ok(())
}

fn errors() -> Result<()> {
    let plugged = setup::source_sink()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let mut ring = Ring::new(Kind::Plain)?;
    if !are_there(&mut ring, &file)? {
        return Ok(());
    }
    // A packet and a part of the next, of which there is more.
    ring.start(&file, 0, vec![0; 512 + 100])?;
    let one = ring.wait()?;
    ensure!(
        one.result? == 512
            && one.status
                == system::Status {
                    length: 512,
                    status: -libc::EOVERFLOW
                },
        "{:?}",
        one.status
    );
    // The endpoint has stopped.
    ring.start(&file, 0, vec![0; 512])?;
    expect_all(&mut ring, 1, libc::EOVERFLOW)?;
    system::recover(&file)?;
    ring.start(&file, 0, vec![0; 512])?;
    ensure!(ring.wait()?.result? == 512, "a packet was cut short");
    Ok(())
}

fn control() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let descriptors = fs::read(plugged.files.path().join("descriptors"))?;
    let open = |path| File::options().read(true).write(true).open(path);
    let device = Arc::new(open(plugged.files.path().join("ep00"))?);
    let _claim = plugged.interface.claim()?;
    let interface = Arc::new(open(plugged.interface.path().join("ep00"))?);
    for kind in KINDS {
        let mut ring = Ring::new(kind)?;
        if !are_there(&mut ring, &device)? {
            return Ok(());
        }
        // GET_DESCRIPTOR(DEVICE), which is for nobody's interface: a worker sends it.
        let get_descriptor = 0x80 << 40 | 6 << 32 | 1 << 24;
        ring.start(&device, get_descriptor, vec![0; 64])?;
        let one = ring.wait()?;
        ensure!(
            one.result? == 18 && one.buffer[..18] == descriptors[..18],
            "{kind:?}: {:02x?} is not the device descriptor",
            one.buffer
        );
        // GET_STATUS of the interface, by its own file: at once.
        ring.start(&interface, 0x81 << 40, vec![1; 2])?;
        let one = ring.wait()?;
        ensure!(one.result? == 2 && one.buffer == [0; 2], "{:?}", one.buffer);
        // SET_INTERFACE, which usbcore sends.
        ring.start(&interface, 0x01 << 40 | 11 << 32, Vec::new())?;
        ensure!(ring.wait()?.result? == 0, "{kind:?}");
        // A request that the device stalls, and one that is not the interface's.
        ring.start(&interface, 0xc1 << 40 | 0x7f << 32, vec![0; 8])?;
        expect_all(&mut ring, 1, libc::EPIPE)?;
        ring.start(&interface, get_descriptor, vec![0; 18])?;
        let refused = ring.wait()?.result;
        expect_errno("the device's request", refused, libc::EPERM)?;
    }
    Ok(())
}

fn interrupt() -> Result<()> {
    let gadget = World::gadget().function(Vendor::new()).build()?;
    let _running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
    let device = SysfsDevice::wait(0)?;
    let interface = DeviceFiles::wait(device.name())?.interface(0);
    let ep00 = File::options()
        .read(true)
        .write(true)
        .open(interface.path().join("ep00"))?;
    let mut ring = Ring::new(Kind::Plain)?;
    let mut reports = 0;
    // Of its two IN endpoints one gives the reports, whichever that is.
    for name in fs::read_dir(interface.path())? {
        let name = name?.path();
        if !name.to_string_lossy().contains("/ep8") {
            continue;
        }
        let file = Arc::new(File::open(name)?);
        if !are_there(&mut ring, &file)? {
            return Ok(());
        }
        let tokens = (0..3)
            .map(|_| ring.start(&file, 0, vec![0; 64]))
            .collect::<Result<Vec<_>, _>>()?;
        wait_live(3)?;
        // NOTIFY: a report of eight bytes of wValue.
        for value in 1..=3_u64 {
            ep00.write_at(&[], 0x41 << 40 | 3 << 32 | value << 16)?;
        }
        // The bulk one has nothing to say.
        thread::sleep(std::time::Duration::from_millis(100));
        for token in &tokens {
            let _ = ring.cancel(&file, *token);
        }
        for value in 1..=3 {
            let one = ring.wait()?;
            if let Ok(length) = one.result {
                reports += 1;
                ensure!(
                    one.buffer[..length] == [value; NOTIFICATION],
                    "report {value} is {:02x?}",
                    one.buffer
                );
            }
        }
    }
    ensure!(reports == 3, "{reports} reports of 3 came");
    Ok(())
}

fn registered() -> Result<()> {
    const SIZE: usize = 64 << 10;
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let input = Arc::new(plugged.interface.open_in()?);
    let out = Arc::new(plugged.interface.open_out()?);
    for kind in KINDS {
        let mut ring = Ring::new(kind)?;
        if !are_there(&mut ring, &input)? {
            return Ok(());
        }
        ring.register(vec![0; SIZE])?;
        // In a page and across pages, aligned and not.
        for (at, length) in [(0, 500), (4000, 4096), (7, 1), (8192, 4096), (12_001, 4001)] {
            let message: Vec<u8> = (1..=251).cycle().take(length).collect();
            ring.registered()[at..at + length].copy_from_slice(&message);
            ring.start_registered(&out, at, length)?;
            ensure!(ring.wait()?.result? == length, "{kind:?}: {length} at {at}");
            ring.registered().fill(0);
            ring.start_registered(&input, at, length.next_multiple_of(512))?;
            ensure!(ring.wait()?.result? == length, "{kind:?}: {length} at {at}");
            let memory = ring.registered();
            ensure!(
                memory[at..at + length] == message
                    && memory[..at].iter().all(|&byte| byte == 0)
                    && memory[at + length..].iter().all(|&byte| byte == 0),
                "{kind:?}: {length} bytes at {at} came elsewhere or as others"
            );
        }
        ring.start_registered(&out, SIZE - 100, 512)?;
        let refused = ring.wait()?.result;
        expect_errno("memory beyond the buffer", refused, libc::EFAULT)?;
    }
    Ok(())
}

fn misuse() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let out = Arc::new(plugged.interface.open_out()?);
    let mut ring = Ring::new(Kind::Plain)?;
    if !are_there(&mut ring, &out)? {
        return Ok(());
    }
    for (what, operation, offset, length, errno) in [
        ("an unknown command", 77, 0, 0, libc::EOPNOTSUPP),
        ("an unknown flag", TRANSFER, 1 << 20, 1, libc::EINVAL),
        ("too many bytes", TRANSFER, 0, 65 << 20, libc::EINVAL),
        ("too many iovecs", VECTORED, 0, 1025, libc::EINVAL),
        ("a batch", TRANSFER, 1 << 62 | 1 << 32, 0, libc::EINVAL),
        ("memory that is not there", TRANSFER, 0, 512, libc::EFAULT),
        ("nothing to cancel", CANCEL, 0, 0, libc::ENOENT),
    ] {
        ring.misuse(operation, &out, offset, length)?;
        expect_errno(what, ring.wait()?.result, errno)?;
    }
    // An armed endpoint has its own queue; a directory and a text file have no commands.
    let armed = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(plugged.interface.endpoint(true)?)?;
    ring.start(&Arc::new(armed), 0, vec![0; 64])?;
    expect_errno("an armed endpoint", ring.wait()?.result, libc::EINVAL)?;
    for path in [
        plugged.interface.path().to_owned(),
        plugged.interface.path().join("alternate"),
    ] {
        ring.start(&Arc::new(File::open(path)?), 0, vec![0; 64])?;
        expect_errno("another file", ring.wait()?.result, libc::EOPNOTSUPP)?;
    }
    usbfs2::wait_no_live_request()?;
    Ok(())
}

fn pulled() -> Result<()> {
    let mut plugged = setup::loopback_with_driver()?;
    for kind in KINDS {
        let claim = plugged.interface.claim()?;
        let file = Arc::new(plugged.interface.open_in()?);
        let mut ring = Ring::new(kind)?;
        if !are_there(&mut ring, &file)? {
            return Ok(());
        }
        for _ in 0..DEPTH {
            ring.start(&file, 0, vec![0; 512])?;
        }
        wait_live(DEPTH)?;
        plugged.pull()?;
        expect_all(&mut ring, DEPTH, libc::ENODEV)?;
        ring.start(&file, 0, vec![0; 512])?;
        let refused = ring.wait()?.result;
        expect_errno("a command afterwards", refused, libc::ENODEV)?;
        drop((ring, file, claim));
        plugged.plug_again()?;
        plugged.device.wait_driver(0, "usbtest")?;
    }
    Ok(())
}

fn closing() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    for kind in KINDS {
        let mut ring = Ring::new(kind)?;
        if !are_there(&mut ring, &file)? {
            return Ok(());
        }
        for _ in 0..DEPTH {
            ring.start(&file, 0, vec![0; 512])?;
        }
        wait_live(DEPTH)?;
        // Waits for what it cancels, although this thread is the one to tell the ring.
        drop(file.try_clone()?);
        expect_all(&mut ring, DEPTH, libc::ECANCELED)?;
    }
    Ok(())
}

/// Who stands in for it cannot reach its memory as the task could.
fn thread_gone() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let out = plugged.interface.open_out()?;
    let mut ring = Ring::new(Kind::Plain)?;
    if !are_there(&mut ring, &file)? {
        return Ok(());
    }
    let submitted = thread::scope(|scope| {
        let submit = || -> Result<()> {
            for length in [64, 1024, 4096, 4096] {
                ring.start(&file, 0, vec![0; length])?;
            }
            Ok(())
        };
        scope.spawn(submit).join()
    });
    submitted.map_err(|_| anyhow::anyhow!("the thread panicked"))??;
    for (byte, length) in [(1, 64), (2, 700), (3, 4096), (4, 100)] {
        out.write_at(&vec![byte; length], 0)?;
        let one = ring.wait()?;
        ensure!(
            one.result.context("its thread is gone")? == length
                && one.buffer[..length] == vec![byte; length],
            "{length} bytes came as others"
        );
    }
    usbfs2::wait_no_live_request()?;
    Ok(())
}

/// A work item reaches into the reader's memory instead.
fn nothing_pinned() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    let out = plugged.interface.open_out()?;
    let mut ring = Ring::new(Kind::Plain)?;
    if !are_there(&mut ring, &file)? {
        return Ok(());
    }
    system::limit_locked_memory(0)?;
    for _ in 0..DEPTH {
        ring.start(&file, 0, vec![0; 4096])?;
    }
    for number in 0..DEPTH {
        let byte = u8::try_from(number)?;
        out.write_at(&[byte; 3000], 0)?;
        let one = ring.wait()?;
        ensure!(
            one.result? == 3000 && one.buffer[..3000] == [byte; 3000],
            "read {number} got other bytes"
        );
    }
    usbfs2::wait_no_live_request()?;
    Ok(())
}

/// Whether the kernel has commands to leave.
fn has_commands() -> Result<bool> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let file = Arc::new(plugged.interface.open_in()?);
    are_there(&mut Ring::new(Kind::Plain)?, &file)
}

/// Tests of the libraries, once more with `aio-rs`'s other engine.
fn scenarios() -> Result<()> {
    if !has_commands()? {
        return Ok(());
    }
    for test in SCENARIOS {
        let output = Command::new(env::current_exe()?)
            .args([runner::ONE, test])
            .env("AIO_RS_ENGINE", "io-uring")
            .output()?;
        ensure!(
            output.status.success(),
            "{test}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn leaves_nothing(end: End) -> Result<()> {
    if !has_commands()? {
        return Ok(());
    }
    let plugged = setup::loopback_with_driver()?;
    end.leaves_nothing(HOLD, &plugged, 5, |plugged| {
        expect_echo(plugged, b"of the next one")
    })
}

/// The process: claims the interface and starts commands that wait for the device.
pub(crate) fn hold(arguments: &[String]) -> ExitCode {
    held::hold(arguments, |interface| {
        let claim = interface.claim()?;
        let file = Arc::new(interface.open_in()?);
        let mut rings = Vec::new();
        for kind in KINDS {
            let mut ring = Ring::new(kind)?;
            for _ in 0..DEPTH {
                ring.start(&file, 0, vec![0; 512])?;
            }
            rings.push(ring);
        }
        wait_live(DEPTH * u32::try_from(KINDS.len())?)?;
        Ok((claim, rings))
    })
}
