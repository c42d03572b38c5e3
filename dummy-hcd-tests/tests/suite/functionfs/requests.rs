//! Control requests: the functions see their own numbers, and what they answer reaches the host.

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usb_gadget::function::serial::{Serial, SerialClass};
use usbfs2_gadget::Direction;
use usbfs2_gadget::functions::Keyboard;
use usbfs2_host::protocol::{Recipient, RequestKind, RequestType};
use usbfs2_host::{SetupPacket, TransferError};

use super::echo::{EchoHost, FETCH, REFUSE, STORE, TARGET, echo};
use crate::composition::Composition;
use crate::scenarios::Scenario;
use crate::world::{Connected, World};

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "requests::functions_see_the_numbers_they_declared",
            functions_see_their_numbers,
        ),
        (
            "requests::data_of_any_length_goes_both_ways",
            data_of_any_length,
        ),
        (
            "requests::a_stall_reaches_the_host_and_the_next_request_works",
            a_stall_reaches_the_host,
        ),
    ]
}

/// Behind the kernel's serial port, which has interfaces 0 and 1, and behind a keyboard, which has 2.
fn behind_others(world: &World) -> Result<(Connected, EchoHost)> {
    let (_port, serial) = Serial::new(SerialClass::Generic);
    let gadget = World::gadget()
        .function(Keyboard::new())
        .function(echo())
        .build()?;
    let connected = world.connect_in(Composition::register([serial])?, &gadget)?;
    let host = EchoHost::claim(&connected.device)?;
    Ok((connected, host))
}

fn request(direction: Direction, recipient: Recipient, request: u8) -> SetupPacket {
    SetupPacket {
        request_type: RequestType {
            direction,
            kind: RequestKind::Vendor,
            recipient,
        },
        request,
        value: 0,
        index: 0,
        length: 0,
    }
}

fn functions_see_their_numbers(world: &World) -> Result<()> {
    let (connected, host) = behind_others(world)?;
    let number = host.interface.number();
    ensure!(
        number == 2,
        "the echo is interface {number} of the composite"
    );
    let output = u16::from(host.output.address().to_byte());
    for (recipient, index, expected) in [
        (Recipient::Interface, u16::from(number), [1, 1]),
        (Recipient::Endpoint, output, [2, 0]),
        (Recipient::Device, 7, [0, 7]),
    ] {
        let setup = SetupPacket {
            index,
            length: 2,
            ..request(Direction::In, recipient, TARGET)
        };
        let answer = connected.device.control_in_blocking(setup, DEADLINE);
        let answer = answer.with_context(|| setup.to_string())?;
        ensure!(answer == expected, "{setup}: {answer:?}, not {expected:?}");
    }
    Ok(())
}

fn data_of_any_length(world: &World) -> Result<()> {
    let (_connected, host) = behind_others(world)?;
    let index = u16::from(host.interface.number());
    for length in [1, 63, 64, 65, 512, 1000, 3000] {
        let sent: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        let setup = SetupPacket {
            index,
            length,
            ..request(Direction::Out, Recipient::Interface, STORE)
        };
        host.interface
            .control_out_blocking(setup, &sent, DEADLINE)?;
        // The host may ask for more than there is.
        let setup = SetupPacket {
            index,
            length: 4000,
            ..request(Direction::In, Recipient::Interface, FETCH)
        };
        let fetched = host.interface.control_in_blocking(setup, DEADLINE)?;
        ensure!(fetched == sent, "{length} bytes came back changed");
    }
    Ok(())
}

fn a_stall_reaches_the_host(world: &World) -> Result<()> {
    let (_connected, mut host) = behind_others(world)?;
    let index = u16::from(host.interface.number());
    for _ in 0..3 {
        let refused = SetupPacket {
            index,
            ..request(Direction::Out, Recipient::Interface, REFUSE)
        };
        match host.interface.control_out_blocking(refused, &[], DEADLINE) {
            Err(TransferError::Stall) => {}
            other => bail!("{other:?} instead of a stall"),
        }
        let refused = SetupPacket {
            index,
            length: 8,
            ..request(Direction::In, Recipient::Interface, REFUSE)
        };
        match host.interface.control_in_blocking(refused, DEADLINE) {
            Err(TransferError::Stall) => {}
            other => bail!("{other:?} instead of a stall"),
        }
        host.exchange()?;
    }
    Ok(())
}
