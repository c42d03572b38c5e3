//! Blocking I/O on the kernel's endpoint files, for gadgetfs and FunctionFS alike.
//!
//! Both have asynchronous I/O too, but cancelling it is not safe. gadgetfs cancels with the AIO context locked,
//! controllers give the request back at once, and completing it takes the same lock (ep_aio_cancel,
//! aio_complete_rw; dummy_hcd on 6.12 stops the machine for good). FunctionFS completes from a work item and so
//! escapes that, but when it refuses a submission it frees what its cancel function still looks at
//! (ffs_epfile_read_iter, ffs_aio_cancel: 6.12.95; put right in 6.1.192), and until 2024 it did when a request
//! completed meanwhile (24729b307eef). A process that exits or is killed with operations in flight cancels like any
//! other. Blocking I/O is cancelled by a signal and by the end of the process alike.

mod pipe;
#[allow(unsafe_code)]
pub(crate) mod sys;
mod transfers;

pub(crate) use pipe::{EndpointFile, FilePipe};
