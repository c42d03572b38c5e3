//! usbtest's cases, each with parameters that a source and sink of zeros or of pattern 1 is made for.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::UsbTest;
use super::report::Peer;
use crate::device::SysfsDevice;
use crate::kernel_log;

/// Bytes of an isochronous packet of the device's, and packets of a transfer.
pub const PACKET: u16 = 1023;
const PACKETS: u32 = 16;

/// One case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// As usbtest counts.
    pub number: u32,
    /// What it does.
    pub about: &'static str,
    /// How often.
    pub iterations: u32,
    /// Bytes of a transfer, or the most.
    pub length: u32,
    /// What is added to the length from one to the next, modulo the length.
    pub vary: u32,
    /// Transfers at a time.
    pub queue: u32,
}

const fn case(number: u32, about: &'static str, iterations: u32) -> Case {
    Case {
        number,
        about,
        iterations,
        length: 4096,
        vary: 0,
        queue: 0,
    }
}

impl Case {
    const fn length(self, length: u32) -> Self {
        Self { length, ..self }
    }

    const fn vary(self, vary: u32) -> Self {
        Self { vary, ..self }
    }

    const fn queue(self, queue: u32) -> Self {
        Self { queue, ..self }
    }

    /// Whether it is about isochronous endpoints, which are in setting 1.
    #[must_use]
    pub const fn is_isochronous(&self) -> bool {
        matches!(self.number, 15 | 16 | 22 | 23)
    }

    /// The patterns it runs with. The last two measure, with zeros alone, and without data there is no pattern.
    #[must_use]
    pub const fn patterns(&self) -> &'static [u8] {
        match self.number {
            0 | 9 | 10 | 14 | 21 | 25 | 26 | 27 | 28 => &[0],
            _ => &[0, 1],
        }
    }
}

/// Whole packets at full and high speed.
const VARY: u32 = 512;
/// As many isochronous packets, the last of one byte where the host sends.
const ISOCHRONOUS_OUT: u32 = PACKET as u32 * (PACKETS - 1) + 1;
const ISOCHRONOUS_IN: u32 = PACKET as u32 * PACKETS;
/// What gadgetfs carries on endpoint 0, and what f_sourcesink does.
const CONTROL: u32 = 256;
const LONG_CONTROL: u32 = 4096;

/// All of them, some with two sets of parameters.
pub const CASES: &[Case] = &[
    case(0, "nothing", 1),
    case(1, "bulk writes", 50),
    case(2, "bulk reads", 50),
    case(3, "bulk writes of varied length", 50).vary(421),
    case(4, "bulk reads of varied length", 50).vary(VARY),
    case(5, "queued bulk writes", 10).queue(32),
    case(6, "queued bulk reads", 10).queue(32),
    case(7, "queued bulk writes of varied length", 10)
        .queue(32)
        .vary(VARY),
    case(8, "queued bulk reads of varied length", 10)
        .queue(32)
        .vary(VARY),
    case(9, "requests of chapter 9, settings among them", 20),
    case(10, "queued requests of chapter 9", 20).queue(32),
    case(11, "bulk reads unlinked", 20),
    case(12, "bulk writes unlinked", 20),
    case(13, "halts set, felt and cleared", 20),
    case(14, "control writes, read back", 50)
        .length(CONTROL)
        .vary(17),
    case(14, "longer control writes, read back", 50)
        .length(LONG_CONTROL)
        .vary(311),
    case(15, "isochronous writes", 5)
        .length(ISOCHRONOUS_OUT)
        .queue(4),
    case(16, "isochronous reads", 5)
        .length(ISOCHRONOUS_IN)
        .queue(4),
    case(17, "bulk writes from an odd address", 20),
    case(18, "bulk reads to an odd address", 20),
    case(19, "bulk writes from an odd address, mapped before", 20),
    case(20, "bulk reads to an odd address, mapped before", 20),
    case(21, "control writes from an odd address, read back", 50)
        .length(CONTROL)
        .vary(17),
    case(
        21,
        "longer control writes from an odd address, read back",
        50,
    )
    .length(LONG_CONTROL)
    .vary(311),
    case(22, "isochronous writes from an odd address", 5)
        .length(ISOCHRONOUS_OUT)
        .queue(4),
    case(23, "isochronous reads to an odd address", 5)
        .length(ISOCHRONOUS_IN)
        .queue(4),
    case(24, "bulk writes unlinked in a queue", 20).queue(16),
    case(25, "interrupt writes", 10).length(64),
    case(26, "interrupt reads", 10).length(64),
    case(27, "bulk writes without a pause", 10).queue(32),
    case(28, "bulk reads without a pause", 10).queue(32),
    case(29, "halts cleared between bulk writes", 20),
];

