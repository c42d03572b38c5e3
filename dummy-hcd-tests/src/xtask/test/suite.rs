//! The suite in the VM: one program, whose tests run in several guests.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::guest::{self, PARTS, Part, SAFE};
use crate::args::TestOptions;
use crate::jobs::Job;
use crate::tally::{Tally, Tee};
use crate::{cargo, package, progress, selftests};

/// The program, ready to be run.
#[derive(Debug)]
pub(super) struct Suite {
    command: Vec<String>,
    /// Tests that cannot be on this kernel, by the beginning of their names.
    left_out: Option<&'static str>,
}

/// What needs the archive of [`package::build_by_dkms`].
const DKMS: &str = "package::";

/// Builds the program alone.
pub(crate) fn build_program() -> Result<String> {
    progress::say("building the suite for the VM");
    cargo::test_program("suite", "suite")
}

impl Suite {
    /// Builds it, and what it runs besides the command.
    pub(super) fn build(command: &str, kernel: &str) -> Result<Self> {
        let suite = build_program()?;
        // With a test of theirs cargo builds all of them.
        let example = cargo::test_program("demos", "composite_gadget")?;
        let examples = Path::new(&example)
            .parent()
            .context("it is in no directory")?;
        let selftests = selftests::build()?;
        let package = package::build()?;
        let archive = package::build_by_dkms(&package, kernel)?;
        let mut command = vec![
            "env".to_owned(),
            "USBFS2_WORLD=kernel".to_owned(),
            format!("USBFS2_COMMAND={command}"),
            format!("USBFS2_EXAMPLES={}", examples.display()),
            format!("USBFS2_SELFTESTS={}", selftests.display()),
            format!("USBFS2_PACKAGE={}", package.display()),
        ];
        let left_out = match archive {
            Some(archive) => {
                command.push(format!("USBFS2_DKMS_ARCHIVE={}", archive.display()));
                None
            }
            None => {
                progress::say(&format!(
                    "{DKMS} is left out: this machine's DKMS has no compiler for {kernel}"
                ));
                Some(DKMS)
            }
        };
        command.push(suite);
        Ok(Self { command, left_out })
    }

    /// Everything, in the order of [`PARTS`] behind the longest.
    pub(super) fn jobs<'a>(&'a self, tally: &'a Tally, options: &'a TestOptions) -> Vec<Job<'a>> {
        let job = |part: &'static Part, arguments| {
            let job = Job::new(part.name(), move || {
                self.run(tally, options, arguments, part);
            });
            job.patient(part.icount)
        };
        let others = PARTS.iter().map(|part| part.names).chain(self.left_out);
        let others = others.flat_map(|names| ["--skip", names]);
        let others = others.map(str::to_owned).collect();
        let named = PARTS.iter().filter(|part| part.is_for(&options.kernel));
        let named = named.map(|part| job(part, vec![part.names.to_owned()]));
        [job(&SAFE, others)].into_iter().chain(named).collect()
    }

    /// The tests that the filter selects.
    pub(super) fn run_selected(&self, tally: &Tally, options: &TestOptions) {
        let first = options.filter.first().map_or("", String::as_str);
        self.run(tally, options, options.filter.clone(), Part::of(first));
    }

    /// Runs the tests that `arguments` select, in a guest of their own.
    fn run(&self, tally: &Tally, options: &TestOptions, arguments: Vec<String>, part: &Part) {
        let tee = Tee::default();
        let command = [&self.command[..], &arguments].concat();
        // A guest that dies fails its suite; the counts so far and the checks stay worth showing.
        let succeeded = match guest::run(options, part, command, || Box::new(tee.clone())) {
            Ok(()) => true,
            Err(error) => {
                progress::say(&format!("{error:#}"));
                false
            }
        };
        let what = format!("the suite in the VM ({})", part.name());
        tally.count(&what, &tee.text(), succeeded);
    }
}
