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

/// Everything the kernel has logged and still remembers, one message a line.
///
/// # Errors
/// When `/dev/kmsg` cannot be read, which needs root.
pub fn read() -> io::Result<String> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg")?;
    let mut log = String::new();
    let mut record = [0; 8192];
    loop {
        match file.read(&mut record) {
            Ok(count) => {
                // "priority,sequence,microseconds,flags;text", then lines of properties that begin with a blank.
                let text = String::from_utf8_lossy(&record[..count]);
                let message = text.split_once(';').map_or(&*text, |(_, message)| message);
                log.push_str(message.lines().next().unwrap_or_default());
                log.push('\n');
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(log),
            // The record was overwritten while it was read; the next read gives the oldest there is.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            Err(error) => return Err(error),
        }
    }
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
}
