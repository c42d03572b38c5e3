//! The device that is meant, and what it has.

use anyhow::{Context as _, Result, bail};
use usbfs2_audio::{AudioDevice, AudioStream, Rates};
use usbfs2_host::DeviceInfo;
use usbfs2_protocol::audio::Decibel;
use usbfs2_protocol::standard::class;

use super::choice::Offer;
use crate::output::note;
use crate::select;

/// What is wanted of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Play,
    Record,
}

/// Opens the device called `name`, or the first audio device.
pub(super) fn open(name: Option<&str>) -> Result<AudioDevice> {
    let host = crate::host()?;
    let info = match name {
        Some(name) => select::device(&host, name)?,
        None => select::first_of_class(&host, class::AUDIO, "audio device")?,
    };
    Ok(AudioDevice::open_blocking(&host.open(info.id())?)?)
}

/// What a device calls itself, and where it is.
pub(super) fn name(device: &AudioDevice) -> String {
    let info: &DeviceInfo = device.device().info();
    match info.product() {
        Some(product) => format!("{product} ({})", info.id()),
        None => info.id().to_string(),
    }
}

fn streams(device: &AudioDevice, wanted: Use) -> Vec<&AudioStream> {
    match wanted {
        Use::Play => device.playback_streams().collect(),
        Use::Record => device.capture_streams().collect(),
    }
}

/// All that the device can be set to, or one of its interfaces.
pub(super) fn offers(
    device: &AudioDevice,
    wanted: Use,
    interface: Option<u8>,
) -> Result<Vec<Offer>> {
    let streams = streams(device, wanted);
    let (verb, way) = match wanted {
        Use::Play => ("plays", "play"),
        Use::Record => ("records", "record"),
    };
    let name = name(device);
    if let (Some(first), Some(number)) = (streams.first(), interface)
        && !streams.iter().any(|stream| stream.interface() == number)
    {
        bail!(
            "interface {number} of {name} does not {way}: interface {} does",
            first.interface()
        );
    }
    let of_interest = streams
        .iter()
        .filter(|stream| interface.is_none_or(|number| stream.interface() == number));
    let offers: Vec<Offer> = of_interest
        .flat_map(|stream| {
            stream.settings().iter().map(|setting| Offer {
                interface: stream.interface(),
                channels: setting.channels,
                sample: setting.sample,
                // The rest would only fail when it is opened, where another setting plays.
                rates: setting.fitting_rates(),
            })
        })
        .filter(|offer| !offer.rates.ranges().is_empty())
        .collect();
    if offers.is_empty() {
        let too_small = streams.iter().flat_map(|stream| {
            let settings = stream.settings().iter();
            settings.filter(|setting| setting.fitting_rates() == Rates::default())
        });
        let reasons: Vec<String> = streams
            .iter()
            .flat_map(|stream| stream.unusable())
            .map(ToString::to_string)
            .chain(too_small.map(|setting| {
                format!(
                    "alternate setting {}: packets of {} bytes have no room for {setting}",
                    setting.alternate_setting, setting.packet_bytes
                )
            }))
            .collect();
        match reasons.is_empty() {
            true => bail!("{name} {verb} nothing: `usbfs2 audio info` shows what it has"),
            false => bail!(
                "{name} {verb} in no format that can be used: {}",
                reasons.join("; ")
            ),
        }
    }
    Ok(offers)
}

/// The stream of an interface that was offered.
pub(super) fn stream(device: &AudioDevice, wanted: Use, interface: u8) -> Result<&AudioStream> {
    let streams = streams(device, wanted);
    let found = streams
        .into_iter()
        .find(|stream| stream.interface() == interface);
    found.with_context(|| format!("interface {interface} has no stream"))
}

/// Sets the volume of a stream and unmutes it, where that was asked for.
pub(super) fn set_volume(
    device: &AudioDevice,
    stream: &AudioStream,
    decibels: Option<f64>,
) -> Result<()> {
    let Some(decibels) = decibels else {
        return Ok(());
    };
    let Some(volume) = device.volume_blocking(stream)? else {
        bail!("{} has no volume that could be set", name(device));
    };
    let asked = Decibel::from_db(decibels);
    let got = volume.set_all_blocking(asked)?;
    if got != asked {
        note!("volume {got}, the nearest it has to {asked}");
    }
    if let Some(mute) = device.mute(stream) {
        for channel in mute.channels().collect::<Vec<_>>() {
            if mute.get_blocking(channel)? {
                mute.set_blocking(channel, false)?;
            }
        }
    }
    Ok(())
}
