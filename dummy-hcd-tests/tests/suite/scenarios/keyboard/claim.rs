//! One program has the keyboard at a time, and gives it back.

use anyhow::{Result, bail, ensure};
use usbfs2_hid::{HidDevice, OpenError};
use usbfs2_host::ClaimError;

use super::{Desk, Scenario, read_text};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "keyboard::a_second_program_is_told_that_it_is_busy",
            a_second_program_is_told,
        ),
        (
            "keyboard::it_is_given_back_to_whoever_had_it",
            it_is_given_back,
        ),
    ]
}

fn a_second_program_is_told(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    let other = desk.connected.open_again()?;
    match HidDevice::open_blocking(&other) {
        Err(OpenError::Claim(ClaimError::Busy(0))) => {}
        other => bail!("{other:?} instead of Busy"),
    }
    // The first one goes on undisturbed, and the second has its turn after it.
    let mut keys = hid.keys()?;
    desk.keyboard.type_text("one")?;
    ensure!(read_text(&mut keys, 3)? == "one", "something else came");
    drop((keys, hid));
    let hid = HidDevice::open_blocking(&other)?;
    let mut keys = hid.keys()?;
    desk.keyboard.type_text("two")?;
    ensure!(read_text(&mut keys, 3)? == "two", "something else came");
    Ok(())
}

fn it_is_given_back(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    world.wait_for_kernel_driver(0, "usbhid")?;
    let hid = desk.open()?;
    let mut keys = hid.keys()?;
    desk.keyboard.type_text("a")?;
    ensure!(read_text(&mut keys, 1)? == "a", "something else came");
    // The claim lives as long as anything made from it.
    drop(hid);
    desk.keyboard.type_text("b")?;
    ensure!(read_text(&mut keys, 1)? == "b", "something else came");
    drop(keys);
    world.wait_for_kernel_driver(0, "usbhid")?;
    // And the interface can be claimed again.
    desk.open()?;
    Ok(())
}
