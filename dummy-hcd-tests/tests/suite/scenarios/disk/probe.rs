//! A medium that tells what happens to it, and can be made to wait or to fail.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use usbfs2_gadget::scsi::{Medium, MemoryMedium};

/// Memory behind the disk, looked at from the device's end.
#[derive(Debug)]
pub(crate) struct Probe {
    memory: MemoryMedium,
    flushes: AtomicUsize,
    hold: Mutex<Option<Hold>>,
    /// Bytes that cannot be read.
    broken: Range<u64>,
}

/// A write that waits.
#[derive(Debug)]
struct Hold {
    at: u64,
    reached: Sender<()>,
    go_on: Receiver<()>,
}

impl Probe {
    pub(crate) fn new(size: usize) -> Arc<Self> {
        Self::with_broken(size, 0..0)
    }

    pub(crate) fn with_broken(size: usize, broken: Range<u64>) -> Arc<Self> {
        Arc::new(Self {
            memory: MemoryMedium::new(size as u64),
            flushes: AtomicUsize::new(0),
            hold: Mutex::new(None),
            broken,
        })
    }

    /// The whole medium.
    pub(crate) fn contents(&self) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.memory.size_bytes()).map_err(io::Error::other)?;
        let mut contents = vec![0; size];
        self.memory.read_at(0, &mut contents)?;
        Ok(contents)
    }

    pub(crate) fn flushes(&self) -> usize {
        self.flushes.load(Ordering::SeqCst)
    }

    /// Makes the first write that reaches byte `at` tell so, and wait until the sender is used or
    /// dropped.
    pub(crate) fn hold_write_at(&self, at: u64) -> (Receiver<()>, Sender<()>) {
        let (reached, is_reached) = channel();
        let (let_go, go_on) = channel();
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Hold { at, reached, go_on });
        (is_reached, let_go)
    }
}

impl Medium for Probe {
    fn size_bytes(&self) -> u64 {
        self.memory.size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        if offset < self.broken.end && self.broken.start < end {
            return Err(io::Error::other("scratched"));
        }
        self.memory.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        let held = {
            let mut hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
            hold.take_if(|hold| end > hold.at)
        };
        if let Some(hold) = held
            && hold.reached.send(()).is_ok()
        {
            // An error says that the sender was dropped, which lets go as well.
            let _ = hold.go_on.recv();
        }
        self.memory.write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
