//! The thread a function runs on.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use crate::endpoint::{EndpointError, Endpoints};
use crate::function::{Function, FunctionError};
use crate::running::Status;

/// One function's thread, which lives as long as the gadget runs.
///
/// The thread of endpoint 0 only ever hands it endpoints and never waits for it, so a slow function
/// cannot stop the gadget from answering the host. Dropping the worker waits for the current run, whose
/// endpoints must have been disabled before.
#[derive(Debug)]
pub(crate) struct Worker {
    starts: Option<Sender<Endpoints>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn spawn(function: Arc<dyn Function>, status: Arc<Status>) -> io::Result<Self> {
        let (starts, receiver) = channel();
        let thread = thread::Builder::new()
            .name(format!("usb {}", function.name()))
            .spawn(move || work(&*function, &receiver, &status))?;
        Ok(Self {
            starts: Some(starts),
            thread: Some(thread),
        })
    }

    /// Runs the function on these endpoints as soon as the run before has ended.
    pub(crate) fn start(&self, endpoints: Endpoints) {
        if let Some(starts) = &self.starts {
            // The thread ends only after `starts` is dropped.
            drop(starts.send(endpoints));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.starts = None;
        if let Some(thread) = self.thread.take() {
            // The function's panics are caught in `work`.
            drop(thread.join());
        }
    }
}

fn work(function: &dyn Function, starts: &Receiver<Endpoints>, status: &Status) {
    for endpoints in starts {
        let session = endpoints.session();
        if session.is_disabled() {
            continue;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| function.run(endpoints)));
        match outcome {
            Ok(Ok(()) | Err(FunctionError::Endpoint(EndpointError::Disabled))) => {}
            Ok(Err(error)) if session.is_disabled() => {
                log::debug!("function {} ended with: {error}", function.name());
            }
            Ok(Err(error)) => status.fail(Some(function.name()), error.to_string()),
            Err(panic) => {
                let message = format!("run panicked: {}", panic_message(&*panic));
                status.fail(Some(function.name()), message);
            }
        }
    }
}

/// What `panic!` was given.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
