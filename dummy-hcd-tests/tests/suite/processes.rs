//! Fork and exec with operations in flight.

use std::env;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::sys::{self, Context, Token};
use dummy_hcd_tests::{usbfs2, wait};
use usbfs2_host::{Buffer, Bulk, Direction, Endpoint, Host, In, TransferType};

use crate::runner::Test;
use crate::setup::{self, Plugged};
use crate::users::Helper;
use crate::vendor;

const DEPTH: u32 = 32;

/// The argument that makes this program one that executes another in the middle of transfers.
pub(crate) const EXEC: &str = "--exec-amid-transfers";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "processes::a_forked_child_that_closes_and_exits_leaves_the_operations_of_its_parent",
            a_child_that_closes,
        ),
        Test::new(
            "processes::a_child_that_execs_leaves_the_operations_of_its_parent",
            a_child_that_execs,
        ),
        Test::new(
            "processes::exec_cancels_the_operations_of_its_own_process",
            exec_cancels_its_own,
        ),
        Test::new(
            "processes::an_endpoint_is_of_no_use_to_a_forked_child_and_no_harm_to_its_parent",
            an_endpoint_in_a_child,
        ),
    ]
}

/// Reads that wait for messages, since the device has nothing to send.
struct Reads {
    context: Context,
    tokens: Vec<Token>,
}

impl Reads {
    fn start(plugged: &Plugged) -> Result<Self> {
        let file = Arc::new(plugged.interface.open_in()?);
        let mut context = Context::new(DEPTH)?;
        let tokens = (0..DEPTH).map(|_| context.read(&file, 0, 512));
        let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { context, tokens })
    }

    /// Each takes one message, in their order.
    fn take_messages(&mut self, plugged: &Plugged) -> Result<()> {
        ensure!(
            usbfs2::live_requests()? == u64::from(DEPTH),
            "a read was cancelled"
        );
        let mut out = plugged.interface.open_out()?;
        for (number, token) in (0_u8..).zip(&self.tokens) {
            io::Write::write_all(&mut out, &[number; 9])?;
            let one = self.context.wait(1, wait::DEADLINE)?.pop();
            let one = one.with_context(|| format!("read {number} did not complete"))?;
            ensure!(one.token == *token, "read {number} was overtaken");
            ensure!(
                one.buffer[..one.result?] == [number; 9],
                "read {number} got another message"
            );
        }
        Ok(())
    }
}

fn a_child_that_closes() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    for closes in [true, false] {
        let mut reads = Reads::start(&plugged)?;
        let status = sys::in_forked_child(|| {
            if closes {
                sys::close_all_files();
            }
            7
        })?;
        ensure!(status == 7, "the child ended with {status}");
        reads.take_messages(&plugged)?;
    }
    Ok(())
}

fn a_child_that_execs() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let claim = plugged.interface.claim()?;
    let mut reads = Reads::start(&plugged)?;
    let status = Command::new("true").status().context("run true")?;
    ensure!(status.success(), "true: {status}");
    // One that has a file of the claim, and an end of its own.
    let status = Command::new("cat")
        .stdin(claim.try_clone()?)
        .status()
        .context("run cat")?;
    ensure!(status.success(), "cat: {status}");
    reads.take_messages(&plugged)?;
    drop(reads);
    drop(claim);
    plugged.device.wait_driver(0, "usbtest")?;
    Ok(())
}

fn exec_cancels_its_own() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    for _ in 0..10 {
        let mut command = Command::new(env::current_exe()?);
        command.arg(EXEC).arg(plugged.interface.path());
        let mut helper = Helper::start(command)?;
        helper.expect("ready")?;
        ensure!(
            usbfs2::live_requests()? == u64::from(DEPTH),
            "the reads are not in flight"
        );
        helper.tell("exec")?;
        // What it executes repeats its input.
        helper.tell("still here")?;
        helper.expect("still here")?;
        usbfs2::wait_no_live_request()?;
        plugged.device.wait_driver(0, "usbtest")?;
        ensure!(helper.is_running()?, "process {} is gone", helper.id());
        helper.end()?;
    }
    Ok(())
}

/// The process that executes another: claims the interface, starts reads, and becomes `cat` when told.
pub(crate) fn exec(arguments: &[String]) -> ExitCode {
    let path = arguments.first().map(String::as_str).unwrap_or_default();
    if let Err(error) = exec_amid_reads(path) {
        println!("{error:#}");
    }
    ExitCode::FAILURE
}

fn exec_amid_reads(interface: &str) -> Result<()> {
    let interface = usbfs2::InterfaceFiles::at(interface);
    let _claim = interface.claim()?;
    let file = Arc::new(interface.open_in()?);
    let mut context = Context::new(DEPTH)?;
    for _ in 0..DEPTH {
        context.read(&file, 0, 4096)?;
    }
    println!("ready");
    // Byte by byte, since what follows is for `cat`.
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        rustix::io::read(io::stdin(), &mut byte)?;
        line.push(byte[0]);
    }
    ensure!(line == b"exec\n", "told {line:?}");
    bail!("cannot run cat: {}", Command::new("cat").exec())
}

fn an_endpoint_in_a_child() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let host = Host::usbfs2(usbfs2::MOUNT.as_ref())?;
    let interface = host.open(&plugged.device.name().into())?.claim(0)?;
    let address = vendor::address(&interface, Direction::In, TransferType::Bulk)?;
    let mut input: Endpoint<Bulk, In> = interface.endpoint(address)?;
    input.submit_all((0..DEPTH).map(|_| Buffer::with_capacity(512)));
    let status = sys::in_forked_child(|| {
        // Every call answers, none with data, and none waits for what is its parent's.
        let told = (0..DEPTH).all(|_| {
            let completion = input.wait(Some(Duration::from_secs(1)));
            completion.is_some_and(|completion| completion.status.is_err())
        });
        input.submit(Buffer::with_capacity(512));
        let refused = input.wait(Some(Duration::from_secs(1)));
        let refused = refused.is_some_and(|completion| completion.status.is_err());
        input.cancel_all();
        i32::from(told) + i32::from(refused)
    })?;
    ensure!(status == 2, "the child ended with {status}");
    ensure!(
        usbfs2::live_requests()? == u64::from(DEPTH),
        "a read was cancelled"
    );
    let address = vendor::address(&interface, Direction::Out, TransferType::Bulk)?;
    let mut output = interface.endpoint::<Bulk, usbfs2_host::Out>(address)?;
    for number in 0..u8::try_from(DEPTH)? {
        let message = Buffer::from(vec![number; 9]);
        output
            .transfer_blocking(message, wait::DEADLINE)
            .into_result()?;
        let received = input.wait(Some(wait::DEADLINE)).context("a read is lost")?;
        ensure!(
            received.into_result()?[..] == [number; 9],
            "read {number} got another message"
        );
    }
    Ok(())
}
