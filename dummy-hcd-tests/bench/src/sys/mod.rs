//! System calls and libusb's C interface, behind safe types.
//!
//! | file | what it knows |
//! |---|---|
//! | `usbfs.rs` | usbfs's ioctls (`linux/usbdevice_fs.h`) |
//! | `urbs.rs` | a queue of usbfs URBs on mapped memory |
//! | `libusb.rs` | a queue of libusb transfers |
//! | `pcm.rs` | ALSA's PCMs, by their device files |
//! | `marker.rs` | an instruction without effect that the profiler sees |

mod libusb;
mod marker;
mod pcm;
mod urbs;
mod usbfs;

pub(crate) use libusb::{LibusbDevice, LibusbKind, LibusbQueue};
pub(crate) use marker::{window_begins, window_ends};
pub(crate) use pcm::{FRAME_BYTES, Pcm};
pub(crate) use urbs::{UrbQueue, UrbType};
pub(crate) use usbfs::Usbfs;
