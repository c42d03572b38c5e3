//! The firmware as a task, on an executor that does nothing but sleep until it is woken.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use usb_device::bus::UsbBusAllocator;
use usb_device::prelude::*;
use usbd_serial::SerialPort;
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareHandle, Wait};

use crate::rig::{PATIENCE, Rig};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    let hang = Instant::now() + PATIENCE;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        assert!(Instant::now() < hang, "nobody wakes the task");
        thread::park_timeout(PATIENCE);
    }
}

fn echo(allocator: &UsbBusAllocator<FirmwareBus>, started: &mut dyn FnMut(FirmwareHandle)) {
    let mut serial = SerialPort::new(allocator);
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x16c0, 0x27dd)).build();
    started(device.bus().handle());
    while block_on(device.bus().ready()).unwrap() != Wait::Stopped {
        let mut buffer = [0; 64];
        if device.poll(&mut [&mut serial])
            && let Ok(count) = serial.read(&mut buffer)
        {
            serial.write(&buffer[..count]).unwrap();
        }
    }
}

#[test]
fn a_task_is_woken_for_requests_data_and_the_end() {
    let rig = Rig::configured(echo);
    for number in 0..50 {
        rig.write(0x01, &[number; 10]);
        assert_eq!(rig.read(0x82, 64), [number; 10]);
    }
    rig.finish();
}
