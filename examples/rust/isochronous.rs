//! A stream of packets, one each millisecond and none repeated: a device that speaks one word at a time, and its
//! listener.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin isochronous                 both ends, on a bus inside this program
//! cargo run -p usbfs2-examples --bin isochronous -- --gadgetfs   the device, on this board's controller
//! cargo run -p usbfs2-examples --bin isochronous -- --drive      the listener, for a device plugged in here
//! ```
//!
//! The last two need root, and the listener the usbfs2 module: nusb, by which classic usbfs is reached, has no
//! isochronous transfers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use usbfs2_gadget::{
    Buffer, DeviceIds, EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError,
    Gadget, GadgetfsOptions, InterfaceClass,
};
use usbfs2_host::{
    Direction, Host, In, IsochronousTransfer, PacketError, Speed, TransferType, Waiting, block_on,
};
use usbfs2_loopback::Bus;

// pid.codes gives these numbers out for tests: a product needs its own.
const IDS: DeviceIds = DeviceIds {
    vendor: 0x1209,
    product: 0x0005,
    release: 0x0100,
};
const SPEECH: &str = "a word is lost that nobody was there to hear .";
/// Bytes of the longest word, and how often one is spoken.
const PACKET: u16 = 64;
const EVERY: Duration = Duration::from_millis(1);

/// The device's end.
struct Speaker;

impl Function for Speaker {
    fn name(&self) -> &str {
        "speaker"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        // Setting 0 takes no bandwidth, so that the bus has room for others while nobody listens (USB 2.0 5.6.3).
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.alternate_setting(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::isochronous(Direction::In, PACKET, EVERY));
    }

    /// Called each time the host selects a setting.
    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let Ok(mut input) = endpoints.take(0) else {
            return Ok(());
        };
        // Each buffer is the packet of one interval. One that is queued early waits for its turn.
        for word in SPEECH.split(' ') {
            input.submit(Buffer::from(word.as_bytes()));
        }
        while let Some(completion) = input.wait(None) {
            completion.status?;
        }
        Ok(())
    }
}

/// The host's end, as a driver would write it for callers that block and for those that await.
async fn listen(host: &Host, waiting: Waiting) -> Result<()> {
    let devices = host.devices()?;
    let ids = (Some(IDS.vendor), Some(IDS.product));
    let info = devices
        .iter()
        .find(|info| (info.vendor_id(), info.product_id()) == ids)
        .context("no such device is plugged in: start this example elsewhere with --gadgetfs")?;
    let interface = host.open(info.id())?.claim(0)?;
    interface.set_alternate_setting(1)?;
    let setting = interface.alternate_setting()?;
    let endpoint = setting.find_endpoint(TransferType::Isochronous, Direction::In);
    let address = endpoint.context("no such endpoint")?.address;

    let mut input = interface.isochronous_endpoint::<In>(address)?;
    println!(
        "up to {} bytes every {:?}",
        input.max_packet_size(),
        input.service_interval()
    );
    let room = u32::try_from(input.max_packet_size())?;
    // Several requests are queued at any time: the next begins where the last one ends, whoever is late here.
    for _ in 0..4 {
        input.submit(IsochronousTransfer::receive(Buffer::new(), vec![room; 8]));
    }
    while let Some(completion) = input.complete(waiting, None).await {
        completion.status?;
        for payload in completion.payloads() {
            match payload {
                Ok(word) => println!("heard: {}", String::from_utf8_lossy(word)),
                // It had nothing to say in that interval.
                Err(PacketError::Missed) => {}
                Err(error) => println!("not understood: {error}"),
            }
            if payload == Ok(b".".as_slice()) {
                return Ok(());
            }
        }
        // The same memory, once more.
        input.submit(completion.into_transfer());
    }
    Ok(())
}

fn main() -> Result<()> {
    let gadget = Gadget::builder(IDS)
        .product("Speaker")
        .function(Arc::new(Speaker))
        .build()?;
    match std::env::args().nth(1).as_deref() {
        None => {
            let bus = Bus::new();
            let _plugged = gadget.start_on(&bus, Speed::High)?;
            block_on(listen(&Host::on(&bus), Waiting::Blocking))
        }
        Some("--gadgetfs") => {
            let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
            println!("on {}: Enter unplugs it", running.port_name());
            std::io::stdin().read_line(&mut String::new())?;
            running.stop();
            Ok(())
        }
        Some("--drive") => block_on(listen(&Host::system()?, Waiting::Blocking)),
        Some(other) => bail!("`{other}` is not understood: give --gadgetfs, --drive or nothing"),
    }
}
