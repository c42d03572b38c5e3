//! How fast the device takes and gives data, in figures that nothing is asked of.

use std::time::Instant;

use anyhow::Result;
use usb_device::test_class::REQ_SET_BENCH_ENABLED;

use super::rig::Rig;
use crate::runner::FIGURE;

const TRANSFER: usize = 64 * 1024;
const TRANSFERS: usize = 16;

pub(super) fn bulk_write(rig: &Rig) -> Result<()> {
    let data = vec![0x5a; TRANSFER];
    measure(rig, "bulk write", || rig.write_bulk(&data))
}

pub(super) fn bulk_read(rig: &Rig) -> Result<()> {
    measure(rig, "bulk read", || {
        let data = rig.read_bulk(TRANSFER)?;
        anyhow::ensure!(data.len() == TRANSFER, "{} bytes came", data.len());
        Ok(())
    })
}

fn measure(rig: &Rig, what: &str, transfer: impl Fn() -> Result<()>) -> Result<()> {
    rig.send(REQ_SET_BENCH_ENABLED, 1, 0, &[])?;
    let since = Instant::now();
    for _ in 0..TRANSFERS {
        transfer()?;
    }
    let seconds = since.elapsed().as_secs_f64();
    let megabits = (TRANSFER * TRANSFERS * 8) as f64 / 1e6 / seconds;
    let size = TRANSFER / 1024;
    println!(
        "{FIGURE}{what}: {TRANSFERS} transfers of {size} KiB in {seconds:.3} s, {megabits:.1} Mbit/s"
    );
    Ok(())
}
