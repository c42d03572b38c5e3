//! Runs of isochronous packets in flight, and what became of each packet when something ended them.

use std::fs::{File, OpenOptions};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys::{
    Completed, Context, ISO_STATUS, Status, Token, read_packets, write_packets,
};
use dummy_hcd_tests::usbfs2::InterfaceFiles;
use dummy_hcd_tests::wait;

use crate::held;
use crate::setup::expect_errno;

/// The argument that makes this program a process that is killed.
pub(crate) const HOLD: &str = "--hold-packets";

/// Operations in flight on one endpoint, all alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Reads, of packets as SourceSink makes them.
    pub(crate) is_in: bool,
    /// Bytes of a packet.
    pub(crate) length: usize,
    /// Packets of an operation.
    pub(crate) packets: usize,
    /// Operations.
    pub(crate) depth: u32,
}

/// What SourceSink sends in a packet, and expects in one.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..63).cycle().take(length).collect()
}

/// Opens the isochronous endpoint in this direction.
pub(crate) fn open(interface: &InterfaceFiles, is_in: bool) -> io::Result<Arc<File>> {
    let path = interface.isochronous(is_in)?;
    let file = OpenOptions::new().read(is_in).write(!is_in).open(path)?;
    Ok(Arc::new(file))
}

impl Load {
    /// Puts all of it in flight.
    pub(crate) fn start(&self, context: &mut Context, file: &Arc<File>) -> Result<Vec<Token>> {
        let operations = (0..self.depth).map(|_| self.start_one(context, file, ISO_STATUS));
        Ok(operations.collect::<io::Result<_>>()?)
    }

    /// Puts one operation in flight.
    pub(crate) fn start_one(
        &self,
        context: &mut Context,
        file: &Arc<File>,
        flags: u64,
    ) -> io::Result<Token> {
        let lengths = vec![self.length; self.packets];
        if self.is_in {
            return context.read_packets(file, flags, &lengths);
        }
        let bytes = pattern(self.length).repeat(self.packets);
        context.write_packets(file, flags, bytes, &lengths)
    }

    /// One operation, waited for; the bytes that moved.
    pub(crate) fn run_one(&self, file: &File) -> io::Result<usize> {
        let lengths = vec![self.length; self.packets];
        let mut bytes = pattern(self.length).repeat(self.packets);
        let (length, _) = match self.is_in {
            true => read_packets(file, ISO_STATUS, &mut bytes, &lengths)?,
            false => write_packets(file, ISO_STATUS, &bytes, &lengths)?,
        };
        Ok(length)
    }

    /// How many packets it has.
    pub(crate) fn total(&self) -> usize {
        self.depth as usize * self.packets
    }

    /// One completion for each operation, whose packets moved up to some point and ended with `errno` from
    /// there on; one whose end came before its first packet failed with it. Returns how many packets moved.
    pub(crate) fn expect_ended(&self, context: &mut Context, errno: i32) -> Result<usize> {
        let completed = context.wait(self.depth as usize, wait::DEADLINE)?;
        ensure!(
            context.in_flight() == 0,
            "{} operations never completed",
            context.in_flight()
        );
        let moved = completed.iter().map(|one| self.packets_moved(one, errno));
        Ok(moved.collect::<Result<Vec<_>>>()?.into_iter().sum())
    }

    fn packets_moved(&self, one: &Completed, errno: i32) -> Result<usize> {
        let length = match &one.result {
            Ok(length) => *length,
            Err(error) => {
                let failed = Err::<(), _>(io::Error::from_raw_os_error(
                    error.raw_os_error().unwrap_or_default(),
                ));
                expect_errno("an operation that was ended", failed, errno)?;
                ensure!(
                    one.statuses.iter().all(|one| *one == Status::UNTOUCHED),
                    "statuses of a failed operation: {:?}",
                    one.statuses
                );
                return Ok(0);
            }
        };
        let (of_all, packets) = one.statuses.split_last().context("no statuses")?;
        let moved = packets.iter().filter(|packet| packet.status == 0).count();
        ensure!(
            length == moved * self.length,
            "{length} bytes of {moved} packets"
        );
        ensure!(
            usize::try_from(of_all.status)? == self.packets - moved,
            "{of_all:?} of {} packets of which {moved} moved",
            self.packets
        );
        let ended = packets.iter().rev();
        let ended = ended.take_while(|packet| packet.status == -errno).count();
        ensure!(
            packets[..self.packets - ended].iter().all(|packet| {
                // Missed, or the device did not answer: it was on its way out.
                *packet == Status::moved(self.length)
                    || [-libc::EXDEV, -libc::EPROTO].contains(&packet.status)
            }),
            "the statuses are {packets:?}"
        );
        if self.is_in {
            self.expect_pattern(one)?;
        }
        Ok(moved)
    }

    /// What moved is there, and where nothing moved there is nothing.
    pub(crate) fn expect_pattern(&self, one: &Completed) -> Result<()> {
        let pattern = pattern(self.length);
        let slots = one.buffer.chunks(self.length).zip(&one.statuses);
        for (number, (slot, status)) in slots.enumerate() {
            let is_right = match status.status {
                0 => slot == pattern,
                _ => slot.iter().all(|byte| *byte == 0),
            };
            ensure!(is_right, "packet {number} ({status:?}) is {slot:02x?}");
        }
        Ok(())
    }
}

/// The process that is killed: 3.2 s of packets at one a millisecond.
pub(crate) fn hold(arguments: &[String]) -> ExitCode {
    held::hold(arguments, |interface| {
        let claim = interface.claim()?;
        interface.select(1)?;
        let is_in = interface.isochronous(true).is_ok();
        let load = Load {
            is_in,
            length: 64,
            packets: 100,
            depth: 32,
        };
        let file = open(interface, is_in)?;
        let mut context = Context::new(load.depth)?;
        load.start(&mut context, &file)?;
        Ok((claim, context))
    })
}
