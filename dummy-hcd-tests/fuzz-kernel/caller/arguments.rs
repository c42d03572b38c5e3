//! What the arguments of a call are: mostly such that it gets somewhere.

use std::path::PathBuf;

use dummy_hcd_tests::usbfs2::MOUNT;

use super::Caller;
use crate::sys::calls::{Call, Kind};
use crate::sys::{Arena, Value};

/// Places in the arena that have a purpose.
pub(super) const CONTEXT_PLACE: usize = 0;
pub(super) const IOCBS: usize = 4096;
const IOCB: usize = 64;
pub(super) const POINTERS: usize = 8192;
/// And where the others begin.
pub(super) const ANYTHING: usize = 16_384;

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

impl Caller {
    pub(super) fn value(&mut self, call: &Call, kind: Kind) -> Value {
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
            Kind::Epoll => Value::Number(u64::from(self.epoll.cast_unsigned())),
            Kind::Inotify => Value::Number(u64::from(self.inotify.cast_unsigned())),
            Kind::Pipe => Value::Number(u64::from(self.pipe[self.random.below(2)].cast_unsigned())),
            Kind::Pages => Value::Number(match self.random.below(32) {
                0 => self.length(),
                1 => 4096 << self.random.below(13),
                _ => (1 + self.random.below(64) as u64) << 12,
            }),
            Kind::MapOffset => Value::Number(match self.random.below(4) {
                0 => self.offset(),
                1 => 1 << 32,
                _ => 0,
            }),
            // `call` has given it.
            Kind::Mapping => Value::Number(0),
            Kind::Just(number) => Value::Number(number.cast_unsigned()),
            Kind::Of(choices) => self.of(call, choices),
        }
    }

    pub(super) fn of(&mut self, call: &Call, choices: &[i64]) -> Value {
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
    pub(super) fn file(&mut self) -> i32 {
        if self.random.below(3) == 0
            && let Some(aimed) = self.aimed()
        {
            return aimed.file;
        }
        match self.random.below(64) {
            0 => -1,
            // They may all have been closed.
            _ if self.files.is_empty() => -1,
            _ => self.files[self.random.below(self.files.len())],
        }
    }

    pub(super) fn place(&mut self) -> usize {
        let room = Arena::length() - ANYTHING;
        match self.random.below(8) {
            // The end of the memory there is.
            0 => Arena::length() - 1 - self.random.below(64),
            1..4 => ANYTHING + self.random.below(room),
            _ => ANYTHING + self.random.below(room / 4096) * 4096,
        }
    }

    pub(super) fn memory(&mut self) -> Value {
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
    pub(super) fn anything(&mut self) -> Value {
        match self.random.below(8) {
            0 => Value::Number(u64::MAX),
            1 | 2 => Value::Inside(self.place()),
            3 => Value::Mapping(self.random.below(64)),
            4 => Value::Number(self.offset()),
            5 => Value::Number(self.length()),
            _ => Value::Number(self.random.below(1 << 10) as u64),
        }
    }

    pub(super) fn length(&mut self) -> u64 {
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

    pub(super) fn offset(&mut self) -> u64 {
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

    pub(super) fn path(&mut self) -> Value {
        let nothing = PathBuf::from(MOUNT).join("nothing");
        let path = match self.random.below(16) {
            0 => nothing,
            _ => self.paths[self.random.below(self.paths.len())].clone(),
        };
        self.put_path(path)
    }

    pub(super) fn put_path(&mut self, path: PathBuf) -> Value {
        let place = self.place().min(Arena::length() - 256);
        let path = path.into_os_string().into_encoded_bytes();
        self.arena.put(place, &path);
        self.arena.put(place + path.len(), &[0]);
        Value::Inside(place)
    }

    pub(super) fn vectors(&mut self) -> Value {
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

    pub(super) fn polls(&mut self) -> Value {
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
    pub(super) fn iocbs(&mut self) -> Value {
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
}
