//! The question FunctionFS answers by an ioctl: the descriptor an endpoint works by.

use std::fs::File;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// `struct usb_endpoint_descriptor`: 7 bytes, and 2 for audio.
const DESCRIPTOR_LENGTH: usize = 9;

/// FUNCTIONFS_ENDPOINT_DESC of linux/usb/functionfs.h.
const ENDPOINT_DESCRIPTOR: Opcode = opcode::read::<[u8; DESCRIPTOR_LENGTH]>(b'g', 130);

/// The endpoint descriptor for the speed the bus has. Fails with EAGAIN on a non-blocking file while the
/// endpoint is disabled.
///
/// Only for functions that have described themselves at every speed: the kernel does not look whether there is
/// a descriptor for the one the bus has before it reads it (ffs_epfile_ioctl).
pub(super) fn endpoint_descriptor(file: &File) -> Result<[u8; DESCRIPTOR_LENGTH], Errno> {
    let mut descriptor = [0; DESCRIPTOR_LENGTH];
    // SAFETY: `descriptor` is a local that outlives the call. The opcode says that the kernel writes an object of its
    // size, and it writes that many bytes or, for an endpoint that is not audio's, fewer.
    unsafe {
        ioctl(
            file,
            Updater::<ENDPOINT_DESCRIPTOR, _>::new(&mut descriptor),
        )
    }?;
    Ok(descriptor)
}
