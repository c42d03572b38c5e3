//! What the standard library has no call for.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// USBDEVFS_RESET of linux/usbdevice_fs.h: _IO('U', 20).
const USBDEVFS_RESET: libc::Ioctl = 0x5514;

/// A child that is a copy of this process.
#[derive(Debug)]
pub(crate) struct Copy(libc::pid_t);

impl Copy {
    /// Makes one that sleeps and ends; it closes what it has inherited by ending.
    pub(crate) fn that_sleeps(time: Duration) -> io::Result<Self> {
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: time.subsec_nanos().into(),
        };
        // SAFETY: this process has several threads, whose locks may be locked for ever in the child: it calls nothing
        // but what `sleep_and_end` does.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => sleep_and_end(&time),
            child => Ok(Self(child)),
        }
    }

    /// Whether it has ended; asked until it has, and never again.
    pub(crate) fn is_gone(&self) -> io::Result<bool> {
        let mut status = 0;
        // SAFETY: waitpid takes numbers, and `status` lives through the call.
        match unsafe { libc::waitpid(self.0, &raw mut status, libc::WNOHANG) } {
            -1 => Err(io::Error::last_os_error()),
            0 => Ok(false),
            _ => Ok(true),
        }
    }
}

/// All that a copy of a process of several threads may do.
fn sleep_and_end(time: &libc::timespec) -> ! {
    // SAFETY: neither takes a lock; `time` lives through the call.
    unsafe {
        libc::nanosleep(time, std::ptr::null_mut());
        libc::_exit(0)
    }
}

/// Has usbcore reset the device whose node of usbfs this is.
pub(crate) fn reset(node: &File) -> io::Result<()> {
    // SAFETY: the request takes no argument, and `node` owns the descriptor through the call.
    match unsafe { libc::ioctl(node.as_raw_fd(), USBDEVFS_RESET) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
