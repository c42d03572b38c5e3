//! What the tests in the VM stand on: the kernel's own gadgets, the cable, and what sysfs and the
//! kernel's log say.
//!
//! Nothing here uses the project's libraries, so that a test can tell the module's fault from theirs.

pub mod cable;
pub mod composite;
pub mod device;
pub mod kernel_log;
pub mod random;
#[allow(unsafe_code)]
pub mod sys;
pub mod usbfs2;
pub mod wait;
