//! Requests to the entities of the function, through its control interface (UAC1 5.2, UAC2 5.2).

use std::ops::RangeInclusive;
use std::time::Duration;

use usbfs2_host::{EndpointAddress, Interface, TransferError, Waiting};
use usbfs2_protocol::audio::{
    Attribute, ControlRequest, Decibel, FeatureControl, Parameter, RangeBlock, SubRange, Version,
    decode_sampling_frequency, encode_sampling_frequency, selector,
};

use crate::error::ControlError;

/// How long a device may take for a request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The control interface, and how its function is spoken to.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) interface: Interface,
    pub(crate) version: Version,
}

impl Requests {
    /// The rates a clock source says it has. The steps of its ranges are not looked at, as Linux does not: a device
    /// with fixed rates has a range for each.
    pub(crate) async fn clock_ranges(
        &self,
        waiting: Waiting,
        clock: u8,
    ) -> Result<Vec<RangeInclusive<u32>>, ControlError> {
        let control = ControlRequest::clock_frequency(self.number(), clock);
        let ranges = self
            .range::<u32>(waiting, "RANGE of a clock's frequency", control)
            .await?;
        Ok(ranges
            .into_iter()
            .map(|range| range.minimum..=range.maximum)
            .collect())
    }

    pub(crate) async fn clock_rate(
        &self,
        waiting: Waiting,
        clock: u8,
    ) -> Result<u32, ControlError> {
        let control = ControlRequest::clock_frequency(self.number(), clock);
        self.get(waiting, "CUR of a clock's frequency", control)
            .await
    }

    pub(crate) async fn set_clock_rate(
        &self,
        waiting: Waiting,
        clock: u8,
        rate: u32,
    ) -> Result<(), ControlError> {
        let control = ControlRequest::clock_frequency(self.number(), clock);
        self.set(waiting, "CUR of a clock's frequency", control, rate)
            .await
    }

    pub(crate) async fn is_clock_valid(
        &self,
        waiting: Waiting,
        clock: u8,
    ) -> Result<bool, ControlError> {
        let control = ControlRequest::clock_valid(self.number(), clock);
        self.get(waiting, "CUR of a clock's validity", control)
            .await
    }

    /// The pin a clock selector has selected, from 1.
    pub(crate) async fn selected(
        &self,
        waiting: Waiting,
        selector: u8,
    ) -> Result<u8, ControlError> {
        let control = ControlRequest::clock_selector(self.number(), selector);
        self.get(waiting, "CUR of a clock selector", control).await
    }

    pub(crate) async fn select(
        &self,
        waiting: Waiting,
        selector: u8,
        pin: u8,
    ) -> Result<(), ControlError> {
        let control = ControlRequest::clock_selector(self.number(), selector);
        self.set(waiting, "CUR of a clock selector", control, pin)
            .await
    }

    /// Numerator and denominator of a clock multiplier, neither of them 0.
    pub(crate) async fn multiplier(
        &self,
        waiting: Waiting,
        multiplier: u8,
    ) -> Result<(u16, u16), ControlError> {
        const NAME: &str = "CUR of a clock multiplier";
        let control = |selector| ControlRequest::entity(self.number(), multiplier, selector, 0);
        let numerator: u16 = self
            .get(waiting, NAME, control(selector::CLOCK_NUMERATOR))
            .await?;
        let denominator: u16 = self
            .get(waiting, NAME, control(selector::CLOCK_DENOMINATOR))
            .await?;
        if numerator == 0 || denominator == 0 {
            let answer = [numerator.to_le_bytes(), denominator.to_le_bytes()].concat();
            return Err(ControlError::Answer {
                request: NAME,
                answer,
            });
        }
        Ok((numerator, denominator))
    }

    pub(crate) async fn is_muted(
        &self,
        waiting: Waiting,
        unit: u8,
        channel: u8,
    ) -> Result<bool, ControlError> {
        let control = ControlRequest::feature(self.number(), unit, FeatureControl::Mute, channel);
        self.get(waiting, "mute", control).await
    }

    pub(crate) async fn set_mute(
        &self,
        waiting: Waiting,
        unit: u8,
        channel: u8,
        is_muted: bool,
    ) -> Result<(), ControlError> {
        let control = ControlRequest::feature(self.number(), unit, FeatureControl::Mute, channel);
        self.set(waiting, "mute", control, is_muted).await
    }

    pub(crate) async fn volume(
        &self,
        waiting: Waiting,
        unit: u8,
        channel: u8,
    ) -> Result<Decibel, ControlError> {
        let control = ControlRequest::feature(self.number(), unit, FeatureControl::Volume, channel);
        self.get(waiting, "volume", control).await
    }

    pub(crate) async fn set_volume(
        &self,
        waiting: Waiting,
        unit: u8,
        channel: u8,
        volume: Decibel,
    ) -> Result<(), ControlError> {
        let control = ControlRequest::feature(self.number(), unit, FeatureControl::Volume, channel);
        self.set(waiting, "volume", control, volume).await
    }

