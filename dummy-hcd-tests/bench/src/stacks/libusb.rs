//! libusb's asynchronous interface without time-outs, which is the cheapest it has.

use std::rc::Rc;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::{Case, Direction, Spec, Stack};

use super::{CONTROL_READ, CONTROL_WRITE, Transfers, bytes, depth, keep_full};
use crate::sys::{LibusbDevice, LibusbKind, LibusbQueue, UrbType};
use crate::target::Target;

pub(super) fn endpoint(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let urb_type = match spec.case {
        Case::Interrupt => UrbType::Interrupt,
        _ => UrbType::Bulk,
    };
    open(
        spec,
        target,
        LibusbKind::Endpoint(urb_type, target.endpoint(spec.direction)?),
    )
}

pub(super) fn control(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let (request_type, request) = match spec.direction {
        Direction::In => CONTROL_READ,
        Direction::Out => CONTROL_WRITE,
    };
    open(spec, target, LibusbKind::Vendor(request_type, request))
}

fn open(spec: &Spec, target: &Target, kind: LibusbKind) -> Result<Box<dyn Transfers>> {
    let device = LibusbDevice::open(&target.usbfs_node()?).context("open the device")?;
    let zero_copy = spec.stack == Stack::LibusbZerocopy;
    let queue = LibusbQueue::new(
        &Rc::new(device),
        kind,
        bytes(spec)?,
        depth(spec)?,
        zero_copy,
    )?;
    Ok(Box::new(Libusb(queue)))
}

struct Libusb(LibusbQueue);

impl Transfers for Libusb {
    fn run(&mut self, count: u64) -> Result<()> {
        let depth = self.0.depth();
        keep_full(
            &mut self.0,
            depth,
            count,
            LibusbQueue::submit,
            LibusbQueue::complete,
        )
    }
}
