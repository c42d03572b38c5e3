//! An ALSA PCM by its device file: what libasound would do for a program that plays or records, and no more.

use std::ffi::{c_int, c_uint, c_ulong};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;

/// Channels, bytes of a sample, and frames a second of every stream here: 48 kHz stereo, 16 bits.
pub(crate) const CHANNELS: u32 = 2;
pub(crate) const RATE: u32 = 48_000;
pub(crate) const FRAME_BYTES: usize = 4;

/// `SNDRV_PCM_ACCESS_RW_INTERLEAVED`, `SNDRV_PCM_FORMAT_S16_LE`, `SNDRV_PCM_SUBFORMAT_STD` of `sound/asound.h`.
const ACCESS: u32 = 3;
const FORMAT: u32 = 2;
const SUBFORMAT: u32 = 0;

/// `struct snd_mask`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Mask([u32; 8]);

impl Mask {
    const ANY: Self = Self([u32::MAX; 8]);

    fn only(bit: u32) -> Self {
        let mut words = [0; 8];
        words[0] = 1 << bit;
        Self(words)
    }
}

/// `struct snd_interval`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Interval {
    min: u32,
    max: u32,
    /// Bit 2 is "integer".
    flags: u32,
}

impl Interval {
    const ANY: Self = Self {
        min: 0,
        max: u32::MAX,
        flags: 0,
    };

    const fn only(value: u32) -> Self {
        Self {
            min: value,
            max: value,
            flags: 1 << 2,
        }
    }
}

/// `struct snd_pcm_hw_params`.
#[repr(C)]
struct HardwareParameters {
    flags: c_uint,
    masks: [Mask; 3],
    reserved_masks: [Mask; 5],
    /// From `SNDRV_PCM_HW_PARAM_SAMPLE_BITS` to `SNDRV_PCM_HW_PARAM_TICK_TIME`.
    intervals: [Interval; 12],
    reserved_intervals: [Interval; 9],
    requested: c_uint,
    changed: c_uint,
    info: c_uint,
    significant_bits: c_uint,
    rate_numerator: c_uint,
    rate_denominator: c_uint,
    fifo_size: c_ulong,
    reserved: [u8; 64],
}

/// Places in `intervals`.
const INTERVAL_CHANNELS: usize = 2;
const INTERVAL_RATE: usize = 3;
const INTERVAL_PERIOD_SIZE: usize = 5;
const INTERVAL_BUFFER_SIZE: usize = 9;

const HW_PARAMS: c_ulong = request(3, 0x11, size_of::<HardwareParameters>());
const PREPARE: c_ulong = request(0, 0x40, 0);
const DROP: c_ulong = request(0, 0x43, 0);

/// `_IOC` of `asm-generic/ioctl.h`; a PCM's type is 'A'.
const fn request(access: c_ulong, number: c_ulong, size: usize) -> c_ulong {
    access << 30 | (size as c_ulong) << 16 | (b'A' as c_ulong) << 8 | number
}

/// An open PCM of 48 kHz stereo with 16 bits.
#[derive(Debug)]
pub(crate) struct Pcm {
    file: File,
}

impl Pcm {
    /// Opens the device file with a ring of `buffer` frames in periods of `period`.
    pub(crate) fn open(node: &Path, plays: bool, buffer: u32, period: u32) -> io::Result<Self> {
        let file = OpenOptions::new().read(!plays).write(plays).open(node)?;
        let mut intervals = [Interval::ANY; 12];
        intervals[INTERVAL_CHANNELS] = Interval::only(CHANNELS);
        intervals[INTERVAL_RATE] = Interval::only(RATE);
        intervals[INTERVAL_PERIOD_SIZE] = Interval::only(period);
        intervals[INTERVAL_BUFFER_SIZE] = Interval::only(buffer);
        let mut parameters = HardwareParameters {
            flags: 0,
            masks: [
                Mask::only(ACCESS),
                Mask::only(FORMAT),
                Mask::only(SUBFORMAT),
            ],
            reserved_masks: [Mask::ANY; 5],
            intervals,
            reserved_intervals: [Interval::ANY; 9],
            requested: c_uint::MAX,
            changed: 0,
            info: 0,
            significant_bits: 0,
            rate_numerator: 0,
            rate_denominator: 0,
            fifo_size: 0,
            reserved: [0; 64],
        };
        // SAFETY: SNDRV_PCM_IOCTL_HW_PARAMS reads and writes one such struct, which outlives the call.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), HW_PARAMS, &raw mut parameters) };
        check(result)?;
        Ok(Self { file })
    }

    /// Makes it ready to start, also after its ring ran dry or over. It starts with the first frames.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        // SAFETY: SNDRV_PCM_IOCTL_PREPARE takes no argument.
        check(unsafe { libc::ioctl(self.file.as_raw_fd(), PREPARE) })
    }

    /// Stops at once.
    pub(crate) fn stop(&self) -> io::Result<()> {
        // SAFETY: SNDRV_PCM_IOCTL_DROP takes no argument.
        check(unsafe { libc::ioctl(self.file.as_raw_fd(), DROP) })
    }

    /// Plays whole frames, waiting for room.
    pub(crate) fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        self.file.write_all(frames)
    }

    /// Records whole frames, waiting for them.
    pub(crate) fn read(&mut self, frames: &mut [u8]) -> io::Result<()> {
        self.file.read_exact(frames)
    }
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

const _: () = {
    assert!(size_of::<HardwareParameters>() == 608);
    assert!(HW_PARAMS == 0xc260_4111);
};
