//! The vendor's function: requests, lengths, zero-length packets, notifications, halts.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{Direction, EndpointAddress, SetupPacket, TransferType};

use super::{Answer, Open, Peer, Source, Trouble};
use crate::scenarios::pattern;
use crate::vendor::{self, LONGEST, NOTIFICATION, Vendor, request};
use crate::world::{IDS, KernelHost, World};

/// Waited out for what will not come.
const SILENCE: Duration = Duration::from_millis(150);

pub(super) fn drive(open: Open) -> Result<Vec<String>> {
    let gadget = World::gadget().function(Vendor::new()).build()?;
    let connected = World::Kernel(KernelHost::Usbfs2).connect(&gadget)?;
    let (output, input, interrupt) = {
        let interface = connected.device.claim(0)?;
        let address = |direction, kind| vendor::address(&interface, direction, kind);
        (
            address(Direction::Out, TransferType::Bulk)?,
            address(Direction::In, TransferType::Bulk)?,
            address(Direction::In, TransferType::Interrupt)?,
        )
    };
    let mut driving = Driving {
        peer: open(IDS.vendor, IDS.product)?,
        output,
        input: Source {
            address: input,
            kind: TransferType::Bulk,
        },
        interrupt: Source {
            address: interrupt,
            kind: TransferType::Interrupt,
        },
        steps: Vec::new(),
    };
    driving.identity();
    driving.requests();
    driving.lengths()?;
    driving.notifications();
    driving.halts()?;
    Ok(driving.steps)
}

struct Driving {
    peer: Box<dyn Peer>,
    output: EndpointAddress,
    input: Source,
    interrupt: Source,
    steps: Vec<String>,
}

impl Driving {
    fn step(&mut self, what: &str, result: impl std::fmt::Debug) {
        self.steps.push(format!("{what}: {result:?}"));
    }

    fn identity(&mut self) {
        for index in [1, 2, 3, 200] {
            let string = self.peer.string(index);
            self.step(&format!("string {index}"), string);
        }
        let selected = self.peer.select(0);
        self.step("setting 0", selected);
    }

    fn requests(&mut self) {
        for length in [0_u16, 1, 64, 200] {
            let data = vec![0xa5; usize::from(length)];
            let store = request::out(request::STORE, 0, 0, length);
            let stored = self.peer.control_out(store, &data);
            self.step(&format!("store {length}"), stored);
            let loaded = self.peer.control_in(request::input(request::LOAD, 0, 255));
            self.step("load", loaded.map(|loaded| (loaded == data, loaded.len())));
        }
        let refused = self.peer.control_in(request::input(request::REFUSE, 0, 8));
        self.step("refused IN", refused);
        let refuse = request::out(request::REFUSE, 0, 0, 0);
        let refused = self.peer.control_out(refuse, &[]);
        self.step("refused OUT", refused);
        let status = self.peer.control_in(SetupPacket::get_interface_status(0));
        self.step("status of the interface", status);
    }

    /// Sends a message with its end, and reads what comes back.
    fn echo(&mut self, message: &[u8]) -> Answer<Vec<u8>> {
        let sent = self.peer.write(self.output, message)?;
        if sent != message.len() {
            return Err(Trouble::Other(format!(
                "{sent} of {} bytes went",
                message.len()
            )));
        }
        if message.len().is_multiple_of(512) && !message.is_empty() {
            self.peer.write(self.output, &[])?;
        }
        self.peer.read(self.input, LONGEST + 1, DEADLINE)
    }

    fn lengths(&mut self) -> Result<()> {
        for length in [0, 1, 511, 512, 513, 1023, 1024, 4096, 10_000, LONGEST] {
            let message = pattern(length);
            let echoed = self.echo(&message);
            ensure!(
                echoed.as_ref() == Ok(&message),
                "{length} bytes: {:?}",
                echoed.err()
            );
            self.step(
                &format!("echo of {length}"),
                echoed.map(|echoed| echoed.len()),
            );
        }
        // One message in three reads.
        let sent = self.peer.write(self.output, &pattern(1300));
        self.step("send 1300", sent);
        for _ in 0..3 {
            let piece = self.peer.read(self.input, 512, DEADLINE);
            self.step("a packet", piece.map(|piece| piece.len()));
        }
        let silence = self.peer.read(self.input, 512, SILENCE);
        self.step("nothing more", silence);
        Ok(())
    }

    fn notifications(&mut self) {
        let silence = self.peer.read(self.interrupt, 64, SILENCE);
        self.step("no notification", silence);
        let notify = request::out(request::NOTIFY, 9, 0, 0);
        let told = self.peer.control_out(notify, &[]);
        self.step("notify", told);
        let notified = self.peer.read(self.interrupt, 64, DEADLINE);
        self.step(
            "notified",
            notified.map(|notified| notified == [9; NOTIFICATION]),
        );
    }

    fn halts(&mut self) -> Result<()> {
        for round in 0..3 {
            let halted = self
                .peer
                .control_out(SetupPacket::set_endpoint_halt(self.input.address), &[]);
            self.step("halt IN", halted);
            let stalled = self.peer.read(self.input, 512, DEADLINE);
            ensure!(
                stalled == Err(Trouble::Stall),
                "{stalled:?} from a halted endpoint"
            );
            self.step("read", stalled);
            let cleared = self.peer.clear_halt(self.input.address);
            self.step("clear it", cleared);
            let halted = self
                .peer
                .control_out(SetupPacket::set_endpoint_halt(self.output), &[]);
            self.step("halt OUT", halted);
            let stalled = self.peer.write(self.output, &[1; 9]);
            self.step("write", stalled);
            let cleared = self.peer.clear_halt(self.output);
            self.step("clear it", cleared);
            let message = pattern(100 + round);
            let echoed = self.echo(&message).ok().context("no echo after a halt")?;
            self.step("echo", echoed == message);
        }
        Ok(())
    }
}
