//! `usbfs2 gadget check`: whether a device fits on a controller, before it is deployed.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::functions::source_sink::SourceSinkOptions;
use usbfs2_gadget::functions::{
    Audio, AudioOptions, ConsumerControl, Gamepad, Keyboard, Mouse, SourceSink, Tablet,
};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{
    Direction, Function, Gadget, KnownUdc, MachineUdc, Plan, Problem, Speed, Target, Udc,
};

use super::{Identity, described};
use crate::args::{Backend, GadgetCheckArgs, KindName};
use crate::output::say;

/// What the device would be called if it were run.
const CHECKED: Identity = Identity {
    serial_number: Some("000000000001"),
    ..Identity::new(0x0001, "Composite")
};

/// A disk of which only the descriptors count.
const DISK_BYTES: u64 = 1 << 20;

/// Prints where everything lies, or every problem.
pub(super) fn run(args: &GadgetCheckArgs) -> Result<()> {
    let names: Vec<String> = args.kinds.iter().map(|&kind| name(kind)).collect();
    let names = names.join(" + ");
    let mut builder = CHECKED.builder();
    for &kind in &args.kinds {
        builder = builder.function(of_kind(kind)?);
    }
    // What is wrong everywhere is an error of its own.
    let gadget = builder.build()?;
    if args.backend == Backend::Loopback {
        let target = Target::Loopback(Speed::High);
        return report(&gadget, &names, "the in-process bus", &target);
    }
    let known = controller(args.udc.as_deref())?;
    let udc = known.udc();
    print_controller(known, &udc)?;
    let place = format!("{} on {}", args.backend, known.name());
    let target = match args.backend {
        Backend::Functionfs => Target::FunctionfsOn(udc),
        _ => Target::Gadgetfs(udc),
    };
    report(&gadget, &names, &place, &target)
}

fn report(gadget: &Gadget, names: &str, place: &str, target: &Target) -> Result<()> {
    match gadget.plan(target) {
        Ok(plan) => {
            say!("{names} fits: {place}, at {}", plan.speed)?;
            Ok(print_plan(&plan)?)
        }
        Err(problems) => {
            let problems = distinct(problems.problems());
            for problem in &problems {
                say!("problem: {problem}")?;
            }
            let count = match problems.len() {
                1 => "1 problem".to_owned(),
                count => format!("{count} problems"),
            };
            bail!("{names} does not fit: {place}: {count}")
        }
    }
}

/// The problems in words; what a function does wrong in many places is one.
fn distinct(problems: &[Problem]) -> Vec<String> {
    let mut distinct: Vec<(&Problem, usize)> = Vec::new();
    for problem in problems {
        let mut seen = distinct.iter_mut();
        match seen.find(|(first, _)| is_alike(first, problem)) {
            Some((_, times)) => *times += 1,
            None => distinct.push((problem, 1)),
        }
    }
    let lines = distinct.into_iter().map(|(problem, times)| match times {
        1 => problem.to_string(),
        2 => format!("{problem} (and in 1 more place)"),
        times => format!("{problem} (and in {} more places)", times - 1),
    });
    lines.collect()
}

fn is_alike(one: &Problem, other: &Problem) -> bool {
    one.place.function() == other.place.function() && one.kind == other.kind
}

fn print_controller(known: &KnownUdc, udc: &Udc) -> Result<()> {
    let count = |direction| udc.count(direction);
    let either = udc
        .endpoints()
        .iter()
        .filter(|one| one.direction().is_none())
        .count();
    let either = match either {
        0 => String::new(),
        all if all == udc.endpoints().len() => format!(", each of either direction, {all} in all"),
        some => format!(", {some} of which serve either direction"),
    };
    say!(
        "{}: {}; {} IN and {} OUT endpoints{either}, {}",
        known.name(),
        known.boards(),
        count(Direction::In),
        count(Direction::Out),
        udc.fastest(),
    )?;
    for note in known.notes() {
        say!("  note: {note}")?;
    }
    if let Some(varies) = known.varies() {
        say!("  note: {varies}")?;
    }
    Ok(())
}

fn print_plan(plan: &Plan) -> std::io::Result<()> {
    for endpoint in &plan.endpoints {
        say!(
            "  {:<12} {:<15} {}  {} bytes",
            endpoint.function,
            format!(
                "{} {}",
                endpoint.transfer_type,
                endpoint.address.direction()
            ),
            format_args!("{:<10} {}", endpoint.controller_name, endpoint.address),
            endpoint.packet_size,
        )?;
    }
    match plan.control_limit {
        Some(limit) => say!(
            "  configuration of {} bytes; {limit} is the most",
            plan.configuration_bytes
        ),
        None => say!("  configuration of {} bytes", plan.configuration_bytes),
    }
}

/// The controller that is meant. Where it is not known, those that are known are printed.
fn controller(name: Option<&str>) -> Result<&'static KnownUdc> {
    let machine = MachineUdc::all().context("cannot read /sys/class/udc")?;
    let here = match name {
        Some(name) => machine.iter().find(|udc| udc.name() == name),
        None => machine
            .iter()
            .find(|udc| udc.known().is_some())
            .or(machine.first()),
    };
    let known = here
        .and_then(MachineUdc::known)
        .or_else(|| KnownUdc::find(name?));
    if let Some(known) = known {
        return Ok(known);
    }
    for known in KnownUdc::ALL {
        say!("{:<22} {}", known.name(), known.boards())?;
    }
    let driver = here.and_then(MachineUdc::driver);
    let driver = driver.map_or_else(String::new, |driver| format!(" (driver {driver})"));
    match name.or(here.map(MachineUdc::name)) {
        Some(name) => {
            bail!("nothing is known of a controller `{name}`{driver}: those above are known")
        }
        None => bail!("this machine has no device controller: say which one is meant with --udc"),
    }
}

fn name(kind: KindName) -> String {
    use clap::ValueEnum as _;
    let value = kind.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn of_kind(kind: KindName) -> Result<Arc<dyn Function>> {
    Ok(match kind {
        KindName::Keyboard => Keyboard::new(),
        KindName::Mouse => Mouse::new(),
        KindName::Tablet => Tablet::new(),
        KindName::Gamepad => Gamepad::new(),
        KindName::MediaKeys => ConsumerControl::new(),
        KindName::Disk => Disk::new(MemoryMedium::new(DISK_BYTES), DiskOptions::default())?,
        KindName::Audio => Audio::new(AudioOptions::default())?,
        KindName::SourceSink => SourceSink::new(SourceSinkOptions::default())?,
        KindName::Serial => described::serial(),
        KindName::Midi => described::midi(),
    })
}
