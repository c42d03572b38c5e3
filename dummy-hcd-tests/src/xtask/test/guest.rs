//! The guests of the tests.

use std::io;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::args::{BusSpeed, Controller, DEFAULT_CPUS, TestOptions, VmOptions};
use crate::{kernel, progress, vm};

/// The tests of the suite that run in a guest of their own.
#[derive(Debug)]
pub(super) struct Part {
    /// Their names begin with this; none: all that are in no other part.
    pub(super) names: &'static str,
    cpus: u8,
    controllers: &'static [Controller],
    speed: BusSpeed,
    isochronous: bool,
    pub(super) icount: bool,
    /// There on the debug kernel alone.
    debug: bool,
}

impl Part {
    /// What to call it.
    pub(super) fn name(&self) -> &'static str {
        match self.names {
            "" => "suite",
            names => names.trim_end_matches(':'),
        }
    }

    /// What only ends a guest that hangs.
    fn deadline(&self) -> Duration {
        // One that counts instructions lets the others go first.
        let minutes = if self.icount { 60 } else { 30 };
        Duration::from_secs(60 * minutes)
    }

    /// Whether its tests are there on this kernel.
    pub(super) fn is_for(&self, kernel: &str) -> bool {
        !self.debug || kernel == kernel::DEBUG
    }

    /// The part that a test is in.
    pub(super) fn of(test: &str) -> &'static Self {
        let part = PARTS.iter().find(|part| test.starts_with(part.names));
        part.unwrap_or(&SAFE)
    }
}

/// What also puts this project's gadgets on `dummy_hcd`; see [`DEFAULT_CPUS`].
pub(super) const SAFE: Part = Part {
    names: "",
    cpus: DEFAULT_CPUS,
    controllers: &[],
    speed: BusSpeed::High,
    isochronous: false,
    icount: false,
    debug: false,
};
/// The same where `dummy_hcd` runs at super speed.
const SUPER_SPEED: Part = Part {
    names: "super::",
    speed: BusSpeed::Super,
    ..SAFE
};
/// Where the module races against the kernel's own gadgets.
const RACES: Part = Part {
    names: "faults::",
    cpus: RACING_CPUS,
    isochronous: true,
    ..SAFE
};
/// Where it drives controllers that are on a PCI bus and reach memory by themselves.
const CONTROLLERS: Part = Part {
    names: "controllers::",
    cpus: RACING_CPUS,
    controllers: &Controller::ALL,
    ..SAFE
};
/// What needs isochronous transfers on `dummy_hcd`. Sound has deadlines: where time is counted in instructions,
/// whoever meets them does so whatever else the machine does, and a run repeats.
pub(super) const AUDIO: Part = Part {
    names: "audio::",
    isochronous: true,
    icount: true,
    ..SAFE
};
/// The same where `dummy_hcd` runs at super speed.
const SUPER_ISOCHRONOUS: Part = Part {
    names: "super_iso::",
    speed: BusSpeed::Super,
    ..AUDIO
};
/// Where memory is short. What a test breaks there must not spoil the others.
const SHORT_OF_MEMORY: Part = Part {
    names: "failslab::",
    debug: true,
    ..SAFE
};
const RACING_CPUS: u8 = 2;
/// The ones with names of their own, the longest first.
pub(super) const PARTS: [Part; 6] = [
    CONTROLLERS,
    RACES,
    AUDIO,
    SUPER_SPEED,
    SUPER_ISOCHRONOUS,
    SHORT_OF_MEMORY,
];

/// Runs a command in a guest as this part wants it, and fails unless the command succeeds.
pub(super) fn run(
    options: &TestOptions,
    part: &Part,
    command: Vec<String>,
    sink: impl Fn() -> Box<dyn io::Write + Send>,
) -> Result<()> {
    let options = VmOptions {
        kernel: options.kernel.clone(),
        cpus: part.cpus,
        controllers: part.controllers.to_vec(),
        speed: part.speed,
        isochronous: part.isochronous,
        icount: part.icount,
        deadline: part.deadline(),
        command,
        ..VmOptions::default()
    };
    let mut result = vm::run_with(&options, sink());
    // The emulator is known to crash a kernel that patches itself at boot; nothing of ours has run then.
    if let Err(error) = &result
        && error.is::<vm::DiedWhileBooting>()
    {
        progress::say(&format!("{error}\ntrying once more"));
        result = vm::run_with(&options, sink());
    }
    let status = result?;
    ensure!(status == 0, "exit status {status}");
    Ok(())
}
