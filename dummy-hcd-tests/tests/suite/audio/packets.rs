//! The module's isochronous endpoint files against the kernel's SourceSink, which has the packets of its
//! second setting ready in each interval, or none at all.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::KernelFunction;
use dummy_hcd_tests::sys::{
    Completed, Context, ISO_FRAME_SHIFT, ISO_START, ISO_STATUS, Status, read_packets, write_packets,
};
use dummy_hcd_tests::wait;

use crate::io_uring::sys::Ring;
use crate::packets::{Load, open, pattern};
use crate::runner::Test;
use crate::setup::{self, Plugged, expect_errno};
use crate::uring;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("audio::packets::flow_in_a_deep_queue", deep),
        Test::new("audio::packets::a_thousand_in_a_request", thousand),
        Test::new("audio::packets::three_transactions_each", high_bandwidth),
        Test::new("audio::packets::short_ones_leave_the_rest_alone", short),
        Test::new("audio::packets::of_length_zero", zero_length),
        Test::new("audio::packets::too_long_for_their_slots", overflow),
        Test::new("audio::packets::too_long_for_the_endpoint", too_long),
        Test::new("audio::packets::missed_by_the_device", missed),
        Test::new("audio::packets::from_a_frame_on", start_frame),
        Test::new("audio::packets::one_at_a_time", one_at_a_time),
        Test::new("audio::packets::cancelled_in_the_middle", cancelled),
        Test::new("audio::packets::in_another_setting", deselected),
        Test::new("audio::packets::by_io_uring", by_io_uring),
        Test::new("audio::packets::by_commands", by_commands),
    ]
}

/// Microframes between packets: 1 ms.
const INTERVAL: usize = 8;

/// SourceSink with isochronous endpoints: packets of `length` bytes each millisecond, `mult` and one more of
/// them, and `ready` of them queued.
fn source_sink(length: usize, mult: u8, ready: u32) -> Result<Plugged> {
    let function = KernelFunction::source_sink(1, 4096, 16)
        .with("isoc_interval", "4")
        .with("isoc_maxpacket", length.to_string())
        .with("isoc_mult", mult.to_string())
        .with("iso_qlen", ready.to_string());
    setup::plug(function)
}

/// The endpoint of the setting that has one, and the claim.
fn start(plugged: &Plugged, is_in: bool) -> Result<(File, Arc<File>)> {
    let claim = plugged.interface.claim()?;
    plugged.interface.select(1)?;
    Ok((claim, open(&plugged.interface, is_in)?))
}

fn load(is_in: bool, length: usize) -> Load {
    Load {
        is_in,
        length,
        packets: 8,
        depth: 32,
    }
}

/// Every packet moved; returns the frame of the first.
fn all_moved(load: &Load, one: &Completed) -> Result<i32> {
    ensure!(
        one.result.as_ref().ok() == Some(&(load.length * load.packets)),
        "{:?}: {:?}",
        one.result,
        one.statuses
    );
    let (of_all, packets) = one.statuses.split_last().context("no statuses")?;
    ensure!(
        packets
            .iter()
            .all(|packet| *packet == Status::moved(load.length))
            && of_all.status == 0,
        "the statuses are {:?}",
        one.statuses
    );
    if load.is_in {
        load.expect_pattern(one)?;
    }
    Ok(of_all.length)
}

/// Keeps `load` in flight until `operations` of them are done. All of them moved, one behind the other.
fn flow(file: &Arc<File>, load: &Load, operations: usize) -> Result<()> {
    let mut context = Context::new(load.depth)?;
    let (mut started, mut done) = (0, 0);
    let mut next_frame = None;
    while done < operations {
        while started < operations && context.in_flight() < load.depth as usize {
            load.start_one(&mut context, file, ISO_STATUS)?;
            started += 1;
        }
        let completed = context.wait(1, wait::DEADLINE)?;
        ensure!(!completed.is_empty(), "operation {done} hangs");
        for one in completed {
            let frame = all_moved(load, &one).with_context(|| format!("operation {done}"))?;
            ensure!(
                next_frame.is_none_or(|expected| expected == frame),
                "operation {done} began in {frame} instead of {next_frame:?}"
            );
            next_frame = Some(frame + i32::try_from(load.packets * INTERVAL)?);
            done += 1;
        }
    }
    Ok(())
}

