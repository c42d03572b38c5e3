//! What a verification alters is put back, however the check ended.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::scsi::{Medium, MemoryMedium};
use usbfs2_gadget::{DeviceIds, Gadget, Speed};
use usbfs2_host::Host;
use usbfs2_loopback::Bus;
use usbfs2_verifier::{BusPort, Options, Outcome, Report, verify};

const BYTES: usize = 1 << 16;
const WRITTEN: &str = "WRITE: what is written is read";

/// How often the gadget tries a command that fails: as a whole, and by block.
const ACCESSES: u32 = 2;

/// Fails one READ when other bytes than before have been written, and then this many WRITEs.
#[derive(Debug)]
struct Failing {
    memory: MemoryMedium,
    reads: AtomicU32,
    writes: AtomicU32,
    writes_after_read: u32,
    is_new: Mutex<bool>,
}

impl Failing {
    fn new(writes_after_read: u32) -> Arc<Self> {
        let memory = MemoryMedium::new(BYTES as u64);
        memory.write_at(0, &content()).unwrap();
        Arc::new(Self {
            memory,
            reads: AtomicU32::new(0),
            writes: AtomicU32::new(0),
            writes_after_read,
            is_new: Mutex::new(true),
        })
    }

    fn everything(&self) -> Vec<u8> {
        let mut bytes = vec![0; BYTES];
        self.memory.read_at(0, &mut bytes).unwrap();
        bytes
    }
}

fn content() -> Vec<u8> {
    (0..BYTES).map(|at| (at / 7) as u8).collect()
}

/// Takes one from a count, where there is one to take.
fn take(count: &AtomicU32) -> bool {
    let taken = count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    });
    taken.is_ok()
}

impl Medium for Failing {
    fn size_bytes(&self) -> u64 {
        self.memory.size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if take(&self.reads) {
            self.writes
                .store(ACCESSES * self.writes_after_read, Ordering::SeqCst);
            return Err(io::Error::other("a read that fails"));
        }
        self.memory.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if take(&self.writes) {
            return Err(io::Error::other("a write that fails"));
        }
        let mut before = vec![0; data.len()];
        self.memory.read_at(offset, &mut before)?;
        let mut is_new = self.is_new.lock().unwrap();
        if before != data && *is_new {
            *is_new = false;
            self.reads.store(ACCESSES, Ordering::SeqCst);
        }
        self.memory.write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn run(medium: Arc<Failing>) -> Report {
    let ids = DeviceIds {
        vendor: 0x1209,
        product: 0x0001,
        release: 0x0100,
    };
    let disk = Disk::new(medium, DiskOptions::default()).unwrap();
    let gadget = Gadget::builder(ids)
        .serial_number("0123456789AB")
        .function(disk)
        .build()
        .unwrap();
    let bus = Bus::new();
    let running = gadget.start_on(&bus, Speed::High).unwrap();
    let host = Host::on(&bus);
    let id = host.devices().unwrap()[0].id().clone();
    let port = BusPort::new(&bus, running.port_name()).unwrap();
    let options = Options {
        mass_storage: true,
        allow_writes: true,
        rounds: 1,
        ..Options::default()
    };
    verify(&host, &id, &port, &options, |_| ()).unwrap()
}

/// Of the check that writes other bytes: what was expected.
fn expected(report: &Report) -> &str {
    assert_eq!(report.failures().count(), 1, "{report:#?}");
    match &report.result(WRITTEN).unwrap().outcome {
        Outcome::Failed { expected, .. } => expected,
        other => panic!("{other}"),
    }
}

#[test]
fn a_disk_that_fails_while_other_bytes_are_on_it_gets_its_own_back() {
    for failing_writes in [0, 1] {
        let medium = Failing::new(failing_writes);
        let report = run(Arc::clone(&medium));
        assert_eq!(expected(&report), "READ of 2 blocks to pass");
        assert!(medium.everything() == content(), "the disk is altered");
    }
}

#[test]
fn a_disk_that_does_not_take_its_own_bytes_back_fails_for_that() {
    // The writes of both attempts; those of the next check pass.
    let medium = Failing::new(2);
    let report = run(Arc::clone(&medium));
    let last = BYTES / 512 - 1;
    assert_eq!(
        expected(&report),
        format!("blocks {} and {last} to be put back", last - 1)
    );
}
