//! Armed endpoints: files opened with `O_NONBLOCK`, for select, poll and epoll.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::sys::{self, Context};
use dummy_hcd_tests::usbfs2::DeviceFiles;
use dummy_hcd_tests::{usbfs2, wait};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use usbfs2_gadget::GadgetfsOptions;

use crate::runner::Test;
use crate::setup::{self, Plugged, expect_errno};
use crate::vendor::{NOTIFICATION, Vendor};
use crate::world::World;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "armed::poll_says_when_something_waits_and_a_read_keeps_the_rest",
            poll_says_when_something_waits,
        ),
        Test::new(
            "armed::a_device_that_nobody_reads_waits_and_nothing_is_lost",
            nothing_is_lost,
        ),
        Test::new(
            "armed::packets_that_follow_each_other_are_one_read",
            packets_that_follow_each_other,
        ),
        Test::new(
            "armed::a_write_is_queued_while_there_is_room",
            a_write_is_queued,
        ),
        Test::new(
            "armed::an_error_comes_after_the_bytes_and_recovery_ends_it",
            an_error_comes_after_the_bytes,
        ),
        Test::new(
            "armed::unplugging_wakes_poll_and_gives_enodev",
            unplugging_wakes_poll,
        ),
        Test::new("armed::aio_gets_einval", aio_gets_einval),
        Test::new(
            "armed::o_nonblock_cleared_later_has_reads_wait",
            o_nonblock_cleared_later,
        ),
        Test::new(
            "armed::a_late_write_error_comes_with_fsync_and_close_loses_nothing",
            late_errors,
        ),
        Test::new("armed::cat_behaves_on_both_kinds_of_open", cat_behaves),
        Test::new(
            "armed::killing_the_reader_leaves_nothing",
            killing_the_reader,
        ),
        Test::new("armed::a_reset_is_told_once", a_reset_is_told_once),
        Test::new(
            "armed::a_writer_is_told_of_a_switch_once",
            a_writer_is_told_once,
        ),
        Test::new(
            "armed::a_pulled_cable_is_no_stall_to_a_writer",
            no_stall_to_a_writer,
        ),
        Test::new("armed::select_in_python", select_in_python),
        Test::new("armed::epoll_in_c", epoll_in_c),
        Test::new(
            "armed::an_interrupt_endpoint_gives_a_report_a_read",
            a_report_a_read,
        ),
        Test::new(
            "armed::an_armed_endpoint_keeps_the_device_awake",
            keeps_the_device_awake,
        ),
    ]
}

