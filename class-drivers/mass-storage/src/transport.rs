//! One command over Bulk-Only Transport: its three stages in flight together, and the way back after an error.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use usbfs2_host::{
    Buffer, Bulk, Completion, Endpoint, EndpointDirection, EndpointType, In, Interface, Out,
    TransferError, Waiting,
};
use usbfs2_protocol::Direction;
use usbfs2_protocol::bot::{
    CommandBlockWrapper, CommandStatus, CommandStatusWrapper, bulk_only_reset,
};
use usbfs2_protocol::scsi::CommandBlock;

use crate::conditions::Conditions;
use crate::error::{Stage, TransportFault};
use crate::pace::Pace;
use crate::quirks::{Judge, Quirks};
use crate::statistics::Statistics;

/// How long the device may take over a class request or to end a data stage it has reported on.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the device may be silent before the OUT pipe is looked at, which may say why.
const LOOK_AT_OUT_AFTER: Duration = Duration::from_millis(100);
/// How long a status may take that follows an empty packet: it is ready by then.
const STATUS_AFTER_EMPTY_PACKET: Duration = Duration::from_secs(1);
/// The first command's tag less one. Not 0, which a device may send that fills in no tag.
const FIRST_TAG: u32 = u32::from_be_bytes(*b"usb2");

/// The data stage of a command.
#[derive(Debug)]
pub(crate) enum Data<'a> {
    None,
    /// Up to this many bytes come from the device.
    In(&'a mut [u8]),
    /// These bytes go to the device.
    Out(&'a [u8]),
}

impl Data<'_> {
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::None => 0,
            Self::In(bytes) => bytes.len(),
            Self::Out(bytes) => bytes.len(),
        }
    }

    fn direction(&self) -> Direction {
        match self {
            Self::In(_) => Direction::In,
            Self::None | Self::Out(_) => Direction::Out,
        }
    }
}

/// What became of a command that the transport carried.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Whether the unit passed the command; if not, REQUEST SENSE says why.
    pub(crate) passed: bool,
    /// Bytes that were moved and meant: what arrived, less what the residue takes back.
    pub(crate) moved: usize,
}

/// A stage that failed. The device must be recovered before the next command.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) fault: TransportFault,
}

impl Failure {
    fn new(stage: Stage, fault: impl Into<TransportFault>) -> Self {
        Self {
            stage,
            fault: fault.into(),
        }
    }

    pub(crate) fn is_disconnect(&self) -> bool {
        self.fault == TransportFault::Transfer(TransferError::Disconnected)
    }
}

/// The two pipes of a Bulk-Only interface.
#[derive(Debug)]
pub(crate) struct Transport {
    // The endpoints go before the interface they belong to.
    bulk_in: Endpoint<Bulk, In>,
    bulk_out: Endpoint<Bulk, Out>,
    interface: Interface,
    pace: Pace,
    tag: u32,
    /// A command was begun and not ended: by an error, or by a future that was dropped.
    unsettled: bool,
    /// The tag of the command that the last reset recovery gave up, whose status may still come: a
    /// controller can have taken it ahead of the host and keep it over the reset.
    abandoned_tag: Option<u32>,
    judge: Judge,
    /// Kept between commands, so that the common path allocates nothing.
    wrapper: Buffer,
    data: Buffer,
    sending: Buffer,
    status: Buffer,
    /// Of the command in progress, what the OUT pipe has completed: the wrapper, then the data.
    sent: VecDeque<Completion>,
    pub(crate) statistics: Statistics,
    pub(crate) conditions: Conditions,
}

impl Transport {
    pub(crate) fn new(
        interface: Interface,
        bulk_in: Endpoint<Bulk, In>,
        bulk_out: Endpoint<Bulk, Out>,
        pace: Pace,
    ) -> Self {
        Self {
            bulk_in,
            bulk_out,
            interface,
            pace,
            tag: FIRST_TAG,
            unsettled: false,
            abandoned_tag: None,
            judge: Judge::default(),
            wrapper: Buffer::new(),
            data: Buffer::new(),
            sending: Buffer::new(),
            status: Buffer::new(),
            sent: VecDeque::with_capacity(2),
            statistics: Statistics::default(),
            conditions: Conditions::default(),
        }
    }