fn deep() -> Result<()> {
    let plugged = source_sink(192, 0, 32)?;
    for is_in in [true, false] {
        let (_claim, file) = start(&plugged, is_in)?;
        flow(&file, &load(is_in, 192), 200).with_context(|| format!("in: {is_in}"))?;
    }
    Ok(())
}

fn thousand() -> Result<()> {
    let plugged = source_sink(192, 0, 32)?;
    for is_in in [true, false] {
        let (_claim, file) = start(&plugged, is_in)?;
        // As many as there are iovecs, less the one for the statuses.
        let most = Load {
            packets: 1023,
            depth: 2,
            ..load(is_in, 192)
        };
        flow(&file, &most, 4).with_context(|| format!("in: {is_in}"))?;
    }
    let (_claim, file) = start(&plugged, true)?;
    let mut buffer = vec![0; 1024 * 192];
    let (length, _) = read_packets(&file, 0, &mut buffer, &[192; 1024])?;
    ensure!(length == buffer.len(), "{length} bytes of 1024 packets");
    ensure!(buffer == pattern(192).repeat(1024), "something else came");
    Ok(())
}

fn high_bandwidth() -> Result<()> {
    let plugged = source_sink(1024, 2, 32)?;
    for is_in in [true, false] {
        let (_claim, file) = start(&plugged, is_in)?;
        let three = Load {
            packets: 1000,
            depth: 2,
            ..load(is_in, 3 * 1024)
        };
        flow(&file, &three, 2).with_context(|| format!("in: {is_in}"))?;
    }
    Ok(())
}

fn short() -> Result<()> {
    let plugged = source_sink(100, 0, 32)?;
    let (claim, file) = start(&plugged, true)?;
    let lengths = [100; 40];
    let mut buffer = vec![0xaa; 4000];
    let (length, statuses) = read_packets(&file, ISO_STATUS, &mut buffer, &lengths)?;
    ensure!(length == 4000 && statuses[40].status == 0, "{statuses:?}");
    drop((file, claim));
    // The sink wants the pattern, of whatever length.
    let (_claim, file) = start(&plugged, false)?;
    let lengths = [100, 1, 0, 99, 64];
    let bytes = lengths.iter().flat_map(|length| pattern(*length));
    let bytes = bytes.collect::<Vec<_>>();
    for _ in 0..50 {
        let (length, statuses) = write_packets(&file, ISO_STATUS, &bytes, &lengths)?;
        ensure!(
            length == bytes.len() && statuses[..5] == lengths.map(Status::moved),
            "{length} bytes, {statuses:?}"
        );
    }
    Ok(())
}

fn zero_length() -> Result<()> {
    let plugged = source_sink(64, 0, 32)?;
    let (_claim, file) = start(&plugged, false)?;
    let (length, statuses) = write_packets(&file, ISO_STATUS, &[], &[0; 100])?;
    ensure!(
        length == 0 && statuses[..100] == [Status::moved(0); 100],
        "{length} bytes, {statuses:?}"
    );
    // Linux AIO knows no write of nothing.
    let mut context = Context::new(1)?;
    context.write_packets(&file, 0, Vec::new(), &[0; 100])?;
    let one = context.wait(1, wait::DEADLINE)?.pop().context("hangs")?;
    ensure!(one.result? == 0, "bytes of empty packets");
    flow(&file, &load(false, 64), 40)
}

fn overflow() -> Result<()> {
    let plugged = source_sink(64, 0, 32)?;
    let (_claim, file) = start(&plugged, true)?;
    let mut buffer = [0xaa; 64 + 63 + 64];
    let (length, statuses) = read_packets(&file, ISO_STATUS, &mut buffer, &[64, 63, 0, 64])?;
    let overflowed = Status {
        length: 0,
        status: -libc::EOVERFLOW,
    };
    let expected = [Status::moved(64), overflowed, overflowed, Status::moved(64)];
    ensure!(
        length == 128 && statuses[..4] == expected && statuses[4].status == 2,
        "{length} bytes, {statuses:?}"
    );
    ensure!(
        buffer[..64] == pattern(64)
            && buffer[64..127] == [0xaa; 63]
            && buffer[127..] == pattern(64),
        "{buffer:02x?}"
    );
    // Nothing has stopped.
    flow(&file, &load(true, 64), 40)
}