pub(crate) fn open(path: &Path, write: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(!write)
        .write(write)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

fn open_in(plugged: &Plugged) -> Result<File> {
    Ok(open(&plugged.interface.endpoint(true)?, false)?)
}

fn open_out(plugged: &Plugged) -> Result<File> {
    Ok(open(&plugged.interface.endpoint(false)?, true)?)
}

/// What poll says at once.
fn now(file: &File, wanted: PollFlags) -> Result<PollFlags> {
    poll_for(file, wanted, 0)
}

/// What poll says within the time that tests wait.
fn soon(file: &File, wanted: PollFlags) -> Result<PollFlags> {
    poll_for(file, wanted, wait::DEADLINE.as_secs())
}

fn poll_for(file: &File, wanted: PollFlags, seconds: u64) -> Result<PollFlags> {
    let mut files = [PollFd::from_borrowed_fd(file.as_fd(), wanted)];
    let timeout = Timespec {
        tv_sec: seconds.cast_signed(),
        tv_nsec: 0,
    };
    poll(&mut files, Some(&timeout))?;
    Ok(files[0].revents())
}

fn expect_ready(file: &File, wanted: PollFlags) -> Result<()> {
    let said = soon(file, wanted)?;
    ensure!(
        said == wanted,
        "poll for {wanted:?} said {said:?} after {:?}",
        wait::DEADLINE
    );
    Ok(())
}

fn expect_read(mut file: &File, room: usize, expected: &[u8]) -> Result<()> {
    let mut buffer = vec![0; room];
    let length = file.read(&mut buffer)?;
    ensure!(
        buffer[..length] == *expected,
        "{:02x?} instead of {expected:02x?}",
        &buffer[..length]
    );
    Ok(())
}

/// The loopback, free for everybody.
fn loopback() -> Result<(Plugged, File)> {
    let plugged = setup::loopback_with_driver()?;
    let claim = plugged.interface.claim()?;
    Ok((plugged, claim))
}

fn poll_says_when_something_waits() -> Result<()> {
    let (plugged, _claim) = loopback()?;
    let input = open_in(&plugged)?;
    let out = plugged.interface.open_out()?;
    for _ in 0..10 {
        ensure!(
            now(&input, PollFlags::IN)?.is_empty(),
            "poll says that something waits"
        );
        expect_errno(
            "a read when nothing waits",
            (&input).read(&mut [0; 64]),
            libc::EAGAIN,
        )?;
        out.write_at(b"hello", 0)?;
        expect_ready(&input, PollFlags::IN)?;
        expect_read(&input, 3, b"hel")?;
        ensure!(
            now(&input, PollFlags::IN)? == PollFlags::IN,
            "the rest of a transfer does not wait"
        );
        expect_read(&input, 64, b"lo")?;
    }
    expect_errno(
        "a read with flags in the offset",
        input.read_at(&mut [0; 64], 1),
        libc::EINVAL,
    )
}

/// More than wait in the module, in the gadget and on the way.
const MANY: u32 = 400;

fn nothing_is_lost() -> Result<()> {
    let (plugged, _claim) = loopback()?;
    let mut input = open_in(&plugged)?;
    // The first operation arms it.
    ensure!(now(&input, PollFlags::IN)?.is_empty(), "something waits");
    let out = plugged.interface.open_out()?;
    let written = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&written);
    let writer = thread::spawn(move || -> io::Result<()> {
        for number in 0..MANY {
            out.write_at(&number.to_le_bytes(), 0)?;
            counter.store(number + 1, Ordering::Relaxed);
        }
        Ok(())
    });
    // Until the device takes no more: it is the one that waits.
    let mut before = (0, 0);
    wait::until("the device takes no more", || {
        let now = (written.load(Ordering::Relaxed), before.1 + 1);
        before = if now.0 == before.0 { now } else { (now.0, 0) };
        (now.0 > 64 && before.1 > 100).then_some(())
    })?;
    let stuck_at = written.load(Ordering::Relaxed);
    ensure!(stuck_at < MANY, "all {MANY} were taken, read or not");
    for number in 0..MANY {
        expect_ready(&input, PollFlags::IN)?;
        let mut packet = [0; 64];
        let length = input.read(&mut packet)?;
        ensure!(
            packet[..length] == number.to_le_bytes(),
            "{:02x?} instead of number {number}",
            &packet[..length]
        );
    }
    writer
        .join()
        .map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    println!(
        "figure: {MANY} transfers, {stuck_at} of them taken before the first was read, none lost"
    );
    Ok(())
}

fn packets_that_follow_each_other() -> Result<()> {
    let (plugged, _claim) = loopback()?;
    let mut input = open_in(&plugged)?;
    let out = plugged.interface.open_out()?;
    let message = (0..1300)
        .map(|index| u8::try_from(index % 251))
        .collect::<Result<Vec<_>, _>>()?;
    for room in [4096, 1300, 700, 100] {
        out.write_at(&message, 0)?;
        let mut received = Vec::new();
        while received.len() < message.len() {
            expect_ready(&input, PollFlags::IN)?;
            let mut part = vec![0; room];
            let length = input.read(&mut part)?;
            ensure!(length > 0, "a read of {room} bytes gave none");
            received.extend_from_slice(&part[..length]);
        }
        ensure!(received == message, "other bytes came in reads of {room}");
    }
    // A short packet ends a read, however much room there is.
    for message in [b"one", b"two"] {
        out.write_at(message, 0)?;
    }
    expect_ready(&input, PollFlags::IN)?;
    expect_read(&input, 4096, b"one")?;
    expect_ready(&input, PollFlags::IN)?;
    expect_read(&input, 4096, b"two")
}

