//! Being told: the `events` file, and inotify on the mount.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::usbfs2::MOUNT;
use dummy_hcd_tests::wait::DEADLINE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use crate::runner::Test;
use crate::settings::Alternating;
use crate::setup::{self, expect_errno};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "events::a_new_reader_is_told_every_device_present",
            a_new_reader_is_told_every_device,
        ),
        Test::new(
            "events::unplugging_and_plugging_in_are_told",
            unplugging_and_plugging_in,
        ),
        Test::new(
            "events::poll_waits_for_the_next_line",
            poll_waits_for_the_next_line,
        ),
        Test::new(
            "events::a_driver_that_comes_or_goes_is_told",
            a_driver_that_comes_or_goes,
        ),
        Test::new(
            "events::a_new_setting_or_configuration_is_told",
            a_new_setting_or_configuration,
        ),
        Test::new("events::a_new_owner_is_told", a_new_owner),
        Test::new(
            "events::a_buffer_too_small_for_a_line_gets_einval",
            a_buffer_too_small,
        ),
        Test::new(
            "events::a_slow_reader_is_told_how_much_it_lost",
            a_slow_reader,
        ),
        Test::new(
            "events::inotify_sees_the_directory_of_a_device_come_and_go",
            inotify_sees_the_directory,
        ),
    ]
}

/// A reader of the events that never waits longer than a hang would last.
struct Events {
    file: File,
    /// Read and not expected yet.
    ahead: VecDeque<String>,
}

impl Events {
    fn open() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(Path::new(MOUNT).join("events"))?;
        Ok(Self {
            file,
            ahead: VecDeque::new(),
        })
    }

    /// One that has read what every reader is told first.
    fn open_and_catch_up() -> Result<Self> {
        let mut events = Self::open()?;
        events.lines()?;
        Ok(events)
    }

    /// What there is to read now.
    fn lines(&mut self) -> Result<Vec<String>> {
        let mut buffer = [0; 4096];
        let length = match self.file.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => 0,
            Err(error) => return Err(error).context("read events"),
        };
        let text = std::str::from_utf8(&buffer[..length])?;
        ensure!(
            text.is_empty() || text.ends_with('\n'),
            "a read gave half a line: {text:?}"
        );
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn is_readable(&self, timeout: Timespec) -> Result<bool> {
        let mut files = [PollFd::new(&self.file, PollFlags::IN)];
        let ready = poll(&mut files, Some(&timeout))?;
        Ok(ready == 1 && files[0].revents().contains(PollFlags::IN))
    }

    /// Reads up to the line `expected`; fails when it does not come.
    fn expect(&mut self, expected: &str) -> Result<()> {
        let mut before = Vec::new();
        loop {
            while let Some(line) = self.ahead.pop_front() {
                if line == expected {
                    return Ok(());
                }
                before.push(line);
            }
            ensure!(
                self.is_readable(Timespec::try_from(DEADLINE)?)?,
                "no line {expected:?} after {before:?}"
            );
            let lines = self.lines()?;
            self.ahead.extend(lines);
        }
    }
}

fn a_new_reader_is_told_every_device() -> Result<()> {
    let _plugged = setup::source_sink()?;
    let mut told = Events::open()?.lines()?;
    told.sort();
    let mut present = fs::read_dir(MOUNT)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()?;
    present.retain(|name| name != "events");
    present.sort();
    let expected = present.iter().map(|name| format!("add {name}"));
    ensure!(
        told.iter().eq(expected.collect::<Vec<_>>().iter()),
        "{told:?} instead of an `add` for each of {present:?}"
    );
    Ok(())
}

fn unplugging_and_plugging_in() -> Result<()> {
    let mut plugged = setup::source_sink()?;
    let name = plugged.device.name().to_owned();
    let mut events = Events::open_and_catch_up()?;
    plugged.pull()?;
    events.expect(&format!("remove {name}"))?;
    plugged.plug_again()?;
    events.expect(&format!("add {name}"))
}

fn poll_waits_for_the_next_line() -> Result<()> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let plugged = setup::source_sink()?;
    let mut events = Events::open()?;
    ensure!(
        events.is_readable(now)?,
        "poll does not see the first lines"
    );
    events.lines()?;
    ensure!(!events.is_readable(now)?, "poll sees lines that were read");
    ensure!(
        events.lines()?.is_empty(),
        "a read gave what poll did not see"
    );
    plugged.pull()?;
    ensure!(
        events.is_readable(Timespec::try_from(DEADLINE)?)?,
        "poll does not see that the device went"
    );
    ensure!(!events.lines()?.is_empty(), "poll saw a line there was not");
    Ok(())
}

