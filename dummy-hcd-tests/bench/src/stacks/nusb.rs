//! nusb's endpoints, blocking.

use std::fs::OpenOptions;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::{Direction, Spec, Stack};
use nusb::transfer::{
    Buffer, Bulk, BulkOrInterrupt, ControlIn, ControlOut, ControlType, EndpointDirection, In,
    Interrupt, Out, Recipient,
};
use nusb::{Device, Endpoint, Interface, MaybeFuture as _};

use super::{CONTROL_READ, CONTROL_WRITE, Transfers, bytes, depth, whole};
use crate::target::Target;

/// nusb has no wait without a limit.
const DEADLINE: Duration = Duration::from_secs(3600);

pub(super) fn bulk(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    match spec.direction {
        Direction::In => Queue::<Bulk, In>::open(spec, target),
        Direction::Out => Queue::<Bulk, Out>::open(spec, target),
    }
}

pub(super) fn interrupt(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    match spec.direction {
        Direction::In => Queue::<Interrupt, In>::open(spec, target),
        Direction::Out => Queue::<Interrupt, Out>::open(spec, target),
    }
}

fn device(target: &Target) -> Result<Device> {
    let node = OpenOptions::new()
        .read(true)
        .write(true)
        .open(target.usbfs_node()?)?;
    Device::from_fd(node.into())
        .wait()
        .context("open the device")
}

fn claim(target: &Target) -> Result<Interface> {
    device(target)?
        .claim_interface(0)
        .wait()
        .context("claim the interface")
}

struct Queue<T: BulkOrInterrupt, D: EndpointDirection> {
    endpoint: Endpoint<T, D>,
    buffers: Vec<Buffer>,
    bytes: usize,
}

impl<T: BulkOrInterrupt + 'static, D: EndpointDirection + 'static> Queue<T, D> {
    fn open(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
        let address = target.endpoint(spec.direction)?;
        let endpoint = claim(target)?
            .endpoint::<T, D>(address)
            .context("open the endpoint")?;
        let bytes = bytes(spec)?;
        // nusb reads whole packets.
        let capacity = bytes.next_multiple_of(endpoint.max_packet_size());
        let buffers = (0..depth(spec)?).map(|_| {
            let mut buffer = match spec.stack {
                Stack::NusbZerocopy => endpoint.allocate(capacity),
                _ => Buffer::new(capacity),
            };
            if D::DIR == nusb::transfer::Direction::Out {
                buffer.extend_fill(bytes, 0);
            }
            buffer
        });
        Ok(Box::new(Self {
            buffers: buffers.collect(),
            endpoint,
            bytes,
        }))
    }
}

impl<T: BulkOrInterrupt, D: EndpointDirection> Transfers for Queue<T, D> {
    fn run(&mut self, count: u64) -> Result<()> {
        let mut left = count;
        while left > 0
            && let Some(buffer) = self.buffers.pop()
        {
            self.endpoint.submit(buffer);
            left -= 1;
        }
        for _ in 0..count {
            let completion = self
                .endpoint
                .wait_next_complete(DEADLINE)
                .context("nothing completes")?;
            completion.status?;
            whole(completion.actual_len, self.bytes)?;
            if left > 0 {
                self.endpoint.submit(completion.buffer);
                left -= 1;
            } else {
                self.buffers.push(completion.buffer);
            }
        }
        Ok(())
    }
}

pub(super) fn control(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let data = vec![0; bytes(spec)?];
    Ok(Box::new(Control {
        device: device(target)?,
        direction: spec.direction,
        data,
    }))
}

struct Control {
    device: Device,
    direction: Direction,
    data: Vec<u8>,
}

impl Transfers for Control {
    fn run(&mut self, count: u64) -> Result<()> {
        let (control_type, recipient, value, index) =
            (ControlType::Vendor, Recipient::Device, 0, 0);
        for _ in 0..count {
            match self.direction {
                Direction::In => {
                    let request = ControlIn {
                        control_type,
                        recipient,
                        request: CONTROL_READ.1,
                        value,
                        index,
                        length: u16::try_from(self.data.len())?,
                    };
                    whole(
                        self.device.control_in(request, DEADLINE).wait()?.len(),
                        self.data.len(),
                    )?;
                }
                Direction::Out => {
                    let request = ControlOut {
                        control_type,
                        recipient,
                        request: CONTROL_WRITE.1,
                        value,
                        index,
                        data: &self.data,
                    };
                    self.device.control_out(request, DEADLINE).wait()?;
                }
            }
        }
        Ok(())
    }
}
