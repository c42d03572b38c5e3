//! The tests of the whole stack.
//!
//! `cargo test` runs the scenarios, our host on our gadgets, on the in-process bus.
//!
//! In the VM (`USBFS2_WORLD=kernel`, set by `cargo xtask test`) every test runs in a process of its own,
//! one at a time, with a deadline: a test that hangs in the kernel costs itself and not the rest.

mod armed;
mod audio;
mod bad_input;
mod claims;
mod command;
mod composition;
mod controllers;
mod delegation;
mod disk_files;
mod endpoint_files;
mod events;
mod failslab;
mod faults;
mod firmware;
mod follow;
mod functionfs;
mod gadget_runs;
mod halts;
mod held;
mod hotplug;
mod in_flight;
mod io_uring;
mod kernel_disks;
mod kernel_drivers;
mod kernel_functions;
mod kernel_hid;
mod limits;
mod many_devices;
mod mapped;
mod mount;
mod package;
mod packets;
mod peers;
mod power;
mod processes;
mod recovery;
mod resets;
mod ring;
mod runner;
mod sandbox;
mod scenarios;
mod selftests;
mod settings;
mod setup;
mod survival;
mod switching;
mod test_class;
mod transfers;
mod unload;
mod uring;
mod usbtest;
mod users;
mod vendor;
mod verify;
mod world;

use std::process::ExitCode;

use scenarios::Scenario;
use world::KernelHost;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(runner::ONE) => runner::run_one(&arguments.next().unwrap_or_default(), kernel_tests()),
        Some(faults::HOLD_RING) => faults::hold_ring(&arguments.collect::<Vec<_>>()),
        Some(faults::HOLD) => faults::hold(&arguments.collect::<Vec<_>>()),
        Some(packets::HOLD) => packets::hold(&arguments.collect::<Vec<_>>()),
        Some(delegation::DRIVE) => delegation::drive(&arguments.collect::<Vec<_>>()),
        Some(hotplug::WATCH) => hotplug::watch(),
        Some(processes::EXEC) => processes::exec(&arguments.collect::<Vec<_>>()),
        Some(functionfs::HOLD) => functionfs::hold(&arguments.collect::<Vec<_>>()),
        Some(limits::READ) => limits::read_a_lot(&arguments.collect::<Vec<_>>()),
        Some(usbtest::REPORT) => usbtest::report(),
        Some(follow::STREAM) => follow::stream(&arguments.collect::<Vec<_>>()),
        Some(io_uring::HOLD) => io_uring::hold(&arguments.collect::<Vec<_>>()),
        Some(uring::HOLD) => uring::hold(&arguments.collect::<Vec<_>>()),
        _ if runner::in_vm() => runner::run_all(kernel_tests()),
        _ => runner::run_on_loopback(scenarios::on_loopback()),
    }
}

/// The tests that need the module and `dummy_hcd` or QEMU's controllers, and the scenarios over them.
fn kernel_tests() -> Vec<runner::Test> {
    let mut tests = Vec::new();
    for host in KernelHost::ALL {
        let scenarios = scenarios::everywhere().into_iter();
        tests.extend(scenarios.map(|(name, run)| runner::Test::scenario(host, name, run)));
        tests.extend(on_functionfs(host, functionfs::scenarios()));
        tests.extend(on_functionfs(host, scenarios::composite::scenarios()));
    }
    for topic in [
        endpoint_files::tests(),
        bad_input::tests(),
        kernel_functions::tests(),
        kernel_drivers::tests(),
        kernel_hid::tests(),
        kernel_disks::tests(),
        command::tests(),
        gadget_runs::tests(),
        survival::tests(),
        disk_files::tests(),
        transfers::tests(),
        claims::tests(),
        mount::tests(),
        recovery::tests(),
        armed::tests(),
        switching::tests(),
        resets::tests(),
        in_flight::tests(),
        limits::tests(),
        mapped::tests(),
        ring::tests(),
        follow::tests(),
        io_uring::tests(),
        uring::tests(),
        events::tests(),
        settings::tests(),
        power::tests(),
        processes::tests(),
        halts::tests(),
        delegation::tests(),
        peers::tests(),
        hotplug::tests(),
        many_devices::tests(),
        faults::tests(),
        failslab::tests(),
        controllers::tests(),
        audio::tests(),
        usbtest::tests(),
        firmware::tests(),
        test_class::tests(),
        verify::tests(),
        selftests::tests(),
        sandbox::tests(),
        package::tests(),
        unload::tests(),
    ] {
        tests.extend(topic);
    }
    let at_super_speed = super_speed_tests().into_iter();
    tests.extend(at_super_speed.map(runner::Test::at_super_speed));
    tests
}

/// Scenarios whose gadgets are on FunctionFS, in a composite.
fn on_functionfs(host: KernelHost, scenarios: Vec<(&str, Scenario)>) -> Vec<runner::Test> {
    let scenarios = scenarios.into_iter();
    scenarios
        .map(|(name, run)| runner::Test::composite_scenario(host, name, run))
        .collect()
}

/// What also runs at super speed, which gadgetfs does not have: so the gadgets are on FunctionFS.
fn super_speed_tests() -> Vec<runner::Test> {
    let both = KernelHost::ALL.into_iter();
    [
        on_functionfs(KernelHost::Usbfs2, scenarios::at_every_speed()),
        both.flat_map(|host| on_functionfs(host, functionfs::scenarios()))
            .collect(),
        kernel_functions::at_every_speed(),
        transfers::tests(),
        recovery::tests(),
    ]
    .concat()
}