    /// Runs one command.
    ///
    /// All three stages are submitted at once where the device can have it so ([`Pace`]). Cancellation: a dropped future leaves the command unsettled, and the next one begins
    /// with reset recovery.
    pub(crate) async fn run(
        &mut self,
        waiting: Waiting,
        lun: u8,
        command: CommandBlock,
        data: &mut Data<'_>,
        timeout: Duration,
    ) -> Result<Outcome, Failure> {
        if self.unsettled {
            self.recover(waiting).await?;
        }
        let data_transfer_length = u32::try_from(data.length())
            .map_err(|_| Failure::new(Stage::Command, TransferError::InvalidRequest))?;
        // The device echoes the tag, so a stale status shows (BOT 5.2).
        self.tag = self.tag.wrapping_add(1);
        let wrapper = CommandBlockWrapper {
            tag: self.tag,
            data_transfer_length,
            direction: data.direction(),
            lun,
            command,
        };
        self.unsettled = true;
        self.statistics.commands += 1;
        let result = self
            .stages(waiting, &wrapper, data, Instant::now() + timeout)
            .await;
        match &result {
            Ok(outcome) => {
                self.unsettled = false;
                self.statistics.count_data(wrapper.direction, outcome.moved);
            }
            Err(_) => self.statistics.failures += 1,
        }
        result
    }

