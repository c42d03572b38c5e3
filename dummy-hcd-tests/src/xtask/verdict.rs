//! What in a kernel log means that the kernel is not well.

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
    "rcu_sched self-detected stall",
    "refcount_t: ",
    "stack segment: ",
    "sysfs: cannot create duplicate filename",
    "unable to handle",
];

/// Lines that contain a mark of trouble and tell of none.
const HARMLESS: &[&str] = &["WARNING: Spectre"];

/// The lines of `log` that report trouble.
pub(crate) fn trouble(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| TROUBLE.iter().any(|mark| line.contains(mark)))
        .filter(|line| !HARMLESS.iter().any(|mark| line.contains(mark)))
        .collect()
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
