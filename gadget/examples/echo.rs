//! An own gadget on the machine's device controller: sends back what the host sends.
//!
//! Needs root and gadgetfs; without hardware, `modprobe dummy_hcd` makes the machine its own host:
//!
//! ```text
//! cargo run -p usbfs2-gadget --example echo -- --mount /dev/gadget
//! ```
//!
//! Says when a host has configured it, and ends when standard input does.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, io};

use usbfs2_gadget::{
    Buffer, ControlRequest, ControlResponse, DeviceIds, Direction, EndpointRequest, Endpoints,
    Function, FunctionBuilder, FunctionError, Gadget, GadgetfsOptions, InterfaceClass, State,
};

/// Receives on its bulk OUT endpoint and sends the same on its bulk IN endpoint, several transfers at a
/// time.
#[derive(Default)]
struct Echo {
    /// What vendor request 1 stored for vendor request 2.
    stored: Mutex<Vec<u8>>,
}

impl Function for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.name("Echo");
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
        interface.endpoint(EndpointRequest::bulk(Direction::In));
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        match request.setup.request {
            1 => {
                stored.clone_from(&request.data);
                ControlResponse::Acknowledge
            }
            2 => ControlResponse::Data(stored.clone()),
            _ => ControlResponse::Stall,
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let mut output = endpoints.take(0)?;
        let mut input = endpoints.take(1)?;
        for _ in 0..4 {
            output.submit(Buffer::with_capacity(16 * 1024));
        }
        // A buffer goes round: filled by the host, sent back, ready to be filled again.
        while let Some(received) = output.wait(None) {
            received.status?;
            input.submit(received.buffer);
            let sent = input.wait(None);
            if let Some(sent) = sent {
                sent.status?;
                output.submit(sent.buffer);
            }
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = GadgetfsOptions::default();
    let mut arguments = env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => {}
        (Some("--mount"), Some(path)) => options.mount = PathBuf::from(path),
        _ => return Err("usage: echo [--mount DIRECTORY]".into()),
    }

    let ids = DeviceIds {
        vendor: 0x1d6b,
        product: 0x0104,
        release: 0x0100,
    };
    let gadget = Gadget::builder(ids)
        .manufacturer("usbfs2")
        .product("Echo")
        .serial_number("0001")
        .function(Arc::new(Echo::default()))
        .build()?;
    let running = gadget.start_gadgetfs(&options)?;
    println!("on {}", running.port_name());
    running.wait_for_state(State::Configured, Duration::from_secs(10))?;
    println!("{}", State::Configured);

    io::copy(&mut io::stdin(), &mut io::sink())?;
    for failure in running.failures() {
        println!("{failure}");
    }
    running.stop();
    println!("stopped");
    Ok(())
}
