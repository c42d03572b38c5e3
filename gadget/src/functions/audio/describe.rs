//! The sound card's descriptors (UAC1 4, UAC2 4).

use usbfs2_protocol::audio::{
    Access, ChannelCluster, ClockKind, ClockSource, ControlInterface, Entity, FeatureControl,
    FeatureControls, FeatureUnit, InputTerminal, OutputTerminal, SUBCLASS_CONTROL,
    SUBCLASS_STREAMING, TerminalType, Version, category,
};
use usbfs2_protocol::descriptor::Descriptors;
use usbfs2_protocol::standard::class;

use super::{AudioOptions, Stream, StreamOptions};
use crate::{FunctionBuilder, InterfaceBuilder, InterfaceClass};

/// The identifiers of the entities.
pub(super) mod id {
    use super::super::Stream;

    /// Audio 2.0's only clock.
    pub(crate) const CLOCK: u8 = 1;

    /// Where a stream's sound comes in.
    pub(crate) fn input(stream: Stream) -> u8 {
        match stream {
            Stream::Speaker => 2,
            Stream::Microphone => 5,
        }
    }

    /// Its volume and mute.
    pub(crate) fn feature(stream: Stream) -> u8 {
        input(stream) + 1
    }

    /// Where it goes.
    pub(crate) fn output(stream: Stream) -> u8 {
        input(stream) + 2
    }
}

impl AudioOptions {
    pub(super) fn stream(&self, stream: Stream) -> Option<&StreamOptions> {
        match stream {
            Stream::Speaker => self.speaker.as_ref(),
            Stream::Microphone => self.microphone.as_ref(),
        }
    }

    fn class(&self, subclass: u8) -> InterfaceClass {
        InterfaceClass::new(class::AUDIO, subclass, self.version.to_protocol())
    }

    pub(super) fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        builder.independent_interfaces();
        if self.version == Version::Uac2 {
            builder.association(self.class(0), None);
        }
        let streams = [Stream::Speaker, Stream::Microphone]
            .into_iter()
            .filter_map(|stream| Some((stream, self.stream(stream)?)));
        let mut control = builder.interface(self.class(SUBCLASS_CONTROL));
        let first = control.handle().number() + 1;
        let descriptors = self.control_interface(first).to_bytes();
        push_all(&mut control, &descriptors);
        let mut endpoints = 0;
        for (stream, options) in streams {
            let mut interface = builder.interface(self.class(SUBCLASS_STREAMING));
            for &size in &options.sizes {
                interface.alternate_setting(self.class(SUBCLASS_STREAMING));
                self.describe_setting(&mut interface, stream, options, size, &mut endpoints);
            }
        }
    }

    /// Clock, terminals and units. The streams' interfaces are numbered from `first`.
    fn control_interface(&self, first: u8) -> ControlInterface {
        let mut control = ControlInterface::new(self.version);
        control.category = match (&self.speaker, &self.microphone) {
            (Some(_), None) => category::DESKTOP_SPEAKER,
            (None, Some(_)) => category::MICROPHONE,
            _ => category::IO_BOX,
        };
        let count = u8::try_from(self.streams().count()).unwrap_or_default();
        control.streaming_interfaces = (first..first.saturating_add(count)).collect();
        if self.version == Version::Uac2 {
            let clock = self.clock_source();
            control.entities.push(Entity::ClockSource(clock));
        }
        for stream in [Stream::Speaker, Stream::Microphone] {
            if let Some(options) = self.stream(stream) {
                control.entities.extend(self.path(stream, options));
            }
        }
        control
    }

    fn clock_source(&self) -> ClockSource {
        let (kind, access) = match self.rates[..] {
            [_] => (ClockKind::InternalFixed, Access::ReadOnly),
            _ => (ClockKind::InternalProgrammable, Access::ReadWrite),
        };
        let mut clock = ClockSource::new(id::CLOCK, kind, access);
        // Validity can be read.
        clock.controls |= 0b01 << 2;
        clock
    }

    /// Terminal, feature unit and terminal of a stream.
    fn path(&self, stream: Stream, options: &StreamOptions) -> Vec<Entity> {
        let (from, to) = match stream {
            Stream::Speaker => (TerminalType::USB_STREAMING, TerminalType::SPEAKER),
            Stream::Microphone => (TerminalType::MICROPHONE, TerminalType::USB_STREAMING),
        };
        let clock = match self.version {
            Version::Uac1 => 0,
            Version::Uac2 => id::CLOCK,
        };
        let channels = ChannelCluster::usual(options.channels);
        let mut input = InputTerminal::new(id::input(stream), from, channels);
        input.clock = clock;
        let source = match options.volume {
            Some(_) => id::feature(stream),
            None => id::input(stream),
        };
        let mut output = OutputTerminal::new(id::output(stream), to, source);
        output.clock = clock;
        let mut path = vec![Entity::InputTerminal(input)];
        if options.volume.is_some() {
            path.push(Entity::FeatureUnit(feature_unit(stream, options)));
        }
        path.push(Entity::OutputTerminal(output));
        path
    }
}

/// Volume and mute of all channels together.
fn feature_unit(stream: Stream, options: &StreamOptions) -> FeatureUnit {
    let master = FeatureControls::NONE
        .with(FeatureControl::Mute, Access::ReadWrite)
        .with(FeatureControl::Volume, Access::ReadWrite);
    let mut controls = vec![FeatureControls::NONE; usize::from(options.channels) + 1];
    controls[0] = master;
    let mut unit = FeatureUnit::new(id::feature(stream), id::input(stream), controls);
    unit.control_size = 1;
    unit
}

/// Adds the descriptors in these bytes.
fn push_all(interface: &mut InterfaceBuilder<'_>, bytes: &[u8]) {
    for descriptor in Descriptors::new(bytes).flatten() {
        interface.class_descriptor(descriptor.bytes);
    }
}
