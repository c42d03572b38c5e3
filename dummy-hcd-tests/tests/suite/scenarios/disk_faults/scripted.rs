//! A Bulk-Only device that answers commands as a test says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use usbfs2_gadget::{
    Buffer, Canceller, ControlRequest, ControlResponse, Direction, EndpointError, EndpointRequest,
    Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass,
};
use usbfs2_protocol::bot;
use usbfs2_protocol::standard::class;

/// The transfers that answer a command block wrapper.
type Answer = Box<dyn Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync>;

/// The device.
pub(super) struct Scripted {
    answer: Answer,
    commands: AtomicUsize,
    resets: AtomicUsize,
    bulk_in: Mutex<Option<Canceller>>,
}

impl Scripted {
    pub(super) fn new(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            commands: AtomicUsize::new(0),
            resets: AtomicUsize::new(0),
            bulk_in: Mutex::new(None),
        })
    }

    /// How many commands came.
    pub(super) fn commands(&self) -> usize {
        self.commands.load(Ordering::SeqCst)
    }

    fn bulk_in(&self) -> std::sync::MutexGuard<'_, Option<Canceller>> {
        self.bulk_in.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Function for Scripted {
    fn name(&self) -> &str {
        "scripted disk"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::new(
            class::MASS_STORAGE,
            bot::SUBCLASS_SCSI,
            bot::PROTOCOL_BULK_ONLY,
        ));
        interface.endpoint(EndpointRequest::bulk(Direction::In));
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        if request.setup.request != bot::BULK_ONLY_RESET {
            return ControlResponse::Stall;
        }
        self.resets.fetch_add(1, Ordering::SeqCst);
        if let Some(bulk_in) = &*self.bulk_in() {
            bulk_in.cancel_all();
        }
        ControlResponse::Acknowledge
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let (mut bulk_in, mut bulk_out) = (endpoints.take(0)?, endpoints.take(1)?);
        *self.bulk_in() = Some(bulk_in.canceller());
        loop {
            let command = bulk_out.read(Buffer::with_capacity(bulk_out.max_packet_size()))?;
            self.commands.fetch_add(1, Ordering::SeqCst);
            let resets = self.resets.load(Ordering::SeqCst);
            for piece in (self.answer)(&command) {
                bulk_in.submit(Buffer::from(piece));
                // Between submit and wait: a reset counts first and cancels then.
                if self.resets.load(Ordering::SeqCst) != resets {
                    bulk_in.cancel_all();
                }
                let sent = bulk_in.wait(None).ok_or(EndpointError::Disabled)?;
                match sent.status {
                    Ok(()) => {}
                    Err(EndpointError::Cancelled) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}
