//! The audio functions of a configuration, each with its streams.

use super::{
    AudioError, ControlInterface, Entity, SUBCLASS_CONTROL, SUBCLASS_STREAMING, StreamingSetting,
    Version,
};
use crate::descriptor::{Configuration, Interface};
use crate::standard::class;

/// An audio function: a control interface and the streams that belong to it (UAC1 3.2, UAC2 4.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AudioFunction {
    /// The number of the control interface.
    pub control_interface: u8,
    /// Its terminals, units and clocks.
    pub control: ControlInterface,
    /// Its streaming interfaces, in the order of the configuration.
    pub streams: Vec<StreamingInterface>,
}

/// An audio streaming interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamingInterface {
    /// Its number.
    pub number: u8,
    /// The alternate settings that carry sound; those that do not, as 0, are left out.
    pub settings: Vec<StreamingSetting>,
}

impl AudioFunction {
    /// Reads every audio function of a configuration: what can be read of it, and every rule it breaks. A
    /// function that cannot be read at all, as one of Audio 3.0, is an error in its place.
    #[must_use]
    pub fn all(configuration: &Configuration) -> Vec<Result<(Self, Vec<AudioError>), AudioError>> {
        configuration
            .interfaces
            .iter()
            .filter(|interface| is_audio(interface, SUBCLASS_CONTROL))
            .map(|interface| Self::read(configuration, interface))
            .collect()
    }

    /// The streaming interface linked to this terminal.
    pub fn streams_of(&self, terminal: u8) -> impl Iterator<Item = &StreamingInterface> {
        self.streams.iter().filter(move |stream| {
            stream
                .settings
                .iter()
                .any(|setting| setting.terminal_link == terminal)
        })
    }

    fn read(
        configuration: &Configuration,
        interface: &Interface,
    ) -> Result<(Self, Vec<AudioError>), AudioError> {
        let setting = interface
            .default_setting()
            .ok_or(AudioError::NoControlInterface)?;
        let (control, mut problems) = ControlInterface::from_setting(setting)?;
        let members = members(configuration, interface.number, &control, &mut problems);
        let mut function = Self {
            control_interface: interface.number,
            control,
            streams: Vec::new(),
        };
        for member in members {
            if !is_audio(member, SUBCLASS_STREAMING) {
                continue;
            }
            let mut settings = Vec::new();
            for setting in &member.alternate_settings {
                let (read, more) = StreamingSetting::salvage(function.control.version, setting);
                problems.extend(more);
                settings.extend(read);
            }
            for setting in &settings {
                problems.extend(function.check_link(setting));
            }
            function.streams.push(StreamingInterface {
                number: member.number,
                settings,
            });
        }
        Ok((function, problems))
    }

    /// The terminal of a stream is one of the USB, and of the other direction: what the host plays comes in.
    fn check_link(&self, setting: &StreamingSetting) -> Option<AudioError> {
        let is_playback = setting.is_playback();
        let found = match self.control.entity(setting.terminal_link) {
            None => "which is not there",
            Some(Entity::InputTerminal(it)) if is_playback && it.terminal_type.is_usb() => {
                return None;
            }
            Some(Entity::OutputTerminal(it)) if !is_playback && it.terminal_type.is_usb() => {
                return None;
            }
            Some(Entity::InputTerminal(_)) if is_playback => "which is not of the USB",
            Some(Entity::OutputTerminal(_)) if !is_playback => "which is not of the USB",
            Some(Entity::InputTerminal(_)) => "which takes sound and gives the host none",
            Some(Entity::OutputTerminal(_)) => "which gives sound and takes none from the host",
            Some(_) => "which is no terminal",
        };
        Some(AudioError::TerminalLink {
            interface: setting.interface_number,
            alternate_setting: setting.alternate_setting,
            terminal: setting.terminal_link,
            found,
        })
    }
}

fn is_audio(interface: &Interface, subclass: u8) -> bool {
    interface
        .default_setting()
        .is_some_and(|setting| setting.class == class::AUDIO && setting.subclass == subclass)
}

/// The interfaces of a function: those an Audio 1.0 header lists, those of an Audio 2.0 association. Where
/// neither names any, the streaming interfaces up to the next control interface, as devices without an
/// association mean it.
fn members<'a>(
    configuration: &'a Configuration,
    control_interface: u8,
    control: &ControlInterface,
    problems: &mut Vec<AudioError>,
) -> Vec<&'a Interface> {
    let association = configuration
        .associations
        .iter()
        .find(|association| association.contains(control_interface));
    let mut numbers: Vec<u8> = match (control.version, association) {
        (Version::Uac1, _) => control.streaming_interfaces.clone(),
        (Version::Uac2, Some(association)) => configuration
            .interfaces
            .iter()
            .map(|interface| interface.number)
            .filter(|number| association.contains(*number) && *number != control_interface)
            .collect(),
        (Version::Uac2, None) => Vec::new(),
    };
    let mut seen = std::collections::BTreeSet::new();
    numbers.retain(|number| seen.insert(*number));
    let mut members = Vec::new();
    for interface in numbers {
        let found = configuration.interface(interface);
        match found.filter(|found| {
            found
                .default_setting()
                .is_some_and(|setting| setting.class == class::AUDIO)
        }) {
            Some(found) => members.push(found),
            // An association may hold interfaces of other classes, a header may not.
            None if control.version == Version::Uac1 => {
                problems.push(AudioError::MissingInterface { interface });
            }
            None => {}
        }
    }
    if members.is_empty() {
        members = configuration
            .interfaces
            .iter()
            .skip_while(|interface| interface.number != control_interface)
            .skip(1)
            .take_while(|interface| !is_audio(interface, SUBCLASS_CONTROL))
            .filter(|interface| is_audio(interface, SUBCLASS_STREAMING))
            .collect();
    }
    members
}