/// How a case went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It passes, and with it every packet.
    Passed,
    /// It passes, but of the isochronous packets some did not move: usbtest lets one of ten fail.
    Lost {
        /// Packets that failed.
        packets: u64,
        /// Of as many.
        of: u64,
    },
    /// It fails with this errno; EOPNOTSUPP where the device lacks the endpoints.
    Failed {
        /// As Linux counts.
        errno: i32,
    },
}

/// How a case goes on a source and sink without fault.
#[must_use]
pub fn expected(peer: Peer, case: &Case) -> Verdict {
    let is_control = matches!(case.number, 14 | 21);
    let errno = match case.number {
        // Neither has interrupt endpoints.
        25 | 26 => libc::EOPNOTSUPP,
        // gadgetfs_setup refuses what is longer than its buffer (RBUF_SIZE).
        _ if is_control && peer == Peer::Gadgetfs && case.length > CONTROL => libc::EPIPE,
        _ => return Verdict::Passed,
    };
    Verdict::Failed { errno }
}

/// usbtest's parameters, which are as they were when this is dropped.
#[derive(Debug)]
pub struct Parameters(());

impl Parameters {
    /// Has usbtest, which must be loaded, use this pattern, and the alternate setting with isochronous endpoints or the
    /// first one with bulk endpoints. It looks for endpoints when it is bound, so plug in afterwards.
    ///
    /// # Errors
    /// When it is not loaded.
    pub fn set(pattern: u8, isochronous: bool) -> io::Result<Self> {
        let parameters = Self(());
        write("pattern", &pattern.to_string())?;
        write("alt", if isochronous { "1" } else { "-1" })?;
        Ok(parameters)
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        for (name, value) in [("pattern", "0"), ("alt", "-1")] {
            if let Err(error) = write(name, value) {
                eprintln!("usbtest's {name}: {error}");
            }
        }
    }
}

fn write(name: &str, value: &str) -> io::Result<()> {
    fs::write(
        Path::new("/sys/module/usbtest/parameters").join(name),
        value,
    )
}

/// Runs the cases that these parameters are for on the device that usbtest is bound to, and tells how each went, by its
/// place in [`CASES`].
///
/// # Errors
/// When a test cannot even be asked for.
pub fn run_all(
    device: &SysfsDevice,
    pattern: u8,
    isochronous: bool,
    mut tell: impl FnMut(usize, Verdict) -> io::Result<()>,
) -> io::Result<()> {
    for (place, case) in CASES.iter().enumerate() {
        if case.is_isochronous() == isochronous && case.patterns().contains(&pattern) {
            tell(place, case.run_on(device)?)?;
        }
    }
    Ok(())
}

impl Case {
    /// Runs it.
    ///
    /// # Errors
    /// When it cannot be asked for, or what the kernel has said of it cannot be read.
    pub fn run_on(&self, device: &SysfsDevice) -> io::Result<Verdict> {
        let mut test = UsbTest {
            number: self.number,
            iterations: self.iterations,
            length: self.length,
            vary: self.vary,
            queue: self.queue,
            ..UsbTest::default()
        };
        let before = kernel_log::position()?;
        Ok(match test.run_on(device) {
            Ok(()) => match complaints(&kernel_log::since(before)?)[..] {
                [] => Verdict::Passed,
                [(packets, of), ..] => Verdict::Lost { packets, of },
            },
            Err(error) => Verdict::Failed {
                errno: error.raw_os_error().ok_or(error)?,
            },
        })
    }
}

/// What usbtest has said of packets that failed: how many, of how many.
fn complaints(log: &str) -> Vec<(u64, u64)> {
    let numbers = |line: &str| {
        let (_, rest) = line.split_once("during the test, ")?;
        let (failed, of) = rest.split_once(" errors out of ")?;
        Some((failed.trim().parse().ok()?, of.trim().parse().ok()?))
    };
    log.lines().filter_map(numbers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usbtest_s_complaints_are_read() {
        let log = "usbtest 1-1:1.0: TEST 16:  read 5 iso, 4 entries of 16368 bytes\n\
                   usbtest 1-1:1.0: during the test, 3 errors out of 320\n";
        assert_eq!(complaints(log), [(3, 320)]);
        assert_eq!(complaints("usb 1-1: test failed"), []);
    }

    #[test]
    fn every_case_is_there() {
        let mut numbers: Vec<u32> = CASES.iter().map(|case| case.number).collect();
        numbers.dedup();
        assert_eq!(numbers, (0..30).collect::<Vec<_>>());
    }
}
