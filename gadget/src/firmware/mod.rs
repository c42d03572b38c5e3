//! Firmware written for microcontrollers on the [`usb-device`](usb_device) crate, on Linux boards.
//!
//! [`FirmwareBus`] is a [`usb_device::bus::UsbBus`]: whatever class runs on that crate runs here unmodified, on the
//! board's device controller through gadgetfs ([`FirmwareBus::gadgetfs`]) or on the in-process bus
//! ([`FirmwareBus::on`]). A firmware's main loop gains one line, [`FirmwareBus::wait`], which sleeps until there is
//! something to poll for:
//!
//! ```
//! use std::thread;
//! use std::time::Duration;
//! use usb_device::prelude::*;
//! use usbd_serial::SerialPort;
//! use usbfs2_gadget::firmware::{FirmwareBus, Wait};
//! use usbfs2_gadget::{Speed, State};
//! use usbfs2_loopback::{Bus, CompletionQueue, Target, Transfer};
//!
//! let patience = Duration::from_secs(10);
//! let bus = Bus::new();
//! let allocator = FirmwareBus::on(&bus, Speed::Full);
//! let mut serial = SerialPort::new(&allocator);
//! let mut device = UsbDeviceBuilder::new(&allocator, UsbVidPid(0x16c0, 0x27dd))
//!     .device_class(usbd_serial::USB_CLASS_CDC)
//!     .build();
//! let handle = device.bus().handle();
//!
//! // The host end, in a thread of its own: the bus itself enumerates, and the port echoes.
//! let host = thread::spawn({
//!     let handle = handle.clone();
//!     move || {
//!         let name = handle.wait_for_port(patience).unwrap();
//!         let device = bus.devices().into_iter().find(|one| one.name() == name).unwrap();
//!         device.enumerate(patience).unwrap();
//!         let queue = CompletionQueue::new(&bus);
//!         let [output, input] = [0x01, 0x82].map(|byte| Target::Endpoint(byte.try_into().unwrap()));
//!         device.submit(&queue, output, Transfer::send(b"hello".to_vec()));
//!         assert_eq!(queue.wait(Some(patience)).unwrap().status, Ok(()));
//!         device.submit(&queue, input, Transfer::receive(64));
//!         let echo = queue.wait(Some(patience)).unwrap().buffer;
//!         handle.stop();
//!         echo
//!     }
//! });
//!
//! // Without an end to its patience on a board: wait(None)? != Wait::Stopped.
//! while device.bus().wait(Some(patience))? == Wait::Ready {
//!     if device.poll(&mut [&mut serial]) {
//!         let mut buffer = [0; 64];
//!         while let Ok(count) = serial.read(&mut buffer) {
//!             serial.write(&buffer[..count]).unwrap();
//!         }
//!     }
//! }
//! assert_eq!(host.join().unwrap(), b"hello");
//! assert_eq!(handle.counters().bytes_in, 5);
//! # Ok::<(), usbfs2_gadget::firmware::FirmwareError>(())
//! ```
//!
//! What a class has in a buffer of its own is out of the bus's sight: a program is to read after each poll until there is
//! nothing more ([`WouldBlock`](usb_device::UsbError::WouldBlock)). One that has room for less, because what it read
//! cannot be passed on yet, looks again when it can, or has [`FirmwareHandle::wake`] called.
//!
//! # From build() to the bus
//!
//! A firmware shows what it is only when asked. So the first polls after `build()` are a rehearsal: the bus resets the
//! firmware and asks for its descriptors, checks them against the target, resets the firmware once more and connects.
//! What the target would refuse comes out of [`FirmwareBus::wait`] as a [`FirmwareError`], and nothing was bound. A class
//! that asks for more endpoints than there are gets [`usb_device::UsbError::EndpointOverflow`], at which most panic; the
//! limit is in the log, and in that error of `wait` if the firmware is built all the same. [`FirmwareBus::check`] rehearses
//! alone, for a controller of which nothing but the name is at hand.
//!
//! # What is as on a microcontroller
//!
//! - Endpoints are allocated from what the controller really has, with the address a class asks for if it does.
//! - A read takes one packet, and one that does not fit the buffer stays
//!   ([`BufferOverflow`](usb_device::UsbError::BufferOverflow)); a write gives one, and answers
//!   [`WouldBlock`](usb_device::UsbError::WouldBlock) when there is no room: bulk endpoints hold 64 packets to the host
//!   and 16 from it, isochronous ones 8 and 128, interrupt endpoints 2. Full packets written together go out as one transfer.
//! - Reset, suspend and resume, alternate settings, strings, halts. On a halted endpoint a write waits for the host to
//!   end the halt. Data of a configuration that has gone is dropped and counted.
//! - A request the firmware neither answers nor stalls (a class wrote more than the control buffer of 256 bytes) is
//!   stalled with the firmware's next poll, logged and counted, and so is one with more data than that buffer.
//!
//! # What is not
//!
//! - Where a [`Keeper`](crate::Keeper) keeps its files, firmware on gadgetfs that was killed and started again sees a reset and
//!   then the requests by which the host had set something; the host notices nothing. What was in hand it is not told: mass
//!   storage killed in the middle of a command comes back waiting for the next one, and the host waits until its time for
//!   the command is over.
//! - gadgetfs acknowledges OUT requests with data before the firmware has seen them: a stall then comes too late, which
//!   [`FirmwareCounters::stalls_too_late`] counts. It cuts IN requests of more than 256 bytes to 256. It tells no resume:
//!   whatever happens next is one.
//! - Remote wake-up is refused on gadgetfs, and `force_reset` is
//!   [`Unsupported`](usb_device::UsbError::Unsupported).
//! - An OUT transfer of several packets is taken from the controller packet by packet, since nobody but the class knows
//!   whether a full packet ends it. Where it does not, [`FirmwareBus::set_packets_per_transfer`] has more of them come with
//!   one call of the kernel.
//! - That the host has ended a halt shows only when data moves.
//! - The in-process bus has no timer of its own: while isochronous packets are due on a real clock, a task that awaits
//!   [`FirmwareBus::ready`] is woken again and again. [`FirmwareBus::wait`] sleeps until the next is due.