fn a_write_is_queued() -> Result<()> {
    let (plugged, _claim) = loopback()?;
    let mut out = open_out(&plugged)?;
    let byte = |at: usize| u8::try_from(at % 251).unwrap_or_default();
    let mut sent = 0;
    // Nobody reads: at last the device takes nothing either.
    loop {
        let part: Vec<u8> = (sent..sent + 3000).map(byte).collect();
        match out.write(&part) {
            Ok(length) => sent += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Nor a moment later, or there was only no room for now.
                if now(&out, PollFlags::OUT)?.is_empty()
                    && poll_for(&out, PollFlags::OUT, 1)?.is_empty()
                {
                    break;
                }
            }
            Err(error) => return Err(error.into()),
        }
        ensure!(sent < 64 << 20, "the queue has no end");
    }
    let input = plugged.interface.open_in()?;
    let mut received = 0;
    let mut buffer = vec![0; 65536];
    let mut is_ended = false;
    while received < sent {
        // The last write may have been cut between packets: a short one ends it.
        if !is_ended && now(&out, PollFlags::OUT)? == PollFlags::OUT {
            ensure!(
                out.write(&[byte(sent)])? == 1,
                "there was no room after poll said so"
            );
            sent += 1;
            is_ended = true;
        }
        let length = input.read_at(&mut buffer, 0)?;
        ensure!(
            buffer[..length]
                .iter()
                .enumerate()
                .all(|(at, &it)| it == byte(received + at)),
            "other bytes than were written came back after {received}"
        );
        received += length;
    }
    expect_ready(&out, PollFlags::OUT)?;
    out.sync_all().context("fsync of a queue that is done")?;
    println!("figure: {sent} bytes were taken with nobody reading at the other end");
    Ok(())
}

/// Reads until there is an error, which is not that nothing waits.
fn read_until_error(mut input: &File) -> Result<io::Error> {
    loop {
        soon(input, PollFlags::IN)?;
        match input.read(&mut [0; 512]) {
            Ok(length) => ensure!(length == 512, "a packet of {length} bytes came"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Ok(error),
        }
    }
}

fn an_error_comes_after_the_bytes() -> Result<()> {
    let plugged = setup::source_sink()?;
    let path = plugged.interface.endpoint(true)?;
    let mut input = open(&path, false)?;
    for round in 0..5 {
        expect_ready(&input, PollFlags::IN)?;
        expect_read_of(&input, 512)?;
        plugged.interface.halt(&path)?;
        let error = read_until_error(&input)?;
        ensure!(
            error.raw_os_error() == Some(libc::EPIPE),
            "{error} of a halted endpoint"
        );
        let said = now(&input, PollFlags::IN)?;
        ensure!(
            said.contains(PollFlags::IN | PollFlags::ERR),
            "poll says {said:?} of a halted endpoint"
        );
        expect_errno(
            "a read of a stopped endpoint",
            (&input).read(&mut [0; 512]),
            libc::EPIPE,
        )?;
        if round % 2 == 0 {
            sys::recover(&input)?;
        } else {
            drop(input);
            input = OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_NONBLOCK | libc::O_TRUNC)
                .open(&path)?;
        }
    }
    expect_ready(&input, PollFlags::IN)?;
    expect_read_of(&input, 512)
}

fn expect_read_of(mut file: &File, length: usize) -> Result<()> {
    let read = file.read(&mut vec![0; length])?;
    ensure!(read == length, "a read of {length} bytes gave {read}");
    Ok(())
}

