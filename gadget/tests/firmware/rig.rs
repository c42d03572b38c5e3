//! A firmware in a thread of its own, and the host's end of the bus.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use usb_device::bus::UsbBusAllocator;
use usb_device::class::UsbClass;
use usb_device::device::UsbDevice;
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareError, FirmwareHandle, Wait};
use usbfs2_gadget::{Speed, State};
use usbfs2_loopback::{
    Bus, BusDevice, BusError, Cable, Completed, CompletionQueue, Target, Transfer,
};
use usbfs2_protocol::SetupPacket;

/// Only stops a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) bus: Bus,
    pub(crate) handle: FirmwareHandle,
    pub(crate) device: BusDevice,
    pub(crate) host: CompletionQueue,
    /// In the rig that started it.
    thread: Option<JoinHandle<()>>,
}

/// A firmware's main function, which runs until its bus has stopped.
pub(crate) trait Main:
    FnOnce(&UsbBusAllocator<FirmwareBus>, &mut dyn FnMut(FirmwareHandle)) + Send + 'static
{
}

impl<F> Main for F where
    F: FnOnce(&UsbBusAllocator<FirmwareBus>, &mut dyn FnMut(FirmwareHandle)) + Send + 'static
{
}

/// Whether the main loop goes on; it ends in a panic when nothing happens for too long.
pub(crate) fn goes_on(bus: &FirmwareBus) -> bool {
    match bus.wait(Some(PATIENCE)) {
        Ok(Wait::Ready) => true,
        Ok(Wait::Stopped) => false,
        other => panic!("{other:?}"),
    }
}

impl Rig {
    /// Runs the firmware, and enumerates it.
    pub(crate) fn configured(main: impl Main) -> Self {
        let rig = Self::plugged(main);
        let enumerated = rig.device.enumerate(PATIENCE).unwrap();
        assert_eq!(enumerated.problem, None);
        rig.handle
            .wait_for_state(State::Configured, PATIENCE)
            .unwrap();
        rig
    }

    /// Runs the firmware, and waits until it is on the bus.
    pub(crate) fn plugged(main: impl Main) -> Self {
        let bus = Bus::new();
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = thread::spawn({
            let bus = bus.clone();
            move || {
                let allocator = FirmwareBus::on(&bus, Speed::Full);
                main(&allocator, &mut |handle| sender.send(handle).unwrap());
            }
        });
        let handle: FirmwareHandle = receiver.recv_timeout(PATIENCE).unwrap();
        let name = handle.wait_for_port(PATIENCE).unwrap();
        let mut devices = bus.devices().into_iter();
        Self {
            device: devices.find(|device| device.name() == name).unwrap(),
            host: CompletionQueue::new(&bus),
            bus,
            handle,
            thread: Some(thread),
        }
    }

    /// One transfer of the host's on a data endpoint.
    pub(crate) fn transfer(&self, endpoint: u8, transfer: Transfer) -> Completed {
        self.submit(endpoint, transfer);
        self.host.wait(Some(PATIENCE)).unwrap()
    }

    pub(crate) fn submit(&self, endpoint: u8, transfer: Transfer) {
        let target = Target::Endpoint(endpoint.try_into().unwrap());
        self.device.submit(&self.host, target, transfer);
    }

    pub(crate) fn write(&self, endpoint: u8, bytes: &[u8]) {
        let completed = self.transfer(endpoint, Transfer::send(bytes.to_vec()));
        assert_eq!(completed.status, Ok(()));
        assert_eq!(completed.actual_length, bytes.len());
    }

    pub(crate) fn read(&self, endpoint: u8, length: usize) -> Vec<u8> {
        let completed = self.transfer(endpoint, Transfer::receive(length));
        assert_eq!(completed.status, Ok(()));
        completed.buffer
    }

    /// A control request of the host's.
    pub(crate) fn control(&self, setup: SetupPacket, data: &[u8]) -> Result<Vec<u8>, BusError> {
        self.device.control(setup, data, PATIENCE)
    }

    pub(crate) fn cable(&self) -> Cable {
        self.bus.cable(&self.device.name()).unwrap()
    }

    /// The same firmware as the host sees it after another plug.
    pub(crate) fn with_device(&self, device: BusDevice) -> Self {
        Self {
            host: CompletionQueue::new(&self.bus),
            bus: self.bus.clone(),
            handle: self.handle.clone(),
            device,
            thread: None,
        }
    }

    /// Stops the firmware and waits for its thread; leaves the host's end.
    pub(crate) fn finish_for_host(mut self) -> (Bus, CompletionQueue) {
        let host = std::mem::replace(&mut self.host, CompletionQueue::new(&self.bus));
        let bus = self.bus.clone();
        self.finish();
        (bus, host)
    }

    /// Stops the firmware and waits for its thread, which must not have panicked.
    pub(crate) fn finish(mut self) {
        self.handle.stop();
        let thread = self.thread.take().unwrap();
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Waits until `look` finds something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let hang = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < hang, "{what}");
        thread::yield_now();
    }
}

/// Runs a firmware that is to be refused, and returns why.
pub(crate) fn refusal(
    device: &mut UsbDevice<'_, FirmwareBus>,
    class: &mut dyn UsbClass<FirmwareBus>,
) -> FirmwareError {
    loop {
        match device.bus().wait(Some(PATIENCE)) {
            Ok(Wait::Ready) => drop(device.poll(&mut [class])),
            Err(error) => {
                assert_eq!(device.bus().wait(None).unwrap(), Wait::Stopped);
                assert_eq!(device.bus().handle().port_name(), None);
                assert!(!device.poll(&mut [class]));
                return error;
            }
            other => panic!("{other:?}"),
        }
    }
}
