//! Data that the device sends back.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::random::Random;

use super::rig::Rig;

fn random(length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    Random::new(length as u64).fill(&mut data);
    data
}

/// Transfers around the length of packets. A packet of no bytes ends one of whole packets.
pub(super) fn bulk_loopback(rig: &Rig) -> Result<()> {
    let packet = rig.bulk_packet_size()?;
    for length in [0, 1, 2, 32, 63, 64, 65, 127, 128, 129] {
        let data = random(length);
        rig.write_bulk(&data)
            .with_context(|| format!("writing {length} bytes"))?;
        if length > 0 && length % packet == 0 {
            rig.write_bulk(&[])?;
        }
        let room = length.max(1).next_multiple_of(packet);
        let read = rig
            .read_bulk(room)
            .with_context(|| format!("reading {length} bytes"))?;
        ensure!(read == data, "{length} bytes came back as {}", read.len());
    }
    Ok(())
}

/// One packet each.
pub(super) fn interrupt_loopback(rig: &Rig) -> Result<()> {
    for length in [0, 1, 2, 15, 31] {
        let data = random(length);
        rig.write_interrupt(&data)
            .with_context(|| format!("writing {length} bytes"))?;
        let read = rig
            .read_interrupt(31)
            .with_context(|| format!("reading {length} bytes"))?;
        ensure!(read == data, "{length} bytes came back as {}", read.len());
    }
    Ok(())
}