fn unplugging_wakes_poll() -> Result<()> {
    let (plugged, _claim) = loopback()?;
    let input = open_in(&plugged)?;
    let waiting = input.try_clone()?;
    let (armed, is_armed) = std::sync::mpsc::channel();
    let poller = thread::spawn(move || -> Result<PollFlags> {
        now(&waiting, PollFlags::IN)?;
        armed.send(())?;
        soon(&waiting, PollFlags::IN)
    });
    is_armed.recv()?;
    plugged.pull()?;
    let said = poller
        .join()
        .map_err(|_| anyhow::anyhow!("the poller panicked"))??;
    ensure!(
        said.contains(PollFlags::IN),
        "poll says {said:?} of a device that was unplugged"
    );
    for _ in 0..3 {
        expect_errno(
            "a read after the device was unplugged",
            (&input).read(&mut [0; 64]),
            libc::ENODEV,
        )?;
        let said = now(&input, PollFlags::IN)?;
        ensure!(
            said.contains(PollFlags::HUP | PollFlags::ERR),
            "poll says {said:?} of a device that is gone"
        );
    }
    Ok(())
}

fn aio_gets_einval() -> Result<()> {
    let plugged = setup::source_sink()?;
    let input = Arc::new(open_in(&plugged)?);
    let out = Arc::new(open_out(&plugged)?);
    let mut context = Context::new(2)?;
    context.read(&input, 0, 512)?;
    context.write(&out, 0, vec![0; 512])?;
    for one in context.wait(2, wait::DEADLINE)? {
        expect_errno("AIO on an armed endpoint", one.result, libc::EINVAL)?;
    }
    // A control pipe has nothing to be armed, and its operations are as they ever are.
    let ep00 = Arc::new(open(&plugged.interface.path().join("ep00"), false)?);
    // GET_STATUS of the interface (USB 2.0 9.4.5).
    context.read(&ep00, 0x81 << 40, 2)?;
    let status = context
        .wait(1, wait::DEADLINE)?
        .pop()
        .context("no GET_STATUS")?;
    ensure!(status.result? == 2, "GET_STATUS was cut short");
    expect_errno(
        "a control transfer that may not wait",
        ep00.read_at(&mut [0; 2], 0x81 << 40),
        libc::EAGAIN,
    )
}

fn o_nonblock_cleared_later() -> Result<()> {
    let (plugged, _claim) = loopback()?;
    let mut input = open_in(&plugged)?;
    let out = plugged.interface.open_out()?;
    // The first operation arms it.
    expect_errno(
        "a read when nothing waits",
        input.read(&mut [0; 64]),
        libc::EAGAIN,
    )?;
    fcntl_setfl(&input, OFlags::empty())?;
    let reader = thread::spawn(move || -> Result<(File, Vec<u8>)> {
        let mut buffer = [0; 64];
        let length = input.read(&mut buffer)?;
        Ok((input, buffer[..length].to_vec()))
    });
    out.write_at(b"later", 0)?;
    let (input, message) = reader
        .join()
        .map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    ensure!(message == b"later", "{message:02x?} came");
    // It is armed for good: what comes waits without a reader.
    out.write_at(b"more", 0)?;
    expect_ready(&input, PollFlags::IN)?;
    // Cleared before the first operation, it is a blocking open.
    drop(input);
    let input = Arc::new(open_in(&plugged)?);
    fcntl_setfl(&*input, OFlags::empty())?;
    let mut context = Context::new(1)?;
    context.read(&input, 0, 64)?;
    out.write_at(b"by AIO", 0)?;
    let one = context.wait(1, wait::DEADLINE)?.pop().context("no read")?;
    // "more" was read ahead by the file that was closed.
    ensure!(
        one.buffer.starts_with(b"by AIO") && one.result? == 6,
        "{:02x?} came by AIO",
        one.buffer
    );
    Ok(())
}