    /// The range of a volume; of several, from the start of the first to the end of the last.
    pub(crate) async fn volume_range(
        &self,
        waiting: Waiting,
        unit: u8,
        channel: u8,
    ) -> Result<SubRange<Decibel>, ControlError> {
        const NAME: &str = "range of the volume";
        let control = ControlRequest::feature(self.number(), unit, FeatureControl::Volume, channel);
        if self.version == Version::Uac1 {
            let bound = async |attribute| self.get(waiting, NAME, control.of(attribute)).await;
            return Ok(SubRange {
                minimum: bound(Attribute::Minimum).await?,
                maximum: bound(Attribute::Maximum).await?,
                resolution: bound(Attribute::Resolution).await?,
            });
        }
        let ranges = self.range::<Decibel>(waiting, NAME, control).await?;
        match (ranges.first(), ranges.last()) {
            (Some(first), Some(last)) => Ok(SubRange {
                maximum: last.maximum,
                ..*first
            }),
            _ => Err(ControlError::Answer {
                request: NAME,
                answer: vec![0, 0],
            }),
        }
    }

    fn number(&self) -> u8 {
        self.interface.number()
    }

    async fn get<T: Parameter>(
        &self,
        waiting: Waiting,
        name: &'static str,
        control: ControlRequest,
    ) -> Result<T, ControlError> {
        let answer = self.read(waiting, name, control.get::<T>()).await?;
        // More than was asked for cannot come, and less is no value.
        T::parse(&answer).ok_or(ControlError::Answer {
            request: name,
            answer,
        })
    }

    /// Every range. How many there are is asked for first, since devices exist that answer no other length.
    async fn range<T: Parameter>(
        &self,
        waiting: Waiting,
        name: &'static str,
        control: ControlRequest,
    ) -> Result<Vec<SubRange<T>>, ControlError> {
        let none = |answer| ControlError::Answer {
            request: name,
            answer,
        };
        let answer = self.read(waiting, name, control.range(2)).await?;
        let Ok(count) = RangeBlock::<T>::count(&answer) else {
            return Err(none(answer));
        };
        let length = RangeBlock::<T>::length(count);
        let answer = self.read(waiting, name, control.range(length)).await?;
        match RangeBlock::<T>::parse(&answer) {
            Ok(block) => Ok(block.0),
            Err(_) => Err(none(answer)),
        }
    }

    async fn read(
        &self,
        waiting: Waiting,
        name: &'static str,
        control: ControlRequest,
    ) -> Result<Vec<u8>, ControlError> {
        transfer(waiting, &self.interface, self.version, name, control, &[]).await
    }

    async fn set<T: Parameter>(
        &self,
        waiting: Waiting,
        name: &'static str,
        control: ControlRequest,
        value: T,
    ) -> Result<(), ControlError> {
        let mut data = Vec::new();
        value.write_to(&mut data);
        let control = control.set::<T>();
        transfer(waiting, &self.interface, self.version, name, control, &data).await?;
        Ok(())
    }
}

async fn transfer(
    waiting: Waiting,
    interface: &Interface,
    version: Version,
    name: &'static str,
    control: ControlRequest,
    data: &[u8],
) -> Result<Vec<u8>, ControlError> {
    let failed = ControlError::request(name);
    let Some(setup) = control.setup(version) else {
        return Err(failed(TransferError::InvalidRequest));
    };
    let answer = interface.control(waiting, setup, data, TIMEOUT).await;
    answer.map_err(failed)
}

/// The rate of an Audio 1.0 endpoint (UAC1 5.2.3.2.3.1).
pub(crate) async fn endpoint_rate(
    waiting: Waiting,
    interface: &Interface,
    endpoint: EndpointAddress,
) -> Result<u32, ControlError> {
    const NAME: &str = "GET_CUR of the sampling frequency";
    let control = ControlRequest::get_sampling_frequency(endpoint);
    let answer = transfer(waiting, interface, Version::Uac1, NAME, control, &[]).await?;
    decode_sampling_frequency(&answer).ok_or(ControlError::Answer {
        request: NAME,
        answer,
    })
}

/// Sets the rate of an Audio 1.0 endpoint (UAC1 5.2.3.2.3.1).
pub(crate) async fn set_endpoint_rate(
    waiting: Waiting,
    interface: &Interface,
    endpoint: EndpointAddress,
    rate: u32,
) -> Result<(), ControlError> {
    const NAME: &str = "SET_CUR of the sampling frequency";
    let control = ControlRequest::set_sampling_frequency(endpoint);
    let data = encode_sampling_frequency(rate);
    transfer(waiting, interface, Version::Uac1, NAME, control, &data).await?;
    Ok(())
}
