//! Files as programs write them, and files that are broken.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{WavFormat, WavReader, WavWriter};

const PCM: u16 = 1;
const FLOAT: u16 = 3;

/// A chunk as RIFF has it, of even length.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    bytes.extend(content);
    bytes.extend(vec![0; content.len() % 2]);
    bytes
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let content = [b"WAVE".to_vec(), chunks.concat()].concat();
    chunk(b"RIFF", &content)
}

/// The first 16 bytes of a format, for samples of so many bytes.
fn format(tag: u16, channels: u16, bits: u16, bytes: u16) -> Vec<u8> {
    let frame = bytes * channels;
    let words = [
        tag.to_le_bytes().to_vec(),
        channels.to_le_bytes().to_vec(),
        8000_u32.to_le_bytes().to_vec(),
        (8000 * u32::from(frame)).to_le_bytes().to_vec(),
        frame.to_le_bytes().to_vec(),
        bits.to_le_bytes().to_vec(),
    ];
    words.concat()
}

fn extensible(tag: u16, channels: u16, bits: u16, bytes: u16) -> Vec<u8> {
    let mut format = format(0xfffe, channels, bytes * 8, bytes);
    format.extend(22_u16.to_le_bytes());
    format.extend(bits.to_le_bytes());
    format.extend([0; 4]);
    format.extend(tag.to_le_bytes());
    format.extend(b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71");
    format
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("sound.wav");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, bytes: &[u8]) -> anyhow::Result<WavReader> {
        WavReader::open(&self.file(bytes))
    }

    #[track_caller]
    fn samples(&self, bytes: &[u8]) -> (WavFormat, Vec<i32>) {
        let mut reader = self.open(bytes).unwrap();
        (reader.format(), all(&mut reader))
    }

    #[track_caller]
    fn complaint(&self, bytes: &[u8]) -> String {
        match self.open(bytes).map(|mut reader| all(&mut reader)) {
            Ok(samples) => panic!("was taken: {samples:?}"),
            Err(error) => format!("{error:#}"),
        }
    }
}

fn all(reader: &mut WavReader) -> Vec<i32> {
    let mut samples = Vec::new();
    while reader.read(&mut samples, 3).unwrap() > 0 {}
    samples
}

#[test]
fn every_width_stands_in_the_upper_bits() {
    let folder = Folder::new();
    let file = |format: &[u8], data: &[u8]| riff(&[chunk(b"fmt ", format), chunk(b"data", data)]);
    let floats = [1.0_f32, -1.0, 0.5, 2.0, f32::NAN].map(f32::to_le_bytes);
    for (format, data, samples) in [
        (
            format(PCM, 1, 8, 1),
            vec![0, 0x80, 0xff],
            vec![i32::MIN, 0, 0x7f << 24],
        ),
        (
            format(PCM, 2, 16, 2),
            vec![1, 0, 0xff, 0xff],
            vec![1 << 16, -1 << 16],
        ),
        (
            format(PCM, 1, 24, 3),
            vec![1, 0, 0, 0, 0, 0x80],
            vec![1 << 8, i32::MIN],
        ),
        (
            format(PCM, 1, 32, 4),
            vec![1, 2, 3, 0xff],
            vec![-0x00fc_fdff],
        ),
        // 24 bits in the lower bytes, as in the wild; and in the upper ones, as the standard says.
        (
            format(PCM, 1, 24, 4),
            vec![1, 0, 0x80, 0],
            vec![-0x7fff_ff00],
        ),
        (
            extensible(PCM, 1, 24, 4),
            vec![0, 1, 0, 0x80],
            vec![-0x7fff_ff00],
        ),
        (
            extensible(PCM, 2, 20, 3),
            vec![0x10, 0, 0, 0, 0, 0x40],
            vec![0x1000, 0x4000_0000],
        ),
        (
            format(FLOAT, 1, 32, 4),
            floats.concat(),
            vec![i32::MAX, i32::MIN, 1 << 30, i32::MAX, 0],
        ),
        (
            extensible(FLOAT, 1, 32, 4),
            floats[2].to_vec(),
            vec![1 << 30],
        ),
    ] {
        let (found, read) = folder.samples(&file(&format, &data));
        assert_eq!(read, samples, "{found}");
        assert_eq!(found.rate, 8000);
    }
}

#[test]
fn chunks_of_other_programs_are_passed_over() {
    let folder = Folder::new();
    let data = chunk(b"data", &[1, 0, 2, 0]);
    let long_format = [format(PCM, 1, 16, 2), vec![2, 0, 9, 9]].concat();
    let file = riff(&[
        chunk(b"LIST", b"odd"),
        chunk(b"fmt ", &long_format),
        chunk(b"fact", &[2, 0, 0, 0]),
        data,
        chunk(b"id3 ", b"rest"),
    ]);
    assert_eq!(folder.samples(&file).1, [1 << 16, 2 << 16]);
}

#[test]
fn a_file_that_came_through_a_pipe_lasts_as_long_as_it_does() {
    let folder = Folder::new();
    for length in [u32::MAX, 0x7fff_ffff] {
        let mut file = riff(&[chunk(b"fmt ", &format(PCM, 2, 16, 2)), chunk(b"data", &[])]);
        let at = file.len() - 4;
        file[at..].copy_from_slice(&length.to_le_bytes());
        // The last frame was not written as a whole.
        file.extend([1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]);
        let expected = [1, 2, 3, 4].map(|sample| sample << 16);
        assert_eq!(folder.samples(&file).1, expected);
    }
}

