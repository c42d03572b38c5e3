//! From descriptors to streams: which alternate settings can be used, at which rates, and why others cannot.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use usbfs2_host::{Device, Direction, Speed, Waiting};
use usbfs2_protocol::audio::Rates as DescribedRates;
use usbfs2_protocol::audio::{
    AudioError, AudioFunction, Encoding, EndpointAttributes, Entity, FormatType, Sample,
    StreamingSetting, Version,
};

use crate::clock_control::{self, Clock};
use crate::error::{ControlError, OpenError};
use crate::format::Rates;
use crate::requests::Requests;
use crate::stream::{AudioStream, FeedbackKind, RateControl, Shared, StreamSetting, Unusable};
use crate::timing::Timing;

/// What the kernel takes for an interval the specification does not know: 8 ms.
const DEFAULT_INTERVAL: u32 = 64;

/// The clocks each terminal can run on.
type Clocks = BTreeMap<u8, (Vec<Clock>, Vec<String>)>;

/// Every stream of the function, in the order of its interfaces.
pub(crate) async fn of(
    waiting: Waiting,
    device: &Device,
    function: &AudioFunction,
    problems: &[AudioError],
    requests: &Requests,
) -> Result<Vec<AudioStream>, OpenError> {
    let speed = device.info().speed().unwrap_or(Speed::High);
    let settings = || function.streams.iter().flat_map(|stream| &stream.settings);
    let mut clocks = Clocks::new();
    if function.control.version == Version::Uac2 {
        for terminal in settings().map(|setting| setting.terminal_link) {
            if let Entry::Vacant(unasked) = clocks.entry(terminal) {
                let found = clocks_of(waiting, function, problems, requests, terminal).await?;
                unasked.insert(found);
            }
        }
    }
    let mut streams = Vec::new();
    for stream in &function.streams {
        for direction in [Direction::Out, Direction::In] {
            let of_direction = stream
                .settings
                .iter()
                .filter(|setting| setting.data.endpoint.address.direction() == direction);
            let of_direction: Vec<_> = of_direction.collect();
            if let Some(first) = of_direction.first() {
                let terminal = first.terminal_link;
                let (mut usable, mut unusable) = (Vec::new(), Vec::new());
                for setting in of_direction {
                    match usable_setting(function, setting, speed, &clocks) {
                        Ok(setting) => usable.push(setting),
                        Err(reason) => unusable.push(Unusable {
                            alternate_setting: setting.alternate_setting,
                            reason,
                        }),
                    }
                }
                streams.push(AudioStream::new(Shared {
                    interface: stream.number,
                    direction,
                    terminal,
                    ends: ends(function, terminal, direction),
                    settings: usable,
                    unusable,
                }));
            }
        }
    }
    Ok(streams)
}

async fn clocks_of(
    waiting: Waiting,
    function: &AudioFunction,
    problems: &[AudioError],
    requests: &Requests,
    terminal: u8,
) -> Result<(Vec<Clock>, Vec<String>), OpenError> {
    let found = clock_control::clocks_of(waiting, &function.control, requests, terminal).await;
    let (clocks, mut wrong) = match found {
        Ok(found) => found,
        Err(ControlError::Disconnected) => return Err(OpenError::Disconnected),
        Err(error) => (Vec::new(), vec![error.to_string()]),
    };
    if clocks.is_empty() {
        let of_clocks = problems.iter().filter(|problem| {
            matches!(
                problem,
                AudioError::MissingClock { .. }
                    | AudioError::NotAClock { .. }
                    | AudioError::Loop { .. }
                    | AudioError::TerminalLink { .. }
            )
        });
        wrong.extend(of_clocks.map(ToString::to_string));
    }
    Ok((clocks, wrong))
}

