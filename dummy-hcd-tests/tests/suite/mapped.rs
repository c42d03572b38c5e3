//! Transfers whose memory is mapped from an endpoint file.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use anyhow::{Result, ensure};
use dummy_hcd_tests::random::Random;
use dummy_hcd_tests::sys::mapped::{Mapping, RING_OFFSET, Ring};
use dummy_hcd_tests::sys::{self, Context};
use dummy_hcd_tests::{usbfs2, wait};

use crate::runner::Test;
use crate::setup::{self, expect_errno};

const PAGE: usize = 4096;
/// Of the loopback's buffers: a write up to this comes back as one transfer.
const MESSAGE: usize = 4096;
const FILL: u8 = 0xa5;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "mapped::reads_fill_what_was_asked_for_and_nothing_besides",
            reads_fill_what_was_asked_for,
        ),
        Test::new(
            "mapped::messages_come_back_as_they_were",
            messages_come_back,
        ),
        Test::new(
            "mapped::unmapping_leaves_transfers_in_flight_alone",
            unmapping_in_flight,
        ),
        Test::new(
            "mapped::a_forked_child_that_inherits_it_can_read_into_it",
            a_forked_child,
        ),
        Test::new(
            "mapped::memory_of_another_file_s_mapping_is_memory",
            memory_of_another_file,
        ),
        Test::new(
            "mapped::what_mmap_refuses_and_what_a_mapping_does_not_let_be_done",
            refusals,
        ),
        Test::new(
            "mapped::a_mapping_outlives_its_file_and_its_device",
            outlives_its_file,
        ),
    ]
}

/// What the source sends: each byte its offset in its packet of 512 bytes, modulo 63.
fn is_pattern(bytes: &[u8]) -> bool {
    let mut offsets = 0_usize..;
    bytes
        .iter()
        .all(|byte| usize::from(*byte) == offsets.next().unwrap_or(0) % 512 % 63)
}

fn reads_fill_what_was_asked_for() -> Result<()> {
    const LENGTH: usize = 300 * PAGE;
    let plugged = setup::source_sink()?;
    let file = Arc::new(plugged.interface.open_both(true)?);
    let memory = Mapping::new(&file, 0, LENGTH)?;
    ensure!(
        memory.get(0, LENGTH).iter().all(|byte| *byte == 0),
        "new memory is not zero"
    );
    let mut context = Context::new(1)?;
    for (at, length) in [
        (0, 512),
        (PAGE, PAGE),
        (3, 512),
        (PAGE - 7, 1024),
        (5 * PAGE + 100, 64 << 10),
        (PAGE, 1 << 20),
        (LENGTH - 512, 512),
    ] {
        for later in [false, true] {
            memory.put(0, &[FILL; LENGTH]);
            let moved = if later {
                context.read_mapped(&file, &memory, at, length)?;
                let one = context.wait(1, wait::DEADLINE)?.pop();
                one.map_or(Ok(0), |one| one.result)?
            } else {
                memory.read(&file, at, length)?
            };
            ensure!(moved == length, "{moved} of {length} bytes at {at}");
            ensure!(
                is_pattern(&memory.get(at, length)),
                "{length} bytes at {at} are not what the device sent"
            );
            let around = [
                memory.get(0, at),
                memory.get(at + length, LENGTH - at - length),
            ];
            ensure!(
                around.iter().flatten().all(|byte| *byte == FILL),
                "something beside {length} bytes at {at} was written"
            );
        }
    }
    Ok(())
}

