//! Audio functions as devices describe them, and the requests between a host and one.

use usbfs2_protocol::audio::{
    AudioFunction, ControlInterface, ControlRequest, Decibel, Entity, Feedback, FeedbackDecoder,
    FeedbackFormat, Heard, Parameter, RangeBlock, StreamingSetting, Version,
    decode_sampling_frequency, encode_sampling_frequency,
};
use usbfs2_protocol::descriptor::Configuration;
use usbfs2_protocol::{SetupPacket, Speed};

const VERSIONS: [Version; 2] = [Version::Uac1, Version::Uac2];

/// A configuration, or the class-specific descriptors of a control interface alone.
pub(crate) fn audio_descriptors(bytes: &[u8]) {
    if let Ok((configuration, _)) = Configuration::salvage(bytes) {
        for (function, problems) in AudioFunction::all(&configuration).into_iter().flatten() {
            assert!(
                problems
                    .iter()
                    .all(|problem| !problem.to_string().is_empty())
            );
            control_interface(&function.control);
            let settings = function.streams.iter().flat_map(|stream| &stream.settings);
            settings.for_each(streaming_setting);
        }
        return;
    }
    for version in VERSIONS {
        if let Ok((control, _)) = ControlInterface::salvage(version, bytes) {
            control_interface(&control);
        }
    }
}

/// What is read writes itself back, and every walk through it ends.
fn control_interface(control: &ControlInterface) {
    let again = ControlInterface::salvage(control.version, &control.to_bytes());
    assert_eq!(
        again.map(|(again, _)| again.entities).as_ref(),
        Ok(&control.entities)
    );
    for entity in &control.entities {
        let id = entity.id();
        let _ = control.channels_of(id).map(|channels| channels.to_string());
        let (upstream, downstream) = (control.upstream(id), control.downstream(id));
        assert!(upstream.len() <= control.entities.len());
        assert!(downstream.len() <= control.entities.len());
        for path in control.clock_paths(id) {
            assert!(matches!(
                control.entity(path.source),
                Some(Entity::ClockSource(_))
            ));
        }
        for end in control.usb_terminals() {
            let path = control.path(id, end.id());
            let reaches = downstream.iter().any(|reached| reached.id() == end.id());
            assert_eq!(!path.is_empty(), reaches);
        }
    }
}

fn streaming_setting(setting: &StreamingSetting) {
    let read = |setting: &StreamingSetting| {
        StreamingSetting::salvage(setting.version, &setting.to_setting()).0
    };
    // A device may keep a descriptor where no other does: once written, it is where it belongs.
    let again = read(setting);
    assert_eq!(again.as_ref().and_then(read), again);
    let _ = setting.format().map(|format| format.to_string());
}

/// A setup packet, and what it may carry.
pub(crate) fn audio_requests(bytes: &[u8]) {
    let Some((setup, payload)) = bytes.split_first_chunk() else {
        return;
    };
    let setup = SetupPacket::from_bytes(*setup);
    for version in VERSIONS {
        if let Some(request) = ControlRequest::decode(version, &setup) {
            assert_eq!(request.setup(version), Some(setup));
        }
    }
    ranges::<u8>(payload);
    ranges::<i16>(payload);
    ranges::<u32>(payload);
    if let Some(volume) = Decibel::parse(payload) {
        assert_eq!(Decibel::from_db(volume.db()), volume);
        assert!(!volume.to_string().is_empty());
    }
    if let Some(rate) = decode_sampling_frequency(payload) {
        assert!(payload.starts_with(&encode_sampling_frequency(rate)));
    }
    if let Some(feedback) = Feedback::parse(payload) {
        let format = FeedbackFormat::of_length(payload.len());
        assert_eq!(
            format.map(|format| feedback.to_bytes(format)).as_deref(),
            Some(payload)
        );
    }
    let rate = u32::from(setup.index);
    let nominal = Feedback::nominal(rate, 1000).0;
    let decoder = FeedbackDecoder::new(rate, Speed::Full, Feedback(u32::MAX));
    if let Heard::Rate(Feedback(near)) = decoder.hear(payload) {
        assert!(near.abs_diff(nominal) <= nominal / 8);
    }
}

fn ranges<T: Parameter>(payload: &[u8]) {
    if let Ok(block) = RangeBlock::<T>::parse(payload) {
        assert!(payload.starts_with(&block.to_bytes()));
    }
}
