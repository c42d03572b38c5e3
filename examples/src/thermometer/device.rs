//! The thermometer as a device.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use usbfs2_gadget::{
    Buffer, ControlRequest, ControlResponse, DeviceIds, Direction, EndpointRequest, Endpoints,
    Function, FunctionBuilder, FunctionError, Gadget, InterfaceClass,
};

use super::{PRODUCT, REPORT_BYTES, SET_UNIT, VENDOR};

/// A thermometer that measures what it is told.
#[derive(Debug, Default)]
pub struct Thermometer {
    hundredths_celsius: AtomicI32,
    fahrenheit: AtomicBool,
}

impl Thermometer {
    /// What it measures from now on, in hundredths of a degree Celsius.
    pub fn measure(&self, hundredths_celsius: i32) {
        self.hundredths_celsius
            .store(hundredths_celsius, Ordering::Relaxed);
    }

    fn report(&self) -> [u8; REPORT_BYTES] {
        let celsius = self.hundredths_celsius.load(Ordering::Relaxed);
        let told = if self.fahrenheit.load(Ordering::Relaxed) {
            celsius.saturating_mul(9) / 5 + 3200
        } else {
            celsius
        };
        told.to_le_bytes()
    }
}

impl Function for Thermometer {
    fn name(&self) -> &str {
        "thermometer"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        let every = Duration::from_millis(8);
        interface.endpoint(EndpointRequest::interrupt(Direction::In, 8, every));
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        match (request.setup.request, request.setup.value) {
            (SET_UNIT, unit @ 0..=1) => {
                self.fahrenheit.store(unit == 1, Ordering::Relaxed);
                ControlResponse::Acknowledge
            }
            _ => ControlResponse::Stall,
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let mut reports = endpoints.take(0)?;
        loop {
            // Returns when the host has taken it, and with an error when the host is gone.
            reports.write(Buffer::from(self.report().to_vec()))?;
        }
    }
}

/// The device that has this one function.
pub fn gadget(thermometer: Arc<Thermometer>) -> anyhow::Result<Gadget> {
    let ids = DeviceIds {
        vendor: VENDOR,
        product: PRODUCT,
        release: 0x0100,
    };
    let gadget = Gadget::builder(ids)
        .manufacturer("usbfs2")
        .product("Thermometer")
        .function(thermometer)
        .build()?;
    Ok(gadget)
}