fn messages_come_back() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let (input, out) = (
        plugged.interface.open_both(true)?,
        plugged.interface.open_both(false)?,
    );
    let (sent, received) = (
        Mapping::new(&out, 0, 16 * PAGE)?,
        Mapping::new(&input, 0, 16 * PAGE)?,
    );
    let mut random = Random::new(6);
    for round in 0..64 {
        let length = match round {
            0 => 0,
            1 => MESSAGE,
            _ => random.below(MESSAGE + 1),
        };
        let from = random.below(15 * PAGE);
        let to = random.below(15 * PAGE);
        let mut bytes = vec![0; length];
        random.fill(&mut bytes);
        sent.put(from, &bytes);
        received.put(0, &[FILL; 16 * PAGE]);
        ensure!(sent.write(&out, from, length)? == length, "a short write");
        let moved = received.read(&input, to, MESSAGE)?;
        ensure!(
            moved == length && received.get(to, length) == bytes,
            "{length} bytes from {from} came to {to} as other {moved} bytes"
        );
        let around = [
            received.get(0, to),
            received.get(to + length, 16 * PAGE - to - length),
        ];
        ensure!(
            around.iter().flatten().all(|byte| *byte == FILL),
            "something beside {length} bytes at {to} was written"
        );
    }
    Ok(())
}

fn unmapping_in_flight() -> Result<()> {
    // The loopback has 32 buffers: the writes beyond wait for reads.
    const WRITES: u8 = 40;
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let (input, out) = (
        Arc::new(plugged.interface.open_both(true)?),
        Arc::new(plugged.interface.open_both(false)?),
    );
    let mut context = Context::new(64)?;
    for number in 0..WRITES {
        let memory = Mapping::new(&out, 0, MESSAGE)?;
        memory.put(0, &[number; MESSAGE]);
        context.write_mapped(&out, &memory, 0, MESSAGE)?;
        drop(memory);
    }
    // Memory that is free would be taken by these.
    let taken: Vec<Vec<u8>> = (0..64).map(|_| vec![FILL; MESSAGE]).collect();
    for number in 0..WRITES {
        let mut bytes = [0; MESSAGE];
        let moved = input.read_at(&mut bytes, 0)?;
        ensure!(
            moved == MESSAGE && bytes == [number; MESSAGE],
            "write {number} sent something else"
        );
    }
    ensure!(
        context.wait(WRITES.into(), wait::DEADLINE)?.len() == usize::from(WRITES),
        "not all writes completed"
    );
    drop(taken);
    // The same for a reader: what arrives has nowhere to be seen, and harms nobody.
    let memory = Mapping::new(&input, 0, MESSAGE)?;
    context.read_mapped(&input, &memory, 0, MESSAGE)?;
    drop(memory);
    out.write_at(b"to nobody", 0)?;
    for one in context.wait(1, wait::DEADLINE)? {
        ensure!(one.result? == 9, "the read was cut short");
    }
    ensure!(context.in_flight() == 0, "the read never completed");
    usbfs2::wait_no_live_request()?;
    Ok(())
}

fn a_forked_child() -> Result<()> {
    let plugged = setup::source_sink()?;
    let file = plugged.interface.open_both(true)?;
    let memory = Mapping::new(&file, 0, 16 * PAGE)?;
    memory.inherit()?;
    let status = sys::in_forked_child(|| match memory.read(&file, PAGE + 5, 8192) {
        Ok(8192) if is_pattern(&memory.get(PAGE + 5, 8192)) => 1,
        _ => 0,
    })?;
    ensure!(status == 1, "the child did not read what the device sent");
    // The pages are shared, and the parent's mapping outlives the child's.
    ensure!(
        is_pattern(&memory.get(PAGE + 5, 8192)),
        "the parent does not see it"
    );
    ensure!(memory.read(&file, 0, 512)? == 512, "a read was cut short");
    Ok(())
}

fn memory_of_another_file() -> Result<()> {
    let plugged = setup::loopback_with_driver()?;
    let _claim = plugged.interface.claim()?;
    let (input, out) = (
        Arc::new(plugged.interface.open_both(true)?),
        Arc::new(plugged.interface.open_both(false)?),
    );
    let memory = Mapping::new(&out, 0, 4 * PAGE)?;
    let mut context = Context::new(2)?;
    for later in [false, true] {
        memory.put(0, &[7; 1000]);
        ensure!(memory.write(&out, 0, 1000)? == 1000, "a short write");
        let moved = if later {
            context.read_mapped(&input, &memory, 2 * PAGE - 500, MESSAGE)?;
            let one = context.wait(1, wait::DEADLINE)?.pop();
            one.map_or(Ok(0), |one| one.result)?
        } else {
            memory.read(&input, 2 * PAGE - 500, MESSAGE)?
        };
        ensure!(
            moved == 1000 && memory.get(2 * PAGE - 500, 1000) == [7; 1000],
            "{moved} other bytes came"
        );
        memory.put(0, &[0; 4 * PAGE]);
    }
    Ok(())
}