fn late_errors() -> Result<()> {
    let plugged = setup::source_sink()?;
    let path = plugged.interface.endpoint(false)?;
    let mut out = open(&path, true)?;
    plugged.interface.halt(&path)?;
    ensure!(out.write(&[0; 512])? == 512, "a write was cut short");
    expect_errno("fsync after a stall", out.sync_all(), libc::EPIPE)?;
    expect_errno("the next write", out.write(&[0; 512]), libc::EPIPE)?;
    sys::recover(&out)?;
    ensure!(out.write(&[0; 512])? == 512, "a write was cut short");
    out.sync_all()?;
    drop(out);

    // What a program writes last is sent, though it closes at once.
    drop(plugged);
    let (plugged, _claim) = loopback()?;
    let input = plugged.interface.open_in()?;
    for number in 0..50_u32 {
        open_out(&plugged)?.write_all(&number.to_le_bytes())?;
        let mut packet = [0; 64];
        let length = input.read_at(&mut packet, 0)?;
        ensure!(
            packet[..length] == number.to_le_bytes(),
            "{:02x?} instead of {number}",
            &packet[..length]
        );
    }
    Ok(())
}

fn cat_behaves() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    fs::write(plugged.interface.path().join("driver"), "none")?;
    let endpoint = plugged.interface.endpoint(true)?;
    let mut blocking = Command::new("cat")
        .arg(&endpoint)
        .stdout(Stdio::piped())
        .spawn()
        .context("run cat")?;
    let mut said = blocking.stdout.take().context("its output is a pipe")?;
    let out = plugged.interface.open_out()?;
    for message in [&b"first"[..], b"second"] {
        out.write_at(message, 0)?;
        let mut buffer = vec![0; message.len()];
        said.read_exact(&mut buffer)?;
        ensure!(
            buffer == message,
            "cat says {:?}",
            String::from_utf8_lossy(&buffer)
        );
    }
    blocking.kill()?;
    blocking.wait()?;
    usbfs2::wait_no_live_request()?;

    let input = wait::until("the endpoint is free", || open_in(&plugged).ok())?;
    ensure!(now(&input, PollFlags::IN)?.is_empty(), "something waits");
    for message in [&b"one"[..], b"two", b"three"] {
        out.write_at(message, 0)?;
    }
    let all = |out: &[u8]| out == b"onetwothree";
    let mut heard = Vec::new();
    // It ends when nothing waits; the device takes its time.
    wait::until("cat says all of it", || {
        let stdin = input.try_clone().ok()?;
        let output = Command::new("cat").stdin(stdin).output().ok()?;
        heard.extend_from_slice(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        let nothing_waits = complaint.contains("Resource temporarily unavailable");
        (nothing_waits && all(&heard)).then_some(())
    })
    .with_context(|| format!("cat said {:?}", String::from_utf8_lossy(&heard)))?;
    Ok(())
}

fn killing_the_reader() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    fs::write(plugged.interface.path().join("driver"), "none")?;
    for _ in 0..10 {
        let input = open_in(&plugged)?;
        ensure!(now(&input, PollFlags::IN)?.is_empty(), "something waits");
        fcntl_setfl(&input, OFlags::empty())?;
        // The only one who has it open.
        let mut reader = Command::new("cat")
            .stdin(input)
            .stdout(Stdio::null())
            .spawn()
            .context("run cat")?;
        let armed = usbfs2::live_requests();
        reader.kill()?;
        reader.wait()?;
        ensure!(
            armed? == 64,
            "an armed endpoint has other transfers than 64"
        );
        usbfs2::wait_no_live_request()?;
    }
    Ok(())
}

fn a_reset_is_told_once() -> Result<()> {
    let (plugged, _claim) = loopback()?;
    let mut input = open_in(&plugged)?;
    let out = plugged.interface.open_out()?;
    out.write_at(b"before", 0)?;
    expect_ready(&input, PollFlags::IN)?;
    fs::write(plugged.files.path().join("reset"), "1")?;
    expect_read(&input, 64, b"before")?;
    expect_ready_or_error(&input)?;
    expect_errno(
        "the read after a reset",
        input.read(&mut [0; 64]),
        libc::ECANCELED,
    )?;
    expect_errno("the next read", input.read(&mut [0; 64]), libc::EAGAIN)?;
    out.write_at(b"after", 0)?;
    expect_ready(&input, PollFlags::IN)?;
    expect_read(&input, 64, b"after")
}

