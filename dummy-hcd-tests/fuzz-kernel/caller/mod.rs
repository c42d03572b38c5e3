//! A process that makes system calls at random.
//!
//! | file | what it knows |
//! |---|---|
//! | `arguments.rs` | what a call is given |
//! | `aim.rs`, `batches.rs` | calls that belong together: of a program that knows the module |

mod aim;
mod arguments;
mod batches;

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd as _, IntoRawFd};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::random::Random;
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::usbfs2::MOUNT;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use aim::Aimed;
use arguments::CONTEXT_PLACE;

use crate::sys::calls::{CALLS, Call, Kind};
use crate::sys::{self, Arena, Ring, RingEntry, Value};

/// Calls between two reports.
const REPORT: u64 = 64;
/// Calls between two looks at which files there are.
const LOOK: u64 = 64;
/// Descriptors kept, those of no file of the mount included.
const MOST_FILES: usize = 48;
/// What waits in the kernel is interrupted this often.
const PATIENCE: Duration = Duration::from_millis(25);
pub(crate) fn run(seed: u64) -> Result<()> {
    sys::interrupt_every(PATIENCE)?;
    let mut caller = Caller {
        random: Random::new(seed),
        arena: Arena::new()?,
        ring: Ring::new(),
        files: Vec::new(),
        endpoints: Vec::new(),
        epoll: -1,
        inotify: -1,
        pipe: [-1; 2],
        context: 0,
        paths: Vec::new(),
        counts: Counts::default(),
    };
    caller.others()?;
    for made in 0_u64.. {
        if made.is_multiple_of(LOOK) {
            caller.look();
        }
        if made.is_multiple_of(REPORT) {
            caller.report()?;
        }
        caller.one();
    }
    Ok(())
}

struct Caller {
    random: Random,
    arena: Arena,
    ring: Option<Ring>,
    files: Vec<i32>,
    /// Of those, endpoints that were opened to be used.
    endpoints: Vec<Aimed>,
    /// Descriptors that stay open.
    epoll: i32,
    inotify: i32,
    pipe: [i32; 2],
    context: u64,
    paths: Vec<PathBuf>,
    counts: Counts,
}

