//! `usbtest`, the kernel's own host-side test driver: what a transfer costs before user space comes in.

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::{Direction, Spec};
use dummy_hcd_tests::usbtest::UsbTest;

use super::Transfers;
use crate::sys::Usbfs;
use crate::target::Target;

/// "bulk write, queued" and "bulk read, queued".
const QUEUED_WRITE: u32 = 27;
const QUEUED_READ: u32 = 28;
/// "control write, then read back and compare".
const CONTROL: u32 = 14;

pub(super) fn bulk(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let number = match spec.direction {
        Direction::In => QUEUED_READ,
        Direction::Out => QUEUED_WRITE,
    };
    Ok(Box::new(Kernel {
        device: Usbfs::open(&target.usbfs_node()?)?,
        number,
        spec: *spec,
    }))
}

/// Each iteration writes and reads: a transfer in either direction is half of one.
pub(super) fn control(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    Ok(Box::new(Kernel {
        device: Usbfs::open(&target.usbfs_node()?)?,
        number: CONTROL,
        spec: *spec,
    }))
}

struct Kernel {
    device: Usbfs,
    number: u32,
    spec: Spec,
}

impl Transfers for Kernel {
    fn run(&mut self, count: u64) -> Result<()> {
        let at_once = match self.number {
            CONTROL => 2,
            _ => self.spec.depth,
        };
        let mut test = UsbTest {
            number: self.number,
            iterations: u32::try_from(count)? / at_once,
            length: self.spec.bytes,
            // Test 14 adds this to the length of the next iteration, modulo the length: it stays the same.
            vary: 0,
            queue: self.spec.depth,
            ..UsbTest::default()
        };
        self.device
            .usbtest(0, &mut test)
            .with_context(|| format!("usbtest {}", self.number))
    }
}
