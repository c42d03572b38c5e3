//! Calls of a program that knows the module: it opens endpoints, maps their buffers and the ring, makes batches, and
//! writes to the text files what they understand. Around it everything else is at random.

use std::path::PathBuf;

use super::Caller;
use crate::sys::Value;

/// Mappings kept of files.
const MOST_MAPPINGS: usize = 24;
/// Of this module.
const RING_OFFSET: u64 = 1 << 32;
const O_RDWR: u64 = 2;
const O_NONBLOCK: u64 = 0o4000;
const O_TRUNC: u64 = 0o1000;
const DONTNEED: u64 = 4;

/// Text files, and what is written to them.
const TEXTS: &[(&str, &[&str])] = &[
    ("driver", &["usbfs2", "usbfs2", "none", "probe"]),
    ("alternate", &["0", "1", "2"]),
    ("configuration", &["1", "1", "2", "0"]),
    ("reset", &["1"]),
    ("power", &["auto", "on"]),
];

/// An endpoint that was opened. Its file and mappings are there unless other calls have taken them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aimed {
    pub(super) file: i32,
    pub(super) is_in: bool,
    pub(super) is_armed: bool,
    pub(super) buffers: Option<u64>,
    pub(super) ring: Option<u64>,
}

impl Caller {
    pub(super) fn aim(&mut self) {
        if self.arena.mapped() > MOST_MAPPINGS {
            let mapping = self.random.below(64);
            let length = Value::MappingLength(mapping, usize::MAX);
            let _ = self.made(
                "munmap",
                libc::SYS_munmap,
                &[Value::Mapping(mapping), length],
            );
        }
        let chosen = self.random.below(32);
        let Some(aimed) = self.aimed() else {
            return self.open_endpoint();
        };
        match chosen {
            _ if aimed.is_armed && chosen % 4 > 1 => self.transfer(aimed),
            _ if aimed.is_armed && !chosen.is_multiple_of(4) => self.poll(aimed),
            0..2 => self.open_endpoint(),
            2..4 => self.write_text(),
            4..6 => self.map(aimed),
            6..9 => self.transfer(aimed),
            9 => {
                let values = [0, 0, 0, DONTNEED].map(Value::Number);
                let values = [&[file(aimed)], &values[1..]].concat();
                let _ = self.made("recovery", libc::SYS_fadvise64, &values);
            }
            10 => self.poll(aimed),
            11 => self.fork(aimed),
            _ => self.batches(aimed),
        }
    }

    /// One of the endpoints that were opened, the latest most often.
    pub(super) fn aimed(&mut self) -> Option<Aimed> {
        let count = self.endpoints.len();
        let from_end = self.random.below(4).min(self.random.below(4));
        let index = count.checked_sub(1 + from_end.min(count.saturating_sub(1)))?;
        self.endpoints.get(index).copied()
    }

    /// Makes a call, and counts it under `name`.
    pub(super) fn made(
        &mut self,
        name: &str,
        number: libc::c_long,
        arguments: &[Value],
    ) -> Result<i64, i32> {
        let mut values = [Value::Number(0); 6];
        values[..arguments.len()].copy_from_slice(arguments);
        let mut result = self.arena.call(number, &values);
        // Cancelled: the completion comes by the ring.
        if number == libc::SYS_io_cancel && result == Err(libc::EINPROGRESS) {
            result = Ok(0);
        }
        self.counts.count(name);
        if result.is_ok() {
            self.counts.count(&format!("{name}: succeeded"));
        }
        result
    }

