//! The tests of the kernel's `usbtest`, by its ioctl.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd as _;

use crate::device::SysfsDevice;

pub mod cases;
pub mod report;
#[allow(unsafe_code)]
mod sys;

pub use sys::run;

/// `struct usbtest_param_64` of `drivers/usb/misc/usbtest.c`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct UsbTest {
    /// Which test.
    pub number: u32,
    /// How often.
    pub iterations: u32,
    /// Bytes of a transfer.
    pub length: u32,
    /// What is added to the length from one to the next.
    pub vary: u32,
    /// URBs in flight.
    pub queue: u32,
    /// How long it took, seconds.
    pub seconds: i64,
    /// How long it took, the rest.
    pub microseconds: i64,
}

impl UsbTest {
    /// Has `usbtest`, which must be bound to interface 0 of `device`, run this.
    ///
    /// # Errors
    /// EOPNOTSUPP for a test the device's endpoints are not made for; what the test failed with.
    pub fn run_on(&mut self, device: &SysfsDevice) -> io::Result<()> {
        let number = |name: &str| {
            let text = device.attribute(name)?;
            text.parse::<u16>().map_err(io::Error::other)
        };
        let (bus, address) = (number("busnum")?, number("devnum")?);
        let node = format!("/dev/bus/usb/{bus:03}/{address:03}");
        let node = OpenOptions::new().read(true).write(true).open(node)?;
        run(node.as_fd(), 0, self)
    }
}