fn too_long() -> Result<()> {
    let plugged = source_sink(64, 1, 32)?;
    for is_in in [true, false] {
        let (_claim, file) = start(&plugged, is_in)?;
        let refused = load(is_in, 129).run_one(&file);
        expect_errno("a packet of 129 bytes", refused, libc::EMSGSIZE)?;
        // Linux's own limit of iovecs.
        let many = Load {
            packets: 1024,
            ..load(is_in, 128)
        };
        let refused = many.run_one(&file);
        expect_errno("1025 iovecs", refused, libc::EINVAL)?;
        flow(&file, &load(is_in, 128), 8)?;
    }
    Ok(())
}

fn missed() -> Result<()> {
    let plugged = source_sink(64, 0, 0)?;
    for is_in in [true, false] {
        let (_claim, file) = start(&plugged, is_in)?;
        let mut context = Context::new(32)?;
        let load = load(is_in, 64);
        load.start(&mut context, &file)?;
        let completed = context.wait(32, wait::DEADLINE)?;
        ensure!(completed.len() == 32, "{} completed", completed.len());
        let missed = Status {
            length: 0,
            status: -libc::EXDEV,
        };
        for one in completed {
            ensure!(
                matches!(one.result, Ok(0)) && one.statuses[..8] == [missed; 8],
                "{:?}, {:?}",
                one.result,
                one.statuses
            );
            ensure!(one.statuses[8].status == 8, "{:?}", one.statuses[8]);
        }
    }
    Ok(())
}

fn start_frame() -> Result<()> {
    let plugged = source_sink(64, 0, 32)?;
    let (_claim, file) = start(&plugged, true)?;
    let load = Load {
        depth: 1,
        ..load(true, 64)
    };
    let mut context = Context::new(2)?;
    load.start_one(&mut context, &file, ISO_STATUS)?;
    let one = context.wait(1, wait::DEADLINE)?.pop().context("hangs")?;
    let first = u32::try_from(all_moved(&load, &one)?)?;
    // In half a second, and what is queued next comes right behind it.
    let wanted = first + 4000;
    let at = ISO_STATUS | ISO_START | u64::from(wanted) << ISO_FRAME_SHIFT;
    load.start_one(&mut context, &file, at)?;
    load.start_one(&mut context, &file, ISO_STATUS)?;
    let completed = context.wait(2, wait::DEADLINE)?;
    ensure!(completed.len() == 2, "{} completed", completed.len());
    for (frame, one) in [wanted, wanted + 64].into_iter().zip(completed) {
        let started = u32::try_from(all_moved(&load, &one)?)?;
        ensure!(started == frame, "began in {started} instead of {frame}");
    }
    Ok(())
}

fn one_at_a_time() -> Result<()> {
    let plugged = source_sink(64, 0, 32)?;
    let (claim, file) = start(&plugged, true)?;
    for _ in 0..20 {
        let mut packet = [0; 64];
        let length = std::os::unix::fs::FileExt::read_at(&*file, &mut packet, 0)?;
        ensure!(length == 64 && packet == *pattern(64), "{packet:02x?}");
    }
    drop((claim, file));
    let (_claim, file) = start(&plugged, false)?;
    for _ in 0..20 {
        let length = std::os::unix::fs::FileExt::write_at(&*file, &pattern(64), 0)?;
        ensure!(length == 64, "{length} bytes");
    }
    Ok(())
}

fn cancelled() -> Result<()> {
    let plugged = source_sink(64, 0, 32)?;
    for is_in in [true, false] {
        let (_claim, file) = start(&plugged, is_in)?;
        let mut context = Context::new(1)?;
        // A second, of which some milliseconds pass.
        let load = Load {
            packets: 1000,
            depth: 1,
            ..load(is_in, 64)
        };
        let token = load.start_one(&mut context, &file, ISO_STATUS)?;
        std::thread::sleep(Duration::from_millis(300));
        ensure!(context.cancel(token)?, "too late");
        let moved = load.expect_ended(&mut context, libc::ECANCELED)?;
        ensure!(
            moved > 0 && moved < 1000,
            "{moved} packets moved in a third of their time"
        );
        flow(&file, &self::load(is_in, 64), 40)?;
    }
    Ok(())
}

