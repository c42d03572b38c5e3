//! What usbtest, the kernel's driver that tests device controllers, wants to find: the counterpart of f_sourcesink and
//! f_loopback in user space.
//!
//! [`SourceSink`] gives data without end on its IN endpoints and takes any on its OUT endpoints, and keeps what the
//! control request 0x5b writes until 0x5c reads it back, as Intel's compliance test device does. Its setting 1 has
//! isochronous endpoints besides. [`Loopback`] gives back what it takes. The kernel's driver binds to the numbers
//! [`SourceSink::IDS`], and to its first interface:
//!
//! ```
//! use usbfs2_gadget::functions::SourceSink;
//! use usbfs2_gadget::functions::source_sink::{IsochronousOptions, Pattern, SourceSinkOptions};
//! use usbfs2_gadget::{Gadget, Target, Udc};
//!
//! let function = SourceSink::new(SourceSinkOptions {
//!     pattern: Pattern::Mod63,
//!     isochronous: Some(IsochronousOptions::default()),
//!     ..SourceSinkOptions::default()
//! })?;
//! let gadget = Gadget::builder(SourceSink::IDS).function(function.clone()).build()?;
//! assert_eq!(gadget.check(&Target::Gadgetfs(Udc::dummy_hcd_isochronous())), []);
//! assert_eq!(function.counters().mismatches, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! On the host's side: `modprobe usbtest pattern=1`, and `testusb -a` of the kernel's `tools/usb`.

mod buffer_requests;
mod loopback;
mod options;
mod pattern;
mod traffic;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::buffer_requests::ControlBuffer;
pub use self::loopback::Loopback;
pub use self::options::{
    BulkOptions, IsochronousOptions, SourceSinkOptions, SourceSinkOptionsError,
};
pub use self::pattern::Pattern;
use crate::{
    ControlRequest, ControlResponse, DeviceIds, Direction, EndpointRequest, Endpoints, Function,
    FunctionBuilder, FunctionError, InterfaceClass, PerSpeed,
};

/// A source and a sink of data for tests.
///
/// Bytes that the pattern does not allow are counted, and on a bulk endpoint halt it, so that the host notices: its next
/// transfers stall until it clears the halt.
pub struct SourceSink {
    options: SourceSinkOptions,
    state: Mutex<State>,
}

/// What the threads of a run and endpoint 0's share.
#[derive(Debug, Default)]
struct State {
    control: ControlBuffer,
    counters: SourceSinkCounters,
}

/// What has moved since the function was made, over all runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceSinkCounters {
    /// Bytes of bulk transfers that the host collected.
    pub bytes_in: u64,
    /// Bytes of bulk transfers that the host sent.
    pub bytes_out: u64,
    /// Isochronous packets that the controller sent.
    pub packets_in: u64,
    /// Isochronous packets that came.
    pub packets_out: u64,
    /// Service intervals that passed without their packet, where the controller tells.
    pub packets_missed: u64,
    /// Transfers and packets that were not of the pattern, or longer than a packet may be.
    pub mismatches: u64,
    /// Requests 0x5b that were carried out.
    pub control_writes: u64,
    /// Requests 0x5c that were.
    pub control_reads: u64,
}

impl SourceSink {
    /// Linux-USB "Gadget Zero", to which the kernel's `usbtest` binds.
    pub const IDS: DeviceIds = DeviceIds {
        vendor: 0x0525,
        product: 0xa4a0,
        release: 0x0100,
    };

    /// A source and sink of these options.
    ///
    /// # Errors
    /// [`SourceSinkOptionsError`] says what to change.
    pub fn new(options: SourceSinkOptions) -> Result<Arc<Self>, SourceSinkOptionsError> {
        options.check()?;
        Ok(Arc::new(Self {
            options,
            state: Mutex::default(),
        }))
    }

    /// What it was made of.
    #[must_use]
    pub fn options(&self) -> &SourceSinkOptions {
        &self.options
    }

    /// What has moved so far.
    #[must_use]
    pub fn counters(&self) -> SourceSinkCounters {
        self.lock().counters
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs half-way through an update.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SourceSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceSink")
            .field("options", &self.options)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl Function for SourceSink {
    fn name(&self) -> &str {
        "source-sink"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.name("source and sink data");
        let bulk = [Direction::In, Direction::Out].map(EndpointRequest::bulk);
        for request in &bulk {
            interface.endpoint(request.clone());
        }
        if let Some(options) = &self.options.isochronous {
            interface.alternate_setting(InterfaceClass::VENDOR);
            for request in bulk {
                interface.endpoint(request);
            }
            for direction in [Direction::In, Direction::Out] {
                interface.endpoint(isochronous(direction, options));
            }
        }
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        let mut state = self.lock();
        let response = state.control.answer(request);
        match response {
            ControlResponse::Acknowledge => state.counters.control_writes += 1,
            ControlResponse::Data(_) => state.counters.control_reads += 1,
            ControlResponse::Stall => {}
        }
        response
    }

    fn prepare(&self, endpoints: &mut Endpoints) {
        traffic::prepare(self, endpoints);
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        traffic::run(self, endpoints)
    }
}

/// The packet of a service interval, which full speed limits to 1023 bytes.
fn isochronous(direction: Direction, options: &IsochronousOptions) -> EndpointRequest {
    let packet = options.packet;
    EndpointRequest::isochronous(direction, packet, options.interval).max_packet_sizes(PerSpeed {
        full: packet.min(1023),
        high: packet,
        super_speed: packet,
    })
}
