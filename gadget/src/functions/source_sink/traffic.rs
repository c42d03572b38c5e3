//! A run: each endpoint has a thread, which submits again what has completed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{SourceSink, SourceSinkOptions};
use crate::endpoint::Canceller;
use crate::{
    Buffer, Completion, Direction, Endpoint, EndpointError, Endpoints, FunctionError, TransferType,
};

/// Endpoints of both settings together.
const ENDPOINTS: usize = 6;

/// Queues transfers on every endpoint of the run, so that the host's first packets find them there.
pub(super) fn prepare(function: &SourceSink, endpoints: &mut Endpoints) {
    for index in 0..ENDPOINTS {
        // Those of the other setting are not there.
        if let Ok(endpoint) = endpoints.get_mut(index) {
            fill(&function.options, endpoint);
        }
    }
}

fn fill(options: &SourceSinkOptions, endpoint: &mut Endpoint) {
    let packet = endpoint.max_packet_size();
    let (length, queue) = match (endpoint.transfer_type(), &options.isochronous) {
        (TransferType::Isochronous, Some(isochronous)) => (packet, isochronous.queue),
        _ => (options.bulk.transfer_length, options.bulk.queue),
    };
    for _ in 0..queue {
        endpoint.submit(match endpoint.address().direction() {
            Direction::Out => Buffer::with_capacity(length),
            Direction::In => {
                let packets = options.pattern.packet(packet).into_iter().cycle();
                Buffer::from(packets.take(length).collect::<Vec<_>>())
            }
        });
    }
}

/// Moves data until the endpoints are disabled.
pub(super) fn run(function: &SourceSink, mut endpoints: Endpoints) -> Result<(), FunctionError> {
    let endpoints: Vec<Endpoint> = (0..ENDPOINTS)
        .filter_map(|index| endpoints.take(index).ok())
        .collect();
    let end = End {
        has_come: AtomicBool::new(false),
        cancellers: endpoints.iter().map(Endpoint::canceller).collect(),
    };
    thread::scope(|scope| {
        let threads = endpoints.into_iter().map(|endpoint| {
            let thread = thread::Builder::new().name(format!("usb data {}", endpoint.address()));
            thread.spawn_scoped(scope, || {
                let result = serve(function, endpoint, &end);
                end.come();
                result
            })
        });
        let threads = threads.collect::<io::Result<Vec<_>>>().map_err(|error| {
            end.come();
            FunctionError::other(error)
        })?;
        let results = threads.into_iter().map(|thread| {
            let result = thread.join();
            result.map_err(|_| FunctionError::other("a thread of an endpoint panicked"))?
        });
        // All of them, since one that ends of another's accord has nothing to tell.
        let mut results = results.collect::<Vec<_>>().into_iter();
        results.find(Result::is_err).unwrap_or(Ok(()))
    })
}

/// Where one endpoint fails, the others do not go on without it.
struct End {
    has_come: AtomicBool,
    cancellers: Vec<Canceller>,
}

impl End {
    /// Each endpoint has two transfers or more, so a thread that has just looked has one to be told by.
    fn come(&self) {
        if !self.has_come.swap(true, Ordering::SeqCst) {
            for canceller in &self.cancellers {
                canceller.cancel_all();
            }
        }
    }
}

fn serve(function: &SourceSink, mut endpoint: Endpoint, end: &End) -> Result<(), FunctionError> {
    let packet = function.options.pattern.packet(endpoint.max_packet_size());
    while let Some(completion) = endpoint.wait(None) {
        if end.has_come.load(Ordering::SeqCst) {
            return Ok(());
        }
        let buffer = take(function, &mut endpoint, &packet, completion)?;
        endpoint.submit(buffer);
    }
    Ok(())
}

/// Counts and checks a transfer, and returns its buffer.
fn take(
    function: &SourceSink,
    endpoint: &mut Endpoint,
    packet: &[u8],
    completion: Completion,
) -> Result<Buffer, EndpointError> {
    let bytes = completion.actual_length as u64;
    let is_isochronous = endpoint.transfer_type() == TransferType::Isochronous;
    let direction = endpoint.address().direction();
    let mut is_right = true;
    match completion.status {
        Ok(()) if direction == Direction::Out => {
            let pattern = function.options.pattern;
            if let Some((offset, byte)) = pattern.mismatch(packet, &completion.buffer) {
                // A halt ends those of a bulk endpoint; packets may come 8000 times a second.
                let level = match is_isochronous {
                    true => log::Level::Debug,
                    false => log::Level::Warn,
                };
                log::log!(
                    level,
                    "{}: byte {offset} of {bytes} is {byte}, which is not {pattern:?}",
                    endpoint.address()
                );
                is_right = false;
            }
        }
        Ok(()) => {}
        Err(EndpointError::Missed) => {
            function.lock().counters.packets_missed += 1;
            return Ok(completion.buffer);
        }
        // A host that sends more than a packet may hold.
        Err(EndpointError::Overflow) => is_right = false,
        Err(error) => return Err(error),
    }
    let mut state = function.lock();
    let counters = &mut state.counters;
    match (is_isochronous, direction) {
        (false, Direction::In) => counters.bytes_in += bytes,
        (false, Direction::Out) => counters.bytes_out += bytes,
        (true, Direction::In) => counters.packets_in += 1,
        (true, Direction::Out) => counters.packets_out += 1,
    }
    counters.mismatches += u64::from(!is_right);
    drop(state);
    if !is_right && !is_isochronous {
        endpoint.set_halt()?;
    }
    Ok(completion.buffer)
}
