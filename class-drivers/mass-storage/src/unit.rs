//! One logical unit: commands with their sense, retried within bounds.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures::lock::Mutex;
use usbfs2_host::Waiting;
use usbfs2_protocol::scsi::{Command, Sense, SenseKey};

use crate::error::{DiskError, Stage, TransportFault};
use crate::options::Options;
use crate::transport::{Data, Failure, Outcome, Transport};

/// How often a command is tried whose transport fails, that is aborted, or that meets a unit attention.
const ATTEMPTS: u32 = 3;
/// How long a question may take that a device need not know: long enough for one that does.
const OPTIONAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two questions whether a unit is ready.
const READY_INTERVAL: Duration = Duration::from_millis(100);

/// NOT READY: in process of becoming ready (SPC-3 table 28).
const BECOMING_READY: (u8, u8) = (0x04, 0x01);
const MEDIUM_NOT_PRESENT: u8 = 0x3a;
const MEDIUM_MAY_HAVE_CHANGED: u8 = 0x28;
const RESET_OCCURRED: u8 = 0x29;
const PARAMETERS_CHANGED: u8 = 0x2a;

/// A logical unit of a device whose units share one transport.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) transport: Arc<Mutex<Transport>>,
    pub(crate) lun: u8,
    pub(crate) options: Options,
    /// Its medium can be taken out, so that a reset nobody asked for may hide a new one.
    pub(crate) removable: bool,
    /// The medium the caller knows, by the count of changes when it was read. Without one a change is
    /// no news.
    pub(crate) known_medium: Option<u64>,
    /// It has choked on a question that a device need not know, and is asked no further.
    chokes: bool,
}

/// How often and how long a command is tried.
#[derive(Debug, Clone, Copy)]
struct Patience {
    attempts: u32,
    timeout: Duration,
}

impl Unit {
    pub(crate) fn new(transport: Arc<Mutex<Transport>>, lun: u8, options: Options) -> Self {
        Self {
            transport,
            lun,
            options,
            removable: false,
            known_medium: None,
            chokes: false,
        }
    }

    /// Runs a command without data.
    pub(crate) async fn order(&self, waiting: Waiting, command: &Command) -> Result<(), DiskError> {
        let data = Data::None;
        self.run(waiting, command, data, 0, self.patience()).await?;
        Ok(())
    }

    /// Runs a command that asks something. Returns how long the answer is.
    pub(crate) async fn ask(
        &self,
        waiting: Waiting,
        command: &Command,
        answer: &mut [u8],
    ) -> Result<usize, DiskError> {
        self.run(waiting, command, Data::In(answer), 0, self.patience())
            .await
    }

