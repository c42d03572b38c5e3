//! The chunks of a RIFF file up to its samples. hound takes no file in which a chunk of odd length comes before
//! the samples, nor one whose length was not known when it was begun, nor several ways to write the same
//! format; it is given a header of its own making instead.

use std::io::{self, ErrorKind, Read};
use std::ops::RangeInclusive;

use anyhow::{Result, bail, ensure};

use super::WavFormat;

const PCM: u16 = 0x0001;
const IEEE_FLOAT: u16 = 0x0003;
const EXTENSIBLE: u16 = 0xfffe;
/// What follows the first two bytes of the GUID of a format that has a tag of its own.
const GUID_REST: [u8; 14] = *b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71";
/// Programs that write to a pipe know no length, and write 0xffffffff, or what is just below 2^31.
const STREAMED: u32 = 0x7fff_0000;
/// Frames a second that sound has. Other rates are damage, or measurements that only claim to be sound.
const RATES: RangeInclusive<u32> = 1000..=768_000;

/// What the header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) format: WavFormat,
    /// Bytes of a frame.
    pub(super) frame_bytes: u16,
    /// Bytes of samples, in whole frames; unknown for a file that was written to a pipe.
    pub(super) data_bytes: Option<u32>,
}

impl Header {
    /// Reads up to the first sample.
    pub(super) fn read(file: &mut impl Read) -> Result<Self> {
        let mut start = [0; 12];
        match fill(file, &mut start)? {
            0 => bail!("it is empty"),
            12 => {}
            _ => bail!("it is no WAV file"),
        }
        let ([tag, _, kind], []) = start.as_chunks::<4>() else {
            unreachable!("12 bytes are three times four")
        };
        match (tag, kind) {
            (b"RIFF", b"WAVE") => {}
            (b"RF64" | b"BW64", b"WAVE") => {
                bail!("it is an RF64 file, for sound of more than 4 GiB: cut it into WAV files")
            }
            _ => bail!("it is no WAV file: make one of it, as `ffmpeg -i FILE FILE.wav` does"),
        }
        let mut format = None;
        loop {
            let mut chunk = [0; 8];
            if fill(file, &mut chunk)? < chunk.len() {
                bail!("it is truncated: it ends before any sound");
            }
            let [a, b, c, d, length @ ..] = chunk;
            let length = u32::from_le_bytes(length);
            match &[a, b, c, d] {
                b"fmt " => format = Some(read_format(file, length)?),
                b"data" => {
                    let Some((format, frame_bytes)) = format else {
                        bail!("its sound comes before the description of its format");
                    };
                    let whole = length - length % u32::from(frame_bytes);
                    return Ok(Self {
                        format,
                        frame_bytes,
                        data_bytes: (length < STREAMED).then_some(whole),
                    });
                }
                _ => skip(file, padded(length))?,
            }
        }
    }

    /// The header as hound likes it: format and samples, nothing else.
    pub(super) fn canonical(&self) -> Vec<u8> {
        let WavFormat {
            rate,
            channels,
            bits,
            float,
        } = self.format;
        let frame_bytes = u32::from(self.frame_bytes);
        let data_bytes = self.data_bytes();
        let mut header = Vec::with_capacity(44);
        header.extend(b"RIFF");
        header.extend(data_bytes.saturating_add(36).to_le_bytes());
        header.extend(b"WAVEfmt ");
        header.extend(16_u32.to_le_bytes());
        header.extend((if float { IEEE_FLOAT } else { PCM }).to_le_bytes());
        header.extend(channels.to_le_bytes());
        header.extend(rate.to_le_bytes());
        // Checked when the format was read.
        header.extend(rate.saturating_mul(frame_bytes).to_le_bytes());
        header.extend(self.frame_bytes.to_le_bytes());
        header.extend(bits.to_le_bytes());
        header.extend(b"data");
        header.extend(data_bytes.to_le_bytes());
        header
    }

    /// Bytes of samples; as many as there could be where that is unknown.
    fn data_bytes(&self) -> u32 {
        let frame_bytes = u32::from(self.frame_bytes);
        self.data_bytes.unwrap_or(u32::MAX - u32::MAX % frame_bytes)
    }
}

/// The format, and the bytes of a frame.
fn read_format(file: &mut impl Read, length: u32) -> Result<(WavFormat, u16)> {
    let mut bytes = [0; 40];
    let kept = bytes.len().min(length as usize);
    let read = fill(file, &mut bytes[..kept])?;
    ensure!(
        read >= 16,
        "it is truncated, or damaged: its format is described in {read} bytes"
    );
    // As long as `kept`, so that nothing is left out where `length` is greater than what was read.
    skip(file, padded(length) - kept as u64)?;
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let rate = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    let (channels, frame_bytes, bits) = (word(2), word(12), word(14));
    let (tag, extensible) = match word(0) {
        EXTENSIBLE if read == 40 && bytes[26..] == GUID_REST => (word(24), true),
        tag => (tag, false),
    };
    ensure!(channels > 0, "its header is wrong: it has no channel");
    ensure!(
        RATES.contains(&rate),
        "its header is wrong, or it holds no sound: a rate of {rate} Hz, where {} to {} Hz can be used",
        RATES.start(),
        RATES.end()
    );
    let bytes_per_sample = frame_bytes / channels;
    ensure!(
        frame_bytes == bytes_per_sample * channels
            && bits <= bytes_per_sample.saturating_mul(8)
            && bits > 0
            && rate.checked_mul(u32::from(frame_bytes)).is_some(),
        "its header is wrong: {channels} channels of {bits} bits do not make frames of {frame_bytes} bytes"
    );
    match (tag, bytes_per_sample) {
        (PCM, 1..=4) | (IEEE_FLOAT, 4) => {}
        (PCM | IEEE_FLOAT, bytes) => bail!(
            "its samples have {} bits{}, where 8, 16, 24 and 32, or 32 floating-point, can be used{CONVERT}",
            u32::from(bytes) * 8,
            if tag == IEEE_FLOAT {
                " floating-point"
            } else {
                ""
            },
        ),
        (tag, _) => bail!("its sound is compressed, in format {tag:#06x}{CONVERT}"),
    }
    // A few bits fewer than the bytes have stand in their upper bits (WAVEFORMATEXTENSIBLE,
    // wValidBitsPerSample); but 24 in 4 bytes of a file that is not extensible in the lower ones.
    let bits = match (bytes_per_sample, bits) {
        (4, 24) if !extensible => 24,
        (bytes, _) => bytes * 8,
    };
    let format = WavFormat {
        rate,
        channels,
        bits,
        float: tag == IEEE_FLOAT,
    };
    Ok((format, frame_bytes))
}

const CONVERT: &str = ": convert it, as `ffmpeg -i FILE -c:a pcm_s24le NEW.wav` does";

/// Chunks begin at even places.
fn padded(length: u32) -> u64 {
    u64::from(length) + u64::from(length % 2)
}

/// Reads until `bytes` are full or the file ends.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read(&mut bytes[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Reads on; that the file ends meanwhile shows at the next chunk.
fn skip(file: &mut impl Read, bytes: u64) -> io::Result<()> {
    io::copy(&mut file.take(bytes), &mut io::sink())?;
    Ok(())
}
