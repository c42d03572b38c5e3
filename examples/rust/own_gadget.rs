//! A device of one's own and the driver for it: what is sent to it comes back, in capitals when it has been
//! asked to shout.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin own_gadget                  both ends, on a bus inside this program
//! cargo run -p usbfs2-examples --bin own_gadget -- --gadgetfs    the device, on this board's controller
//! cargo run -p usbfs2-examples --bin own_gadget -- --drive       the driver, for a device plugged in here
//! ```
//!
//! The last two, on two machines with a cable or on one with dummy_hcd, need root.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use usbfs2_gadget::{
    ControlRequest, ControlResponse, DeviceIds, EndpointRequest, Endpoints, Function,
    FunctionBuilder, FunctionError, Gadget, GadgetfsOptions, InterfaceClass,
};
use usbfs2_host::protocol::RequestKind;
use usbfs2_host::{Buffer, Bulk, Direction, Host, In, Out, SetupPacket, Speed, TransferType};
use usbfs2_loopback::Bus;

// pid.codes gives these numbers out for tests: a product needs its own.
const IDS: DeviceIds = DeviceIds {
    vendor: 0x1209,
    product: 0x0003,
    release: 0x0100,
};
/// Vendor request, OUT: wValue 1 begins to shout, 0 ends it.
const SHOUT: u8 = 1;
/// Vendor request, IN: how many bytes came back so far, four bytes, little-endian.
const COUNT: u8 = 2;
const PATIENCE: Duration = Duration::from_secs(5);

/// The device's end.
#[derive(Default)]
struct Echo {
    shouts: AtomicBool,
    bytes: AtomicU32,
}

impl Function for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
        interface.endpoint(EndpointRequest::bulk(Direction::In));
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        let setup = &request.setup;
        match (setup.request_type.kind, setup.request, setup.direction()) {
            (RequestKind::Vendor, SHOUT, Direction::Out) => {
                self.shouts.store(setup.value != 0, Ordering::Relaxed);
                ControlResponse::Acknowledge
            }
            (RequestKind::Vendor, COUNT, Direction::In) => {
                let bytes = self.bytes.load(Ordering::Relaxed);
                ControlResponse::Data(bytes.to_le_bytes().to_vec())
            }
            _ => ControlResponse::Stall,
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let (mut output, mut input) = (endpoints.take(0)?, endpoints.take(1)?);
        let mut buffer = Buffer::with_capacity(4096);
        // Until an error says that the host went away, which is how every run ends.
        loop {
            buffer = output.read(buffer)?;
            if self.shouts.load(Ordering::Relaxed) {
                buffer.make_ascii_uppercase();
            }
            let length = u32::try_from(buffer.len()).map_err(FunctionError::other)?;
            self.bytes.fetch_add(length, Ordering::Relaxed);
            buffer = input.write(buffer)?;
        }
    }
}

/// The host's end.
fn drive(host: &Host) -> Result<()> {
    let devices = host.devices()?;
    let ids = (Some(IDS.vendor), Some(IDS.product));
    let info = devices
        .iter()
        .find(|info| (info.vendor_id(), info.product_id()) == ids)
        .context("no such device is plugged in: start this example elsewhere with --gadgetfs")?;
    let device = host.open(info.id())?;
    let interface = device.claim(0)?;
    // The addresses are the controller's choice: ask for what is there.
    let setting = interface.alternate_setting()?;
    let address = |direction| {
        let endpoint = setting.find_endpoint(TransferType::Bulk, direction);
        endpoint
            .map(|endpoint| endpoint.address)
            .context("no such endpoint")
    };
    let mut output = interface.endpoint::<Bulk, Out>(address(Direction::Out)?)?;
    let mut input = interface.endpoint::<Bulk, In>(address(Direction::In)?)?;
    for shouts in [0, 1] {
        let setup = SetupPacket::device_out(RequestKind::Vendor, SHOUT, shouts, 0, 0);
        device.control_out_blocking(setup, &[], PATIENCE)?;
        let words = Buffer::from(b"is anybody there?".as_slice());
        output.transfer_blocking(words, PATIENCE).into_result()?;
        let answer = input.transfer_blocking(Buffer::with_capacity(4096), PATIENCE);
        println!(
            "it says: {}",
            String::from_utf8_lossy(&answer.into_result()?)
        );
    }
    let setup = SetupPacket::device_in(RequestKind::Vendor, COUNT, 0, 0, 4);
    let count = device.control_in_blocking(setup, PATIENCE)?;
    let count = u32::from_le_bytes(count.as_slice().try_into()?);
    println!("it counts: {count} bytes");
    Ok(())
}

fn main() -> Result<()> {
    let gadget = Gadget::builder(IDS)
        .product("Echo")
        .function(Arc::new(Echo::default()))
        .build()?;
    match std::env::args().nth(1).as_deref() {
        None => {
            let bus = Bus::new();
            let _plugged = gadget.start_on(&bus, Speed::High)?;
            drive(&Host::on(&bus))
        }
        Some("--gadgetfs") => {
            let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
            println!("on {}: Enter unplugs it", running.port_name());
            std::io::stdin().read_line(&mut String::new())?;
            running.stop();
            Ok(())
        }
        Some("--drive") => drive(&Host::system()?),
        Some(other) => bail!("`{other}` is not understood: give --gadgetfs, --drive or nothing"),
    }
}
