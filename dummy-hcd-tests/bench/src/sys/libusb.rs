//! libusb's asynchronous interface, used from one thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::ptr;
use std::rc::Rc;

use libusb1_sys as ffi;
use libusb1_sys::constants::{
    LIBUSB_CONTROL_SETUP_SIZE, LIBUSB_SUCCESS, LIBUSB_TRANSFER_COMPLETED,
};

use super::urbs::UrbType;

/// `LIBUSB_OPTION_NO_DEVICE_DISCOVERY`: the device is opened by its descriptor.
const NO_DEVICE_DISCOVERY: u32 = 2;

/// No limit: libusb would set a timer for each transfer, which costs 1600 instructions.
const NO_TIMEOUT: c_uint = 0;

unsafe extern "C" {
    // libusb 1.0.21 and later; the bindings leave them out.
    fn libusb_dev_mem_alloc(handle: *mut ffi::libusb_device_handle, length: usize) -> *mut u8;
    fn libusb_dev_mem_free(
        handle: *mut ffi::libusb_device_handle,
        buffer: *mut u8,
        length: usize,
    ) -> c_int;
}

/// An open device with interface 0 claimed.
#[derive(Debug)]
pub(crate) struct LibusbDevice {
    context: *mut ffi::libusb_context,
    handle: *mut ffi::libusb_device_handle,
    /// After `handle`: libusb uses the descriptor until the device is closed, and does not close it.
    _fd: OwnedFd,
}

impl LibusbDevice {
    pub(crate) fn open(node: &Path) -> io::Result<Self> {
        let file: File = OpenOptions::new().read(true).write(true).open(node)?;
        let fd: OwnedFd = file.into();
        let mut context = ptr::null_mut();
        // SAFETY: a null context sets the default for those initialised later; init writes one pointer.
        unsafe {
            check(ffi::libusb_set_option(ptr::null_mut(), NO_DEVICE_DISCOVERY))?;
            check(ffi::libusb_init(&raw mut context))?;
        }
        let mut device = Self {
            context,
            handle: ptr::null_mut(),
            _fd: fd,
        };
        // SAFETY: the context was initialised above and ends in drop; the descriptor is passed by value, in
        // libusb's intptr_t, and outlives the handle.
        unsafe {
            let fd = ptr::without_provenance_mut(
                usize::try_from(device._fd.as_raw_fd()).unwrap_or(usize::MAX),
            );
            check(ffi::libusb_wrap_sys_device(
                context,
                fd,
                &raw mut device.handle,
            ))?;
            check(ffi::libusb_claim_interface(device.handle, 0))?;
        }
        Ok(device)
    }
}

impl Drop for LibusbDevice {
    fn drop(&mut self) {
        // SAFETY: each was made in open; queues hold the device by Rc, so none is left.
        unsafe {
            if !self.handle.is_null() {
                ffi::libusb_close(self.handle);
            }
            ffi::libusb_exit(self.context);
        }
    }
}

/// What a transfer does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LibusbKind {
    /// On this endpoint.
    Endpoint(UrbType, u8),
    /// A vendor request to the device: bmRequestType and bRequest.
    Vendor(u8, u8),
}

/// A fixed number of transfers of one kind and length.
#[derive(Debug)]
pub(crate) struct LibusbQueue {
    // Transfers and buffers go before the device they belong to.
    slots: Vec<Slot>,
    done: Done,
    device: Rc<LibusbDevice>,
    bytes: c_int,
    in_flight: usize,
}

/// Transfers whose callback has run, oldest first.
type Done = Rc<RefCell<VecDeque<usize>>>;

/// What a callback is told.
#[derive(Debug)]
struct Note {
    index: usize,
    done: Done,
}

/// One transfer with its buffer.
#[derive(Debug)]
struct Slot {
    transfer: *mut ffi::libusb_transfer,
    memory: Memory,
    /// Boxed: the transfer has its address.
    note: Box<Note>,
}

#[derive(Debug)]
enum Memory {
    Heap(Box<[u8]>),
    /// From `libusb_dev_mem_alloc`.
    Device {
        device: Rc<LibusbDevice>,
        address: *mut u8,
        length: usize,
    },
}

impl Memory {
    fn new(device: &Rc<LibusbDevice>, length: usize, zero_copy: bool) -> io::Result<Self> {
        if !zero_copy {
            return Ok(Self::Heap(vec![0; length].into()));
        }
        // SAFETY: the handle is open as long as `device` lives.
        let address = unsafe { libusb_dev_mem_alloc(device.handle, length) };
        if address.is_null() {
            return Err(io::Error::other("libusb_dev_mem_alloc gave no memory"));
        }
        Ok(Self::Device {
            device: device.clone(),
            address,
            length,
        })
    }

