//! The audio driver, with a device whose descriptors, answers and packets are anything.

use std::time::Duration;

use usbfs2_audio::{AudioDevice, AudioFormat, AudioStream, Decibel, StreamOptions};
use usbfs2_host::{Direction, Host};
use usbfs2_loopback::{Bus, EndpointSpec};
use usbfs2_protocol::TransferType;
use usbfs2_protocol::descriptor::Configuration;

use crate::puppet::{Lines, Puppet};
use crate::script::Script;

const DEVICE: [u8; 18] = [
    18, 1, 0x00, 0x02, 0, 0, 0, 64, 0x09, 0x12, 0x01, 0x00, 0x00, 0x01, 0, 0, 0, 1,
];
/// Some packets of whatever interval.
const A_WHILE: Duration = Duration::from_millis(4);

/// Opening the card, playing to it and recording from it end, well or with an error.
pub(crate) fn audio_driver(input: &[u8]) {
    let mut script = Script::new(input);
    let length = script.word();
    let configuration = script.some(length.into()).to_vec();
    let control = script.counted().to_vec();
    let lines = Lines {
        device: DEVICE.to_vec(),
        endpoints: endpoints(&configuration),
        configuration,
        control,
        data: script.some(usize::MAX).to_vec(),
    };
    let bus = Bus::new();
    let _puppet = Puppet::plug(&bus, lines);
    let Ok(device) = Host::on(&bus).open(&"1-1".into()) else {
        return;
    };
    let Ok(card) = AudioDevice::open_blocking(&device) else {
        return;
    };
    for stream in card.streams() {
        assert!(!stream.to_string().is_empty());
        // An error is the device's right.
        if let Ok(Some(volume)) = card.volume_blocking(stream) {
            let _ = volume.set_all_blocking(Decibel::from_db(-6.0));
        }
        if let Some(mute) = card.mute(stream) {
            let _ = mute.get_blocking(0);
        }
        let formats = stream.settings().iter().filter_map(|setting| {
            let rate = setting.rates.nearest(48_000)?;
            Some(AudioFormat::new(rate, setting.channels, setting.sample))
        });
        for format in formats.take(2) {
            match stream.direction() {
                Direction::Out => play(&card, stream, format),
                Direction::In => record(&card, stream, format),
            }
        }
    }
}

fn play(card: &AudioDevice, stream: &AudioStream, format: AudioFormat) {
    let options = StreamOptions::default().latency(A_WHILE);
    let Ok(mut playback) = card.play_on_blocking(stream, format, options) else {
        return;
    };
    let frames = vec![0x55; 64 * format.frame_bytes()];
    for _ in 0..4 {
        if playback.write_timeout(&frames, A_WHILE).is_err() {
            return;
        }
    }
    // A rate may be so low that to drain would take a day.
    let _ = playback.pump_blocking(A_WHILE);
    let _ = playback.stop_blocking();
}

fn record(card: &AudioDevice, stream: &AudioStream, format: AudioFormat) {
    let options = StreamOptions::default().latency(A_WHILE);
    let Ok(mut capture) = card.record_on_blocking(stream, format, options) else {
        return;
    };
    let mut frames = vec![0; 64 * format.frame_bytes()];
    for _ in 0..4 {
        if capture.read_timeout(&mut frames, A_WHILE).is_err() {
            return;
        }
    }
    let _ = capture.stop_blocking();
}

/// The isochronous endpoints of a configuration, each once.
fn endpoints(configuration: &[u8]) -> Vec<EndpointSpec> {
    let Ok((configuration, _)) = Configuration::salvage(configuration) else {
        return Vec::new();
    };
    let mut specs: Vec<EndpointSpec> = Vec::new();
    let settings = configuration.alternate_settings();
    for endpoint in settings.flat_map(|setting| &setting.endpoints) {
        let is_known = specs.iter().any(|spec| spec.address == endpoint.address);
        if endpoint.transfer_type() == TransferType::Isochronous && !is_known {
            specs.push(EndpointSpec {
                address: endpoint.address,
                transfer_type: TransferType::Isochronous,
                max_packet_size: endpoint.max_packet_size_raw,
                interval: endpoint.interval,
            });
        }
    }
    specs
}
