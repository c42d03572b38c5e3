//! Users without root's rights who were given an interface, and nothing else, by chown of its directory.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead as _};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::random::Random;
use dummy_hcd_tests::usbfs2::{self as files, DeviceFiles};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::functions::{Disk, Keyboard};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_host::{
    Buffer, Bulk, ClaimError, Device, DeviceId, Direction, Host, In, Interface, Interrupt, Out,
    SetupPacket, StringError, TransferError, TransferType,
};

use crate::command;
use crate::runner::Test;
use crate::users::{ALICE, BOB, Helper, Program};
use crate::vendor::{self, Vendor, request};
use crate::world::{Connected, KernelHost, World};

/// The argument that makes this program a driver of one interface.
pub(crate) const DRIVE: &str = "--drive-interface";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "delegation::two_users_drive_an_interface_each_and_a_killed_one_disturbs_no_other",
            two_users,
        ),
        Test::new(
            "delegation::the_command_serves_users_of_one_interface",
            the_command_serves,
        ),
        Test::new(
            "delegation::who_was_given_nothing_is_told_what_is_missing",
            who_was_given_nothing,
        ),
    ]
}

fn give(connected: &Connected, interface: u8, user: u32) -> Result<()> {
    let files = DeviceFiles::wait(connected.device.info().id().as_str())?;
    let directory = files.interface(interface);
    chown(directory.path(), Some(user), Some(user))
        .with_context(|| format!("give {} to {user}", directory.path().display()))
}

fn two_users() -> Result<()> {
    const ROUNDS: &str = "rounds 60";
    let gadget = World::gadget()
        .function(Vendor::new())
        .function(Vendor::new())
        .build()?;
    let connected = World::Kernel(KernelHost::Usbfs2).connect(&gadget)?;
    give(&connected, 0, ALICE)?;
    give(&connected, 1, BOB)?;
    let program = Program::copy_of(&env::current_exe()?)?;
    let start = |user, own: &str, other: &str| {
        let mut command = program.run_by(user);
        let id = connected.device.info().id().as_str();
        command.args([DRIVE, id, own, other]);
        Helper::start(command)
    };
    let mut alice = start(ALICE, "0", "1")?;
    let mut bob = start(BOB, "1", "0")?;
    alice.expect("ready")?;
    bob.expect("ready")?;
    alice.tell(ROUNDS)?;
    bob.tell(ROUNDS)?;
    alice.expect("under way")?;
    bob.expect("under way")?;
    alice.expect("done")?;
    bob.expect("done")?;
    // Both are in the middle of it when one is killed.
    alice.tell("rounds 1000000")?;
    bob.tell(ROUNDS)?;
    alice.expect("under way")?;
    bob.expect("under way")?;
    alice.kill()?;
    bob.expect("done")?;
    // What the killed one had is free again, and nobody else's.
    let mut alice = start(ALICE, "0", "1")?;
    alice.expect("ready")?;
    alice.tell(ROUNDS)?;
    bob.tell(ROUNDS)?;
    for helper in [&mut alice, &mut bob] {
        helper.expect("under way")?;
        helper.expect("done")?;
    }
    alice.end()?;
    bob.end()
}

