//! What the host asks of the sound card (UAC1 5.2, UAC2 5.2).

use usbfs2_protocol::Direction;
use usbfs2_protocol::audio::{
    Attribute, ControlRequest as AudioRequest, Decibel, FeatureControl, RangeBlock, SubRange,
    Target, Version, decode_sampling_frequency, encode_sampling_frequency, selector,
};

use super::describe::id;
use super::{Audio, Stream, StreamOptions, VolumeRange};
use crate::ControlResponse::{Acknowledge, Data, Stall};
use crate::{ControlRequest, ControlResponse, ControlTarget};

impl Audio {
    pub(super) fn stream_options(&self, stream: Stream) -> Option<&StreamOptions> {
        self.options.stream(stream)
    }

    /// Answers a class request.
    pub(super) fn answer(&self, request: &ControlRequest) -> ControlResponse {
        let Some(asked) = AudioRequest::decode(self.options.version, &request.setup) else {
            return Stall;
        };
        let data = (asked.direction == Direction::Out).then_some(&request.data[..]);
        let answer = match (request.target, asked.target) {
            // The control interface is the first.
            (ControlTarget::Interface(interface), Target::Entity { id, .. })
                if interface.index() == 0 =>
            {
                self.entity(id, asked, data)
            }
            (ControlTarget::Endpoint(endpoint), Target::Endpoint(_)) => {
                self.endpoint_rate(endpoint.index(), asked, data)
            }
            _ => None,
        };
        answer.unwrap_or(Stall)
    }

    fn entity(&self, id: u8, asked: AudioRequest, data: Option<&[u8]>) -> Option<ControlResponse> {
        if asked.channel != 0 {
            return None;
        }
        if id == id::CLOCK && self.options.version == Version::Uac2 {
            return self.clock(asked, data);
        }
        let mut streams = self.streams();
        let stream = streams.find(|&stream| id::feature(stream) == id)?;
        let range = self.stream_options(stream)?.volume?;
        match FeatureControl::from_selector(asked.selector)? {
            FeatureControl::Mute => self.mute(stream, asked.attribute, data),
            FeatureControl::Volume => self.volume_request(stream, range, asked.attribute, data),
            _ => None,
        }
    }

    /// Audio 2.0's clock (UAC2 5.2.5.1).
    fn clock(&self, asked: AudioRequest, data: Option<&[u8]>) -> Option<ControlResponse> {
        // All streams have the same.
        let stream = self.streams().next()?;
        match (asked.selector, asked.attribute, data) {
            (selector::CLOCK_FREQUENCY, Attribute::Current, None) => {
                Some(Data(self.rate(stream).to_le_bytes().to_vec()))
            }
            (selector::CLOCK_FREQUENCY, Attribute::Current, Some(data)) => {
                let rate = data.first_chunk().copied().map(u32::from_le_bytes);
                self.choose_rate(stream, rate?)
            }
            (selector::CLOCK_FREQUENCY, Attribute::Range, None) => {
                // A range for each, in ascending order (UAC2 5.2.1).
                let mut rates = self.options.rates.clone();
                rates.sort_unstable();
                rates.dedup();
                let ranges = rates.into_iter().map(|rate| SubRange {
                    minimum: rate,
                    maximum: rate,
                    resolution: 0,
                });
                Some(Data(RangeBlock(ranges.collect()).to_bytes()))
            }
            // It never stops.
            (selector::CLOCK_VALID, Attribute::Current, None) => Some(Data(vec![1])),
            _ => None,
        }
    }

    /// Audio 1.0's sampling frequency of an endpoint (UAC1 5.2.3.2.3.1).
    fn endpoint_rate(
        &self,
        index: usize,
        asked: AudioRequest,
        data: Option<&[u8]>,
    ) -> Option<ControlResponse> {
        let stream = self.stream_of_endpoint(index)?;
        if asked.selector != selector::ENDPOINT_SAMPLING_FREQUENCY
            || self.options.version != Version::Uac1
        {
            return None;
        }
        let answer = |rate: u32| Some(Data(encode_sampling_frequency(rate).to_vec()));
        let rates = self.options.rates.iter().copied();
        match (asked.attribute, data) {
            (Attribute::Current, None) => answer(self.rate(stream)),
            (Attribute::Current, Some(data)) => {
                self.choose_rate(stream, decode_sampling_frequency(data)?)
            }
            (Attribute::Minimum, None) => answer(rates.min()?),
            (Attribute::Maximum, None) => answer(rates.max()?),
            // Rates one by one have no step.
            _ => None,
        }
    }

    fn choose_rate(&self, stream: Stream, rate: u32) -> Option<ControlResponse> {
        let rates = &self.options.rates;
        if !rates.contains(&rate) {
            log::warn!("the host asks for {rate} Hz; the rates are {rates:?}");
            return None;
        }
        self.set_rate(stream, rate);
        Some(Acknowledge)
    }

    /// UAC1 5.2.2.4.3.1, UAC2 5.2.5.7.1.
    fn mute(
        &self,
        stream: Stream,
        attribute: Attribute,
        data: Option<&[u8]>,
    ) -> Option<ControlResponse> {
        match (attribute, data) {
            (Attribute::Current, None) => Some(Data(vec![u8::from(self.is_muted(stream))])),
            (Attribute::Current, Some(&[mute, ..])) => {
                self.lock().set_mute(stream, mute != 0);
                Some(Acknowledge)
            }
            _ => None,
        }
    }

    /// UAC1 5.2.2.4.3.2, UAC2 5.2.5.7.2.
    fn volume_request(
        &self,
        stream: Stream,
        range: VolumeRange,
        attribute: Attribute,
        data: Option<&[u8]>,
    ) -> Option<ControlResponse> {
        let answer = |volume: i16| Some(Data(volume.to_le_bytes().to_vec()));
        match (attribute, data) {
            (Attribute::Current, None) => answer(self.volume(stream).0),
            (Attribute::Current, Some(data)) => {
                let volume = i16::from_le_bytes(*data.first_chunk()?);
                self.lock()
                    .set_volume(stream, range.nearest(Decibel(volume)));
                Some(Acknowledge)
            }
            (Attribute::Minimum, None) => answer(range.minimum.0),
            (Attribute::Maximum, None) => answer(range.maximum.0),
            (Attribute::Resolution, None) => answer(range.resolution),
            (Attribute::Range, None) => Some(Data(RangeBlock(vec![range.sub_range()]).to_bytes())),
            _ => None,
        }
    }

    /// The stream that has this endpoint of the function.
    fn stream_of_endpoint(&self, index: usize) -> Option<Stream> {
        let stream = if index < self.speaker_endpoints() {
            Stream::Speaker
        } else {
            Stream::Microphone
        };
        self.stream_options(stream).map(|_| stream)
    }
}

impl VolumeRange {
    /// The volume of the range that this one stands for: what lies outside is the end it is nearest to, and the device
    /// takes what it can set (UAC1 5.2.2.4.3.2, UAC2 5.2.5.7.2).
    fn nearest(self, volume: Decibel) -> Decibel {
        self.sub_range().nearest(volume)
    }

    fn sub_range(self) -> SubRange<Decibel> {
        SubRange {
            minimum: self.minimum,
            maximum: self.maximum,
            resolution: Decibel(self.resolution),
        }
    }
}
