//! Firmware written for microcontrollers, on gadgetfs, and the kernel's own drivers on it. The firmware is the examples'
//! (`examples/rust/firmware_*.rs`), run as users run it; its classes are those of crates.io.

mod board;
mod composite;
mod disk;
mod hid;
mod hostile;
mod midi;
pub(crate) mod serial;
mod sound;

use crate::runner::Test;

pub(crate) fn tests() -> Vec<Test> {
    [
        serial::tests(),
        hid::tests(),
        disk::tests(),
        midi::tests(),
        composite::tests(),
        sound::tests(),
        hostile::tests(),
    ]
    .concat()
}
