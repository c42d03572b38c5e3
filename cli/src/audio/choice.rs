//! Which of a device's formats is used.

use std::cmp::Reverse;
use std::fmt;

use anyhow::{Result, bail, ensure};
use usbfs2_audio::{AudioFormat, Rates, Sample};

use super::wav::{WavFormat, channels_in_words};
use crate::args::AudioFormatArgs;

/// What a device can be set to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    /// The interface of its stream.
    pub(super) interface: u8,
    pub(super) channels: u8,
    pub(super) sample: Sample,
    pub(super) rates: Rates,
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = channels_in_words(usize::from(self.channels));
        write!(f, "{channels}, {}, {}", self.sample, self.rates)
    }
}

impl Offer {
    fn at(&self, rate: u32) -> Choice {
        Choice {
            interface: self.interface,
            format: AudioFormat::new(rate, self.channels, self.sample),
        }
    }
}

/// What a stream is opened with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    pub(super) interface: u8,
    pub(super) format: AudioFormat,
}

/// The format in which a file loses least: all its channels, all its bits, and no more of both than need be.
pub(super) fn to_play(offers: &[Offer], file: WavFormat, may_resample: bool) -> Result<Choice> {
    let wanted_bits = match file.float {
        // What a floating-point number of 32 bits has of full scale.
        true => 24,
        false => file.bits,
    };
    let loss = |offer: &&Offer| {
        let channels = short_of(u16::from(offer.channels), file.channels);
        let bits = short_of(u16::from(offer.sample.bits()), wanted_bits);
        (channels, bits, offer.sample.bytes())
    };
    let exact = offers
        .iter()
        .filter(|offer| offer.rates.contains(file.rate));
    if let Some(best) = exact.min_by_key(loss) {
        return Ok(best.at(file.rate));
    }
    let near = |offer: &&Offer| (off(offer, file.rate), loss(offer));
    let nearest = offers.iter().min_by_key(near);
    let rate = nearest.and_then(|offer| offer.rates.nearest(file.rate));
    let (Some(best), Some(rate)) = (nearest, rate) else {
        bail!("the device names no rate at which it plays");
    };
    ensure!(
        may_resample,
        "the file has {} Hz, and the device cannot play that: it has {}; --resample converts to {rate} Hz",
        file.rate,
        listed(offers)
    );
    Ok(best.at(rate))
}

/// The format to record in: what was asked for, and the best of the rest.
pub(super) fn to_record(
    offers: &[Offer],
    asked: &AudioFormatArgs,
    may_resample: bool,
) -> Result<Choice> {
    let fits = |offer: &&Offer| {
        asked
            .channels
            .is_none_or(|channels| channels == offer.channels)
            && asked.bits.is_none_or(|bits| bits == offer.sample.bits())
    };
    let rate = asked.rate.unwrap_or(48_000);
    let key = |offer: &&Offer| {
        let channels = short_of(u16::from(offer.channels), 2);
        (off(offer, rate), channels, Reverse(offer.sample.bits()))
    };
    let best = offers.iter().filter(fits).min_by_key(key);
    let Some((best, found)) = best.and_then(|best| Some((best, best.rates.nearest(rate)?))) else {
        bail!(
            "the device does not record {}: it has {}",
            in_words(asked),
            listed(offers)
        );
    };
    ensure!(
        found == rate || asked.rate.is_none() || may_resample,
        "the device does not record {}: it has {}; --resample records at {found} Hz and converts",
        in_words(asked),
        listed(offers)
    );
    Ok(best.at(found))
}

/// How far a number is from the one wanted: less is worse than more.
fn short_of(there: u16, wanted: u16) -> u32 {
    match there.checked_sub(wanted) {
        Some(more) => u32::from(more),
        None => 0x1_0000 + u32::from(wanted - there),
    }
}

/// How far the nearest rate of an offer is from this one.
fn off(offer: &Offer, rate: u32) -> u32 {
    let nearest = offer.rates.nearest(rate);
    nearest.map_or(u32::MAX, |nearest| nearest.abs_diff(rate))
}