impl Caller {
    /// Descriptors of no file of the mount.
    fn others(&mut self) -> Result<()> {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK)?;
        let (one, other) = pair()?;
        let event = eventfd(0, EventfdFlags::NONBLOCK)?;
        let inotify = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::NONBLOCK)?;
        let poll = epoll::create(epoll::CreateFlags::empty())?;
        for file in [&reader, &writer, &one, &other, &event, &inotify, &poll] {
            self.files.push(file.try_clone()?.into_raw_fd());
        }
        self.epoll = poll.into_raw_fd();
        self.inotify = inotify.into_raw_fd();
        self.pipe = [reader, writer].map(IntoRawFd::into_raw_fd);
        Ok(())
    }

    /// Finds out which files there are.
    fn look(&mut self) {
        // The root hubs take all else away with them.
        let with_hubs = self.random.below(8) == 0;
        self.paths = vec![PathBuf::from(MOUNT)];
        let mut at = 0;
        while at < self.paths.len() && self.paths.len() < 512 {
            let entries = fs::read_dir(&self.paths[at])
                .into_iter()
                .flatten()
                .flatten();
            let entries = entries.filter(|entry| {
                with_hubs || !entry.file_name().as_encoded_bytes().starts_with(b"usb")
            });
            self.paths.extend(entries.map(|entry| entry.path()));
            at += 1;
        }
    }

    fn report(&mut self) -> Result<()> {
        let counts = std::mem::take(&mut self.counts);
        let mut line = serde_json::to_string(&counts)?;
        line.push('\n');
        std::io::stdout()
            .write_all(line.as_bytes())
            .context("report")
    }

    /// One call, of any kind.
    fn one(&mut self) {
        match self.random.below(100) {
            0..8 => self.ring(),
            8..11 => self.pass(),
            16..46 => self.aim(),
            11..16 => {
                let (index, offset) = (self.random.below(64), self.random.below(1 << 20));
                let word = self.anything();
                self.arena.scribble(index, offset, word);
                if self.arena.mapped() > 0 {
                    self.counts.count("access to a mapping");
                }
            }
            _ => self.call(),
        }
        while self.files.len() > MOST_FILES {
            let chosen = self.random.below(self.files.len());
            self.close(chosen);
        }
    }

    fn call(&mut self) {
        let call = self.choose();
        if call.arguments.contains(&Kind::Mapping) && self.arena.mapped() == 0 {
            return;
        }
        let mapping = self.random.below(64);
        let mut values = [Value::Number(0); 6];
        let is_of_mapping = call.arguments.first() == Some(&Kind::Mapping);
        for (index, (value, kind)) in values.iter_mut().zip(call.arguments).enumerate() {
            *value = match kind {
                Kind::Mapping => Value::Mapping(mapping),
                // What is unmapped or moved is no more than the mapping.
                Kind::Length if is_of_mapping && index == 1 => {
                    Value::MappingLength(mapping, self.random.below(64))
                }
                kind => self.value(call, *kind),
            };
        }
        let closed = match (call.number, values[0]) {
            (libc::SYS_close, Value::Number(file)) => Some(file),
            _ => None,
        };
        let Ok(result) = self.made(call.name, call.number, &values) else {
            return;
        };
        if let Some(file) = closed {
            self.files.retain(|open| *open as u64 != file);
            self.endpoints.retain(|aimed| aimed.file as u64 != file);
        }
        let gives_file = matches!(
            call.number,
            libc::SYS_open | libc::SYS_openat | libc::SYS_dup
        ) || call.number == libc::SYS_fcntl
            && matches!(values[1], Value::Number(0 | 1030));
        if gives_file
            && let Ok(file) = i32::try_from(result)
            && file > 2
        {
            self.files.push(file);
        }
        if call.number == libc::SYS_io_setup {
            self.context = self.arena.word(CONTEXT_PLACE);
        }
    }

    fn choose(&mut self) -> &'static Call {
        let all = CALLS.iter().map(|call| call.share).sum();
        let mut chosen = self.random.below(all);
        for call in CALLS {
            match chosen.checked_sub(call.share) {
                Some(rest) => chosen = rest,
                None => return call,
            }
        }
        &CALLS[0]
    }

    fn ring(&mut self) {
        let entry = RingEntry {
            which: self.random.below(12),
            file: self.file(),
            other: self.file(),
            memory: match self.random.below(8) {
                0 => self.vectors(),
                _ => self.memory(),
            },
            path: self.path(),
            length: u32::try_from(self.length() & 0xffff_ffff).unwrap_or(0),
            offset: self.offset(),
            flags: self.random.below(32),
        };
        let Some(ring) = &mut self.ring else {
            return;
        };
        self.counts.count("io_uring");
        if ring.submit(&self.arena, entry).is_ok() {
            self.counts.count("io_uring: succeeded");
        }
    }

    /// A descriptor through a socket, and the copy of it kept.
    fn pass(&mut self) {
        let chosen = self.file();
        let passed = passed(chosen);
        self.counts.count("SCM_RIGHTS");
        if let Ok(files) = passed {
            self.counts.count("SCM_RIGHTS: succeeded");
            self.files.extend(files);
        }
    }

    fn close(&mut self, index: usize) {
        let file = self.files.swap_remove(index);
        let close = CALLS.iter().find(|call| call.number == libc::SYS_close);
        if let Some(close) = close {
            let mut values = [Value::Number(0); 6];
            values[0] = Value::Number(file as u64);
            // Whatever it says: the descriptor is closed.
            let _ = self.arena.call(close.number, &values);
            self.endpoints.retain(|aimed| aimed.file != file);
        }
    }
}

fn pair() -> rustix::io::Result<(std::os::fd::OwnedFd, std::os::fd::OwnedFd)> {
    socketpair(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::NONBLOCK,
        None,
    )
}

/// Sends a descriptor to ourselves.
fn passed(file: i32) -> Result<Vec<i32>> {
    let file = sys::copy_of(file)?;
    let (one, other) = pair()?;
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    message.push(SendAncillaryMessage::ScmRights(&files));
    sendmsg(
        &one,
        &[std::io::IoSlice::new(b"x")],
        &mut message,
        SendFlags::empty(),
    )?;
    drop(file);
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut received = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(
        &other,
        &mut [std::io::IoSliceMut::new(&mut byte)],
        &mut received,
        RecvFlags::empty(),
    )?;
    let mut files = Vec::new();
    for message in received.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            files.extend(rights.map(|right| right.into_raw_fd()));
        }
    }
    Ok(files)
}
