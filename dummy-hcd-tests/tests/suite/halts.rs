//! Thirty-two transfers in flight on an endpoint that halts: what is queued behind, what comes new, and
//! that the stream goes on without a hole.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_host::{
    Buffer, Bulk, Completion, Direction, Endpoint, In, Interface, Out, SetupPacket, TransferError,
    TransferType,
};

use crate::runner::Test;
use crate::scenarios::Scenario;
use crate::setup::{self, Plugged};
use crate::vendor;
use crate::world::{KernelHost, World};

const DEPTH: usize = 32;

pub(crate) fn tests() -> Vec<Test> {
    let scenarios: [(&str, Scenario); 2] = [
        (
            "halts::thirty_two_reads_stop_at_a_halt_in_order_and_go_on_after_recovery",
            reads_stop_in_order,
        ),
        (
            "halts::a_stream_halted_in_the_middle_goes_on_without_a_hole",
            a_stream_goes_on,
        ),
    ];
    let on = |host| scenarios.map(|(name, run)| Test::scenario(host, name, run));
    KernelHost::ALL.into_iter().flat_map(on).collect()
}

/// The kernel's loopback function: each message written is one to read, in order.
struct Rig {
    input: Endpoint<Bulk, In>,
    output: Endpoint<Bulk, Out>,
    interface: Interface,
    _plugged: Plugged,
}

impl Rig {
    fn plug(world: &World) -> Result<Self> {
        let plugged = setup::loopback_with_driver()?;
        let host = world.host()?;
        let id = plugged.device.name().into();
        let device = wait::until("the gadget can be opened", || host.open(&id).ok())?;
        let interface = device.claim(0)?;
        let address = |direction| vendor::address(&interface, direction, TransferType::Bulk);
        Ok(Self {
            input: interface.endpoint(address(Direction::In)?)?,
            output: interface.endpoint(address(Direction::Out)?)?,
            interface,
            _plugged: plugged,
        })
    }

    fn read_ahead(&mut self) {
        let missing = DEPTH - self.input.pending();
        let buffers = (0..missing).map(|_| Buffer::with_capacity(512));
        self.input.submit_all(buffers);
    }

    fn send(&mut self, numbers: impl Iterator<Item = u32>) {
        let messages = numbers.map(|number| Buffer::from(number.to_le_bytes().repeat(25)));
        self.output.submit_all(messages);
    }

    fn halt(&self) -> Result<()> {
        let halt = SetupPacket::set_endpoint_halt(self.input.address());
        self.interface.control_out_blocking(halt, &[], DEADLINE)?;
        Ok(())
    }

    fn next(&mut self) -> Result<Completion> {
        self.input
            .wait(Some(DEADLINE))
            .context("a read never completed")
    }

    /// Fails unless the next read gives this message.
    fn expect(&mut self, number: u32) -> Result<()> {
        let message = self.next()?.into_result()?;
        let expected = number.to_le_bytes().repeat(25);
        ensure!(
            message[..] == expected,
            "{:?} instead of message {number}",
            &message[..]
        );
        Ok(())
    }

    fn expect_error(&mut self, error: TransferError) -> Result<()> {
        let status = self.next()?.status;
        ensure!(status == Err(error), "{status:?} instead of {error:?}");
        Ok(())
    }

    /// Takes every completion of the writes, all of which succeed.
    fn all_sent(&mut self) -> Result<()> {
        while self.output.pending() > 0 {
            let sent = self
                .output
                .wait(Some(DEADLINE))
                .context("a write never completed")?;
            sent.into_result()?;
        }
        Ok(())
    }
}

fn reads_stop_in_order(world: &World) -> Result<()> {
    let mut rig = Rig::plug(world)?;
    for round in 0..5 {
        rig.read_ahead();
        rig.halt()?;
        rig.expect_error(TransferError::Stall)?;
        for _ in 1..DEPTH {
            rig.expect_error(TransferError::Cancelled)?;
        }
        rig.read_ahead();
        for _ in 0..DEPTH {
            rig.expect_error(TransferError::Stall)?;
        }
        rig.input.clear_halt()?;
        rig.read_ahead();
        let first = round * 100;
        rig.send(first..first + 32);
        for number in first..first + 32 {
            rig.expect(number)?;
        }
        rig.all_sent()?;
    }
    Ok(())
}

fn a_stream_goes_on(world: &World) -> Result<()> {
    const HALTS: u32 = 20;
    // More than are in flight at a time, fewer than the device can keep.
    const MESSAGES: u32 = 24;
    let mut rig = Rig::plug(world)?;
    let mut expected = 0;
    for halt in 0..HALTS {
        let first = halt * MESSAGES;
        rig.read_ahead();
        rig.send(first..first + MESSAGES);
        // The halt comes at another place of the stream each time.
        for _ in 0..halt % MESSAGES {
            rig.expect(expected)?;
            expected += 1;
        }
        rig.halt()?;
        // Those that were there before the halt, then the stall, then what was queued behind it.
        let mut stalled = false;
        while rig.input.pending() > 0 {
            let completion = rig.next()?;
            match completion.status {
                Ok(()) => {
                    ensure!(!stalled, "a read behind the stall gave data");
                    let wanted = expected.to_le_bytes().repeat(25);
                    ensure!(
                        completion.buffer[..] == wanted,
                        "a hole before message {expected}"
                    );
                    expected += 1;
                }
                Err(TransferError::Stall) if !stalled => stalled = true,
                Err(TransferError::Cancelled) if stalled => {}
                status => anyhow::bail!("{status:?}, stalled: {stalled}"),
            }
        }
        ensure!(stalled, "no read stalled");
        rig.input.clear_halt()?;
        rig.read_ahead();
        while expected < first + MESSAGES {
            rig.expect(expected)?;
            expected += 1;
        }
        rig.all_sent()?;
    }
    Ok(())
}
