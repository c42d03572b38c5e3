//! The kernel's log, and what in it means that the kernel is not well.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;

/// Beginnings of reports; each is looked for anywhere in a line.
const TROUBLE: &[&str] = &[
    "BUG: ",
    "WARNING: ",
    "INFO: task ",
    "INFO: possible ",
    "INFO: suspicious ",
    "INFO: trying to register non-static key",
    "Internal error: ",
    "Kernel panic",
    "ODEBUG: ",
    "Oops: ",
    "general protection fault",
    "kernel BUG at ",
    "self-detected stall",
    "refcount_t: ",
    "stack segment: ",
    "sysfs: cannot create duplicate filename",
    "unable to handle",
];

/// Lines that contain a mark of trouble and tell of none.
const HARMLESS: &[&str] = &["WARNING: Spectre"];

/// The lines of `log` that report trouble: a BUG, a warning, an oops, a hung task, a lockdep report.
#[must_use]
pub fn trouble(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| TROUBLE.iter().any(|mark| line.contains(mark)))
        .filter(|line| !HARMLESS.iter().any(|mark| line.contains(mark)))
        .collect()
}

/// What a look at `/dev/kmsg` gives.
#[derive(Debug)]
enum Read {
    /// One message, and its place in all that was logged since boot.
    Record { sequence: u64, message: String },
    /// Records in between were overwritten before they were read.
    Overwritten,
}

/// Everything the kernel has logged and still remembers, one message a line.
///
/// # Errors
/// When `/dev/kmsg` cannot be read, which needs root.
pub fn read() -> io::Result<String> {
    let mut log = String::new();
    for read in read_all()? {
        if let Read::Record { message, .. } = read {
            log.push_str(&message);
            log.push('\n');
        }
    }
    Ok(log)
}

/// The place of the record that is logged next, for [`since`].
///
/// # Errors
/// Like [`read`]'s.
pub fn position() -> io::Result<u64> {
    let last = read_all()?.into_iter().rev().find_map(|read| match read {
        Read::Record { sequence, .. } => Some(sequence),
        Read::Overwritten => None,
    });
    Ok(last.map_or(0, |last| last + 1))
}

/// What was logged from `position` on, one message a line.
///
/// # Errors
/// Like [`read`]'s; and where some of it was overwritten since.
pub fn since(position: u64) -> io::Result<String> {
    after(read_all()?, position).ok_or_else(|| {
        io::Error::other("the kernel's log is too short: it has overwritten what was to be read")
    })
}

/// The [`trouble`] that was logged from `position` on; in all that is remembered, where some of it was overwritten.
///
/// # Errors
/// Like [`read`]'s.
pub fn trouble_since(position: u64) -> io::Result<Vec<String>> {
    let log = since(position).or_else(|_| read())?;
    Ok(trouble(&log).into_iter().map(str::to_owned).collect())
}

/// None where something is missing.
fn after(reads: Vec<Read>, position: u64) -> Option<String> {
    let mut log = String::new();
    // Whether the record before the next one was read.
    let mut follows = false;
    for read in reads {
        let Read::Record { sequence, message } = read else {
            follows = false;
            continue;
        };
        if !follows && sequence > position {
            return None;
        }
        follows = true;
        if sequence >= position {
            log.push_str(&message);
            log.push('\n');
        }
    }
    Some(log)
}

fn read_all() -> io::Result<Vec<Read>> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg")?;
    let mut reads = Vec::new();
    let mut record = [0; 8192];
    loop {
        match file.read(&mut record) {
            Ok(count) => reads.push(parse(&String::from_utf8_lossy(&record[..count]))?),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(reads),
            // The record was overwritten while it was read; the next read gives the oldest there is.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {
                reads.push(Read::Overwritten);
            }
            Err(error) => return Err(error),
        }
    }
}

/// "priority,sequence,microseconds,flags;text", then lines of properties that begin with a blank.
fn parse(record: &str) -> io::Result<Read> {
    let fields = record.split_once(';').and_then(|(prefix, message)| {
        let sequence = prefix.split(',').nth(1)?.parse().ok()?;
        Some((sequence, message.lines().next().unwrap_or_default()))
    });
    let (sequence, message) =
        fields.ok_or_else(|| io::Error::other(format!("`{record}` in the kernel's log")))?;
    Ok(Read::Record {
        sequence,
        message: message.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_found_and_chatter_is_not() {
        let log = "[1.0] usb 1-1: new high-speed USB device\n\
                   [2.0] WARNING: CPU: 1 PID: 77 at fs/aio.c:12 exit_aio+0x1\n\
                   [3.0] usbfs2: module verification failed: tainting kernel\n\
                   [4.0] INFO: task dd:99 blocked for more than 60 seconds.\n\
                   [5.0] BUG: kernel NULL pointer dereference, address: 0\n";
        let found = trouble(log);
        assert_eq!(found.len(), 3);
        assert!(found[1].contains("dd:99"));
    }

    #[test]
    fn what_came_since_is_whole_or_refused() {
        let record = |sequence: u64| {
            parse(&format!(
                "6,{sequence},5140900,-;message {sequence}\n SUBSYSTEM=usb\n"
            ))
            .unwrap()
        };
        let all = || vec![record(7), record(8), record(10)];
        assert_eq!(after(all(), 8).unwrap(), "message 8\nmessage 10\n");
        assert_eq!(after(all(), 11).unwrap(), "");
        assert_eq!(after(vec![], 0).unwrap(), "");
        // Record 6, which was to be read, is gone.
        assert!(after(all(), 6).is_none());
        let overwritten = || vec![record(7), Read::Overwritten, record(10)];
        assert!(after(overwritten(), 8).is_none());
        assert_eq!(after(overwritten(), 10).unwrap(), "message 10\n");
        assert!(parse("nothing of the kind").is_err());
    }
}
