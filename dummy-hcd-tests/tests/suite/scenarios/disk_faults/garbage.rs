//! Devices that answer nonsense: an error that names the command, in bounded time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::mass_storage::{DiskOptions, ScriptedDisk, Wire};
use usbfs2_gadget::scsi::{LogicalUnit, Status, Target, Transfer};
use usbfs2_loopback::Bus;
use usbfs2_mass_storage::{DiskError, MassStorage};
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper};
use usbfs2_protocol::scsi::{Sense, SenseKey};

use super::FaultScenario;
use crate::scenarios::disk::Probe;
use crate::scenarios::random::Random;
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, FaultScenario)> {
    vec![
        (
            "disk_faults::a_device_that_answers_noise_is_given_up",
            noise,
        ),
        (
            "disk_faults::a_device_that_answers_zero_length_packets_is_given_up",
            zero_length_packets,
        ),
        (
            "disk_faults::a_device_that_never_stops_sending_is_given_up",
            too_much,
        ),
        (
            "disk_faults::a_device_that_answers_another_command_is_given_up",
            another_commands_status,
        ),
        ("disk_faults::answers_of_zeros_are_refused", zeros),
        (
            "disk_faults::answers_of_noise_with_a_good_status_are_refused",
            noise_that_passed,
        ),
        (
            "disk_faults::unit_attentions_without_end_are_given_up",
            endless_unit_attentions,
        ),
        (
            "disk_faults::a_status_kept_over_a_reset_is_dropped",
            a_status_kept_over_a_reset,
        ),
        (
            "disk_faults::a_status_in_place_of_data_is_understood",
            a_status_in_place_of_data,
        ),
    ]
}

/// More than three tries of each of the commands that open a disk.
const MOST_COMMANDS: usize = 20;

/// Opens a device that cannot be a disk, and fails unless that ends soon with an error that names the
/// command.
fn refused(bus: &Bus, device: &Counted, gadget: usbfs2_gadget::Gadget) -> Result<DiskError> {
    let connected = World::Loopback(bus.clone()).connect(&gadget)?;
    let storage = MassStorage::open_blocking(&connected.device)?;
    let since = Instant::now();
    let error = match storage.block_device_blocking(0) {
        Err(error) => error,
        Ok(unit) => bail!("a disk of {} bytes", unit.size()),
    };
    let (DiskError::Transport { command, .. }
    | DiskError::Answer { command, .. }
    | DiskError::Sense { command, .. }) = &error
    else {
        bail!("{error:?}, which names no command");
    };
    ensure!(
        error.to_string().contains(command),
        "{error}, where {command} failed"
    );
    ensure!(
        device.commands() <= MOST_COMMANDS,
        "{} commands",
        device.commands()
    );
    ensure!(since.elapsed() < DEADLINE, "it took {:?}", since.elapsed());
    Ok(error)
}

/// A device that answers each command with transfers on bulk-in, and counts them.
#[derive(Debug, Default)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn commands(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn device_that(
    answer: impl Fn(&CommandBlockWrapper) -> Vec<Vec<u8>> + Send + Sync + 'static,
) -> Result<(Counted, usbfs2_gadget::Gadget)> {
    let counted = Counted::default();
    let commands = Arc::clone(&counted.0);
    let device = ScriptedDisk::new(move |wire: &mut Wire<'_, '_>, bytes: &[u8]| {
        commands.fetch_add(1, Ordering::SeqCst);
        // What is no command gets no answer.
        let transfers = CommandBlockWrapper::parse(bytes)
            .map_or_else(|_| Vec::new(), |command| answer(&command));
        transfers
            .iter()
            .try_for_each(|transfer| wire.send(transfer))
    });
    let gadget = World::gadget().function(device).build()?;
    Ok((counted, gadget))
}

fn expect_transport(error: &DiskError) -> Result<()> {
    match error {
        DiskError::Transport { attempts: 3, .. } => Ok(()),
        other => bail!("{other:?} instead of a transport given up after 3 tries"),
    }
}

fn expected_length(command: &CommandBlockWrapper) -> usize {
    usize::try_from(command.data_transfer_length).unwrap_or(0)
}

fn status(command: &CommandBlockWrapper, status: CommandStatus) -> Vec<u8> {
    status_with_residue(command, status, 0)
}

fn status_with_residue(
    command: &CommandBlockWrapper,
    status: CommandStatus,
    data_residue: u32,
) -> Vec<u8> {
    let wrapper = CommandStatusWrapper {
        tag: command.tag,
        data_residue,
        status,
    };
    wrapper.to_bytes().to_vec()
}

fn random_bytes(seed: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Random::new(seed.into()).fill(&mut bytes);
    bytes
}

fn noise(bus: &Bus) -> Result<()> {
    let (device, gadget) = device_that(|command| {
        let data = random_bytes(command.tag, expected_length(command));
        vec![
            data,
            random_bytes(!command.tag, CommandStatusWrapper::LENGTH),
        ]
    })?;
    expect_transport(&refused(bus, &device, gadget)?)
}

fn zero_length_packets(bus: &Bus) -> Result<()> {
    let (device, gadget) = device_that(|_| vec![Vec::new(), Vec::new()])?;
    expect_transport(&refused(bus, &device, gadget)?)
}

fn too_much(bus: &Bus) -> Result<()> {
    let (device, gadget) = device_that(|_| vec![vec![0xa5; 1 << 20]])?;
    expect_transport(&refused(bus, &device, gadget)?)
}

fn another_commands_status(bus: &Bus) -> Result<()> {
    let (device, gadget) = device_that(|command| {
        let another = CommandBlockWrapper {
            tag: command.tag.wrapping_add(1),
            ..*command
        };
        let data = vec![0; expected_length(command)];
        vec![data, status(&another, CommandStatus::Passed)]
    })?;
    expect_transport(&refused(bus, &device, gadget)?)
}

