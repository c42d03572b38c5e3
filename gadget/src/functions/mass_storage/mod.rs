//! A disk: SCSI over Bulk-Only Transport (BOT 1.0).
//!
//! [`Disk`] is the function. What it does with commands is in [`scsi`](crate::scsi); how commands, data
//! and status travel is in the transport below, which also holds the answers to the thirteen ways in which
//! host and device can disagree about the data (BOT 6.7).
//!
//! For tests of hosts there is [`ScriptedDisk`], which does on the wire whatever a program says, or has the
//! quirks of real devices by name ([`Misbehaviour`]).

mod misbehaving;
mod pipes;
mod reset_gate;
mod scripted;
mod transport;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;
use usbfs2_protocol::{Direction, RequestKind, bot, standard::class};

pub use self::{
    misbehaving::{Misbehaviour, UnknownMisbehaviour},
    pipes::Interruption,
    scripted::{Script, ScriptedDisk, Wire},
};
use self::{pipes::Pipes, reset_gate::ResetGate};
pub use crate::scsi::DiskOptions;
use crate::{
    ControlRequest, ControlResponse, ControlTarget, EndpointRequest, Endpoints, Function,
    FunctionBuilder, FunctionError, InterfaceClass,
    scsi::{InsertError, LogicalUnit, Medium, Target},
};

/// How long a Bulk-Only Reset waits for the medium before it is refused. The host's own patience for a
/// control request is 5 s as a rule.
const RESET_PATIENCE: Duration = Duration::from_secs(3);

/// A mass-storage function with one or more logical units.
///
/// ```
/// use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
/// use usbfs2_gadget::scsi::MemoryMedium;
///
/// let options = DiskOptions { removable: true, ..DiskOptions::default() };
/// let disk = Disk::new(MemoryMedium::new(64 << 20), options)?;
/// let medium = disk.unit(0).expect("a disk has a unit").eject()?;
/// assert!(medium.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Disk {
    target: Target,
    reset: ResetGate,
    /// The process before this one was killed, it may be in the middle of a command.
    is_interrupted: AtomicBool,
}

/// A disk has 1 to 16 logical units, not this many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a disk has 1 to 16 logical units, not {0} (BOT 3.2)")]
pub struct UnitCountError(pub usize);

impl Disk {
    /// A disk of one logical unit with `medium` in it.
    ///
    /// # Errors
    /// When the options or the medium do not make a disk.
    pub fn new(
        medium: impl Medium + 'static,
        options: DiskOptions,
    ) -> Result<Arc<Self>, InsertError> {
        let unit = LogicalUnit::with_medium(medium, options)?;
        Ok(Self::of(Target::new([unit])))
    }

    /// A disk of several logical units; the first is LUN 0.
    ///
    /// # Errors
    /// When there are none or more than 16.
    pub fn with_units(
        units: impl IntoIterator<Item = Arc<LogicalUnit>>,
    ) -> Result<Arc<Self>, UnitCountError> {
        let target = Target::new(units);
        match target.units().len() {
            1..=16 => Ok(Self::of(target)),
            count => Err(UnitCountError(count)),
        }
    }

    fn of(target: Target) -> Arc<Self> {
        Arc::new(Self {
            target,
            reset: ResetGate::default(),
            is_interrupted: AtomicBool::new(false),
        })
    }

    /// The logical unit with this number: to eject its medium, insert one, or look whether the host
    /// ejected it.
    #[must_use]
    pub fn unit(&self, lun: u8) -> Option<&Arc<LogicalUnit>> {
        self.target.units().get(usize::from(lun))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("units", &self.target.units())
            .finish_non_exhaustive()
    }
}

impl Function for Disk {
    fn name(&self) -> &str {
        "disk"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        describe(builder);
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        match class_request(request) {
            Some(ClassRequest::GetMaxLun) => ControlResponse::Data(vec![self.target.highest_lun()]),
            Some(ClassRequest::BulkOnlyReset) => {
                bulk_only_reset(&self.reset, || self.target.reset())
            }
            None => ControlResponse::Stall,
        }
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        let result = Pipes::new(&self.reset, endpoints)
            .and_then(|pipes| pipes.serve(|pipes| self.serve(pipes)));
        self.reset.end();
        Ok(result?)
    }

    fn reset(&self) {
        self.target.reset();
    }

    /// The controller may have given the process before a command that it did not live to see, so that no note of its
    /// would tell.
    fn restored(&self, _in_hand: bool) {
        self.is_interrupted.store(true, Ordering::SeqCst);
    }
}

impl Disk {
    fn serve(&self, pipes: &mut Pipes<'_>) -> Result<(), Interruption> {
        if self.is_interrupted.swap(false, Ordering::SeqCst) {
            // The host may wait for data or a status of a command that nobody knows. Refusing all until its reset recovery
            // (BOT 5.3.4) makes it send the command again at once, and not when it has lost its patience. Where it waits
            // for none, it is its next command that it sends twice.
            match pipes.refuse_until_reset()? {}
        }
        pipes.serve_command(&self.target)
    }
}

/// The interface of a Bulk-Only device: bulk-in is its first endpoint, bulk-out the second.
fn describe(builder: &mut FunctionBuilder<'_>) {
    let class = InterfaceClass::new(
        class::MASS_STORAGE,
        bot::SUBCLASS_SCSI,
        bot::PROTOCOL_BULK_ONLY,
    );
    let mut interface = builder.interface(class);
    interface.endpoint(EndpointRequest::bulk(Direction::In));
    interface.endpoint(EndpointRequest::bulk(Direction::Out));
}

/// A request of the class to the interface (BOT 3).
enum ClassRequest {
    GetMaxLun,
    BulkOnlyReset,
}

fn class_request(request: &ControlRequest) -> Option<ClassRequest> {
    let setup = &request.setup;
    let for_us = matches!(request.target, ControlTarget::Interface(_))
        && setup.request_type.kind == RequestKind::Class
        && setup.value == 0;
    match (setup.request, setup.direction(), setup.length) {
        (bot::GET_MAX_LUN, Direction::In, 1) if for_us => Some(ClassRequest::GetMaxLun),
        (bot::BULK_ONLY_RESET, Direction::Out, 0) if for_us => Some(ClassRequest::BulkOnlyReset),
        _ => None,
    }
}

/// Answers Bulk-Only Reset once the transport is ready for a command again (BOT 3.1).
fn bulk_only_reset(gate: &ResetGate, reset_units: impl FnOnce()) -> ControlResponse {
    if !gate.request(RESET_PATIENCE) {
        log::warn!("Bulk-Only Reset refused: the medium has been busy for {RESET_PATIENCE:?}");
        return ControlResponse::Stall;
    }
    reset_units();
    ControlResponse::Acknowledge
}