fn deselected() -> Result<()> {
    let plugged = source_sink(64, 0, 32)?;
    for is_in in [true, false] {
        let (_claim, file) = start(&plugged, is_in)?;
        let mut context = Context::new(32)?;
        let load = Load {
            packets: 100,
            ..load(is_in, 64)
        };
        load.start(&mut context, &file)?;
        // The same setting has the same endpoint: the file is good for it again.
        plugged.interface.select(1)?;
        load.expect_ended(&mut context, libc::ECANCELED)?;
        flow(&file, &self::load(is_in, 64), 40)?;
        load.start(&mut context, &file)?;
        plugged.interface.select(0)?;
        load.expect_ended(&mut context, libc::ECANCELED)?;
        let refused = load.run_one(&file);
        expect_errno("a packet in another setting", refused, libc::ENODEV)?;
    }
    Ok(())
}

fn by_io_uring() -> Result<()> {
    let plugged = source_sink(64, 0, 32)?;
    let (_claim, file) = start(&plugged, true)?;
    let mut ring = Ring::new(4)?;
    ring.read_packets(&file, ISO_STATUS, &[64; 8])?;
    let one = ring.wait()?;
    ensure!(
        one.result? == 8 * 64 && one.statuses[..8] == [Status::moved(64); 8],
        "{:?}",
        one.statuses
    );
    ensure!(one.buffer == pattern(64).repeat(8), "{:02x?}", one.buffer);
    // It does not say where packets end.
    let refused = ring.read_registered(&file, 64);
    expect_errno("a registered buffer", refused, libc::EINVAL)?;
    // A second, of which some milliseconds pass: they are delivered.
    let token = ring.read_packets(&file, ISO_STATUS, &[64; 1000])?;
    std::thread::sleep(Duration::from_millis(300));
    ring.cancel(token)?;
    let one = ring.wait()?;
    let length = one.result.context("cancelled in the middle")?;
    ensure!(
        length > 0 && length < 64_000 && one.statuses[999].status == -libc::ECANCELED,
        "{length} bytes, {:?}",
        one.statuses
    );
    Ok(())
}

/// The same as commands of io_uring, whose completions say what a last status does.
fn by_commands() -> Result<()> {
    let plugged = source_sink(64, 0, 32)?;
    let (_claim, file) = start(&plugged, true)?;
    let mut ring = uring::sys::Ring::new(uring::sys::Kind::Plain)?;
    if !uring::are_there(&mut ring, &file)? {
        return Ok(());
    }
    for flags in [0, ISO_STATUS] {
        ring.start_packets(&file, flags, &[64; 8])?;
        let one = ring.wait()?;
        ensure!(
            one.result? == 8 * 64 && one.status.status == 0,
            "{:?}, {:?}",
            one.status,
            one.statuses
        );
        ensure!(one.buffer == pattern(64).repeat(8), "{:02x?}", one.buffer);
        if let Some((of_all, packets)) = one.statuses.split_last() {
            ensure!(
                *of_all == one.status && packets == [Status::moved(64); 8],
                "{:?}: {:?}",
                one.status,
                one.statuses
            );
        }
    }
    // One packet, and one in memory that does not say where packets end.
    ring.start(&file, 0, vec![0; 64])?;
    ensure!(ring.wait()?.result? == 64, "a packet was cut short");
    ring.register(vec![0; 4096])?;
    ring.start_registered(&file, 0, 64)?;
    let refused = ring.wait()?.result;
    expect_errno("a registered buffer", refused, libc::EINVAL)?;
    // A second, of which some milliseconds pass: they are delivered.
    let token = ring.start_packets(&file, ISO_STATUS, &[64; 1000])?;
    std::thread::sleep(Duration::from_millis(300));
    ensure!(ring.cancel(&file, token)? == 1, "nothing to cancel");
    let one = ring.wait()?;
    let length = one.result.context("cancelled in the middle")?;
    ensure!(
        length > 0
            && length < 64_000
            && one.status.status > 0
            && one.statuses[999].status == -libc::ECANCELED,
        "{length} bytes, {:?}",
        one.statuses
    );
    Ok(())
}
