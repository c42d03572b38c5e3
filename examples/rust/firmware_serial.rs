//! Firmware for the `usbd-serial` crate, as it is: a serial port that sends back what it gets.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin firmware_serial              on this board's controller, as root
//! cargo run -p usbfs2-examples --bin firmware_serial -- --demo    both ends, on a bus inside this program
//! ```
//!
//! Without hardware: `modprobe dummy_hcd`; the port is then /dev/ttyACM0 of the same machine. The end of the standard
//! input unplugs it.

use anyhow::{Context, Result, anyhow, ensure};
use usb_device::UsbError;
use usb_device::bus::{UsbBus, UsbBusAllocator};
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbVidPid};
use usbd_serial::{LineCoding, SerialPort, USB_CLASS_CDC};
use usbfs2_examples::firmware::{self, Knobs, Outside, PATIENCE, bulk};
use usbfs2_gadget::firmware::{FirmwareBus, Wait};
use usbfs2_host::{Buffer, Bulk, Device, Direction, In, Interface, Out, SetupPacket};

fn main() -> Result<()> {
    firmware::run(run, drive)
}

/// The firmware.
fn run(allocator: &UsbBusAllocator<FirmwareBus>, outside: Outside) -> Result<()> {
    let mut port = SerialPort::new(allocator);
    // pid.codes gives these numbers out for tests: a product needs its own.
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 0x0005))
        .strings(&[StringDescriptors::default().product("Echo")])
        .map_err(|error| anyhow!("{error:?}"))?
        .device_class(USB_CLASS_CDC)
        .build();
    let outside = outside.begin(device.bus().handle());
    let mut echo = Echo::default();
    let mut told = String::new();
    // The one line that a microcontroller does not need.
    while device.bus().wait(None)? != Wait::Stopped {
        device.poll(&mut [&mut port]);
        echo.go_on(&mut port);
        let now = format!("{} {}", line(port.line_coding()), terminal(port.dtr()));
        if now != told {
            println!("{now}");
            told = now;
        }
    }
    outside.end()?;
    println!(
        "{} requests stalled",
        device.bus().handle().counters().requests_stalled
    );
    Ok(())
}

/// What was read and is not yet written.
#[derive(Default)]
struct Echo {
    bytes: [u8; 32],
    from: usize,
    to: usize,
}

impl Echo {
    fn go_on<B: UsbBus>(&mut self, port: &mut SerialPort<'_, B>) {
        loop {
            if self.from == self.to {
                let Ok(length) = port.read(&mut self.bytes) else {
                    return;
                };
                (self.from, self.to) = (0, length);
            }
            match port.write(&self.bytes[self.from..self.to]) {
                Ok(written) => self.from += written,
                Err(UsbError::WouldBlock) => return,
                // The host is gone: so is whom the bytes are for.
                Err(_) => self.from = self.to,
            }
        }
    }
}

fn line(coding: &LineCoding) -> String {
    let parity = ["N", "O", "E", "M", "S"][coding.parity_type() as usize];
    let stop_bits = ["1", "1.5", "2"][coding.stop_bits() as usize];
    format!(
        "{} {}{parity}{stop_bits}",
        coding.data_rate(),
        coding.data_bits()
    )
}

fn terminal(is_there: bool) -> &'static str {
    if is_there {
        "with a terminal"
    } else {
        "without a terminal"
    }
}

/// The host's end.
fn drive(device: &Device, _knobs: &Knobs) -> Result<()> {
    const SET_LINE_CODING: u8 = 0x20;
    const SET_CONTROL_LINE_STATE: u8 = 0x22;
    const SEND_BREAK: u8 = 0x23;
    let control = device.claim(0)?;
    // 115200 baud, 2 stop bits, even parity, 7 bits (CDC PSTN 1.2, 6.3.11).
    let coding = [0x00, 0xc2, 0x01, 0x00, 2, 2, 7];
    let setup =
        |request, value, length| SetupPacket::class_interface_out(request, value, 0, length);
    control.control_out_blocking(setup(SET_LINE_CODING, 0, 7), &coding, PATIENCE)?;
    control.control_out_blocking(setup(SET_CONTROL_LINE_STATE, 1, 0), &[], PATIENCE)?;
    let refusal = control.control_out_blocking(setup(SEND_BREAK, 100, 0), &[], PATIENCE);
    println!(
        "a break: {}",
        refusal.err().context("usbd-serial takes breaks")?
    );
    let bytes = echo(&device.claim(1)?)?;
    println!("{bytes} bytes came back as they were");
    Ok(())
}

/// Sends a mebibyte and compares what comes back.
fn echo(data: &Interface) -> Result<usize> {
    const PIECE: usize = 4096;
    let mut output = data.endpoint::<Bulk, Out>(bulk(data, Direction::Out)?)?;
    let mut input = data.endpoint::<Bulk, In>(bulk(data, Direction::In)?)?;
    let mut bytes = 0;
    for piece in 0..256_u32 {
        let words = (0..PIECE as u32 / 4).map(|word| (word + piece).wrapping_mul(0x9e37_79b9));
        let sent: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        output.submit(Buffer::from(sent.as_slice()));
        let mut came = Vec::new();
        while came.len() < PIECE {
            let buffer = Buffer::with_capacity(PIECE);
            came.extend_from_slice(&input.transfer_blocking(buffer, PATIENCE).into_result()?);
        }
        ensure!(came == sent, "piece {piece} came back changed");
        output
            .wait(Some(PATIENCE))
            .context("sent nothing")?
            .into_result()?;
        bytes += PIECE;
    }
    Ok(bytes)
}