fn refusals() -> Result<()> {
    const BOTH: i32 = libc::PROT_READ | libc::PROT_WRITE;
    let plugged = setup::source_sink()?;
    let file = plugged.interface.open_both(true)?;
    for (what, offset, protection, flags, errno) in [
        (
            "a private mapping",
            0,
            BOTH,
            libc::MAP_PRIVATE,
            libc::EINVAL,
        ),
        ("another offset", 4096, BOTH, libc::MAP_SHARED, libc::EINVAL),
        (
            "a ring not to be written",
            RING_OFFSET,
            libc::PROT_READ,
            libc::MAP_SHARED,
            libc::EACCES,
        ),
    ] {
        let mapped = Mapping::with(&file, offset, PAGE, protection, flags);
        expect_errno(what, mapped, errno)?;
    }
    let memory = Mapping::new(&file, 0, 4 * PAGE)?;
    expect_errno(
        "unmapping a part",
        memory.unmap_part(PAGE, PAGE),
        libc::EINVAL,
    )?;
    expect_errno("moving it", memory.move_elsewhere(), libc::EINVAL)?;
    ensure!(
        memory.read(&file, PAGE, 512)? == 512,
        "a read was cut short"
    );
    let ring = Mapping::new(&file, RING_OFFSET, PAGE)?;
    expect_errno(
        "a second ring",
        Mapping::new(&file, RING_OFFSET, PAGE),
        libc::EBUSY,
    )?;
    drop(file);
    drop((memory, ring));
    // To be read alone: the device writes to it all the same.
    let file = plugged.interface.open_in()?;
    expect_errno(
        "memory to be written of a file to be read",
        Mapping::new(&file, 0, PAGE),
        libc::EACCES,
    )?;
    let memory = Mapping::with(&file, 0, PAGE, libc::PROT_READ, libc::MAP_SHARED)?;
    ensure!(memory.read(&file, 0, 1024)? == 1024, "a read was cut short");
    ensure!(is_pattern(&memory.get(0, 1024)), "other bytes were read");
    Ok(())
}

fn outlives_its_file() -> Result<()> {
    let plugged = setup::source_sink_with_driver()?;
    let claim = plugged.interface.claim()?;
    let file = plugged.interface.open_both(true)?;
    let (memory, ring) = (Mapping::new(&file, 0, PAGE)?, Ring::new(&file, 8)?);
    ring.put(0, memory.address(0), 512, 0);
    ring.batch(&file, true, 1, 1)?;
    drop(file);
    // The endpoint is free, and the memory still there; to another open it is memory like any other.
    let file = plugged.interface.open_both(true)?;
    ensure!(is_pattern(&memory.get(0, 512)), "the memory is gone");
    ensure!(ring.result(0) == (512, 0), "the ring is gone");
    memory.put(0, &[FILL; PAGE]);
    ensure!(memory.read(&file, 8, 1024)? == 1024, "a read was cut short");
    ensure!(is_pattern(&memory.get(8, 1024)), "other bytes were read");
    drop((file, claim));
    plugged.device.wait_driver(0, "usbtest")?;
    let claim = plugged.interface.claim()?;
    let file = plugged.interface.open_both(true)?;
    let later = Mapping::new(&file, 0, PAGE)?;
    plugged.pull()?;
    expect_errno(
        "a read after the unplug",
        later.read(&file, 0, 512),
        libc::ENODEV,
    )?;
    drop((file, claim));
    for memory in [&memory, &later] {
        memory.put(0, b"still memory");
        ensure!(memory.get(0, 12) == b"still memory", "the memory is gone");
    }
    usbfs2::wait_no_live_request()?;
    Ok(())
}