mod allocation;
mod bus;
mod control;
mod counters;
mod data;
mod description;
mod endpoint0;
mod error;
mod handle;
mod quirk;
mod request;
mod signal;
mod state;
mod target;

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use usb_device::UsbError;
use usb_device::bus::UsbBusAllocator;
use usb_device::endpoint::EndpointAddress;
use usbfs2_loopback::Bus;
use usbfs2_protocol::Speed;

pub use counters::FirmwareCounters;
pub use error::FirmwareError;
pub use handle::FirmwareHandle;

use crate::function::ControlResponse;
use crate::running::{self, Status};
use crate::start::{GadgetfsOptions, StartError};
use crate::udc::Udc;
use allocation::Allocation;
use request::Request;
use signal::Signal;
use state::{BusEvent, State};
use target::Target;

/// Bytes of usb-device's control buffer with the feature `control-buffer-256`.
const CONTROL_BUFFER: usize = 256;

/// A bus for firmware on [`usb_device`], which it reaches as [`UsbDevice::bus`](usb_device::device::UsbDevice::bus).
///
/// Dropping the [`UsbBusAllocator`] it is in takes the device off its bus.
pub struct FirmwareBus {
    shared: Arc<Shared>,
}

/// Why [`FirmwareBus::wait`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// There is something to poll for.
    Ready,
    /// The time is up.
    TimedOut,
    /// The device is off its bus, because of [`FirmwareHandle::stop`] or an error that an earlier call returned.
    Stopped,
}

/// What the firmware's thread, endpoint 0's thread and the handles share.
struct Shared {
    state: Mutex<State>,
    /// For endpoint 0's thread: the firmware has answered, or has been stopped.
    answered: Condvar,
    /// For the firmware: something to do.
    signal: Arc<Signal>,
    status: Status,
    /// Where the device is, once it is on a bus.
    place: OnceLock<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What can panic under the lock is a bug of this crate, which is to show once and not for ever.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is something for the firmware, and else when to look again at the latest.
    fn look(&self) -> (Option<Result<Wait, FirmwareError>>, Option<Instant>) {
        let mut state = self.lock();
        (state.look(&self.status), state.due)
    }

    /// Tells the firmware of something that happened.
    fn tell(&self, event: BusEvent) {
        self.lock().events.push_back(event);
        self.signal.notify();
    }

    /// Has the firmware answer a request of the host's; a stall when it is stopped instead.
    fn ask(&self, request: Request) -> ControlResponse {
        self.lock().answer = None;
        self.tell(BusEvent::Request(request));
        let mut state = self.lock();
        loop {
            if let Some(response) = state.answer.take() {
                return response;
            }
            if state.is_stopped {
                return ControlResponse::Stall;
            }
            let waited = self.answered.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        {
            let mut state = self.lock();
            state.is_stopped = true;
            match &state.connection {
                Some(connection) => connection.stopper.stop(),
                None => self.status.set_state(running::State::Stopped),
            }
        }
        self.answered.notify_all();
        self.signal.notify();
    }
}

impl FirmwareBus {
    /// A bus for a device on the in-process bus, at full or high speed. It is plugged in once the first polls have shown
    /// what it is; if no port is free then, [`wait`](Self::wait) says so.
    ///
    /// Most classes are made for full speed, with bulk packets of 64 bytes.
    #[must_use]
    pub fn on(bus: &Bus, speed: Speed) -> UsbBusAllocator<Self> {
        let bus = bus.clone();
        Self::with(Target::Loopback { bus, speed }, Udc::loopback())
    }

