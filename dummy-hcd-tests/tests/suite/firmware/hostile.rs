//! Hosts that ask firmware for what it does not have, in the middle of what it does.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::random::Random;
use usbfs2_host::protocol::RequestType;
use usbfs2_host::{Direction, Host, SetupPacket, TransferError};

use super::board::Board;
use super::serial::{exchange, open, terminal};
use crate::runner::Test;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new(
        "firmware::hostile::malformed_requests_are_refused_and_harm_nothing",
        malformed_requests,
    )]
}

/// A host's patience with any request (USB 2.0 9.2.6.1).
const PATIENCE: Duration = Duration::from_secs(5);
const RANDOM_REQUESTS: usize = 100;

const fn raw(request_type: u8, request: u8, value: u16, index: u16, length: u16) -> SetupPacket {
    SetupPacket {
        request_type: RequestType::from_byte(request_type),
        request,
        value,
        index,
        length,
    }
}

fn malformed_requests() -> Result<()> {
    modprobe::load("cdc_acm")?;
    let board = Board::start("firmware_serial")?;
    let port = open(&terminal(&board.device, 0)?)?;
    exchange(&port, 4096)?;
    drop(port);

    let host = Host::usbfs2(dummy_hcd_tests::usbfs2::MOUNT.as_ref())?;
    let device = host.open(&board.device.name().into())?;
    let (control, data) = (device.claim(0)?, device.claim(1)?);
    // To interface 0: requests of CDC that it has not, to nobody, for more than anybody gives, with more than gadgetfs
    // takes, of no kind, and for a string that is none.
    for (setup, sent) in [
        (raw(0xa1, 0x7f, 0, 0, 64), 0),
        (raw(0xa1, 0x21, 0, 0x4200, 7), 0),
        (raw(0xa1, 0xff, 0xffff, 0, 0xffff), 0),
        (raw(0x21, 0x7f, 0, 0, 300), 300),
        (raw(0x41, 0x01, 0, 0, 0), 0),
        (raw(0x80, 0x06, 0x03c8, 0x0409, 255), 0),
    ] {
        let answer = match setup.direction() {
            Direction::In => control
                .control_in_blocking(setup, PATIENCE)
                .map(|bytes| bytes.len()),
            Direction::Out => control
                .control_out_blocking(setup, &vec![0x55; sent], PATIENCE)
                .map(|()| 0),
        };
        ensure!(answer == Err(TransferError::Stall), "{setup}: {answer:?}");
    }
    // Two bytes of a line's seven. gadgetfs has acknowledged them before anybody can refuse.
    let short = raw(0x21, 0x20, 0, 0, 2);
    control
        .control_out_blocking(short, &[0xff, 0xff], PATIENCE)
        .context("SET_LINE_CODING of two bytes")?;
    // Whatever bytes come, there is an answer: class and vendor requests, to the device and its interfaces.
    let mut random = Random::new(19);
    for _ in 0..RANDOM_REQUESTS {
        let kind = [0x20, 0x40][random.below(2)];
        let recipient = [0x00, 0x01][random.below(2)];
        let number = |random: &mut Random, below| u16::try_from(random.below(below));
        let setup = raw(
            0x80 | kind | recipient,
            u8::try_from(random.below(0x100))?,
            number(&mut random, 0x1_0000)?,
            number(&mut random, 2)?,
            number(&mut random, 0x1_0000)?,
        );
        let answer = control.control_in_blocking(setup, PATIENCE);
        ensure!(
            matches!(answer, Ok(_) | Err(TransferError::Stall)),
            "{setup}: {answer:?}"
        );
    }
    // cdc_acm wants both, and looks when it is given the control interface.
    drop(data);
    drop((control, device));

    // It is as it was.
    let port = open(&terminal(&board.device, 0)?)?;
    exchange(&port, 4096).context("after the malformed requests")?;
    drop(port);
    let stalled = board.end_with_stalled()?;
    ensure!(stalled >= 5, "{stalled} requests were counted");
    Ok(())
}
