//! The vocabulary of `cargo xtask bench`: what the guest measures and the harness shows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Makes an enum whose values are written as words: in JSON, on the command line and in tables.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$variant_about:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_about])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every value, in the order of the tables.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let mut all = Self::ALL.iter().copied();
                all.find(|value| value.word() == text).ok_or_else(|| UnknownWord(text.to_owned()))
            }
        }
    };
}

/// A word that is in none of the lists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no word of the benchmark")]
pub struct UnknownWord(pub String);

words! {
    /// What is moved.
    Case {
        /// Bulk transfers from and to the kernel's SourceSink.
        Bulk = "bulk",
        /// Control transfers with a data stage, to SourceSink.
        Control = "control",
        /// Interrupt transfers from and to the kernel's `f_hid`.
        Interrupt = "interrupt",
        /// Disk requests to the kernel's `f_mass_storage`: 4 KiB at random, larger ones in sequence.
        Storage = "storage",
        /// A report from the gadget's write to the driver's answer, on the kernel's `f_hid`.
        Hid = "hid",
        /// A stream of 48 kHz stereo, 16 bits, from or to the kernel's `f_uac2`: a transfer is a millisecond of it.
        Audio = "audio",
    }
}

words! {
    /// What moves it, on the host's side.
    Stack {
        /// The kernel's own `usbtest`: the floor, without user space.
        Kernel = "kernel",
        /// usbfs's ioctls, by hand.
        UsbfsRaw = "usbfs-raw",
        /// libusb with ordinary buffers.
        Libusb = "libusb",
        /// libusb with buffers from `libusb_dev_mem_alloc`.
        LibusbZerocopy = "libusb-zerocopy",
        /// nusb with ordinary buffers.
        Nusb = "nusb",
        /// nusb with buffers from `Endpoint::allocate`.
        NusbZerocopy = "nusb-zerocopy",
        /// The module's endpoint files: read, write, and native AIO.
        Usbfs2File = "usbfs2-file",
        /// This project's libraries on the module: `host` and the class drivers.
        Usbfs2Host = "usbfs2-host",
        /// The kernel's disk driver, by O_DIRECT on its block device.
        UsbStorage = "usb-storage",
        /// The kernel's HID driver, by hidraw.
        Hidraw = "hidraw",
        /// The kernel's audio driver, by its PCM's device file.
        SndUsbAudio = "snd-usb-audio",
    }
}

words! {
    /// The bus's speed.
    Speed {
        /// 480 Mbit/s.
        High = "high",
        /// 5 Gbit/s.
        Super = "super",
    }
}

words! {
    /// The host's view; a disk read is `in`.
    Direction {
        /// To the host.
        In = "in",
        /// To the device.
        Out = "out",
    }
}

/// What is measured in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Spec {
    /// What is moved.
    pub case: Case,
    /// What moves it.
    pub stack: Stack,
    /// The bus's speed.
    pub speed: Speed,
    /// Where to.
    pub direction: Direction,
    /// Bytes of one transfer; of a stream, what the host's end keeps ahead.
    pub bytes: u32,
    /// Transfers in flight.
    pub depth: u32,
}

impl Spec {
    /// Whether `filter` selects this row: each of its words, separated by `/` or `,`, is the row's case, stack,
    /// speed, direction, `bytes` or `depth`.
    #[must_use]
    pub fn matches(&self, filter: &str) -> bool {
        let words = [
            self.case.word().to_owned(),
            self.stack.word().to_owned(),
            self.speed.word().to_owned(),
            self.direction.word().to_owned(),
            self.bytes.to_string(),
            self.depth.to_string(),
        ];
        filter
            .split(['/', ','])
            .all(|word| words.iter().any(|own| own == word))
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            case,
            stack,
            speed,
            direction,
            bytes,
            depth,
        } = self;
        write!(f, "{case}/{speed}/{direction}/{bytes}/{depth}/{stack}")
    }
}

/// One row: what was measured and what came out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    #[serde(flatten)]
    pub spec: Spec,
    /// The whole system's busy time for one transfer. Under icount a nanosecond is an instruction.
    pub ns_per_transfer: f64,
    /// By the guest's clock, waiting for the bus included.
    pub transfers_per_second: f64,
    /// System calls of the host's process, its threads included.
    pub syscalls_per_transfer: f64,
    /// From the gadget's write to the host's answer, or from one end's program to the other's; for `hid` and
    /// `audio`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_ns: Option<u64>,
    /// The same, exceeded by one report in a hundred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ns: Option<u64>,
}

/// The largest difference between two measurements of a row, as a part of the smaller, that counts as the same.
pub const REPEATS_WITHIN: f64 = 0.01;

/// How far apart `runs` are, as a part of the smallest.
#[must_use]
pub fn spread(runs: &[f64]) -> f64 {
    let least = runs.iter().copied().fold(f64::INFINITY, f64::min);
    let most = runs.iter().copied().fold(0.0, f64::max);
    if runs.is_empty() {
        0.0
    } else {
        (most - least) / least
    }
}

/// What the guest tells the harness, one JSON object a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The rows that will come.
    Plan {
        /// How many.
        rows: usize,
        /// The kernel's release.
        kernel: String,
    },
    /// A row is measured.
    Row {
        /// The row.
        row: Row,
        /// Its measurements' nanoseconds for one transfer.
        runs: Vec<f64>,
    },
    /// A row's instructions were counted by address, in the profile's window of this number.
    Window {
        /// The row.
        spec: Spec,
        /// Counted from 0.
        number: usize,
        /// Transfers in the window.
        transfers: u64,
        /// Where the process had its programs and libraries: `/proc/self/maps`.
        maps: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            case: Case::Bulk,
            stack: Stack::NusbZerocopy,
            speed: Speed::Super,
            direction: Direction::Out,
            bytes: 65536,
            depth: 16,
        }
    }

    #[test]
    fn a_row_has_the_keys_and_words_of_the_issue() {
        let row = Row {
            spec: spec(),
            ns_per_transfer: 1.5,
            transfers_per_second: 2.0,
            syscalls_per_transfer: 0.0,
            median_ns: None,
            p99_ns: None,
        };
        let expected = serde_json::json!({
            "case": "bulk", "stack": "nusb-zerocopy", "speed": "super", "direction": "out", "bytes": 65536,
            "depth": 16, "ns_per_transfer": 1.5, "transfers_per_second": 2.0, "syscalls_per_transfer": 0.0,
        });
        assert_eq!(serde_json::to_value(row).expect("a row is JSON"), expected);
        let event = Event::Row {
            row,
            runs: vec![1.0],
        };
        let text = serde_json::to_string(&event).expect("an event is JSON");
        let Event::Row { row: back, .. } = serde_json::from_str(&text).expect("and comes back")
        else {
            panic!("{text} is another event");
        };
        assert_eq!(back, row);
    }

    #[test]
    fn a_filter_selects_by_whole_words() {
        assert!(spec().matches("bulk"));
        assert!(spec().matches("bulk/super/out,16"));
        assert!(!spec().matches("nusb"));
        assert!(!spec().matches("bulk/high"));
    }

    #[test]
    fn spread_is_relative_to_the_least() {
        assert!((spread(&[101.0, 100.0]) - 0.01).abs() < 1e-9);
        assert!(spread(&[]).abs() < 1e-9);
    }
}
