//! Transfers of a device that is gone, for which nusb would wait for ever.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_io::Timer;

use crate::backend::sysfs::SysfsDevice;

/// Tells when transfers in flight will never complete.
///
/// nusb 0.2.9 reaps no more once the kernel has said `ENODEV`. The kernel says it from the moment the device is gone
/// (`proc_reapurbnonblock` in drivers/usb/core/devio.c), and only then ends one transfer after the other.
#[derive(Debug)]
pub(super) struct Unreaped {
    device: SysfsDevice,
    next_look: Option<Instant>,
    timer: Option<Timer>,
    was_gone: bool,
}

impl Unreaped {
    /// How long nothing completes between two looks at the device.
    const GLANCE: Duration = Duration::from_secs(1);

    pub(super) fn new(device: SysfsDevice) -> Self {
        Self {
            device,
            next_look: None,
            timer: None,
            was_gone: false,
        }
    }

    /// A transfer completed, so the next one may.
    pub(super) fn restart(&mut self) {
        self.next_look = None;
        self.timer = None;
        self.was_gone = false;
    }

    /// When to [`look`](Self::look), while transfers are waited for.
    pub(super) fn next_look(&mut self) -> Instant {
        *self
            .next_look
            .get_or_insert_with(|| Instant::now() + Self::GLANCE)
    }

    /// Whether the device is gone, and was a second ago, and nothing completed since.
    pub(super) fn look(&mut self) -> bool {
        if Instant::now() < self.next_look() {
            return false;
        }
        self.next_look = None;
        self.timer = None;
        let is_gone = !self.device.is_present();
        mem::replace(&mut self.was_gone, is_gone) && is_gone
    }

    /// Ready when [`look`](Self::look) is true; looks by itself.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.look() {
            let next = self.next_look();
            let timer = self.timer.get_or_insert_with(|| Timer::at(next));
            ready!(Pin::new(timer).poll(cx));
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{DeviceId, block_on};

    #[test]
    fn a_device_that_is_not_there_is_told_after_two_looks() {
        let mut unreaped = Unreaped::new(SysfsDevice::new(&DeviceId::new("99-9")));
        assert!(!unreaped.look(), "nobody has waited yet");
        thread::sleep(Unreaped::GLANCE);
        assert!(!unreaped.look(), "what is in flight may still complete");
        unreaped.restart();
        let since = Instant::now();
        block_on(std::future::poll_fn(|cx| unreaped.poll(cx)));
        assert!(since.elapsed() >= 2 * Unreaped::GLANCE);
    }
}
