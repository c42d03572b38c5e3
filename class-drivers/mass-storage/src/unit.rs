//! One logical unit: commands with their sense, retried within bounds.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures::lock::Mutex;
use usbfs2_host::Waiting;
use usbfs2_protocol::scsi::{Command, Sense, SenseKey};

use crate::error::{DiskError, Stage, TransportFault};
use crate::transport::{Data, Failure, Outcome, Transport};

/// How often a command is tried whose transport fails, that is aborted, or that meets a unit attention.
const ATTEMPTS: u32 = 3;
/// How long one try may take: what the kernel's disk driver allows.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a unit that says it is becoming ready may take about it: a disk spins up.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two questions whether it is ready.
const READY_INTERVAL: Duration = Duration::from_millis(100);

/// NOT READY: in process of becoming ready (SPC-3 table 28).
const BECOMING_READY: (u8, u8) = (0x04, 0x01);
const MEDIUM_NOT_PRESENT: u8 = 0x3a;
const MEDIUM_MAY_HAVE_CHANGED: u8 = 0x28;
const PARAMETERS_CHANGED: u8 = 0x2a;

/// A logical unit of a device whose units share one transport.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) transport: Arc<Mutex<Transport>>,
    pub(crate) lun: u8,
}

/// What to do about a medium that may be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnMediumChange {
    /// Nothing is known of the medium yet: go on.
    Ignore,
    /// The caller believes to know the medium: tell it.
    Report,
}

impl Unit {
    /// Runs a command until it passes or can be given up. Returns the data bytes moved.
    pub(crate) async fn run(
        &self,
        waiting: Waiting,
        command: &Command,
        data: Data<'_>,
        on_medium_change: OnMediumChange,
    ) -> Result<usize, DiskError> {
        self.run_moving(waiting, command, data, 0, on_medium_change)
            .await
    }

    /// As [`run`](Self::run), for a command that must move all of its data. One that moves less, with a
    /// packet lost on the way, is tried again.
    pub(crate) async fn run_whole(
        &self,
        waiting: Waiting,
        command: &Command,
        data: Data<'_>,
        on_medium_change: OnMediumChange,
    ) -> Result<(), DiskError> {
        let expected = data.length();
        self.run_moving(waiting, command, data, expected, on_medium_change)
            .await?;
        Ok(())
    }

    async fn run_moving(
        &self,
        waiting: Waiting,
        command: &Command,
        mut data: Data<'_>,
        expected: usize,
        on_medium_change: OnMediumChange,
    ) -> Result<usize, DiskError> {
        let mut transport = self.transport.lock().await;
        let mut failed = 0;
        let mut attentions = 0;
        let mut aborted = 0;
        let ready_by = Instant::now() + READY_TIMEOUT;
        loop {
            let outcome = self
                .attempt(&mut transport, waiting, command, &mut data)
                .await;
            let sense = match outcome {
                Ok(Ended::Passed(moved)) if moved >= expected => return Ok(moved),
                // Its status was of this command, so the pipes are in step and need no recovery.
                Ok(Ended::Passed(moved)) => {
                    failed += 1;
                    transport.statistics.failures += 1;
                    let fault = TransportFault::Unfinished { moved, expected };
                    let stage = Stage::Data;
                    give_up(command, Failure { stage, fault }, failed)?;
                    continue;
                }
                Ok(Ended::Failed(sense)) => sense,
                Err(failure) => {
                    failed += 1;
                    give_up(command, failure, failed)?;
                    continue;
                }
            };
            let error = DiskError::Sense {
                command: command.name(),
                sense,
            };
            match sense.key {
                SenseKey::UnitAttention => {
                    transport.statistics.unit_attentions += 1;
                    attentions += 1;
                    let changed =
                        matches!(sense.code, MEDIUM_MAY_HAVE_CHANGED | PARAMETERS_CHANGED);
                    if changed && on_medium_change == OnMediumChange::Report {
                        return Err(DiskError::MediumChanged);
                    }
                    // A unit that reports one attention after the other would keep us forever.
                    if attentions >= ATTEMPTS {
                        return Err(error);
                    }
                }
                SenseKey::NotReady if sense.code == MEDIUM_NOT_PRESENT => {
                    return Err(DiskError::NoMedium);
                }
                SenseKey::NotReady if (sense.code, sense.qualifier) == BECOMING_READY => {
                    if Instant::now() >= ready_by {
                        return Err(error);
                    }
                    pause(waiting, READY_INTERVAL).await;
                }
                SenseKey::DataProtect => return Err(DiskError::ReadOnly),
                // Cut off on the way, or failed without a reason: the next try may pass (SPC-3 4.5.6).
                SenseKey::AbortedCommand | SenseKey::NoSense => {
                    aborted += 1;
                    if aborted >= ATTEMPTS {
                        return Err(error);
                    }
                }
                _ => return Err(error),
            }
        }
    }

    /// One try, and the sense when the unit fails it.
    async fn attempt(
        &self,
        transport: &mut Transport,
        waiting: Waiting,
        command: &Command,
        data: &mut Data<'_>,
    ) -> Result<Ended, Failure> {
        let outcome = self.send(transport, waiting, command, data).await?;
        if outcome.passed {
            return Ok(Ended::Passed(outcome.moved));
        }
        let mut bytes = [0; Sense::FIXED_LENGTH];
        let request = Command::RequestSense {
            descriptor_format: false,
            allocation_length: 18,
        };
        let answer = self
            .send(transport, waiting, &request, &mut Data::In(&mut bytes))
            .await?;
        let received = bytes.get(..answer.moved).unwrap_or(&bytes);
        let sense = Sense::parse(received).unwrap_or(Sense::NO_SENSE);
        Ok(match sense.key {
            // The command did what it was asked, after some trouble (SPC-3 table 27).
            SenseKey::RecoveredError => Ended::Passed(outcome.moved),
            _ => Ended::Failed(sense),
        })
    }

    /// One command on the wire. When its transport fails, the device is recovered at once.
    async fn send(
        &self,
        transport: &mut Transport,
        waiting: Waiting,
        command: &Command,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Failure> {
        let block = command.encode();
        let result = transport
            .run(waiting, self.lun, block, data, COMMAND_TIMEOUT)
            .await;
        if let Err(failure) = &result {
            log::debug!("{command}: {} failed: {}", failure.stage, failure.fault);
            if failure.stage != Stage::Recovery && !failure.is_disconnect() {
                transport.recover(waiting).await?;
            }
        }
        result
    }
}

/// How a command ended that the transport carried.
enum Ended {
    Passed(usize),
    Failed(Sense),
}

/// The error a caller gets when a transport failure is one too many, or final.
fn give_up(command: &Command, failure: Failure, attempts: u32) -> Result<(), DiskError> {
    if failure.is_disconnect() {
        return Err(DiskError::Disconnected);
    }
    let Failure { stage, fault } = failure;
    if attempts < ATTEMPTS && stage != Stage::Recovery {
        return Ok(());
    }
    Err(DiskError::Transport {
        command: command.name(),
        stage,
        fault,
        attempts,
    })
}

async fn pause(waiting: Waiting, duration: Duration) {
    match waiting {
        Waiting::Blocking => thread::sleep(duration),
        Waiting::Async => {
            Timer::after(duration).await;
        }
    }
}