/// The setting as this driver uses it, or why it cannot.
fn usable_setting(
    function: &AudioFunction,
    setting: &StreamingSetting,
    speed: Speed,
    clocks: &Clocks,
) -> Result<StreamSetting, String> {
    let FormatType::I { samples, rates } = &setting.format_type else {
        return Err(format!(
            "format type {} is not PCM",
            setting.format_type.number()
        ));
    };
    let encodings = setting.encodings();
    if !encodings.contains(&Encoding::Pcm) {
        let names: Vec<String> = encodings.iter().map(ToString::to_string).collect();
        return Err(format!("{} is not PCM", names.join(", ")));
    }
    let channels = setting.channel_count();
    if channels == 0 {
        return Err("it has no channel".to_owned());
    }
    let sample = Sample::new(samples.bit_resolution, samples.subslot_size);
    let sample = sample.ok_or_else(|| {
        let (bits, bytes) = (samples.bit_resolution, samples.subslot_size);
        format!("samples of {bits} bits in {bytes} bytes are not 2 to 4 bytes")
    })?;
    let (rates, rate_control) = match setting.version {
        Version::Uac1 => described_rates(setting, rates.as_ref()),
        Version::Uac2 => clock_rates(clocks, setting.terminal_link)?,
    };
    if rates.ranges().is_empty() {
        return Err("it has no rate".to_owned());
    }
    let endpoint = &setting.data.endpoint;
    let interval = endpoint
        .interval_microframes(speed)
        .unwrap_or(DEFAULT_INTERVAL);
    let packet_bytes = usize::try_from(endpoint.bytes_per_interval(speed)).unwrap_or(usize::MAX);
    Ok(StreamSetting {
        alternate_setting: setting.alternate_setting,
        channels,
        sample,
        rates,
        synchronization: endpoint.synchronization_type(),
        feedback: feedback_of(function, setting),
        endpoint: endpoint.address,
        packet_bytes,
        timing: Timing {
            rate: 0,
            interval,
            speed,
            packet_frames: 0,
        },
        rate_control,
    })
}

fn described_rates(
    setting: &StreamingSetting,
    rates: Option<&DescribedRates>,
) -> (Rates, RateControl) {
    let rates = match rates {
        None => Rates::default(),
        Some(DescribedRates::Discrete(rates)) => Rates::new(rates.iter().map(|&rate| rate..=rate)),
        Some(DescribedRates::Continuous { minimum, maximum }) => Rates::new([*minimum..=*maximum]),
    };
    let attributes = setting.data.attributes;
    let control = match attributes.contains(EndpointAttributes::SAMPLING_FREQUENCY) {
        true => RateControl::Endpoint,
        false => RateControl::Fixed,
    };
    (rates, control)
}

fn clock_rates(clocks: &Clocks, terminal: u8) -> Result<(Rates, RateControl), String> {
    let nothing = (Vec::new(), Vec::new());
    let (clocks, wrong) = clocks.get(&terminal).unwrap_or(&nothing);
    if clocks.is_empty() {
        return Err(match wrong.is_empty() {
            true => format!("terminal {terminal} has no clock to run on"),
            false => format!(
                "terminal {terminal} has no clock to run on: {}",
                wrong.join("; ")
            ),
        });
    }
    let rates = Rates::new(clocks.iter().flat_map(Clock::rates));
    Ok((rates, RateControl::Clock(clocks.clone())))
}

fn feedback_of(function: &AudioFunction, setting: &StreamingSetting) -> FeedbackKind {
    if !setting.is_playback() {
        return FeedbackKind::None;
    }
    if let Some(feedback) = &setting.feedback {
        return FeedbackKind::Explicit(feedback.endpoint.address);
    }
    let mut recordings = function.streams.iter().flat_map(|stream| &stream.settings);
    let source = recordings.find(|recording| {
        recording.gives_implicit_feedback()
            && recording.interface_number != setting.interface_number
    });
    match source {
        Some(source) if setting.needs_implicit_feedback() => FeedbackKind::Implicit {
            interface: source.interface_number,
        },
        _ => FeedbackKind::None,
    }
}

/// The terminals of the outside world at the other end.
fn ends(function: &AudioFunction, terminal: u8, direction: Direction) -> Vec<String> {
    let control = &function.control;
    let entities = match direction {
        Direction::Out => control.downstream(terminal),
        Direction::In => control.upstream(terminal),
    };
    let types = entities.into_iter().filter_map(|entity| match entity {
        Entity::InputTerminal(it) if it.id != terminal => Some(it.terminal_type),
        Entity::OutputTerminal(it) if it.id != terminal => Some(it.terminal_type),
        _ => None,
    });
    types.map(|kind| kind.to_string()).collect()
}