    /// A file of the mount whose name is one that `wanted` wants.
    fn find(&mut self, wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
        let is_wanted = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(&wanted)
        };
        let found: Vec<&PathBuf> = self.paths.iter().filter(is_wanted).collect();
        let chosen = self.random.below(found.len().max(1));
        found.get(chosen).map(|path| (*path).clone())
    }

    fn open(&mut self, name: &str, path: PathBuf, flags: u64) -> Option<i32> {
        let place = self.put_path(path);
        let values = [place, Value::Number(flags)];
        let opened = self.made(name, libc::SYS_open, &values).ok()?;
        let file = i32::try_from(opened).ok()?;
        self.files.push(file);
        Some(file)
    }

    /// Claims the interface, most often, and opens an endpoint of it.
    fn open_endpoint(&mut self) {
        let is_data = |name: &str| name.starts_with("ep") && name != "ep00";
        let Some(path) = self.find(is_data) else {
            return;
        };
        if self.random.below(2) == 0
            && let Some(file) = self.open(
                "open of a driver file",
                path.with_file_name("driver"),
                O_RDWR,
            )
        {
            self.text("write of usbfs2 to a driver file", file, "usbfs2");
        }
        let is_in = path.to_string_lossy().contains("/ep8");
        let is_armed = self.random.below(3) == 0;
        let (name, mut flags) = match (is_in, is_armed) {
            (true, true) => ("open of an endpoint, IN, armed", O_RDWR | O_NONBLOCK),
            (false, true) => ("open of an endpoint, OUT, armed", O_RDWR | O_NONBLOCK),
            (true, false) => ("open of an endpoint, IN", O_RDWR),
            (false, false) => ("open of an endpoint, OUT", O_RDWR),
        };
        // Somebody may have left it stopped.
        if self.random.below(4) > 0 {
            flags |= O_TRUNC;
        }
        let Some(file) = self.open(name, path, flags) else {
            return;
        };
        let aimed = Aimed {
            file,
            is_in,
            is_armed,
            buffers: None,
            ring: None,
        };
        self.endpoints.push(aimed);
        if self.endpoints.len() > 8 {
            self.endpoints.remove(0);
        }
        self.map(aimed);
    }

    fn text(&mut self, name: &str, file: i32, text: &str) {
        let place = self.place();
        self.arena.put(place, text.as_bytes());
        let values = [
            Value::Number(u64::from(file.cast_unsigned())),
            Value::Inside(place),
            Value::Number(text.len() as u64),
        ];
        let _ = self.made(name, libc::SYS_write, &values);
    }

    fn write_text(&mut self) {
        let (wanted, texts) = TEXTS[self.random.below(TEXTS.len())];
        let Some(path) = self.find(|name| name == wanted) else {
            return;
        };
        let text = texts[self.random.below(texts.len())];
        // Not to be read by everybody.
        let Some(file) = self.open("open of a text file", path, 1) else {
            return;
        };
        self.text(&format!("write of {text} to {wanted}"), file, text);
    }

    /// Maps what is not mapped of it: buffers and the ring, mostly as they can be.
    fn map(&mut self, aimed: Aimed) {
        let pages = match self.random.below(16) {
            0 => 1024,
            1 => 512,
            _ => 1 + self.random.below(48),
        } as u64;
        let mapped = |caller: &mut Self, name, pages: u64, offset| {
            let values = [
                Value::Number(0),
                Value::Number(pages << 12),
                Value::Number(3),
                Value::Number(1),
                file(aimed),
                Value::Number(offset),
            ];
            let mapped = caller.made(name, libc::SYS_mmap, &values);
            mapped.ok().map(i64::cast_unsigned)
        };
        let buffers = match aimed.buffers {
            Some(buffers) if self.random.below(4) > 0 => Some(buffers),
            _ => mapped(self, "mmap of buffers", pages, 0),
        };
        let ring = match aimed.ring {
            Some(ring) => Some(ring),
            None => mapped(self, "mmap of a ring", 1 + pages % 3, RING_OFFSET),
        };
        for other in &mut self.endpoints {
            if other.file == aimed.file {
                (other.buffers, other.ring) = (buffers, ring);
            }
        }
    }

    /// One transfer that waits, until a signal at the latest.
    fn transfer(&mut self, aimed: Aimed) {
        let memory = match aimed.buffers {
            Some(buffers) if self.random.below(2) == 0 => Value::Number(buffers),
            _ => self.memory(),
        };
        let length = 512 * (1 + self.random.below(16) as u64);
        if self.random.below(3) == 0 {
            return self.submit("transfer as AIO", aimed, (memory, length), 0);
        }
        let length = Value::Number(length);
        let (name, number) = match (aimed.is_in, aimed.is_armed) {
            (true, false) => ("read of an endpoint", libc::SYS_read),
            (true, true) => ("read of an armed endpoint", libc::SYS_read),
            (false, false) => ("write to an endpoint", libc::SYS_write),
            (false, true) => ("write to an armed endpoint", libc::SYS_write),
        };
        let _ = self.made(name, number, &[file(aimed), memory, length]);
    }

    fn poll(&mut self, aimed: Aimed) {
        let place = self.place() & !7;
        let events = 0x2007_u64;
        let word = events << 32 | u64::from(aimed.file.cast_unsigned());
        self.arena.put_words(place, &[Value::Number(word)]);
        let values = [Value::Inside(place), Value::Number(1), Value::Number(2)];
        let name = match aimed.is_armed {
            true => "poll of an armed endpoint",
            false => "poll of an endpoint",
        };
        let _ = self.made(name, libc::SYS_poll, &values);
    }

    /// A child that uses the file and what may have been inherited of its mappings.
    fn fork(&mut self, aimed: Aimed) {
        let inherits = self.random.below(2) == 0;
        let buffers = aimed.buffers.unwrap_or(0);
        if inherits && buffers != 0 {
            // MADV_DOFORK.
            let length = Value::Number(4096);
            let values = [Value::Number(buffers), length, Value::Number(11)];
            let _ = self.made("madvise DOFORK", libc::SYS_madvise, &values);
        }
        self.counts.count("fork");
        if self.arena.fork(aimed.file, aimed.is_in, buffers, 512) {
            self.counts.count("fork: succeeded");
        }
    }
}

pub(super) fn file(aimed: Aimed) -> Value {
    Value::Number(u64::from(aimed.file.cast_unsigned()))
}
