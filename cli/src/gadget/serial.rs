//! `usbfs2 gadget serial`.

use std::io::{self, Read as _, Write as _};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use usb_device::UsbError;
use usbd_serial::{SerialPort, USB_CLASS_CDC};
use usbfs2_gadget::State;
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareHandle};

use super::SERIAL_PORT;
use super::firmware::Stage;
use crate::args::Backend;
use crate::output::note;

/// Read from standard input at a time. One piece waits for the host, one for this.
const PIECE_BYTES: usize = 4096;

/// Is a serial port between the host and standard input and output.
pub(super) fn run(backend: Backend) -> Result<()> {
    let stage = Stage::new(&SERIAL_PORT, backend)?;
    let mut serial = SerialPort::new(&stage.allocator);
    let mut input = None;
    let mut waiting: Vec<u8> = Vec::new();
    stage.run(
        &SERIAL_PORT,
        USB_CLASS_CDC,
        &mut serial,
        |serial, handle| {
            print(serial)?;
            if handle.state() != State::Configured {
                return Ok(());
            }
            let input = input.get_or_insert_with(|| follow_input(handle.clone()));
            loop {
                if waiting.is_empty() {
                    match input.try_recv() {
                        Ok(piece) => waiting = piece,
                        Err(_) => break,
                    }
                }
                match serial.write(&waiting) {
                    Ok(written) => drop(waiting.drain(..written)),
                    Err(UsbError::WouldBlock) => break,
                    Err(error) => return Err(anyhow!("cannot write to the host: {error:?}")),
                }
            }
            match serial.flush() {
                Ok(()) | Err(UsbError::WouldBlock) => Ok(()),
                Err(error) => Err(anyhow!("cannot write to the host: {error:?}")),
            }
        },
    )
}

/// Prints what the host has written.
fn print(serial: &mut SerialPort<'_, FirmwareBus>) -> Result<()> {
    let mut buffer = [0; 512];
    let mut output = io::stdout().lock();
    loop {
        match serial.read(&mut buffer) {
            Ok(0) | Err(UsbError::WouldBlock) => break,
            Ok(length) => output.write_all(&buffer[..length])?,
            Err(error) => return Err(anyhow!("cannot read from the host: {error:?}")),
        }
    }
    Ok(output.flush()?)
}

/// Pieces of standard input, for each of which the firmware is woken.
fn follow_input(handle: FirmwareHandle) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    // Not joined: it may sit in a read for ever, and the process ends without it.
    thread::spawn(move || {
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            match io::stdin()
                .read(&mut buffer)
                .context("cannot read standard input")
            {
                Ok(0) => return,
                Ok(length) => {
                    if sender.send(buffer[..length].to_vec()).is_err() {
                        return;
                    }
                    handle.wake();
                }
                Err(error) => {
                    note!("usbfs2: {error:#}");
                    return;
                }
            }
        }
    });
    receiver
}