/// The process of one user: drives its interface as it is told, until its input ends.
pub(crate) fn drive(arguments: &[String]) -> ExitCode {
    match drive_interface(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn drive_interface(arguments: &[String]) -> Result<()> {
    let [id, own, other] = arguments else {
        bail!("{DRIVE} DEVICE INTERFACE OTHER");
    };
    let (own, other) = (own.parse()?, other.parse()?);
    let host = Host::usbfs2(files::MOUNT.as_ref())?;
    let device = host.open(&DeviceId::new(id))?;
    let interface = device.claim(own)?;
    what_is_not_given_is_refused(&device, &interface, other)?;
    interface.set_alternate_setting(0)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let rounds: u32 = line.strip_prefix("rounds ").context("no rounds")?.parse()?;
        run_rounds(&interface, rounds)?;
        println!("done");
    }
    Ok(())
}

fn what_is_not_given_is_refused(device: &Device, interface: &Interface, other: u8) -> Result<()> {
    match device.claim(other) {
        Err(ClaimError::PermissionDenied { number, path })
            if number == other && path.ends_with(format!("1.{other}/driver")) => {}
        other => bail!("{other:?} for a claim of what belongs to somebody else"),
    }
    let refused = Err(TransferError::PermissionDenied);
    let status = device.control_in_blocking(SetupPacket::get_device_status(), DEADLINE);
    ensure!(status == refused, "{status:?} for a request to the device");
    let status = SetupPacket::get_interface_status(other);
    let status = interface.control_in_blocking(status, DEADLINE);
    ensure!(
        status == refused,
        "{status:?} for a request to another interface"
    );
    let string = device.string_blocking(1);
    ensure!(
        matches!(
            string,
            Err(StringError::Transfer(TransferError::PermissionDenied))
        ),
        "{string:?} for a string of the device"
    );
    ensure!(
        device.info().product() == Some("scenario"),
        "what sysfs tells everybody is missing"
    );
    Ok(())
}

/// Uses all there is of the interface: its ep00, both bulk endpoints and the interrupt endpoint.
fn run_rounds(interface: &Interface, rounds: u32) -> Result<()> {
    let number = interface.number();
    let address = |direction, kind| vendor::address(interface, direction, kind);
    let mut output =
        interface.endpoint::<Bulk, Out>(address(Direction::Out, TransferType::Bulk)?)?;
    let mut input = interface.endpoint::<Bulk, In>(address(Direction::In, TransferType::Bulk)?)?;
    let mut interrupt =
        interface.endpoint::<Interrupt, In>(address(Direction::In, TransferType::Interrupt)?)?;
    let mut random = Random::new(number.into());
    for round in 0..rounds {
        let mut message = vec![0; 1 + random.below(3000)];
        random.fill(&mut message);
        input.submit(Buffer::with_capacity(vendor::LONGEST + 1));
        let sent = output.transfer_blocking(Buffer::from(message.clone()), DEADLINE);
        sent.into_result()?;
        if message.len().is_multiple_of(output.max_packet_size()) {
            output
                .transfer_blocking(Buffer::new(), DEADLINE)
                .into_result()?;
        }
        let received = input.wait(Some(DEADLINE)).context("the echo is silent")?;
        ensure!(
            received.into_result()?[..] == message,
            "another message came back"
        );

        let stored = [number; 32];
        let store = request::out(request::STORE, round.to_le_bytes()[0].into(), number, 32);
        interface.control_out_blocking(store, &stored, DEADLINE)?;
        let load = request::input(request::LOAD, number, 255);
        let loaded = interface.control_in_blocking(load, DEADLINE)?;
        ensure!(loaded == stored, "{loaded:?} was stored by somebody else");

        let notify = request::out(request::NOTIFY, number.into(), number, 0);
        interface.control_out_blocking(notify, &[], DEADLINE)?;
        let notified = interrupt.transfer_blocking(Buffer::with_capacity(64), DEADLINE);
        ensure!(
            notified.into_result()?[..] == [number; vendor::NOTIFICATION],
            "another notification came"
        );
        if round == 0 {
            println!("under way");
        }
    }
    Ok(())
}

fn the_command_serves() -> Result<()> {
    let keyboard = Keyboard::new();
    let disk = Disk::new(MemoryMedium::new(1 << 20), DiskOptions::default())?;
    let gadget = World::gadget()
        .function(keyboard.clone())
        .function(disk)
        .build()?;
    let connected = World::Kernel(KernelHost::Usbfs2).connect(&gadget)?;
    let id = connected.device.info().id().as_str();
    give(&connected, 0, ALICE)?;
    give(&connected, 1, BOB)?;
    let program = Program::copy_of(Path::new(&command::program()?))?;
    for user in [ALICE, BOB] {
        let list = program.run_by(user).args(["list", "-v"]).output()?;
        let said = String::from_utf8_lossy(&list.stdout).into_owned();
        ensure!(
            list.status.success() && said.contains("scenario"),
            "list: {said}"
        );
    }
    let info = program
        .run_by(BOB)
        .args(["disk", "info", id, "--json"])
        .output()?;
    ensure!(
        info.status.success(),
        "disk info: {}",
        String::from_utf8_lossy(&info.stderr)
    );
    let info: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&info.stdout)?;
    ensure!(
        info.get("bytes") == Some(&(1 << 20).into()),
        "disk info: {info:?}"
    );

    let device = dummy_hcd_tests::device::SysfsDevice::wait(0)?;
    device.wait_driver(0, "usbhid")?;
    let monitor = program
        .run_by(ALICE)
        .args(["hid", "monitor", id, "--json", "--count", "2"])
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    device.wait_driver(0, "usbfs2")?;
    keyboard.type_text("a")?;
    let output = monitor.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success() && said.contains("\"a\""),
        "hid monitor: {said}"
    );
    // Each is refused what belongs to the other.
    let refused = program.run_by(ALICE).args(["disk", "info", id]).output()?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(
        !refused.status.success() && said.contains(&format!("{id}/1.1/driver")),
        "disk info of another's disk: {said}"
    );
    Ok(())
}

fn who_was_given_nothing() -> Result<()> {
    let gadget = World::gadget().function(Keyboard::new()).build()?;
    let connected = World::Kernel(KernelHost::Usbfs2).connect(&gadget)?;
    let id = connected.device.info().id().as_str();
    let program = Program::copy_of(Path::new(&command::program()?))?;
    let refused = program
        .run_by(ALICE)
        .args(["hid", "monitor", id])
        .output()?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(
        !refused.status.success() && said.contains(&format!("{id}/ep00")) && said.contains("chown"),
        "hid monitor by a user who was given nothing: {said}"
    );
    Ok(())
}