    /// As [`ask`](Self::ask), for what a device need not know: `None` when it does not, and when it
    /// chokes on the question, which is then its last of this kind.
    pub(crate) async fn ask_optional(
        &mut self,
        waiting: Waiting,
        command: &Command,
        answer: &mut [u8],
    ) -> Result<Option<usize>, DiskError> {
        if self.chokes {
            return Ok(None);
        }
        match self.ask_once(waiting, command, answer, 0).await {
            Ok(length) => Ok(Some(length)),
            Err(DiskError::Sense { .. }) => Ok(None),
            Err(DiskError::Transport { stage, fault, .. }) if stage != Stage::Recovery => {
                log::warn!("the device chokes on {command} ({fault}), which it need not know");
                self.chokes = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks once and not for long; the answer must have `expected` bytes.
    pub(crate) async fn ask_once(
        &self,
        waiting: Waiting,
        command: &Command,
        answer: &mut [u8],
        expected: usize,
    ) -> Result<usize, DiskError> {
        let patience = Patience {
            attempts: 1,
            timeout: self.options.command_timeout.min(OPTIONAL_TIMEOUT),
        };
        self.run(waiting, command, Data::In(answer), expected, patience)
            .await
    }

    /// Runs a command that must move all of its data. One that moves less, with a packet lost on the
    /// way, is tried again.
    pub(crate) async fn run_whole(
        &self,
        waiting: Waiting,
        command: &Command,
        data: Data<'_>,
    ) -> Result<(), DiskError> {
        let expected = data.length();
        self.run(waiting, command, data, expected, self.patience())
            .await?;
        Ok(())
    }

    /// Forgets what medium the caller knows, waits until the unit is ready, and knows the medium it has
    /// then.
    pub(crate) async fn meet_medium(&mut self, waiting: Waiting) -> Result<(), DiskError> {
        self.known_medium = None;
        self.order(waiting, &Command::TestUnitReady).await?;
        let transport = self.transport.lock().await;
        self.known_medium = Some(transport.conditions.medium_changes(self.lun));
        Ok(())
    }

    fn patience(&self) -> Patience {
        Patience {
            attempts: ATTEMPTS,
            timeout: self.options.command_timeout,
        }
    }

    /// Runs a command until it passes or can be given up. Returns the data bytes moved, which are
    /// `expected` at least.
    async fn run(
        &self,
        waiting: Waiting,
        command: &Command,
        mut data: Data<'_>,
        expected: usize,
        patience: Patience,
    ) -> Result<usize, DiskError> {
        let mut transport = self.transport.lock().await;
        let mut failed = 0;
        // Each kind of sense that is worth another try has its own bound: a unit that has always one
        // more to report would keep us forever.
        let mut attentions = 0;
        let mut aborted = 0;
        let mut started = false;
        let ready_by = Instant::now() + self.options.ready_timeout;
        loop {
            self.check_medium(&transport)?;
            let outcome = self
                .attempt(&mut transport, waiting, command, &mut data, patience)
                .await;
            let sense = match outcome {
                Ok(Ended::Passed(moved)) if moved >= expected => return Ok(moved),
                // Its status was of this command, so the pipes are in step and need no recovery.
                Ok(Ended::Passed(moved)) => {
                    failed += 1;
                    transport.statistics.failures += 1;
                    let fault = TransportFault::Unfinished { moved, expected };
                    let stage = Stage::Data;
                    give_up(command, Failure { stage, fault }, failed, patience)?;
                    continue;
                }
                Ok(Ended::Failed(sense)) => sense,
                Err(failure) => {
                    failed += 1;
                    give_up(command, failure, failed, patience)?;
                    continue;
                }
            };
            let error = DiskError::Sense {
                command: command.name(),
                sense,
            };
            match sense.key {
                SenseKey::UnitAttention => {
                    self.note_attention(&mut transport, sense);
                    self.check_medium(&transport)?;
                    attentions += 1;
                    if attentions >= ATTEMPTS {
                        return Err(error);
                    }
                }
                SenseKey::NotReady if sense.code == MEDIUM_NOT_PRESENT => {
                    transport.conditions.count_medium_change(self.lun);
                    return Err(DiskError::NoMedium);
                }
                SenseKey::NotReady if (sense.code, sense.qualifier) == BECOMING_READY => {
                    if Instant::now() >= ready_by {
                        return Err(error);
                    }
                    pause(waiting, READY_INTERVAL).await;
                }
                SenseKey::NotReady if is_stopped(&sense) && !started => {
                    started = true;
                    let outcome = self
                        .attempt(&mut transport, waiting, &START, &mut Data::None, patience)
                        .await;
                    if let Err(failure) = outcome {
                        failed += 1;
                        give_up(&START, failure, failed, patience)?;
                    }
                }
                SenseKey::DataProtect => return Err(DiskError::ReadOnly),
                SenseKey::IllegalRequest if is_removal_prevented(&sense) => {
                    return Err(DiskError::RemovalPrevented);
                }
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

    /// Fails when the medium is not the one the caller knows, whoever was told of it.
    fn check_medium(&self, transport: &Transport) -> Result<(), DiskError> {
        match self.known_medium {
            Some(known) if known != transport.conditions.medium_changes(self.lun) => {
                Err(DiskError::MediumChanged)
            }
            _ => Ok(()),
        }
    }

    fn note_attention(&self, transport: &mut Transport, sense: Sense) {
        transport.statistics.unit_attentions += 1;
        let may_have_changed = match sense.code {
            MEDIUM_MAY_HAVE_CHANGED | PARAMETERS_CHANGED => true,
            // A drive that lost its power may have been given another medium meanwhile.
            RESET_OCCURRED => !transport.conditions.take_reset(self.lun) && self.removable,
            _ => false,
        };
        if may_have_changed {
            transport.conditions.count_medium_change(self.lun);
        }
    }

    /// One try, and the sense when the unit fails it.
    async fn attempt(
        &self,
        transport: &mut Transport,
        waiting: Waiting,
        command: &Command,
        data: &mut Data<'_>,
        patience: Patience,
    ) -> Result<Ended, Failure> {
        let outcome = self
            .send(transport, waiting, command, data, patience)
            .await?;
        if outcome.passed {
            return Ok(Ended::Passed(outcome.moved));
        }
        let mut bytes = [0; Sense::FIXED_LENGTH];
        let request = Command::RequestSense {
            descriptor_format: false,
            allocation_length: 18,
        };
        let answer = self
            .send(
                transport,
                waiting,
                &request,
                &mut Data::In(&mut bytes),
                patience,
            )
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
        patience: Patience,
    ) -> Result<Outcome, Failure> {
        let block = command.encode();
        let result = transport
            .run(waiting, self.lun, block, data, patience.timeout)
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

/// Has a stopped unit turn again.
const START: Command = Command::StartStopUnit {
    immediate: false,
    load_eject: false,
    start: true,
    power_condition: 0,
};

/// How a command ended that the transport carried.
enum Ended {
    Passed(usize),
    Failed(Sense),
}

fn is_stopped(sense: &Sense) -> bool {
    let stopped = Sense::INITIALIZING_COMMAND_REQUIRED;
    (sense.code, sense.qualifier) == (stopped.code, stopped.qualifier)
}

fn is_removal_prevented(sense: &Sense) -> bool {
    let prevented = Sense::MEDIUM_REMOVAL_PREVENTED;
    (sense.code, sense.qualifier) == (prevented.code, prevented.qualifier)
}

/// The error a caller gets when a transport failure is one too many, or final.
fn give_up(
    command: &Command,
    failure: Failure,
    attempts: u32,
    patience: Patience,
) -> Result<(), DiskError> {
    if failure.is_disconnect() {
        return Err(DiskError::Disconnected);
    }
    let Failure { stage, fault } = failure;
    if attempts < patience.attempts && stage != Stage::Recovery {
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