/// Writes as fast as it can, until it is told to stop; how often each error came.
fn write_on(mut out: &File, stop: &AtomicBool, told: &AtomicU32) -> Result<BTreeMap<i32, u32>> {
    let mut errors = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        match out.write(&[0; 512]) {
            Ok(length) => ensure!(length == 512, "a write of a packet was cut to {length}"),
            Err(error) => {
                let errno = error.raw_os_error().context("an error without a number")?;
                if errno == libc::EAGAIN {
                    poll_for(out, PollFlags::OUT, 1)?;
                    continue;
                }
                *errors.entry(errno).or_insert(0) += 1;
                told.fetch_add(1, Ordering::SeqCst);
                if errno == libc::ENODEV {
                    break;
                }
            }
        }
    }
    Ok(errors)
}

const SWITCHES: u32 = 40;

fn a_writer_is_told_once() -> Result<()> {
    let plugged = setup::zeros()?;
    let out = open_out(&plugged)?;
    let stop = AtomicBool::new(false);
    let told = AtomicU32::new(0);
    let errors = thread::scope(|scope| -> Result<_> {
        let writer = scope.spawn(|| write_on(&out, &stop, &told));
        let switched = (0..SWITCHES).try_for_each(|number| -> Result<()> {
            match number % 4 {
                0 => fs::write(plugged.files.path().join("reset"), "1")?,
                _ => plugged.interface.select(0)?,
            }
            wait::until("the writer was told of the switch", || {
                (told.load(Ordering::SeqCst) > number).then_some(())
            })?;
            Ok(())
        });
        stop.store(true, Ordering::SeqCst);
        let errors = writer.join();
        switched?;
        errors.map_err(|_| anyhow::anyhow!("the writer panicked"))?
    })?;
    ensure!(
        errors == BTreeMap::from([(libc::ECANCELED, SWITCHES)]),
        "{SWITCHES} switches gave {errors:?}"
    );
    out.sync_all().context("fsync after the last switch")
}

fn no_stall_to_a_writer() -> Result<()> {
    let mut plugged = setup::zeros()?;
    for round in 0..8 {
        let out = open_out(&plugged)?;
        let stop = AtomicBool::new(false);
        let told = AtomicU32::new(0);
        let errors = thread::scope(|scope| -> Result<_> {
            let writer = scope.spawn(|| write_on(&out, &stop, &told));
            let pulled = plugged.pull().and_then(|()| {
                wait::until("the writer was told of the cable", || {
                    (told.load(Ordering::SeqCst) > 0).then_some(())
                })?;
                Ok(())
            });
            stop.store(true, Ordering::SeqCst);
            let errors = writer.join();
            pulled?;
            errors.map_err(|_| anyhow::anyhow!("the writer panicked"))?
        })?;
        ensure!(
            errors == BTreeMap::from([(libc::ENODEV, 1)]),
            "round {round}: a pulled cable gave {errors:?}"
        );
        drop(out);
        plugged.plug_again()?;
    }
    Ok(())
}

fn expect_ready_or_error(file: &File) -> Result<()> {
    let said = soon(file, PollFlags::IN)?;
    ensure!(
        said.contains(PollFlags::IN | PollFlags::ERR),
        "poll says {said:?} of an error"
    );
    Ok(())
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples")
}

fn select_in_python() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    fs::write(plugged.interface.path().join("driver"), "none")?;
    let path = plugged.interface.endpoint(true)?;
    let mut reader = Command::new(examples().join("python/select_read.py"))
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .context("run select_read.py")?;
    let mut said = BufReader::new(reader.stdout.take().context("its output is a pipe")?);
    let out = plugged.interface.open_out()?;
    let mut line = String::new();
    for message in [&b"one"[..], b"two", b"three"] {
        out.write_at(message, 0)?;
        line.clear();
        said.read_line(&mut line)?;
        let bytes: Vec<String> = message.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = format!("{}: {}\n", path.display(), bytes.join(" "));
        ensure!(line == expected, "it says {line:?} instead of {expected:?}");
    }
    plugged.pull()?;
    line.clear();
    said.read_to_string(&mut line)?;
    ensure!(
        line.contains("No such device"),
        "it says {line:?} of a device that was unplugged"
    );
    let status = reader.wait()?;
    ensure!(status.success(), "select_read.py ended with {status}");
    Ok(())
}