    /// A bus for a device on this machine's device controller, through gadgetfs, which is mounted if need be.
    ///
    /// The device runs at full speed, unless it has bulk endpoints with packets of more than 64 bytes: then at high speed.
    /// It is connected once the first polls have shown what it is.
    ///
    /// # Errors
    /// [`StartError::NoController`], [`StartError::NoGadgetfs`], [`StartError::NotPermitted`], [`StartError::Busy`] or
    /// [`StartError::Io`].
    pub fn gadgetfs(options: &GadgetfsOptions) -> Result<UsbBusAllocator<Self>, StartError> {
        let (target, udc) = Target::gadgetfs(options)?;
        Ok(Self::with(target, udc))
    }

    /// No bus: for a firmware that is to be checked before it is deployed, on any machine. Its main loop runs until the
    /// rehearsal is over; then [`wait`](Self::wait) returns [`Wait::Stopped`] if it fits gadgetfs on this controller, and
    /// else what does not.
    ///
    /// ```
    /// use usb_device::prelude::*;
    /// use usbfs2_gadget::Udc;
    /// use usbfs2_gadget::firmware::{FirmwareBus, FirmwareError, Wait};
    ///
    /// fn firmware(allocator: &usb_device::bus::UsbBusAllocator<FirmwareBus>) -> Result<(), FirmwareError> {
    ///     let mut serial = usbd_serial::SerialPort::new(allocator);
    ///     let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 1)).build();
    ///     while device.bus().wait(None)? != Wait::Stopped {
    ///         device.poll(&mut [&mut serial]);
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let raspberry_pi = Udc::known("dwc2").ok_or("not in the table")?;
    /// firmware(&FirmwareBus::check(&raspberry_pi))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A class that would get no endpoint, at which most panic, gets one here, and `wait` says so.
    #[must_use]
    pub fn check(udc: &Udc) -> UsbBusAllocator<Self> {
        Self::with(Target::Check, udc.clone())
    }

    fn with(target: Target, udc: Udc) -> UsbBusAllocator<Self> {
        let signal = Arc::new(Signal::default());
        let task = Waker::from(Arc::clone(&signal));
        let shared = Shared {
            state: Mutex::new(State::new(target, Allocation::new(udc), task)),
            answered: Condvar::new(),
            signal,
            status: Status::new(),
            place: OnceLock::new(),
        };
        UsbBusAllocator::new(Self {
            shared: Arc::new(shared),
        })
    }

    /// Sleeps until [`poll`](usb_device::device::UsbDevice::poll) has something to do, for at most `timeout` (without end
    /// for `None`). Data that the firmware did not read although it was told of it is nothing new.
    ///
    /// # Errors
    /// Once, why the device is not on its bus, before it was or afterwards. From then on [`Wait::Stopped`].
    pub fn wait(&self, timeout: Option<Duration>) -> Result<Wait, FirmwareError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let count = self.shared.signal.count();
            let (look, due) = self.shared.look();
            if let Some(wait) = look {
                return wait;
            }
            let earlier = [deadline, due].into_iter().flatten().min();
            let is_over = !self.shared.signal.wait_past(count, earlier);
            if is_over && deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(Wait::TimedOut);
            }
        }
    }

    /// As [`wait`](Self::wait), for a task on any executor. Dropping the future loses nothing. One task at a time.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn ready(&self) -> impl Future<Output = Result<Wait, FirmwareError>> {
        poll_fn(|cx| {
            loop {
                let count = self.shared.signal.count();
                let (look, due) = self.shared.look();
                if let Some(wait) = look {
                    return Poll::Ready(wait);
                }
                if self.shared.signal.register(count, cx.waker()) {
                    // There is no timer for the clock of the in-process bus.
                    if due.is_some() {
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        })
    }

    /// For other threads, and for this one after the firmware has borrowed the device.
    #[must_use]
    pub fn handle(&self) -> FirmwareHandle {
        FirmwareHandle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Has packets of an OUT endpoint come several at a time: faster, and right only for a protocol whose transfers end
    /// with a short packet or are as long as this many packets. The firmware still reads packet by packet. Default: 1.
    ///
    /// # Errors
    /// [`UsbError::InvalidEndpoint`] when it was not allocated, [`UsbError::BufferOverflow`] for transfers of more than
    /// 4 MiB, which the kernel does not take, for more than two packets of an interrupt endpoint, and for more than one of
    /// an isochronous one.
    pub fn set_packets_per_transfer(
        &self,
        endpoint: EndpointAddress,
        packets: usize,
    ) -> Result<(), UsbError> {
        let address = usbfs2_protocol::EndpointAddress::try_from(u8::from(endpoint))
            .map_err(|_| UsbError::InvalidEndpoint)?;
        self.shared
            .lock()
            .set_packets_per_transfer(address, packets)
    }
}

impl Drop for FirmwareBus {
    fn drop(&mut self) {
        self.shared.stop();
        let connection = self.shared.lock().connection.take();
        if let Some(connection) = connection {
            // Its panics, which are bugs of this crate, have been reported in the log by then.
            drop(connection.thread.join());
        }
    }
}

impl fmt::Debug for FirmwareBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirmwareBus")
            .field("state", &self.shared.status.state())
            .finish_non_exhaustive()
    }
}