    fn address(&mut self) -> *mut u8 {
        match self {
            Self::Heap(bytes) => bytes.as_mut_ptr(),
            Self::Device { address, .. } => *address,
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Self::Device {
            device,
            address,
            length,
        } = self
        {
            // SAFETY: allocated from this open device with this length; the slot's transfer is not in flight.
            unsafe { libusb_dev_mem_free(device.handle, *address, *length) };
        }
    }
}

impl Slot {
    fn new(
        device: &Rc<LibusbDevice>,
        kind: LibusbKind,
        bytes: usize,
        zero_copy: bool,
        note: Note,
    ) -> io::Result<Self> {
        let setup_bytes = match kind {
            LibusbKind::Vendor(..) => LIBUSB_CONTROL_SETUP_SIZE,
            LibusbKind::Endpoint(..) => 0,
        };
        let memory = Memory::new(device, setup_bytes + bytes, zero_copy)?;
        // SAFETY: no isochronous packets; a null answer is checked.
        let transfer = unsafe { ffi::libusb_alloc_transfer(0) };
        if transfer.is_null() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mut slot = Self {
            transfer,
            memory,
            note: Box::new(note),
        };
        let buffer = slot.memory.address();
        let note = (&raw mut *slot.note).cast::<c_void>();
        let length = c_int::try_from(bytes).map_err(io::Error::other)?;
        // SAFETY: the transfer was allocated above; buffer and note are owned by the slot, keep their addresses
        // when it moves, and the buffer has room for the setup packet and `bytes`.
        unsafe {
            match kind {
                LibusbKind::Vendor(request_type, request) => {
                    let length = u16::try_from(bytes).map_err(io::Error::other)?;
                    ffi::libusb_fill_control_setup(buffer, request_type, request, 0, 0, length);
                    ffi::libusb_fill_control_transfer(
                        transfer,
                        device.handle,
                        buffer,
                        finished,
                        note,
                        NO_TIMEOUT,
                    );
                }
                LibusbKind::Endpoint(UrbType::Bulk, endpoint) => ffi::libusb_fill_bulk_transfer(
                    transfer,
                    device.handle,
                    endpoint,
                    buffer,
                    length,
                    finished,
                    note,
                    NO_TIMEOUT,
                ),
                LibusbKind::Endpoint(UrbType::Interrupt, endpoint) => {
                    ffi::libusb_fill_interrupt_transfer(
                        transfer,
                        device.handle,
                        endpoint,
                        buffer,
                        length,
                        finished,
                        note,
                        NO_TIMEOUT,
                    )
                }
            }
        }
        Ok(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: allocated in new, freed once; the queue drops slots only with nothing in flight.
        unsafe { ffi::libusb_free_transfer(self.transfer) };
    }
}

extern "system" fn finished(transfer: *mut ffi::libusb_transfer) {
    // SAFETY: user_data is the address of the slot's note, which the queue keeps until this has run; it is only
    // read. libusb calls from handle_events, on the queue's thread.
    let note = unsafe { &*(*transfer).user_data.cast::<Note>() };
    note.done.borrow_mut().push_back(note.index);
}

impl LibusbQueue {
    pub(crate) fn new(
        device: &Rc<LibusbDevice>,
        kind: LibusbKind,
        bytes: usize,
        depth: usize,
        zero_copy: bool,
    ) -> io::Result<Self> {
        let done = Done::default();
        let slot = |index| {
            let note = Note {
                index,
                done: done.clone(),
            };
            Slot::new(device, kind, bytes, zero_copy, note)
        };
        Ok(Self {
            slots: (0..depth).map(slot).collect::<io::Result<_>>()?,
            done: done.clone(),
            device: device.clone(),
            bytes: c_int::try_from(bytes).map_err(io::Error::other)?,
            in_flight: 0,
        })
    }

    pub(crate) fn depth(&self) -> usize {
        self.slots.len()
    }

    /// Starts transfer `index`, which must not be in flight.
    pub(crate) fn submit(&mut self, index: usize) -> io::Result<()> {
        // SAFETY: the transfer and all it points to are owned by self and freed by drop alone, after every
        // callback has run.
        check(unsafe { ffi::libusb_submit_transfer(self.slots[index].transfer) })?;
        self.in_flight += 1;
        Ok(())
    }

    /// Waits for a transfer and gives its index; fails unless it moved all its bytes.
    pub(crate) fn complete(&mut self) -> io::Result<usize> {
        let index = self.complete_any()?;
        // SAFETY: the transfer is owned by self, and libusb is done with it.
        let (status, length) = unsafe {
            let transfer = self.slots[index].transfer;
            ((*transfer).status, (*transfer).actual_length)
        };
        if status != LIBUSB_TRANSFER_COMPLETED || length != self.bytes {
            let expected = self.bytes;
            return Err(io::Error::other(format!(
                "libusb status {status}, {length} of {expected} bytes"
            )));
        }
        Ok(index)
    }

    fn complete_any(&mut self) -> io::Result<usize> {
        loop {
            let done = self.done.borrow_mut().pop_front();
            if let Some(index) = done {
                self.in_flight -= 1;
                return Ok(index);
            }
            // SAFETY: the context lives as long as the device, which self holds; nothing is borrowed that a
            // callback borrows.
            check(unsafe {
                ffi::libusb_handle_events_completed(self.device.context, ptr::null_mut())
            })?;
        }
    }
}

impl Drop for LibusbQueue {
    fn drop(&mut self) {
        if self.in_flight > 0 {
            for slot in &self.slots {
                // SAFETY: libusb refuses a transfer that is not in flight.
                unsafe { ffi::libusb_cancel_transfer(slot.transfer) };
            }
        }
        while self.in_flight > 0 {
            if self.complete_any().is_err() {
                // libusb may still use the transfers: they stay.
                std::mem::forget(std::mem::take(&mut self.slots));
                return;
            }
        }
    }
}

fn check(status: c_int) -> io::Result<()> {
    if status == LIBUSB_SUCCESS {
        return Ok(());
    }
    // SAFETY: libusb returns a constant string for any number.
    let name = unsafe { CStr::from_ptr(ffi::libusb_error_name(status)) };
    Err(io::Error::other(name.to_string_lossy().into_owned()))
}