#[test]
fn what_cannot_be_used_is_told_in_one_line() {
    let folder = Folder::new();
    let with = |format: &[u8]| riff(&[chunk(b"fmt ", format), chunk(b"data", &[0; 48])]);
    let usable = with(&format(PCM, 2, 16, 2));
    let altered = |at: usize, bytes: &[u8]| {
        let mut file = usable.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    for (file, explanation) in [
        (vec![], "it is empty"),
        (b"RIFF".to_vec(), "it is no WAV file"),
        (
            b"fLaC\0\0\0\x22 and so on".to_vec(),
            "ffmpeg -i FILE FILE.wav",
        ),
        (altered(0, b"RIFX"), "it is no WAV file"),
        (altered(0, b"RF64"), "an RF64 file"),
        (usable[..12].to_vec(), "truncated: it ends before any sound"),
        (usable[..30].to_vec(), "described in 10 bytes"),
        (usable[..40].to_vec(), "truncated: it ends before any sound"),
        (
            usable[..60].to_vec(),
            "it has 0.00 s of sound and says it has 0.00 s",
        ),
        (
            riff(&[chunk(b"data", &[0; 4])]),
            "before the description of its format",
        ),
        (
            riff(&[chunk(b"fmt ", &format(PCM, 2, 16, 2)), chunk(b"data", &[])]),
            "no sound in it",
        ),
        (riff(&[chunk(b"LIST", b"nothing")]), "ends before any sound"),
        (altered(22, &[0, 0]), "no channel"),
        (altered(24, &[0; 4]), "a rate of 0 Hz"),
        (altered(24, &999_u32.to_le_bytes()), "a rate of 999 Hz"),
        (
            altered(24, &768_001_u32.to_le_bytes()),
            "where 1000 to 768000 Hz can be used",
        ),
        (
            altered(24, &4_294_967_291_u32.to_le_bytes()),
            "a rate of 4294967291 Hz",
        ),
        (
            altered(32, &[3, 0]),
            "2 channels of 16 bits do not make frames of 3 bytes",
        ),
        (with(&format(PCM, 2, 0, 2)), "2 channels of 0 bits"),
        (
            with(&format(PCM, 1, 64, 8)),
            "have 64 bits, where 8, 16, 24",
        ),
        (with(&format(PCM, 1, 16, 8192)), "have 65536 bits"),
        (with(&format(FLOAT, 1, 16, 8191)), "65528 bits floating"),
        (with(&format(FLOAT, 1, 64, 8)), "64 bits floating-point"),
        (with(&format(FLOAT, 1, 16, 2)), "16 bits floating-point"),
        (
            with(&format(0x0055, 1, 8, 1)),
            "compressed, in format 0x0055",
        ),
        (
            with(&format(0x0007, 1, 8, 1)),
            "ffmpeg -i FILE -c:a pcm_s24le",
        ),
        (with(&extensible(0x0006, 1, 8, 1)), "format 0x0006"),
    ] {
        let complaint = folder.complaint(&file);
        assert!(
            complaint.contains(explanation),
            "{explanation}: {complaint}"
        );
        assert!(
            !complaint.contains('\n') && complaint.contains("sound.wav"),
            "{complaint}"
        );
    }
    let directory = folder.0.path();
    let complaint = WavReader::open(directory)
        .err()
        .map(|error| format!("{error:#}"));
    assert!(complaint.unwrap().contains("Is a directory"));
}

fn write(path: &Path, bits: u16, channels: u16, samples: &[i32]) {
    let format = WavFormat {
        rate: 8000,
        channels,
        bits,
        float: false,
    };
    let mut writer = WavWriter::create(path, format).unwrap();
    for piece in samples.chunks(usize::from(channels) * 3) {
        writer.write(piece).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn a_recording_is_whole_while_it_is_made() {
    let folder = Folder::new();
    let path = folder.0.path().join("sound.wav");
    let format = WavFormat {
        rate: 8000,
        channels: 1,
        bits: 16,
        float: false,
    };
    let mut writer = WavWriter::create(&path, format).unwrap();
    writer.write(&vec![0x0102_0000; 8000]).unwrap();
    // As if the process were killed now.
    let frames = WavReader::open(&path).unwrap().frames();
    assert_eq!(frames, Some(8000));
    drop(writer);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        words in prop::collection::vec(any::<i32>(), 1..200),
        bits in prop::sample::select(vec![8_u16, 16, 24, 32]),
        channels in 1_u16..10,
    ) {
        let folder = Folder::new();
        let path = folder.0.path().join("sound.wav");
        let whole = words.len() - words.len() % usize::from(channels);
        prop_assume!(whole > 0);
        let samples: Vec<i32> = words[..whole]
            .iter()
            .map(|word| word >> (32 - bits) << (32 - bits))
            .collect();
        write(&path, bits, channels, &samples);
        let mut reader = WavReader::open(&path).unwrap();
        prop_assert_eq!(reader.format().bits, bits);
        prop_assert_eq!(reader.format().channels, channels);
        prop_assert_eq!(all(&mut reader), samples);
    }

    #[test]
    fn any_bytes_are_sound_or_a_complaint(
        mut bytes in prop::collection::vec(any::<u8>(), 0..120),
        start in 0..3,
    ) {
        let folder = Folder::new();
        let head = riff(&[chunk(b"fmt ", &extensible(PCM, 2, 16, 2))]);
        let head = &head[..[0, 20, head.len()][start as usize]];
        bytes.splice(0..0, head.iter().copied());
        if let Ok(mut reader) = folder.open(&bytes) {
            let mut samples = Vec::new();
            while matches!(reader.read(&mut samples, 7), Ok(1..)) {}
        }
    }
}
