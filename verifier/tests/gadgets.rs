//! Every gadget function of this project passes every check that its device has something to show for, on the
//! in-process bus at full, high and super speed.

use std::sync::Arc;

use usbfs2_gadget::functions::audio::AudioOptions;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::functions::source_sink::{BulkOptions, IsochronousOptions, SourceSinkOptions};
use usbfs2_gadget::functions::{
    Audio, ConsumerControl, Gamepad, Keyboard, Loopback, Mouse, SourceSink, Tablet,
};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{DeviceIds, Function, Gadget, GadgetBuilder, Speed};
use usbfs2_host::Host;
use usbfs2_loopback::Bus;
use usbfs2_verifier::{BusPort, Options, Outcome, Report, verify};

const IDS: DeviceIds = DeviceIds {
    vendor: 0x1209,
    product: 0x0001,
    release: 0x0100,
};

fn builder(functions: Vec<Arc<dyn Function>>) -> GadgetBuilder {
    let builder = Gadget::builder(IDS)
        .manufacturer("usbfs2")
        .product("verified")
        .serial_number("0123456789AB");
    functions.into_iter().fold(builder, GadgetBuilder::function)
}

fn disk() -> Arc<Disk> {
    Disk::new(MemoryMedium::new(1 << 20), DiskOptions::default()).unwrap()
}

fn card() -> Arc<Audio> {
    Audio::new(AudioOptions::default()).unwrap()
}

fn run(gadget: &Gadget, speed: Speed, options: &Options) -> Report {
    let bus = Bus::new();
    let running = gadget.start_on(&bus, speed).unwrap();
    let host = Host::on(&bus);
    let id = host.devices().unwrap()[0].id().clone();
    let port = BusPort::new(&bus, running.port_name()).unwrap();
    verify(&host, &id, &port, options, |_| ()).unwrap()
}

fn passes(gadget: &Gadget, speed: Speed, options: &Options) -> Report {
    let report = run(gadget, speed, options);
    let unexpected = report
        .results
        .iter()
        .filter(|result| !matches!(result.outcome, Outcome::Passed | Outcome::NotApplicable(_)));
    let unexpected: Vec<String> = unexpected
        .map(|result| format!("{}: {}", result.name, result.outcome))
        .collect();
    assert!(unexpected.is_empty(), "at {speed}: {unexpected:#?}");
    report
}

fn passes_at_every_speed(functions: fn() -> Vec<Arc<dyn Function>>) {
    for speed in [Speed::Full, Speed::High, Speed::Super] {
        let gadget = builder(functions()).build().unwrap();
        let report = passes(&gadget, speed, &Options::default());
        assert!(report.counts().passed > 50, "{:?}", report.counts());
    }
}

#[test]
fn keyboard() {
    passes_at_every_speed(|| vec![Keyboard::new()]);
}

#[test]
fn mouse() {
    passes_at_every_speed(|| vec![Mouse::new()]);
}

#[test]
fn tablet() {
    passes_at_every_speed(|| vec![Tablet::new()]);
}

#[test]
fn gamepad() {
    passes_at_every_speed(|| vec![Gamepad::new()]);
}

#[test]
fn consumer_control() {
    passes_at_every_speed(|| vec![ConsumerControl::new()]);
}

#[test]
fn source_sink() {
    passes_at_every_speed(|| vec![SourceSink::new(SourceSinkOptions::default()).unwrap()]);
}

#[test]
fn source_sink_with_both_settings() {
    passes_at_every_speed(|| {
        let options = SourceSinkOptions {
            isochronous: Some(IsochronousOptions::default()),
            ..SourceSinkOptions::default()
        };
        vec![SourceSink::new(options).unwrap()]
    });
}

#[test]
fn loopback() {
    passes_at_every_speed(|| vec![Loopback::new(BulkOptions::default()).unwrap()]);
}

#[test]
fn sound_card() {
    passes_at_every_speed(|| vec![card()]);
}

/// The most that a disk is put to.
fn with_writes() -> Options {
    Options {
        mass_storage: true,
        allow_writes: true,
        ..Options::default()
    }
}

#[test]
fn disk_with_all_commands() {
    for speed in [Speed::Full, Speed::High, Speed::Super] {
        let gadget = builder(vec![disk()]).build().unwrap();
        let report = passes(&gadget, speed, &with_writes());
        assert!(report.counts().passed > 85, "{:?}", report.counts());
    }
}

#[test]
fn a_disk_is_not_written_to_unless_that_is_allowed() {
    let gadget = builder(vec![disk()]).build().unwrap();
    let options = Options {
        allow_writes: false,
        ..with_writes()
    };
    let report = run(&gadget, Speed::High, &options);
    assert_eq!(report.failures().count(), 0);
    let unasked = report.results.iter();
    let unasked = unasked.filter(|one| matches!(one.outcome, Outcome::NotPossible(_)));
    assert_eq!(unasked.count(), 7);
}

#[test]
fn a_write_protected_disk_and_one_without_a_medium_have_less_to_show() {
    let options = DiskOptions {
        read_only: true,
        ..DiskOptions::default()
    };
    let disk = Disk::new(MemoryMedium::new(1 << 20), options).unwrap();
    let gadget = builder(vec![disk]).build().unwrap();
    let report = passes(&gadget, Speed::High, &with_writes());
    let write = report.result("WRITE: what is written is read").unwrap();
    assert_eq!(
        write.outcome,
        Outcome::NotApplicable("the disk is write-protected".to_owned())
    );

    let options = DiskOptions {
        removable: true,
        ..DiskOptions::default()
    };
    let disk = Disk::new(MemoryMedium::new(1 << 20), options).unwrap();
    disk.unit(0).unwrap().eject().unwrap();
    let gadget = builder(vec![disk]).build().unwrap();
    let report = passes(&gadget, Speed::High, &with_writes());
    let read = report.result("READ CAPACITY").unwrap();
    assert!(
        matches!(read.outcome, Outcome::NotApplicable(_)),
        "{read:?}"
    );
}

#[test]
fn composite_of_all() {
    passes_at_every_speed(|| vec![Keyboard::new(), disk(), Mouse::new(), card()]);
}

#[test]
fn remote_wakeup_is_set_and_cleared() {
    let gadget = builder(vec![Keyboard::new()])
        .remote_wakeup(true)
        .build()
        .unwrap();
    let report = passes(&gadget, Speed::High, &Options::default());
    let result = report.result("remote wake-up is set and cleared").unwrap();
    assert_eq!(result.outcome, Outcome::Passed);
}