    async fn stages(
        &mut self,
        waiting: Waiting,
        wrapper: &CommandBlockWrapper,
        data: &mut Data<'_>,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        match self.pace {
            Pace::Together => self.submit(wrapper, data),
            Pace::InTurn => {
                self.submit_in_turn(waiting, wrapper, data, deadline)
                    .await?;
            }
        }
        // The IN pipe is watched first, since its last transfer is the last of the command: once
        // the status has come, the OUT pipe is done or never will be.
        let mut arrived = 0;
        let mut is_early = false;
        if let Data::In(bytes) = data {
            let completion = self.next_in(waiting, deadline, Stage::Data).await?;
            match completion.status {
                // A stall ends the data early and is no failure: the status follows once it is
                // cleared (BOT 6.7.2).
                Ok(()) | Err(TransferError::Stall) => {}
                Err(fault) => return Err(Failure::new(Stage::Data, fault)),
            }
            let received = &completion.buffer;
            // A device with nothing to send may skip the data stage; its status is then what the
            // data's transfer receives, shorter than what was asked for.
            is_early =
                received.len() < bytes.len() && self.judge.find_status(wrapper, received).is_some();
            if !is_early {
                arrived = completion.actual_length.min(bytes.len());
                bytes[..arrived].copy_from_slice(&received[..arrived]);
            }
            self.data = completion.buffer;
            if self.pace == Pace::InTurn && !is_early {
                self.submit_status();
            }
        }
        let status = if is_early {
            self.bulk_in.cancel_all();
            self.drain_in(waiting).await;
            self.judge
                .status(wrapper, 0, &self.data)
                .map_err(|fault| Failure::new(Stage::Status, fault))?
        } else {
            self.read_status(waiting, wrapper, arrived, deadline)
                .await?
        };
        let sent = self.finish_out(waiting, data).await?;
        if status.status == CommandStatus::PhaseError {
            return Err(Failure::new(Stage::Status, TransportFault::Phase));
        }
        let meant = data.length().saturating_sub(status.data_residue as usize);
        Ok(Outcome {
            passed: status.status == CommandStatus::Passed,
            // A device may stall the rest of the data and still report no residue.
            moved: meant.min(match wrapper.direction {
                Direction::In => arrived,
                Direction::Out => sent,
            }),
        })
    }

    fn submit(&mut self, wrapper: &CommandBlockWrapper, data: &Data<'_>) {
        self.sent.clear();
        let mut command = with_room(
            &mut self.wrapper,
            &self.bulk_out,
            CommandBlockWrapper::LENGTH,
        );
        command.extend_from_slice(&wrapper.to_bytes());
        let status = with_room(
            &mut self.status,
            &self.bulk_in,
            CommandStatusWrapper::LENGTH,
        );
        match data {
            Data::None => {
                self.bulk_out.submit(command);
                self.bulk_in.prepare(status);
            }
            Data::In(bytes) => {
                let buffer = with_room(&mut self.data, &self.bulk_in, bytes.len());
                self.bulk_out.submit(command);
                self.bulk_in.prepare(buffer);
                self.bulk_in.prepare(status);
            }
            Data::Out(bytes) => {
                let mut buffer = with_room(&mut self.sending, &self.bulk_out, bytes.len());
                buffer.extend_from_slice(bytes);
                self.bulk_out.submit_all([command, buffer]);
                self.bulk_in.prepare(status);
            }
        }
    }

    /// Submits up to the first stage that is IN, which what is OUT must have gone before.
    async fn submit_in_turn(
        &mut self,
        waiting: Waiting,
        wrapper: &CommandBlockWrapper,
        data: &Data<'_>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        self.sent.clear();
        let mut command = with_room(
            &mut self.wrapper,
            &self.bulk_out,
            CommandBlockWrapper::LENGTH,
        );
        command.extend_from_slice(&wrapper.to_bytes());
        self.bulk_out.submit(command);
        self.send(waiting, deadline, Stage::Command).await?;
        match data {
            Data::None => self.submit_status(),
            Data::In(bytes) => {
                let buffer = with_room(&mut self.data, &self.bulk_in, bytes.len());
                self.bulk_in.submit(buffer);
            }
            Data::Out(bytes) => {
                let mut buffer = with_room(&mut self.sending, &self.bulk_out, bytes.len());
                buffer.extend_from_slice(bytes);
                self.bulk_out.submit(buffer);
                self.send(waiting, deadline, Stage::Data).await?;
                self.submit_status();
            }
        }
        Ok(())
    }

    /// Waits for the one OUT transfer in flight and keeps it for [`finish_out`](Self::finish_out), which
    /// judges the data's.
    async fn send(
        &mut self,
        waiting: Waiting,
        deadline: Instant,
        stage: Stage,
    ) -> Result<(), Failure> {
        let completion = self
            .bulk_out
            .complete(waiting, Some(deadline))
            .await
            .ok_or_else(|| Failure::new(stage, TransferError::TimedOut))?;
        if let (Stage::Command, Err(fault)) = (stage, completion.status) {
            return Err(Failure::new(stage, fault));
        }
        self.sent.push_back(completion);
        Ok(())
    }

    fn submit_status(&mut self) {
        let status = with_room(
            &mut self.status,
            &self.bulk_in,
            CommandStatusWrapper::LENGTH,
        );
        self.bulk_in.submit(status);
    }

    /// Takes the status, clearing a halt in front of it at most twice: one that ended the data and
    /// one of the status itself (BOT 5.3.3, figure 2). The status of a command given up earlier is
    /// dropped: taking it for a fault would make every further command meet its predecessor's. So is
    /// one empty packet, with which some devices end their data.
    async fn read_status(
        &mut self,
        waiting: Waiting,
        wrapper: &CommandBlockWrapper,
        arrived: usize,
        mut deadline: Instant,
    ) -> Result<CommandStatusWrapper, Failure> {
        let mut halts = 0;
        let mut empty_packets = 0;
        loop {
            let completion = self.next_in(waiting, deadline, Stage::Status).await?;
            self.status = completion.buffer;
            match completion.status {
                Ok(()) if self.status.is_empty() && empty_packets == 0 => {
                    empty_packets += 1;
                    deadline = deadline.min(Instant::now() + STATUS_AFTER_EMPTY_PACKET);
                }
                Ok(()) if self.is_abandoned() => {
                    log::debug!("dropping the status of a command given up earlier");
                    self.abandoned_tag = None;
                }
                Ok(()) => {
                    return self
                        .judge
                        .status(wrapper, arrived, &self.status)
                        .map_err(|fault| Failure::new(Stage::Status, fault));
                }
                // Cancelled: it was queued behind the transfer that met the stall.
                Err(TransferError::Stall | TransferError::Cancelled) if halts < 2 => {
                    halts += 1;
                    self.statistics.halts_cleared += 1;
                    self.bulk_in
                        .clear_halt()
                        .map_err(|fault| Failure::new(Stage::Status, fault))?;
                }
                Err(fault) => return Err(Failure::new(Stage::Status, fault)),
            }
            self.submit_status();
        }
    }

    fn is_abandoned(&self) -> bool {
        let tag = self.judge.parse(&self.status).ok().map(|status| status.tag);
        tag.is_some() && tag == self.abandoned_tag
    }

    /// Takes the OUT transfers of a command whose status has come. Returns the data bytes sent.
    async fn finish_out(&mut self, waiting: Waiting, data: &Data<'_>) -> Result<usize, Failure> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let command = self.next_out(waiting, deadline, Stage::Command).await?;
        self.wrapper = command.buffer;
        command
            .status
            .map_err(|fault| Failure::new(Stage::Command, fault))?;
        let Data::Out(bytes) = data else {
            return Ok(0);
        };
        let completion = self.next_out(waiting, deadline, Stage::Data).await?;
        let expected = bytes.len();
        self.sending = completion.buffer;
        match completion.status {
            Ok(()) if completion.actual_length == expected => Ok(expected),
            Ok(()) | Err(TransferError::Stall) => {
                // The device took less and halted the pipe (BOT 6.7.3).
                self.statistics.halts_cleared += 1;
                self.bulk_out
                    .clear_halt()
                    .map_err(|fault| Failure::new(Stage::Data, fault))?;
                Ok(completion.actual_length)
            }
            Err(fault) => Err(Failure::new(Stage::Data, fault)),
        }
    }

    /// The next completion of the IN pipe, or why there will be none: a device that has refused the
    /// command has nothing to say about it.
    async fn next_in(
        &mut self,
        waiting: Waiting,
        mut deadline: Instant,
        stage: Stage,
    ) -> Result<Completion, Failure> {
        loop {
            let look_at = deadline.min(Instant::now() + LOOK_AT_OUT_AFTER);
            if let Some(completion) = self.bulk_in.complete(waiting, Some(look_at)).await {
                return Ok(completion);
            }
            if self.look_at_out()? {
                deadline = deadline.min(Instant::now() + REQUEST_TIMEOUT);
            }
            if Instant::now() >= deadline {
                let stage = if self.sent.is_empty() {
                    Stage::Command
                } else {
                    stage
                };
                return Err(Failure::new(stage, TransferError::TimedOut));
            }
        }
    }

    /// Keeps what the OUT pipe has completed. Says whether the device has just ended the data with a
    /// stall, so that its status cannot be far.
    fn look_at_out(&mut self) -> Result<bool, Failure> {
        let mut ended = false;
        while let Some(completion) = self.bulk_out.wait(Some(Duration::ZERO)) {
            let stage = if self.sent.is_empty() {
                Stage::Command
            } else {
                Stage::Data
            };
            match (stage, completion.status) {
                (_, Ok(())) => {}
                (Stage::Data, Err(TransferError::Stall)) => ended = true,
                (stage, Err(fault)) => return Err(Failure::new(stage, fault)),
            }
            self.sent.push_back(completion);
        }
        Ok(ended)
    }

    async fn next_out(
        &mut self,
        waiting: Waiting,
        deadline: Instant,
        stage: Stage,
    ) -> Result<Completion, Failure> {
        if let Some(completion) = self.sent.pop_front() {
            return Ok(completion);
        }
        self.bulk_out
            .complete(waiting, Some(deadline))
            .await
            .ok_or_else(|| Failure::new(stage, TransferError::TimedOut))
    }

    /// Takes back every transfer in flight, then reset recovery: Bulk-Only Reset, and both halts
    /// cleared (BOT 5.3.4).
    pub(crate) async fn recover(&mut self, waiting: Waiting) -> Result<(), Failure> {
        self.bulk_in.cancel_all();
        self.bulk_out.cancel_all();
        self.drain_in(waiting).await;
        while self.bulk_out.complete(waiting, None).await.is_some() {}
        self.statistics.resets += 1;
        self.abandoned_tag = Some(self.tag);
        self.conditions.expect_reset();
        let setup = bulk_only_reset(self.interface.number());
        self.interface
            .control(waiting, setup, &[], REQUEST_TIMEOUT)
            .await
            .map_err(|fault| Failure::new(Stage::Recovery, fault))?;
        self.bulk_in
            .clear_halt()
            .and_then(|()| self.bulk_out.clear_halt())
            .map_err(|fault| Failure::new(Stage::Recovery, fault))?;
        self.unsettled = false;
        Ok(())
    }

    /// What the device was found to do otherwise than others.
    pub(crate) fn quirks(&self) -> Quirks {
        self.judge.quirks
    }

    async fn drain_in(&mut self, waiting: Waiting) {
        while self.bulk_in.complete(waiting, None).await.is_some() {}
    }
}

/// The buffer kept in `slot`, or one that suits the endpoint, empty, with room for `length` bytes and asking for just as
/// many.
fn with_room<T: EndpointType, D: EndpointDirection>(
    slot: &mut Buffer,
    endpoint: &Endpoint<T, D>,
    length: usize,
) -> Buffer {
    let mut buffer = std::mem::take(slot);
    if buffer.capacity() < length {
        buffer = endpoint.allocate(length);
    }
    buffer.clear();
    buffer.set_requested_length(length);
    buffer
}