fn a_driver_that_comes_or_goes() -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    let line = |driver: &str| format!("change {} 1.0 driver {driver}", plugged.device.name());
    let mut events = Events::open_and_catch_up()?;
    let driver = plugged.interface.path().join("driver");
    fs::write(&driver, "none")?;
    events.expect(&line("none"))?;
    fs::write(&driver, "probe")?;
    events.expect(&line("usbtest"))?;
    let claim = plugged.interface.claim()?;
    events.expect(&line("usbfs2"))?;
    drop(claim);
    events.expect(&line("usbtest"))
}

fn a_new_setting_or_configuration() -> Result<()> {
    let plugged = Alternating::plug()?;
    let name = plugged.files.path().file_name().unwrap_or_default();
    let change = format!("change {}", name.to_string_lossy());
    let mut events = Events::open_and_catch_up()?;
    let claim = plugged.interface.claim()?;
    plugged.select("1")?;
    events.expect(&format!("{change} 1.0 alternate 1"))?;
    drop(claim);
    let configuration = plugged.files.path().join("configuration");
    fs::write(&configuration, "0")?;
    events.expect(&format!("{change} 1.0 remove"))?;
    events.expect(&format!("{change} configuration 0"))?;
    fs::write(&configuration, "1")?;
    events.expect(&format!("{change} 1.0 add"))?;
    events.expect(&format!("{change} configuration 1"))
}

fn a_new_owner() -> Result<()> {
    let plugged = setup::source_sink()?;
    let mut events = Events::open_and_catch_up()?;
    let name = plugged.device.name();
    let endpoint = plugged.interface.endpoint(true)?;
    let file = endpoint.file_name().unwrap_or_default().to_string_lossy();
    let own = |path: &Path| std::os::unix::fs::chown(path, Some(1001), None);
    own(plugged.files.path())?;
    events.expect(&format!("access {name}"))?;
    own(plugged.interface.path())?;
    events.expect(&format!("access {name} 1.0"))?;
    own(&endpoint)?;
    events.expect(&format!("access {name} 1.0 {file}"))
}

fn a_buffer_too_small() -> Result<()> {
    let plugged = setup::source_sink()?;
    let mut events = Events::open_and_catch_up()?;
    plugged.pull()?;
    let line = format!("remove {}", plugged.device.name());
    ensure!(
        events.is_readable(Timespec::try_from(DEADLINE)?)?,
        "no line came"
    );
    expect_errno(
        "a read of less than a line",
        events.file.read(&mut [0; 8]),
        libc::EINVAL,
    )?;
    // And takes nothing.
    events.expect(&line)
}

fn a_slow_reader() -> Result<()> {
    const LINES: u32 = 3000;
    let plugged = setup::source_sink()?;
    let mut events = Events::open_and_catch_up()?;
    for _ in 0..LINES {
        std::os::unix::fs::chown(plugged.files.path(), Some(0), None)?;
    }
    let mut told = Vec::new();
    while events.is_readable(Timespec::default())? {
        told.extend(events.lines()?);
    }
    let lost = told.first().and_then(|line| line.strip_prefix("lost "));
    let lost: u32 = lost.context("the first line is not `lost`")?.parse()?;
    let kept = u32::try_from(told.len() - 1)?;
    ensure!(
        lost > 0 && lost + kept == LINES,
        "{lost} lines lost and {kept} kept of {LINES}"
    );
    Ok(())
}

fn inotify_sees_the_directory() -> Result<()> {
    let mut plugged = setup::source_sink()?;
    let name = plugged.device.name().to_owned();
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(&watch, MOUNT, WatchFlags::CREATE | WatchFlags::DELETE)?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(&watch, &mut buffer);
    let mut expect = |what: ReadFlags| -> Result<()> {
        let mut files = [PollFd::new(&watch, PollFlags::IN)];
        let ready = poll(&mut files, Some(&Timespec::try_from(DEADLINE)?))?;
        ensure!(ready == 1, "inotify says nothing of {what:?}");
        let event = reader.next()?;
        let found = event.file_name().unwrap_or_default().to_str()?;
        ensure!(
            found == name && event.events().contains(what | ReadFlags::ISDIR),
            "{:?} of {found:?} instead of {what:?} of {name:?}",
            event.events()
        );
        Ok(())
    };
    plugged.pull()?;
    expect(ReadFlags::DELETE)?;
    plugged.plug_again()?;
    expect(ReadFlags::CREATE)
}
