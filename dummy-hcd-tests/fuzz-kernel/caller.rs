//! A process that makes system calls at random.

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd as _, IntoRawFd as _};
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

use crate::sys::calls::{CALLS, Call, Kind};
use crate::sys::{self, Arena, Ring, RingEntry, Value};

/// Calls between two reports.
const REPORT: u64 = 64;
/// Calls between two looks at which files there are.
const LOOK: u64 = 256;
/// Descriptors kept, those of no file of the mount included.
const MOST_FILES: usize = 48;
/// What waits in the kernel is interrupted this often.
const PATIENCE: Duration = Duration::from_millis(10);
/// Places in the arena that have a purpose.
const CONTEXT_PLACE: usize = 0;
const IOCBS: usize = 4096;
const IOCB: usize = 64;
const POINTERS: usize = 8192;
/// And where the others begin.
const ANYTHING: usize = 16_384;

/// Setup packets: GET_DESCRIPTOR, GET_STATUS, SET_FEATURE, CLEAR_FEATURE, SET_CONFIGURATION, SET_INTERFACE, class and vendor.
const SETUPS: &[u64] = &[
    0x8006_0100_0000,
    0x8100_0000_0000,
    0x0203_0000_0081,
    0x0201_0000_0081,
    0x0201_0000_0001,
    0x0009_0001_0000,
    0x010b_0000_0000,
    0xa101_0100_0000,
    0x2109_0200_0000,
    0xc05c_0000_0000,
    0x405b_0000_0000,
];
const TEXTS: &[&str] = &[
    "usbfs2", "none", "probe", "0", "1", "2", "255", "256", "-1", "usbfs2\n", "reset", "user.x",
    "\0", "01", " 1",
];

