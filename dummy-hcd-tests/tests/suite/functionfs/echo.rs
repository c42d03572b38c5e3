//! A vendor function that sends back what it receives, and its host.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::{
    ControlRequest, ControlResponse, ControlTarget, EndpointRequest, Endpoints, Function,
    FunctionBuilder, FunctionError, InterfaceClass,
};
use usbfs2_host::{
    Buffer, Bulk, Device, Direction, Endpoint, In, Interface, Out, Speed, TransferType,
};

use crate::scenarios::random::Random;

/// Request, OUT: its data is kept for [`FETCH`].
pub(super) const STORE: u8 = 1;
/// Request, IN: what was stored.
pub(super) const FETCH: u8 = 2;
/// Request, IN: recipient and number as the function sees them, two bytes.
pub(super) const TARGET: u8 = 3;
/// Request, OUT without data: stalled.
pub(super) const REFUSE: u8 = 4;

/// The function's class: its host looks for it.
const CLASS: InterfaceClass = InterfaceClass::new(0xff, 0x42, 0);

/// Bytes of a transfer at most.
const TRANSFER: usize = 16 << 10;

#[derive(Debug, Default)]
pub(super) struct Echo {
    stored: Mutex<Vec<u8>>,
}

impl Function for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(CLASS);
        interface.name("Echo");
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
        interface.endpoint(EndpointRequest::bulk(Direction::In));
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        match request.setup.request {
            STORE => {
                *stored = request.data.clone();
                ControlResponse::Acknowledge
            }
            FETCH => ControlResponse::Data(stored.clone()),
            TARGET => ControlResponse::Data(match request.target {
                ControlTarget::Device => vec![0, request.setup.index.to_le_bytes()[0]],
                ControlTarget::Interface(interface) => vec![1, interface.number()],
                ControlTarget::Endpoint(endpoint) => {
                    vec![2, u8::try_from(endpoint.index()).unwrap_or(u8::MAX)]
                }
            }),
            _ => ControlResponse::Stall,
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let mut output = endpoints.take(0)?;
        let mut input = endpoints.take(1)?;
        let packets = match endpoints.speed() {
            Speed::Super => 1024,
            Speed::High => 512,
            _ => 64,
        };
        if output.max_packet_size() != packets {
            let size = output.max_packet_size();
            return Err(FunctionError::other(format!("packets of {size} bytes")));
        }
        let mut buffer = Buffer::with_capacity(TRANSFER);
        loop {
            buffer = output.read(buffer)?;
            buffer = input.write(buffer)?;
        }
    }
}

/// The echo's interface, claimed, and its endpoints.
pub(super) struct EchoHost {
    pub(super) interface: Interface,
    pub(super) output: Endpoint<Bulk, Out>,
    pub(super) input: Endpoint<Bulk, In>,
}

impl EchoHost {
    /// Claims the interface that has the echo's class, whatever its number.
    pub(super) fn claim(device: &Device) -> Result<Self> {
        let interfaces = &device.configuration()?.interfaces;
        let number = interfaces
            .iter()
            .flat_map(|interface| &interface.alternate_settings)
            .find(|setting| (setting.class, setting.subclass) == (CLASS.class, CLASS.subclass))
            .context("no interface of the echo's class")?
            .interface_number;
        let interface = device.claim(number)?;
        let setting = interface.alternate_setting()?;
        let address = |direction| {
            let endpoint = setting.find_endpoint(TransferType::Bulk, direction);
            let endpoint = endpoint.with_context(|| format!("no bulk {direction} endpoint"))?;
            anyhow::Ok(endpoint.address)
        };
        let (output, input) = (address(Direction::Out)?, address(Direction::In)?);
        Ok(Self {
            output: interface.endpoint(output)?,
            input: interface.endpoint(input)?,
            interface,
        })
    }

    /// Sends messages of every kind of length and expects each back.
    pub(super) fn exchange(&mut self) -> Result<()> {
        let mut random = Random::new(1);
        for length in [1, 63, 511, 513, 1023, 1025, 5000, TRANSFER] {
            let sent: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            let output = Buffer::from(sent.as_slice());
            let output = self.output.transfer_blocking(output, DEADLINE);
            output
                .into_result()
                .with_context(|| format!("sending {length} bytes"))?;
            let input = self
                .input
                .transfer_blocking(Buffer::with_capacity(TRANSFER), DEADLINE);
            let input = input.into_result();
            let input = input.with_context(|| format!("receiving {length} bytes"))?;
            ensure!(*input == *sent, "{length} bytes came back changed");
        }
        Ok(())
    }
}

/// An echo that nobody drives yet.
pub(super) fn echo() -> Arc<Echo> {
    Arc::new(Echo::default())
}
