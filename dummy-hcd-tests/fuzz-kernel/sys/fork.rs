//! A child of a process that has a file open and parts of it mapped.

use std::time::{Duration, Instant};

/// The child is killed after this long.
const LIFE: Duration = Duration::from_millis(100);

/// Forks. The child moves `length` bytes at `buffer`, if that is not 0, from or to the file, and ends, by a signal where
/// the memory was not inherited. True when it was made and is gone.
pub(super) fn that_uses(file: i32, is_in: bool, buffer: u64, length: usize) -> bool {
    // SAFETY: this process has several threads, whose locks may be locked for ever in the child: it makes system calls
    // and nothing else. The buffer is a file's mapping, which no reference leads to.
    let child = unsafe { libc::fork() };
    match child {
        -1 => false,
        0 => use_and_end(file, is_in, buffer as *mut u8, length),
        child => is_gone(child),
    }
}

fn use_and_end(file: i32, is_in: bool, buffer: *mut u8, length: usize) -> ! {
    // SAFETY: as `that_uses` says; where nothing is mapped, the store's signal ends the child, as it is meant to.
    unsafe {
        if !buffer.is_null() {
            if is_in {
                libc::read(file, buffer.cast(), length);
            } else {
                libc::write(file, buffer.cast(), length);
            }
            buffer.write_volatile(1);
        }
        libc::_exit(0)
    }
}

fn is_gone(child: libc::pid_t) -> bool {
    let since = Instant::now();
    let mut killed = false;
    loop {
        let mut status = 0;
        // SAFETY: waitpid takes numbers, and `status` lives through the call; `child` is waited for here alone.
        match unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } {
            0 => {}
            -1 => return false,
            _ => return true,
        }
        if !killed && since.elapsed() > LIFE {
            killed = true;
            // SAFETY: a child of this process that nobody has waited for.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
