//! One program has the disk at a time, and gives it back.

use anyhow::{Result, bail};
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_host::ClaimError;
use usbfs2_mass_storage::{MassStorage, OpenError};

use super::{Bay, Probe, Scenario};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "disk::a_second_program_is_told_that_it_is_busy",
            a_second_program_is_told,
        ),
        ("disk::it_is_given_back_to_whoever_had_it", it_is_given_back),
    ]
}

const SIZE: usize = 64 << 10;

fn a_second_program_is_told(world: &World) -> Result<()> {
    let bay = Bay::new(world, Probe::new(SIZE), DiskOptions::default())?;
    let mut unit = bay.open()?;
    let other = bay.connected.open_again()?;
    match MassStorage::open_blocking(&other) {
        Err(OpenError::Claim(ClaimError::Busy(0))) => {}
        other => bail!("{other:?} instead of Busy"),
    }
    // The first one goes on undisturbed, and the second has its turn after it.
    unit.write_at_blocking(0, &[1; 512])?;
    drop(unit);
    let storage = MassStorage::open_blocking(&other)?;
    let mut read = [0; 512];
    storage
        .block_device_blocking(0)?
        .read_at_blocking(0, &mut read)?;
    if read != [1; 512] {
        bail!("what the first program wrote is not there");
    }
    Ok(())
}

fn it_is_given_back(world: &World) -> Result<()> {
    let bay = Bay::new(world, Probe::new(SIZE), DiskOptions::default())?;
    world.wait_for_kernel_driver(0, "usb-storage")?;
    let mut unit = bay.open()?;
    unit.read_at_blocking(0, &mut [0; 512])?;
    drop(unit);
    world.wait_for_kernel_driver(0, "usb-storage")?;
    // And the interface can be claimed again, whatever the kernel is doing with it.
    bay.open()?.read_at_blocking(0, &mut [0; 512])?;
    Ok(())
}