fn epoll_in_c() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    fs::write(plugged.interface.path().join("driver"), "none")?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let program = directory.path().join("epoll_echo");
    let compiled = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(examples().join("c/epoll_echo.c"))
        .output()
        .context("run cc (package gcc)")?;
    ensure!(
        compiled.status.success(),
        "cc: {}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    // More than both queues hold together.
    let message: Vec<u8> = (0..600_000_u32).map(|at| (at % 251) as u8).collect();
    let sent = directory.path().join("sent");
    fs::write(&sent, &message)?;
    let output = Command::new(&program)
        .args([
            plugged.interface.endpoint(false)?,
            plugged.interface.endpoint(true)?,
        ])
        .stdin(File::open(&sent)?)
        .output()
        .context("run epoll_echo")?;
    ensure!(
        output.status.success(),
        "epoll_echo: {} {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        output.stdout == message,
        "{} bytes came back of {}, or others",
        output.stdout.len(),
        message.len()
    );
    Ok(())
}

fn a_report_a_read() -> Result<()> {
    let gadget = World::gadget().function(Vendor::new()).build()?;
    let _running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
    let device = SysfsDevice::wait(0)?;
    let files = DeviceFiles::wait(device.name())?;
    let interface = files.interface(0);
    let ep00 = File::options()
        .read(true)
        .write(true)
        .open(interface.path().join("ep00"))?;
    // The vendor's interrupt endpoint is the second IN one.
    let mut names: Vec<_> = fs::read_dir(interface.path())?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    names.retain(|path| path.to_string_lossy().contains("/ep8"));
    let mut armed = Vec::new();
    for name in &names {
        armed.push(open(name, false)?);
    }
    ensure!(armed.len() == 2, "{names:?} are not two IN endpoints");
    for file in &armed {
        ensure!(now(file, PollFlags::IN)?.is_empty(), "something waits");
    }
    // NOTIFY: a report of eight bytes of wValue.
    let notify = |value: u64| ep00.write_at(&[], 0x41 << 40 | 3 << 32 | value << 16);
    for value in 0..40 {
        notify(value)?;
    }
    let all = armed.iter().map(|file| (file, PollFlags::IN));
    let mut polled: Vec<_> = all
        .map(|(file, wanted)| PollFd::new(file, wanted))
        .collect();
    poll(&mut polled, None)?;
    let ready = polled
        .iter()
        .position(|one| one.revents() == PollFlags::IN)
        .context("poll returned for nothing")?;
    let mut interrupt = &armed[ready];
    for value in 0..40_u8 {
        expect_ready(interrupt, PollFlags::IN)?;
        // A report and no more, whatever the room; in parts where there is less.
        if value % 3 == 0 {
            expect_read(interrupt, 5, &[value; 5])?;
            expect_read(interrupt, 5, &[value; 3])?;
        } else {
            expect_read(interrupt, 64, &[value; NOTIFICATION])?;
        }
    }
    expect_errno(
        "a read when no report waits",
        interrupt.read(&mut [0; 64]),
        libc::EAGAIN,
    )
}

fn keeps_the_device_awake() -> Result<()> {
    let (plugged, _claim) = loopback()?;
    plugged.device.set("power/autosuspend_delay_ms", "0")?;
    plugged.device.set("power/control", "auto")?;
    let input = open_in(&plugged)?;
    ensure!(now(&input, PollFlags::IN)?.is_empty(), "something waits");
    let status = plugged.device.attribute("power/runtime_status")?;
    let interfaces = plugged.device.attribute("power/runtime_active_kids")?;
    ensure!(
        status == "active" && interfaces != "0",
        "the device is {status}, with {interfaces} interfaces awake"
    );
    plugged.interface.open_out()?.write_at(b"awake", 0)?;
    expect_ready(&input, PollFlags::IN)?;
    expect_read(&input, 64, b"awake")
}
