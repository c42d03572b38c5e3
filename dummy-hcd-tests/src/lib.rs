//! What the tests in the VM stand on: the kernel's own gadgets, the cable, QEMU's monitor, and what sysfs,
//! the kernel's log and Wireshark say.
//!
//! Nothing here uses the project's libraries, so that a test can tell the module's fault from theirs.

pub mod alsa;
pub mod bench_row;
pub mod cable;
pub mod composite;
pub mod descendants;
pub mod device;
pub mod dissection;
pub mod fail_nth;
pub mod kernel_log;
pub mod kmemleak;
pub mod ktap;
pub mod modprobe;
pub mod numbered_frames;
pub mod qmp;
pub mod random;
pub mod sound;
pub mod stress;
#[allow(unsafe_code)]
pub mod sys;
pub mod usbfs2;
pub mod usbredir;
pub mod usbtest;
pub mod vitals;
pub mod wait;
