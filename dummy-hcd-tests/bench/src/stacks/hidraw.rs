//! The kernel's own way to interrupt endpoints: usbhid and a hidraw node.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};

use anyhow::Result;
use dummy_hcd_tests::bench_row::{Direction, Spec};

use super::{Transfers, bytes, whole};
use crate::target::Target;

pub(super) fn open(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let node = target.node("class/hidraw", "hidraw")?;
    Ok(Box::new(Hidraw {
        file: OpenOptions::new().read(true).write(true).open(node)?,
        direction: spec.direction,
        // A write begins with the report's ID, 0 where there are none, which is not sent.
        report: vec![0; bytes(spec)? + 1],
    }))
}

struct Hidraw {
    file: File,
    direction: Direction,
    report: Vec<u8>,
}

impl Transfers for Hidraw {
    fn run(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            match self.direction {
                Direction::In => whole(self.file.read(&mut self.report)?, self.report.len() - 1)?,
                Direction::Out => whole(self.file.write(&self.report)?, self.report.len())?,
            }
        }
        Ok(())
    }
}