fn in_words(asked: &AudioFormatArgs) -> String {
    let parts = [
        asked.rate.map(|rate| format!("{rate} Hz")),
        asked
            .channels
            .map(|channels| channels_in_words(usize::from(channels))),
        asked.bits.map(|bits| format!("{bits} bits")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "at any rate it names".into()
    } else {
        parts.join(", ")
    }
}

/// Every format there is.
fn listed(offers: &[Offer]) -> String {
    let mut lines: Vec<String> = offers.iter().map(ToString::to_string).collect();
    lines.dedup();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(interface: u8, channels: u8, sample: Sample, rates: &[u32]) -> Offer {
        Offer {
            interface,
            channels,
            sample,
            rates: Rates::new(rates.iter().map(|&rate| rate..=rate)),
        }
    }

    fn offers() -> Vec<Offer> {
        vec![
            offer(1, 2, Sample::S16, &[44_100, 48_000]),
            offer(1, 2, Sample::S24, &[44_100, 48_000, 96_000]),
            offer(1, 6, Sample::S16, &[48_000]),
            offer(2, 1, Sample::S32, &[8000]),
        ]
    }

    fn file(rate: u32, channels: u16, bits: u16) -> WavFormat {
        WavFormat {
            rate,
            channels,
            bits,
            float: false,
        }
    }

    fn asked(rate: Option<u32>, channels: Option<u8>, bits: Option<u8>) -> AudioFormatArgs {
        AudioFormatArgs {
            rate,
            channels,
            bits,
        }
    }

    #[test]
    fn a_file_is_played_with_as_little_loss_as_can_be() {
        let play = |file| to_play(&offers(), file, false).unwrap().format.to_string();
        assert_eq!(play(file(48_000, 2, 16)), "48000 Hz, 2 channels, 16 bits");
        assert_eq!(play(file(48_000, 1, 8)), "48000 Hz, 2 channels, 16 bits");
        assert_eq!(play(file(44_100, 2, 24)), "44100 Hz, 2 channels, 24 bits");
        assert_eq!(play(file(48_000, 2, 32)), "48000 Hz, 2 channels, 24 bits");
        assert_eq!(play(file(48_000, 6, 24)), "48000 Hz, 6 channels, 16 bits");
        assert_eq!(play(file(48_000, 8, 24)), "48000 Hz, 6 channels, 16 bits");
        assert_eq!(play(file(8000, 2, 16)), "8000 Hz, 1 channel, 32 bits");
        let float = WavFormat {
            float: true,
            ..file(48_000, 2, 32)
        };
        assert_eq!(play(float), "48000 Hz, 2 channels, 24 bits");
    }

    #[test]
    fn a_rate_that_is_missing_is_converted_only_where_asked() {
        let error = to_play(&offers(), file(88_200, 2, 16), false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the file has 88200 Hz, and the device cannot play that: it has \
             stereo, 16 bits, 44100, 48000 Hz; stereo, 24 bits, 44100, 48000, 96000 Hz; \
             6 channels, 16 bits, 48000 Hz; mono, 32 bits, 8000 Hz; --resample converts to 96000 Hz"
        );
        let converted = to_play(&offers(), file(88_200, 2, 16), true).unwrap();
        assert_eq!(converted.format.rate, 96_000);
        assert!(to_play(&[offer(1, 2, Sample::S16, &[])], file(8000, 2, 16), true).is_err());
        assert!(to_play(&[], file(8000, 2, 16), true).is_err());
    }

    #[test]
    fn a_recording_is_as_asked_and_else_the_best_there_is() {
        let record =
            |asked| to_record(&offers(), &asked, false).map(|choice| choice.format.to_string());
        let best = record(asked(None, None, None)).unwrap();
        assert_eq!(best, "48000 Hz, 2 channels, 24 bits");
        let mono = record(asked(None, Some(1), None)).unwrap();
        assert_eq!(mono, "8000 Hz, 1 channel, 32 bits");
        let narrow = record(asked(Some(44_100), None, Some(16))).unwrap();
        assert_eq!(narrow, "44100 Hz, 2 channels, 16 bits");
        let error = record(asked(Some(48_000), Some(3), None))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the device does not record 48000 Hz, 3 channels: it has stereo")
        );
        let error = record(asked(Some(16_000), None, None))
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("--resample records at 8000 Hz and converts"),
            "{error}"
        );
        let converted = to_record(&offers(), &asked(Some(16_000), None, None), true).unwrap();
        assert_eq!((converted.interface, converted.format.rate), (2, 8000));
    }
}
