//! Bulk-Only Transport by hand: each stage a transfer, or many, of the test's choice.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{Buffer, Bulk, Endpoint, In, Interface, Out};
use usbfs2_protocol::Direction;
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper};
use usbfs2_protocol::scsi::Command;

use super::bench::Plugged;

pub(super) const BLOCK: usize = 512;

/// The pipes of a disk that is plugged in.
pub(super) struct Pipes {
    // The endpoints go before the interface they belong to.
    pub(super) input: Endpoint<Bulk, In>,
    pub(super) out: Endpoint<Bulk, Out>,
    pub(super) interface: Interface,
    tag: u32,
}

impl Pipes {
    pub(super) fn open(disk: &Plugged<'_>) -> Result<Self> {
        let interface = disk.open()?.claim(0)?;
        let mut pipes = Self {
            input: interface.endpoint(0x81)?,
            out: interface.endpoint(0x02)?,
            interface,
            tag: 0,
        };
        // The first command after a reset fails, to tell of the reset (SPC-3 5.11.1).
        let command = &Command::TestUnitReady;
        pipes.command(command, 0, Direction::Out)?;
        pipes.any_status()?;
        pipes.test_unit_ready()?;
        Ok(pipes)
    }

    /// Reads blocks from `lba` on, in transfers of these lengths that are all in flight at once.
    pub(super) fn read(&mut self, lba: usize, lengths: &[usize]) -> Result<Vec<u8>> {
        let total = lengths.iter().sum::<usize>();
        let blocks = u32::try_from(total / BLOCK)?;
        self.command(&Command::read(lba as u64, blocks), total, Direction::In)?;
        let buffers = lengths.iter().map(|length| Buffer::with_capacity(*length));
        self.input.submit_all(buffers.collect::<Vec<_>>());
        let mut data = Vec::with_capacity(total);
        for (number, length) in lengths.iter().enumerate() {
            let done = self.input.wait(Some(DEADLINE));
            let done = done.with_context(|| format!("transfer {number} hangs"))?;
            done.status.with_context(|| format!("transfer {number}"))?;
            ensure!(
                done.actual_length == *length,
                "transfer {number} brought {} bytes of {length}",
                done.actual_length
            );
            data.extend_from_slice(&done.buffer);
        }
        self.status()?;
        Ok(data)
    }

    /// Writes blocks from `lba` on, in transfers of these lengths that are all in flight at once.
    pub(super) fn write(&mut self, lba: usize, mut data: &[u8], lengths: &[usize]) -> Result<()> {
        let blocks = u32::try_from(data.len() / BLOCK)?;
        let command = Command::write(lba as u64, blocks);
        self.command(&command, data.len(), Direction::Out)?;
        for length in lengths {
            let (now, later) = data.split_at(*length);
            self.out.submit(Buffer::from(now));
            data = later;
        }
        for (number, length) in lengths.iter().enumerate() {
            let done = self.out.wait(Some(DEADLINE));
            let done = done.with_context(|| format!("transfer {number} hangs"))?;
            done.status.with_context(|| format!("transfer {number}"))?;
            ensure!(
                done.actual_length == *length,
                "transfer {number} took {} bytes of {length}",
                done.actual_length
            );
        }
        self.status()
    }

    /// A command without data: the device is well.
    pub(super) fn test_unit_ready(&mut self) -> Result<()> {
        self.command(&Command::TestUnitReady, 0, Direction::Out)?;
        self.status()
    }

    fn command(&mut self, command: &Command, length: usize, direction: Direction) -> Result<()> {
        self.tag += 1;
        let wrapper = CommandBlockWrapper {
            tag: self.tag,
            data_transfer_length: u32::try_from(length)?,
            direction,
            lun: 0,
            command: command.encode(),
        };
        let buffer = Buffer::from(wrapper.to_bytes().as_slice());
        let sent = self.out.transfer_blocking(buffer, DEADLINE);
        sent.into_result().context("the command")?;
        Ok(())
    }

    fn status(&mut self) -> Result<()> {
        let status = self.any_status()?;
        ensure!(status == CommandStatus::Passed, "the command: {status:?}");
        Ok(())
    }

    fn any_status(&mut self) -> Result<CommandStatus> {
        let room = Buffer::with_capacity(CommandStatusWrapper::LENGTH);
        let received = self.input.transfer_blocking(room, DEADLINE);
        let status = received.into_result().context("the status")?;
        let status = CommandStatusWrapper::parse(&status)?;
        ensure!(status.tag == self.tag, "a status of command {}", status.tag);
        Ok(status.status)
    }
}
