//! System calls and kernel memory: the part below the ownership rules.
//!
//! | file | what it knows |
//! |---|---|
//! | `abi.rs` | the layouts of `linux/aio_abi.h` |
//! | `ring.rs` | one kernel context: setup, submit, reap, cancel, destroy |
//! | `uring.rs` | the same by io_uring |
//! | `queue.rs` | one of the two |
//! | `endpoint.rs` | telling usbfs2's endpoints from other files |
//! | `event_fd.rs` | the descriptor that becomes readable on completions |
//! | `fork.rs` | telling a forked child from the process that made a context |
//! | `pages.rs` | page-aligned memory |
//! | `mapping.rs` | memory mapped from a driver, and pieces of it |
//! | `ring_page.rs` | the page of transfers shared with usbfs2 |
//! | `batch.rs` | the operations that start, await and cancel these transfers |

mod abi;
mod batch;
mod endpoint;
mod event_fd;
mod fork;
mod mapping;
mod pages;
mod queue;
mod ring;
mod ring_page;
#[cfg_attr(
    not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "powerpc64"
    )),
    path = "no_uring.rs"
)]
mod uring;

pub(crate) use abi::{COMMAND, FLAG_EVENT_FD, Iocb, Opcode, Vector};
pub(crate) use batch::{PREPARED, batch_offset, cancel_offset, operate};
pub(crate) use endpoint::is_endpoint;
pub(crate) use event_fd::EventFd;
#[cfg(feature = "tokio")]
pub(crate) use event_fd::register_with_tokio;
pub(crate) use fork::ForkMark;
pub(crate) use mapping::{Mapping, Piece};
pub(crate) use pages::{Pages, page_size};
pub(crate) use queue::Queue;
pub(crate) use ring::Answer;
#[cfg(test)]
pub(crate) use ring_page::Answered;
pub(crate) use ring_page::{Asked, RingPage};

#[cfg(test)]
mod tests;
