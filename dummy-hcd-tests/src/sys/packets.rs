//! Isochronous packets: an iovec each, and one for their statuses (linux/usbfs2.h).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// USBFS2_ISO_STATUS.
pub const ISO_STATUS: u64 = 1 << 1;
/// USBFS2_ISO_START.
pub const ISO_START: u64 = 1 << 2;
/// Where USBFS2_ISO_FRAME puts the frame to start in.
pub const ISO_FRAME_SHIFT: u32 = 32;

/// `struct usbfs2_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Status {
    /// Bytes moved; of the one for all, the frame of the first packet.
    pub length: i32,
    /// 0 or a negative errno; of the one for all, how many packets have an error.
    pub status: i32,
}

impl Status {
    /// What the kernel never writes.
    pub const UNTOUCHED: Self = Self {
        length: i32::MIN,
        status: i32::MAX,
    };

    /// A packet of which all `length` bytes moved.
    #[must_use]
    pub fn moved(length: usize) -> Self {
        Self {
            length: i32::try_from(length).unwrap_or(i32::MAX),
            status: 0,
        }
    }
}

/// Room for what `flags` ask for of packets of these lengths.
#[must_use]
pub fn statuses_for(flags: u64, lengths: &[usize]) -> Vec<Status> {
    let is_wanted = flags & ISO_STATUS != 0;
    vec![Status::UNTOUCHED; if is_wanted { lengths.len() + 1 } else { 0 }]
}

/// An iovec for each packet, and one for the statuses if there are any. They are good for as long as neither
/// `buffer` nor `statuses` is dropped or grows.
///
/// # Panics
/// If the packets are not exactly as long as `buffer`.
#[must_use]
pub fn vectors(buffer: &mut [u8], lengths: &[usize], statuses: &mut [Status]) -> Vec<libc::iovec> {
    assert_eq!(lengths.iter().sum::<usize>(), buffer.len());
    let mut rest = buffer;
    let mut vectors = Vec::with_capacity(lengths.len() + 1);
    for length in lengths {
        let (packet, after) = std::mem::take(&mut rest).split_at_mut(*length);
        vectors.push(libc::iovec {
            iov_base: packet.as_mut_ptr().cast(),
            iov_len: packet.len(),
        });
        rest = after;
    }
    if !statuses.is_empty() {
        vectors.push(libc::iovec {
            iov_base: statuses.as_mut_ptr().cast(),
            iov_len: size_of_val(statuses),
        });
    }
    vectors
}

/// Reads packets into `buffer`, each of up to as many bytes as `lengths` says, and waits for them.
///
/// # Errors
/// What preadv says.
pub fn read_packets(
    file: &File,
    flags: u64,
    buffer: &mut [u8],
    lengths: &[usize],
) -> io::Result<(usize, Vec<Status>)> {
    let mut statuses = statuses_for(flags, lengths);
    let vectors = vectors(buffer, lengths, &mut statuses);
    let count = libc::c_int::try_from(vectors.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: `file` owns the descriptor; the vectors describe `buffer` and `statuses`, borrowed through the
    // call, which is as long as the kernel writes to them.
    let read = unsafe {
        libc::preadv(
            file.as_raw_fd(),
            vectors.as_ptr(),
            count,
            flags.cast_signed(),
        )
    };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    Ok((read, statuses))
}

/// Writes `bytes` as packets of these lengths, and waits for them.
///
/// # Errors
/// What pwritev says.
pub fn write_packets(
    file: &File,
    flags: u64,
    bytes: &[u8],
    lengths: &[usize],
) -> io::Result<(usize, Vec<Status>)> {
    let mut statuses = statuses_for(flags, lengths);
    // The kernel only reads them, but an iovec has a mutable pointer.
    let mut bytes = bytes.to_vec();
    let vectors = vectors(&mut bytes, lengths, &mut statuses);
    let count = libc::c_int::try_from(vectors.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: `file` owns the descriptor; the vectors describe `bytes` and `statuses`, which live through the
    // call, which is as long as the kernel reads the one and writes to the other.
    let written = unsafe {
        libc::pwritev(
            file.as_raw_fd(),
            vectors.as_ptr(),
            count,
            flags.cast_signed(),
        )
    };
    let written = usize::try_from(written).map_err(|_| io::Error::last_os_error())?;
    Ok((written, statuses))
}
