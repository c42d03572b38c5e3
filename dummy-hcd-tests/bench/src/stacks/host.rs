//! This project's `host` crate on the module's files.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::{Direction, Spec};
use dummy_hcd_tests::usbfs2::MOUNT;
use dummy_hcd_tests::wait;
use usbfs2_host::{
    Buffer, Bulk, Device, Endpoint, EndpointDirection, EndpointType, Host, In, Interrupt, Out,
    SetupPacket,
};

use super::{CONTROL_READ, CONTROL_WRITE, Transfers, bytes, depth, whole};
use crate::target::Target;

const TIMEOUT: Duration = Duration::from_secs(3600);

/// Opens the target by the module, as soon as the module shows it.
pub(super) fn device(target: &Target) -> Result<Device> {
    let host = Host::usbfs2(Path::new(MOUNT))?;
    let opened = wait::until("the host can open the gadget", || {
        let devices = host.devices().ok()?;
        let info = devices
            .iter()
            .find(|info| info.id().as_str() == target.name())?;
        host.open(info.id()).ok()
    });
    Ok(opened?)
}

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

struct Queue<T, D> {
    endpoint: Endpoint<T, D>,
    buffers: Vec<Buffer>,
    bytes: usize,
}

impl<T: EndpointType + 'static, D: EndpointDirection + 'static> Queue<T, D> {
    fn open(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
        let interface = device(target)?.claim(0)?;
        let endpoint = interface.endpoint::<T, D>(target.endpoint(spec.direction)?)?;
        let bytes = bytes(spec)?;
        let buffers = (0..depth(spec)?).map(|_| {
            let mut buffer = Buffer::with_capacity(bytes);
            buffer.set_len(bytes);
            buffer
        });
        Ok(Box::new(Self {
            buffers: buffers.collect(),
            endpoint,
            bytes,
        }))
    }
}

impl<T: EndpointType, D: EndpointDirection> Queue<T, D> {
    /// One transfer at a time, by the call that is made for it.
    fn run_single(&mut self, count: u64) -> Result<()> {
        let mut buffer = self.buffers.pop().context("no buffer")?;
        for _ in 0..count {
            let completion = self.endpoint.transfer_blocking(buffer, TIMEOUT);
            whole(completion.actual_length, self.bytes)?;
            buffer = completion.into_result()?;
        }
        self.buffers.push(buffer);
        Ok(())
    }
}

impl<T: EndpointType, D: EndpointDirection> Transfers for Queue<T, D> {
    fn run(&mut self, count: u64) -> Result<()> {
        if self.buffers.len() == 1 {
            return self.run_single(count);
        }
        let mut left = count;
        let first = usize::try_from(left)?.min(self.buffers.len());
        self.endpoint.submit_all(self.buffers.drain(..first));
        left -= u64::try_from(first)?;
        for _ in 0..count {
            let completion = self.endpoint.wait(None).context("nothing is in flight")?;
            whole(completion.actual_length, self.bytes)?;
            let buffer = completion.into_result()?;
            if left > 0 {
                self.endpoint.submit(buffer);
                left -= 1;
            } else {
                self.buffers.push(buffer);
            }
        }
        Ok(())
    }
}

pub(super) fn control(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let (request_type, request) = match spec.direction {
        Direction::In => CONTROL_READ,
        Direction::Out => CONTROL_WRITE,
    };
    let setup = SetupPacket {
        request_type: usbfs2_host::protocol::RequestType::from_byte(request_type),
        request,
        value: 0,
        index: 0,
        length: u16::try_from(spec.bytes)?,
    };
    Ok(Box::new(Control {
        device: device(target)?,
        setup,
        data: vec![0; bytes(spec)?],
    }))
}

struct Control {
    device: Device,
    setup: SetupPacket,
    data: Vec<u8>,
}

impl Transfers for Control {
    fn run(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            if self.setup.request_type.to_byte() & 0x80 == 0 {
                self.device
                    .control_out_blocking(self.setup, &self.data, TIMEOUT)?;
            } else {
                whole(
                    self.device.control_in_blocking(self.setup, TIMEOUT)?.len(),
                    self.data.len(),
                )?;
            }
        }
        Ok(())
    }
}
