//! `usbfs2 audio info`.

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use usbfs2_audio::{AudioDevice, AudioStream, FeedbackKind, StreamSetting, Volume};
use usbfs2_host::Direction;
use usbfs2_protocol::audio::{ClockKind, Entity};

use super::device;
use super::wav::channels_in_words;
use crate::args::AudioInfoArgs;
use crate::output::{note, say};

/// An audio function for scripts.
#[derive(Serialize)]
struct Facts {
    device: String,
    name: String,
    version: String,
    streams: Vec<StreamFacts>,
    entities: Vec<EntityFacts>,
    /// Rules its descriptors break.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct StreamFacts {
    interface: u8,
    /// `play` or `record`.
    direction: &'static str,
    /// Where sound goes in the end, or comes from.
    ends: Vec<String>,
    volumes: Vec<VolumeFacts>,
    mutes: Vec<MuteFacts>,
    settings: Vec<SettingFacts>,
    unusable: Vec<String>,
}

#[derive(Serialize)]
struct SettingFacts {
    alternate_setting: u8,
    channels: u8,
    bits: u8,
    bytes_per_sample: u8,
    /// From and to; the same for a single one.
    rates: Vec<(u32, u32)>,
    #[serde(skip)]
    rates_in_words: String,
    synchronization: String,
    feedback: String,
    endpoint: u8,
    packet_bytes: usize,
}

#[derive(Serialize)]
struct VolumeFacts {
    /// 0 is the master.
    channel: u8,
    db: f64,
    least_db: f64,
    most_db: f64,
    step_db: f64,
}

#[derive(Serialize)]
struct MuteFacts {
    channel: u8,
    muted: bool,
}

#[derive(Serialize)]
struct EntityFacts {
    id: u8,
    kind: &'static str,
    what: String,
    sources: Vec<u8>,
    clocks: Vec<u8>,
}

/// Prints what an audio device has.
pub(super) fn run(args: &AudioInfoArgs) -> Result<()> {
    let device = device::open(args.device.as_deref())?;
    print(&device, args)
}

/// Prints what an open device has.
pub(super) fn print(device: &AudioDevice, args: &AudioInfoArgs) -> Result<()> {
    let facts = Facts::of(device)?;
    if args.output.json {
        say!("{}", serde_json::to_string_pretty(&facts)?)?;
        return Ok(());
    }
    say!("{}, {}", device::name(device), facts.version)?;
    for stream in &facts.streams {
        print_stream(stream)?;
    }
    say!("\nInside:")?;
    say!("{}", entities(&facts.entities))?;
    for problem in &facts.problems {
        note!("usbfs2: its descriptors: {problem}");
    }
    Ok(())
}

fn print_stream(stream: &StreamFacts) -> Result<()> {
    let (way, from_or_to) = match stream.direction {
        "play" => ("Plays", "to"),
        _ => ("Records", "from"),
    };
    let ends = stream.ends.join(", ");
    let ends = match ends.is_empty() {
        true => String::new(),
        false => format!(" {from_or_to} its {ends}"),
    };
    say!("\n{way}{ends}, on interface {}", stream.interface)?;
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "alternate",
        "channels",
        "samples",
        "rates",
        "clock",
        "packets",
    ]);
    for setting in &stream.settings {
        let spare = match setting.bytes_per_sample * 8 == setting.bits {
            true => String::new(),
            false => format!(" in {} bytes", setting.bytes_per_sample),
        };
        let feedback = match &*setting.feedback {
            "none" => String::new(),
            feedback => format!(", {feedback}"),
        };
        table.add_row([
            setting.alternate_setting.to_string(),
            channels_in_words(usize::from(setting.channels)),
            format!("{} bits{spare}", setting.bits),
            setting.rates_in_words.clone(),
            format!("{}{feedback}", setting.synchronization),
            format!("{} bytes", setting.packet_bytes),
        ]);
    }
    say!("{table}")?;
    for unusable in &stream.unusable {
        say!("  not usable: {unusable}")?;
    }
    for volume in &stream.volumes {
        say!(
            "  volume {}{:.1} dB, from {:.1} to {:.1} dB in steps of {:.2}",
            of_channel(volume.channel),
            volume.db,
            volume.least_db,
            volume.most_db,
            volume.step_db
        )?;
    }
    for mute in &stream.mutes {
        let muted = if mute.muted { "muted" } else { "not muted" };
        say!("  {}{muted}", of_channel(mute.channel))?;
    }
    Ok(())
}