fn zeros(bus: &Bus) -> Result<()> {
    let (device, gadget) = device_that(|command| {
        let passed = status(command, CommandStatus::Passed);
        match expected_length(command) {
            0 => vec![passed],
            length => vec![vec![0; length], passed],
        }
    })?;
    match refused(bus, &device, gadget)? {
        DiskError::Answer { .. } => Ok(()),
        other => bail!("{other:?} instead of a wrong answer"),
    }
}

fn noise_that_passed(bus: &Bus) -> Result<()> {
    // Every seed is nonsense of another kind.
    for seed in 0..50_u32 {
        let (device, gadget) = device_that(move |command| {
            let passed = status(command, CommandStatus::Passed);
            match expected_length(command) {
                0 => vec![passed],
                length => vec![random_bytes(command.tag ^ seed << 8, length), passed],
            }
        })?;
        match refused(bus, &device, gadget)? {
            DiskError::Answer { .. } => {}
            other => bail!("{other:?} instead of a wrong answer, seed {seed}"),
        }
    }
    Ok(())
}

fn endless_unit_attentions(bus: &Bus) -> Result<()> {
    const REQUEST_SENSE: u8 = 0x03;
    let (device, gadget) = device_that(|command| {
        if command.command.as_bytes().first() != Some(&REQUEST_SENSE) {
            let residue = command.data_transfer_length;
            return vec![status_with_residue(command, CommandStatus::Failed, residue)];
        }
        let sense = Sense::RESET_OCCURRED.to_fixed_bytes().to_vec();
        vec![sense, status(command, CommandStatus::Passed)]
    })?;
    match refused(bus, &device, gadget)? {
        DiskError::Sense { sense, .. } if sense.key == SenseKey::UnitAttention => Ok(()),
        other => bail!("{other:?} instead of a unit attention"),
    }
}

/// What a disk sends, except that it skips a data stage it has nothing for.
fn answer_without_empty_data(target: &Target, command: &CommandBlockWrapper) -> Vec<Vec<u8>> {
    let mut task = target.start(command.lun, command.command.as_bytes());
    let mut data = Vec::new();
    if let Transfer::In(length) = task.transfer() {
        data.resize(usize::try_from(length).unwrap_or(0), 0);
        let count = task.read(&mut data);
        data.truncate(count);
    }
    let outcome = match task.finish() {
        Status::Good => CommandStatus::Passed,
        Status::CheckCondition => CommandStatus::Failed,
    };
    let moved = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let residue = command.data_transfer_length.saturating_sub(moved);
    let end = status_with_residue(command, outcome, residue);
    if data.is_empty() {
        vec![end]
    } else {
        vec![data, end]
    }
}

/// A controller may have taken a status ahead of the host and keep it over the reset that gave its command up.
fn a_status_kept_over_a_reset(bus: &Bus) -> Result<()> {
    let target = Target::new([LogicalUnit::with_medium(
        Probe::new(64 << 10),
        DiskOptions::default(),
    )?]);
    let given_up: Mutex<Option<CommandBlockWrapper>> = Mutex::default();
    let (_device, gadget) = device_that(move |command| {
        let mut answer = answer_without_empty_data(&target, command);
        if command.data_transfer_length == 0 {
            let mut given_up = given_up.lock().unwrap_or_else(PoisonError::into_inner);
            match *given_up {
                // The first one asks for a reset.
                None => {
                    *given_up = Some(*command);
                    return vec![status(command, CommandStatus::PhaseError)];
                }
                // The next one comes after it, behind the status of the first.
                Some(first) if first.tag != 0 => {
                    answer.insert(0, status(&first, CommandStatus::Passed));
                    *given_up = Some(CommandBlockWrapper { tag: 0, ..first });
                }
                Some(_) => {}
            }
        }
        answer
    })?;
    let connected = World::Loopback(bus.clone()).connect(&gadget)?;
    let storage = MassStorage::open_blocking(&connected.device)?;
    let mut unit = storage.block_device_blocking(0)?;
    let mut block = [0xee; 512];
    unit.read_at_blocking(0, &mut block)?;
    ensure!(block == [0; 512], "a status was taken for data");
    let resets = storage.statistics_blocking().resets;
    ensure!(resets == 1, "{resets} resets for one phase error");
    Ok(())
}

/// A device may skip the data of a command it fails, so that the status is what the host's data
/// transfer receives.
fn a_status_in_place_of_data(bus: &Bus) -> Result<()> {
    const BROKEN: u64 = 9 * 512;
    let medium = Probe::with_broken(64 << 10, BROKEN..BROKEN + 512);
    let target = Target::new([LogicalUnit::with_medium(medium, DiskOptions::default())?]);
    let (_device, gadget) =
        device_that(move |command| answer_without_empty_data(&target, command))?;
    let connected = World::Loopback(bus.clone()).connect(&gadget)?;
    let storage = MassStorage::open_blocking(&connected.device)?;
    let mut unit = storage.block_device_blocking(0)?;
    let mut block = [0xee; 512];
    match unit.read_at_blocking(BROKEN, &mut block) {
        Err(DiskError::Sense { sense, .. }) if sense.key == SenseKey::MediumError => {}
        other => bail!("{other:?} instead of a medium error"),
    }
    unit.read_at_blocking(0, &mut block)?;
    ensure!(block == [0; 512], "a status was taken for data");
    let statistics = storage.statistics_blocking();
    ensure!(
        (statistics.failures, statistics.resets) == (0, 0),
        "nothing was wrong with the transport: {statistics:?}"
    );
    Ok(())
}
