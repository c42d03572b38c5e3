//! Runs tests, each in a process of its own.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::composite::KernelGadget;
use dummy_hcd_tests::{descendants, kernel_log, usbfs2, wait};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::audio::{Duplex, OurHost, SourceSink};
use crate::controllers::{Bench, Case, Controller};
use crate::scenarios::Scenario;
use crate::selftests;
use crate::world::{KernelHost, World};

/// The argument that makes this program one test's process.
pub(crate) const ONE: &str = "--run-one";

/// Begins a line of a test's output that is shown when it passes, too.
pub(crate) const FIGURE: &str = "figure: ";

/// One test.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    name: Cow<'static, str>,
    body: Body,
    deadline: Duration,
    is_at_super_speed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Kernel(fn() -> Result<()>),
    Scenario(KernelHost, Scenario),
    Controller(Controller, KernelHost, Case),
    CompositeScenario(KernelHost, Scenario),
    Duplex(Duplex),
    SourceSink(SourceSink),
    OurHost(OurHost),
    Selftest(&'static str),
}

impl Test {
    /// A test that takes seconds.
    pub(crate) const fn new(name: &'static str, run: fn() -> Result<()>) -> Self {
        Self {
            name: Cow::Borrowed(name),
            body: Body::Kernel(run),
            deadline: Duration::from_secs(90),
            is_at_super_speed: false,
        }
    }

    /// A test of many rounds, or of programs that take their time.
    pub(crate) const fn long(name: &'static str, run: fn() -> Result<()>) -> Self {
        Self {
            name: Cow::Borrowed(name),
            body: Body::Kernel(run),
            deadline: Duration::from_secs(600),
            is_at_super_speed: false,
        }
    }

    /// A scenario, seen by one of the kernel's hosts.
    pub(crate) fn scenario(host: KernelHost, name: &str, run: Scenario) -> Self {
        Self {
            name: Cow::Owned(format!("{}::{name}", host.name())),
            body: Body::Scenario(host, run),
            deadline: Duration::from_secs(120),
            is_at_super_speed: false,
        }
    }

    /// A scenario that needs isochronous transfers.
    pub(crate) fn isochronous_scenario(name: &str, run: Scenario) -> Self {
        let name = name.strip_prefix("audio::").unwrap_or(name);
        Self {
            deadline: Duration::from_secs(600),
            ..Self::isochronous(
                format!("audio::usbfs2::{name}"),
                Body::Scenario(KernelHost::Usbfs2, run),
            )
        }
    }

    /// The same where the gadget is in a composite, on FunctionFS.
    pub(crate) fn isochronous_composite(name: &str, run: Scenario) -> Self {
        let body = Body::CompositeScenario(KernelHost::Usbfs2, run);
        Self::isochronous(format!("audio::functionfs::{name}"), body)
    }

    /// A scenario whose firmware needs isochronous endpoints.
    pub(crate) fn isochronous_firmware(name: &str, run: Scenario) -> Self {
        let body = Body::Scenario(KernelHost::Usbfs2, run);
        Self::isochronous(format!("audio::{name}"), body)
    }

    /// A scenario whose gadget is in a composite, on FunctionFS.
    pub(crate) fn composite_scenario(host: KernelHost, name: &str, run: Scenario) -> Self {
        Self {
            name: Cow::Owned(format!("functionfs::{}::{name}", host.name())),
            body: Body::CompositeScenario(host, run),
            deadline: Duration::from_secs(120),
            is_at_super_speed: false,
        }
    }

    /// Sound between the kernel's own ends.
    pub(crate) fn duplex(name: String, case: Duplex) -> Self {
        Self::isochronous(name, Body::Duplex(case))
    }

    /// `usbtest` on SourceSink.
    pub(crate) fn source_sink(name: String, case: SourceSink) -> Self {
        Self::isochronous(name, Body::SourceSink(case))
    }

    /// Our class driver on the kernel's audio functions.
    pub(crate) fn our_host(name: String, case: OurHost) -> Self {
        Self::isochronous(name, Body::OurHost(case))
    }

    /// A program of the module's selftests.
    pub(crate) fn selftest(topic: &str, program: &'static str) -> Self {
        Self {
            name: Cow::Owned(format!("{topic}::{program}")),
            body: Body::Selftest(program),
            deadline: Duration::from_secs(120),
            is_at_super_speed: false,
        }
    }

    fn isochronous(name: String, body: Body) -> Self {
        Self {
            is_at_super_speed: name.starts_with("super_iso::"),
            name: Cow::Owned(name),
            body,
            deadline: Duration::from_secs(300),
        }
    }

    /// The same test on a bus that runs at super speed.
    pub(crate) fn at_super_speed(self) -> Self {
        Self {
            name: Cow::Owned(format!("super::{}", self.name)),
            is_at_super_speed: true,
            ..self
        }
    }

