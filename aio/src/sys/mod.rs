//! System calls and kernel memory: the part below the ownership rules.
//!
//! | file | what it knows |
//! |---|---|
//! | `abi.rs` | the layouts of `linux/aio_abi.h` |
//! | `ring.rs` | one kernel context: setup, submit, reap, cancel, destroy |
//! | `event_fd.rs` | the descriptor that becomes readable on completions |
//! | `fork.rs` | telling a forked child from the process that made a context |
//! | `pages.rs` | page-aligned memory |

mod abi;
mod event_fd;
mod fork;
mod pages;
mod ring;

pub(crate) use abi::{FLAG_EVENT_FD, Iocb, Opcode, Vector};
pub(crate) use event_fd::EventFd;
#[cfg(feature = "tokio")]
pub(crate) use event_fd::register_with_tokio;
pub(crate) use pages::{Pages, page_size};
pub(crate) use ring::{Answer, Ring};

#[cfg(test)]
mod tests;
