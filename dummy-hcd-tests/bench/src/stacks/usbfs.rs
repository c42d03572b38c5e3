//! usbfs's ioctls without a library: USBDEVFS_BULK where one is enough and copying is cheap, URBs on memory
//! mapped from the device otherwise.

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::{Case, Direction, Spec};

use super::{CONTROL_READ, CONTROL_WRITE, Transfers, bytes, depth, keep_full, whole};
use crate::sys::{UrbQueue, UrbType, Usbfs};
use crate::target::Target;

/// Above this USBDEVFS_BULK's copy costs more than the second ioctl of an URB.
const ONE_IOCTL_UP_TO: usize = 4096;

pub(super) fn endpoint(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let device = Usbfs::open(&target.usbfs_node()?)?;
    device.claim(0).context("claim the interface")?;
    let address = target.endpoint(spec.direction)?;
    let (bytes, depth) = (bytes(spec)?, depth(spec)?);
    if depth == 1 && bytes <= ONE_IOCTL_UP_TO {
        return Ok(Box::new(Synchronous {
            device,
            address,
            buffer: vec![0; bytes],
        }));
    }
    let kind = match spec.case {
        Case::Interrupt => UrbType::Interrupt,
        _ => UrbType::Bulk,
    };
    let queue =
        UrbQueue::new(device, kind, address, bytes, depth).context("map memory for URBs")?;
    Ok(Box::new(Queued(queue)))
}

struct Synchronous {
    device: Usbfs,
    address: u8,
    buffer: Vec<u8>,
}

impl Transfers for Synchronous {
    fn run(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            whole(
                self.device.bulk(self.address, &mut self.buffer)?,
                self.buffer.len(),
            )?;
        }
        Ok(())
    }
}

struct Queued(UrbQueue);

impl Transfers for Queued {
    fn run(&mut self, count: u64) -> Result<()> {
        let depth = self.0.depth();
        keep_full(&mut self.0, depth, count, UrbQueue::submit, UrbQueue::reap)
    }
}

pub(super) fn control(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let request = match spec.direction {
        Direction::In => CONTROL_READ,
        Direction::Out => CONTROL_WRITE,
    };
    let device = Usbfs::open(&target.usbfs_node()?)?;
    Ok(Box::new(Control {
        device,
        request,
        buffer: vec![0; bytes(spec)?],
    }))
}

struct Control {
    device: Usbfs,
    request: (u8, u8),
    buffer: Vec<u8>,
}

impl Transfers for Control {
    fn run(&mut self, count: u64) -> Result<()> {
        let (request_type, code) = self.request;
        for _ in 0..count {
            let moved = self
                .device
                .vendor_request(request_type, code, &mut self.buffer)?;
            whole(moved, self.buffer.len())?;
        }
        Ok(())
    }
}