fn of_channel(channel: u8) -> String {
    match channel {
        0 => String::new(),
        n => format!("of channel {n}: "),
    }
}

fn entities(entities: &[EntityFacts]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let list = |ids: &[u8]| {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        ids.join(", ")
    };
    table.set_header(["id", "kind", "what", "from", "clock"]);
    for entity in entities {
        table.add_row([
            entity.id.to_string(),
            entity.kind.to_owned(),
            entity.what.clone(),
            list(&entity.sources),
            list(&entity.clocks),
        ]);
    }
    table
}

impl Facts {
    fn of(device: &AudioDevice) -> Result<Self> {
        let streams = device
            .streams()
            .iter()
            .map(|stream| StreamFacts::of(device, stream))
            .collect::<Result<_>>()?;
        let entities = device.topology().entities.iter().map(EntityFacts::of);
        Ok(Self {
            device: device.device().info().id().to_string(),
            name: device.device().info().product().unwrap_or_default().into(),
            version: device.version().to_string(),
            streams,
            entities: entities.collect(),
            problems: device.problems().iter().map(ToString::to_string).collect(),
        })
    }
}

impl StreamFacts {
    fn of(device: &AudioDevice, stream: &AudioStream) -> Result<Self> {
        let volumes = match device.volume_blocking(stream)? {
            Some(volume) => volumes(&volume)?,
            None => Vec::new(),
        };
        let mutes = match device.mute(stream) {
            Some(mute) => mute
                .channels()
                .map(|channel| {
                    let muted = mute.get_blocking(channel)?;
                    Ok(MuteFacts { channel, muted })
                })
                .collect::<Result<_>>()?,
            None => Vec::new(),
        };
        Ok(Self {
            interface: stream.interface(),
            direction: match stream.direction() {
                Direction::Out => "play",
                Direction::In => "record",
            },
            ends: stream.ends().to_vec(),
            volumes,
            mutes,
            settings: stream.settings().iter().map(SettingFacts::of).collect(),
            unusable: stream.unusable().iter().map(ToString::to_string).collect(),
        })
    }
}

fn volumes(volume: &Volume) -> Result<Vec<VolumeFacts>> {
    let facts = volume.channels().map(|(channel, range)| {
        Ok(VolumeFacts {
            channel,
            db: volume.get_blocking(channel)?.db(),
            least_db: range.least.db(),
            most_db: range.most.db(),
            step_db: f64::from(range.step) / 256.0,
        })
    });
    facts.collect()
}

impl SettingFacts {
    fn of(setting: &StreamSetting) -> Self {
        let rates = setting.rates.ranges().iter();
        Self {
            alternate_setting: setting.alternate_setting,
            channels: setting.channels,
            bits: setting.sample.bits(),
            bytes_per_sample: setting.sample.bytes(),
            rates: rates.map(|range| (*range.start(), *range.end())).collect(),
            rates_in_words: setting.rates.to_string(),
            synchronization: setting.synchronization.to_string(),
            feedback: match setting.feedback {
                FeedbackKind::None => "none".into(),
                FeedbackKind::Explicit(address) => format!("feedback on {address}"),
                FeedbackKind::Implicit { interface } => {
                    format!("feedback by what interface {interface} records")
                }
            },
            endpoint: setting.endpoint.to_byte(),
            packet_bytes: setting.packet_bytes,
        }
    }
}

impl EntityFacts {
    fn of(entity: &Entity) -> Self {
        Self {
            id: entity.id(),
            kind: entity.kind(),
            what: match entity {
                Entity::InputTerminal(it) => format!("{}: {}", it.terminal_type, it.channels),
                Entity::OutputTerminal(it) => it.terminal_type.to_string(),
                Entity::ClockSource(it) => {
                    let kind = match it.kind() {
                        ClockKind::External => "external",
                        ClockKind::InternalFixed => "internal, fixed",
                        ClockKind::InternalVariable => "internal, variable",
                        ClockKind::InternalProgrammable => "internal, programmable",
                    };
                    let with_bus = match it.is_synchronized_to_sof() {
                        true => ", with the bus",
                        false => "",
                    };
                    format!("{kind}{with_bus}")
                }
                _ => String::new(),
            },
            sources: entity.sources().to_vec(),
            clocks: entity.clocks(),
        }
    }
}