    /// A test on one of QEMU's controllers, seen by one of the kernel's hosts.
    pub(crate) fn on(controller: Controller, host: KernelHost, name: &str, run: Case) -> Self {
        Self {
            name: Cow::Owned(format!(
                "controllers::{}::{}::{name}",
                controller.name(),
                host.name()
            )),
            body: Body::Controller(controller, host, run),
            deadline: Duration::from_secs(300),
            is_at_super_speed: false,
        }
    }

    fn run(&self) -> Result<()> {
        if self.is_at_super_speed {
            let speed = fs::read_to_string("/sys/class/udc/dummy_udc.0/maximum_speed")?;
            let speed = speed.trim();
            ensure!(
                speed == "super-speed",
                "the bus runs at {speed}: run this test with cargo xtask vm --speed super"
            );
        }
        match self.body {
            Body::Kernel(run) => run(),
            Body::Scenario(host, run) => run(&World::Kernel(host)),
            Body::Controller(controller, host, run) => run(&Bench::new(controller, host)?),
            Body::Duplex(case) => case.run(),
            Body::SourceSink(case) => case.run(),
            Body::OurHost(case) => case.run(),
            Body::Selftest(program) => selftests::run(program),
            Body::CompositeScenario(host, run) => run(&World::Composite(host)),
        }
    }
}

/// True where `cargo xtask test` has set the kernel's world up.
pub(crate) fn in_vm() -> bool {
    env::var_os("USBFS2_WORLD").is_some_and(|world| world == "kernel")
}

/// Runs what the command line selects of the tests that need no kernel.
pub(crate) fn run_on_loopback(trials: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Runs what the command line selects in the VM.
pub(crate) fn run_all(tests: Vec<Test>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Tests share the buses and the kernel's log.
    arguments.test_threads = Some(1);
    let trials = tests
        .into_iter()
        .map(|test| Trial::test(test.name.clone(), move || report(&test, supervise(&test))))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The test's own process.
pub(crate) fn run_one(name: &str, tests: Vec<Test>) -> ExitCode {
    let Some(test) = tests.iter().find(|test| test.name == name) else {
        eprintln!("there is no test {name}");
        return ExitCode::FAILURE;
    };
    match test.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Shows a failure at once, too: a guest that dies later takes the summary with it.
fn report(test: &Test, result: Result<()>) -> Result<(), Failed> {
    result.map_err(|error| {
        eprintln!("\n---- {} ----\n{error:#}", test.name);
        Failed::from(format!("{error:#}"))
    })
}

fn supervise(test: &Test) -> Result<()> {
    remove_leftovers()?;
    let logged = kernel_log::position().context("read /dev/kmsg")?;
    let [mut output, mut errors] = [tempfile::tempfile()?, tempfile::tempfile()?];
    let since = Instant::now();
    let deadline = test.deadline * wait::patience();
    let mut child = Command::new(env::current_exe()?)
        .args([ONE, &test.name])
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(errors.try_clone()?)
        .spawn()
        .context("start the test")?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if since.elapsed() > deadline {
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let stacks = status.is_none().then(|| stacks(child.id()));
    if status.is_none() {
        // A gadget it ran would be in the way of every test that follows.
        descendants::kill(child.id());
        child.kill()?;
        // Not waited for: a process that hangs in the kernel does not end.
    }
    let output = text(&mut output)?;
    // Where only the beginning is shown, it is the reason.
    let said = text(&mut errors)? + &output;
    match status {
        Some(status) if status.success() => {
            let figures = output.lines().filter_map(|line| line.strip_prefix(FIGURE));
            figures.for_each(|figure| println!("{figure}"));
        }
        Some(status) => bail!("{status}\n{said}"),
        None => bail!(
            "hung for {} s\n{said}{}",
            deadline.as_secs(),
            stacks.unwrap_or_default()
        ),
    }
    remove_leftovers()?;
    // What must hold after every test.
    let trouble = kernel_log::trouble_since(logged).context("read /dev/kmsg")?;
    ensure!(
        trouble.is_empty(),
        "the kernel reported:\n{}\n{said}",
        trouble.join("\n")
    );
    usbfs2::wait_no_live_request()?;
    Ok(())
}

/// All that was written to a file.
fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Removes gadgets that a test which was killed has left.
fn remove_leftovers() -> Result<()> {
    KernelGadget::remove_leftovers()?;
    usb_gadget::remove_all().context("remove the gadgets of a test before")
}

/// Where the threads of a process are in the kernel.
fn stacks(process: u32) -> String {
    let mut text = String::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let stack = fs::read_to_string(thread.path().join("stack")).unwrap_or_default();
        text.push_str(&format!(
            "thread {}:\n{stack}",
            thread.file_name().to_string_lossy()
        ));
    }
    text
}