pub(crate) fn run(seed: u64) -> Result<()> {
    sys::interrupt_every(PATIENCE)?;
    let mut caller = Caller {
        random: Random::new(seed),
        arena: Arena::new()?,
        ring: Ring::new(),
        files: Vec::new(),
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
        for file in [reader, writer, one, other, event, inotify, poll] {
            self.files.push(file.into_raw_fd());
        }
        Ok(())
    }

    /// Finds out which files there are.
    fn look(&mut self) {
        self.paths = vec![PathBuf::from(MOUNT)];
        let mut at = 0;
        while at < self.paths.len() && self.paths.len() < 512 {
            let entries = fs::read_dir(&self.paths[at])
                .into_iter()
                .flatten()
                .flatten();
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
        let result = self.arena.call(call, &values);
        self.counts.count(call.name);
        let Ok(result) = result else {
            return;
        };
        self.counts.count(&format!("{}: succeeded", call.name));
        if let Some(file) = closed {
            self.files.retain(|open| *open as u64 != file);
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

    fn value(&mut self, call: &Call, kind: Kind) -> Value {
        match kind {
            Kind::File => Value::Number(self.file() as u64),
            Kind::Memory => self.memory(),
            Kind::Path => self.path(),
            Kind::Text => {
                let text = TEXTS[self.random.below(TEXTS.len())];
                let place = self.place();
                self.arena.put(place, text.as_bytes());
                self.arena.put(place + text.len(), &[0]);
                Value::Inside(place)
            }
            Kind::Vectors => self.vectors(),
            Kind::Polls => self.polls(),
            Kind::Iocbs => self.iocbs(),
            Kind::Iocb => Value::Inside(IOCBS + IOCB * self.random.below(16)),
            Kind::Context => Value::Number(self.context),
            Kind::ContextPlace => {
                self.arena.put(CONTEXT_PLACE, &0_u64.to_ne_bytes());
                Value::Inside(CONTEXT_PLACE)
            }
            Kind::Length => Value::Number(self.length()),
            Kind::Count => Value::Number(match self.random.below(16) {
                0 => 1025,
                1 => 0,
                _ => 1 + self.random.below(8) as u64,
            }),
            Kind::Offset => Value::Number(self.offset()),
            // `call` has given it.
            Kind::Mapping => Value::Number(0),
            Kind::Just(number) => Value::Number(number.cast_unsigned()),
            Kind::Of(choices) => self.of(call, choices),
        }
    }

    fn of(&mut self, call: &Call, choices: &[i64]) -> Value {
        let mut chosen = choices[self.random.below(choices.len())];
        // Nonsense could map or move memory to a place that is taken, or have signals sent to any process.
        let is_safe = !matches!(
            call.number,
            libc::SYS_mmap | libc::SYS_mremap | libc::SYS_fcntl
        );
        match self.random.below(16) {
            0 if is_safe => chosen ^= 1 << self.random.below(32),
            1..4 if is_safe => chosen |= choices[self.random.below(choices.len())],
            _ => {}
        }
        Value::Number(chosen.cast_unsigned())
    }

    /// Mostly a file of the mount, since those are most.
    fn file(&mut self) -> i32 {
        match self.random.below(64) {
            0 => -1,
            // They may all have been closed.
            _ if self.files.is_empty() => -1,
            _ => self.files[self.random.below(self.files.len())],
        }
    }

    fn place(&mut self) -> usize {
        let room = Arena::length() - ANYTHING;
        match self.random.below(8) {
            // The end of the memory there is.
            0 => Arena::length() - 1 - self.random.below(64),
            1..4 => ANYTHING + self.random.below(room),
            _ => ANYTHING + self.random.below(room / 4096) * 4096,
        }
    }

    fn memory(&mut self) -> Value {
        match self.random.below(32) {
            0 => Value::Nowhere(
                [0, 8, 0x8000_0000_0000, 0xffff_8880_0000_0000, u64::MAX][self.random.below(5)],
            ),
            1..4 if self.arena.mapped() > 0 => Value::Mapping(self.random.below(64)),
            4..8 => {
                let place = self.place();
                let words: Vec<Value> = (0..16).map(|_| self.anything()).collect();
                self.arena.put_words(place, &words);
                Value::Inside(place)
            }
            _ => Value::Inside(self.place()),
        }
    }

    /// A word as a structure may have it.
    fn anything(&mut self) -> Value {
        match self.random.below(8) {
            0 => Value::Number(u64::MAX),
            1 | 2 => Value::Inside(self.place()),
            3 => Value::Mapping(self.random.below(64)),
            4 => Value::Number(self.offset()),
            5 => Value::Number(self.length()),
            _ => Value::Number(self.random.below(1 << 10) as u64),
        }
    }

    fn length(&mut self) -> u64 {
        let random = self.random.below(1 << 16) as u64;
        match self.random.below(32) {
            0 => 0,
            1 => random << 12,
            2 => random << 40,
            3 => u64::MAX - random,
            4..8 => random,
            8..16 => (1 + random % 64) << 12,
            16..24 => 512 * (1 + random % 16),
            _ => random % 1024,
        }
    }

    fn offset(&mut self) -> u64 {
        let random = self.random.below(1 << 30) as u64;
        match self.random.below(16) {
            0..5 => 0,
            5..9 => SETUPS[self.random.below(SETUPS.len())] ^ (random & 3),
            9 => 1 << (random % 64),
            10 => (random << 34) | random,
            // USBFS2_BATCH, USBFS2_BATCH_CANCEL and USBFS2_RING_OFFSET.
            11 => (1 << 62) | ((random % 64) << 32) | (random >> 20),
            14 => (3 << 61) | ((random % 64) << 32) | (random >> 20),
            15 => 1 << 32,
            12 => (random % 8) << 12,
            13 => random << 18,
            _ => random % 8,
        }
    }

    fn path(&mut self) -> Value {
        let nothing = PathBuf::from(MOUNT).join("nothing");
        let path = match self.random.below(16) {
            0 => nothing,
            _ => self.paths[self.random.below(self.paths.len())].clone(),
        };
        let place = self.place().min(Arena::length() - 256);
        let path = path.into_os_string().into_encoded_bytes();
        self.arena.put(place, &path);
        self.arena.put(place + path.len(), &[0]);
        Value::Inside(place)
    }

    fn vectors(&mut self) -> Value {
        let place = self.place();
        for vector in 0..8 {
            let memory = self.memory();
            let length = match self.random.below(8) {
                0 => self.length(),
                _ => self.random.below(2048) as u64,
            };
            self.arena
                .put_words(place + 16 * vector, &[memory, Value::Number(length)]);
        }
        Value::Inside(place)
    }

    fn polls(&mut self) -> Value {
        let place = self.place();
        for poll in 0..8 {
            let file = u64::from(self.file().cast_unsigned());
            let events = self.random.below(1 << 14) as u64;
            self.arena
                .put_words(place + 8 * poll, &[Value::Number(events << 32 | file)]);
        }
        Value::Inside(place)
    }

    /// struct iocb of linux/aio_abi.h.
    fn iocbs(&mut self) -> Value {
        let first = self.random.below(8);
        for index in 0..8 {
            let place = IOCBS + IOCB * (first + index);
            // IOCB_CMD_PREAD, PWRITE, FSYNC, FDSYNC, POLL, NOOP, PREADV, PWRITEV.
            let opcode = [0, 0, 1, 1, 2, 3, 5, 6, 7, 8][self.random.below(10)];
            let is_vectored = opcode == 7 || opcode == 8;
            let (memory, length) = match is_vectored {
                true => (self.vectors(), self.random.below(9) as u64),
                false => (self.memory(), self.length()),
            };
            let file = u64::from(self.file().cast_unsigned());
            let words = [
                Value::Number(index as u64),
                Value::Number(0),
                Value::Number(file << 32 | opcode),
                memory,
                Value::Number(length),
                Value::Number(self.offset()),
                Value::Number(0),
                Value::Number(0),
            ];
            self.arena.put_words(place, &words);
            self.arena
                .put_words(POINTERS + 8 * index, &[Value::Inside(place)]);
        }
        Value::Inside(POINTERS)
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
            let _ = self.arena.call(close, &values);
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
