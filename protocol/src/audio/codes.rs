//! The codes of appendix A: descriptor subtypes, categories, process and effect types.

/// `bDescriptorSubtype` beside a control interface (UAC1 A.5, UAC2 A.9).
pub mod control_subtype {
    /// Header.
    pub const HEADER: u8 = 0x01;
    /// Input terminal.
    pub const INPUT_TERMINAL: u8 = 0x02;
    /// Output terminal.
    pub const OUTPUT_TERMINAL: u8 = 0x03;
    /// Mixer unit.
    pub const MIXER_UNIT: u8 = 0x04;
    /// Selector unit.
    pub const SELECTOR_UNIT: u8 = 0x05;
    /// Feature unit.
    pub const FEATURE_UNIT: u8 = 0x06;
    /// Audio 1.0: processing unit.
    pub const UAC1_PROCESSING_UNIT: u8 = 0x07;
    /// Audio 1.0: extension unit.
    pub const UAC1_EXTENSION_UNIT: u8 = 0x08;
    /// Audio 2.0: effect unit.
    pub const EFFECT_UNIT: u8 = 0x07;
    /// Audio 2.0: processing unit.
    pub const PROCESSING_UNIT: u8 = 0x08;
    /// Audio 2.0: extension unit.
    pub const EXTENSION_UNIT: u8 = 0x09;
    /// Audio 2.0: clock source.
    pub const CLOCK_SOURCE: u8 = 0x0a;
    /// Audio 2.0: clock selector.
    pub const CLOCK_SELECTOR: u8 = 0x0b;
    /// Audio 2.0: clock multiplier.
    pub const CLOCK_MULTIPLIER: u8 = 0x0c;
    /// Audio 2.0: sample rate converter.
    pub const SAMPLE_RATE_CONVERTER: u8 = 0x0d;
}

/// `bDescriptorSubtype` beside a streaming interface and its endpoint (UAC1 A.6 and A.8, UAC2 A.10 and A.13).
pub mod streaming_subtype {
    /// General: terminal and format.
    pub const GENERAL: u8 = 0x01;
    /// Format type.
    pub const FORMAT_TYPE: u8 = 0x02;
    /// Audio 1.0: more about a format that is no PCM.
    pub const FORMAT_SPECIFIC: u8 = 0x03;
    /// Audio 2.0: encoder.
    pub const ENCODER: u8 = 0x03;
    /// Audio 2.0: decoder.
    pub const DECODER: u8 = 0x04;
    /// General, of an endpoint.
    pub const ENDPOINT_GENERAL: u8 = 0x01;
}

/// `bCategory`: what an Audio 2.0 function is for (UAC2 A.7).
pub mod category {
    /// Speakers on a desk.
    pub const DESKTOP_SPEAKER: u8 = 0x01;
    /// A home theatre.
    pub const HOME_THEATER: u8 = 0x02;
    /// A microphone.
    pub const MICROPHONE: u8 = 0x03;
    /// A headset.
    pub const HEADSET: u8 = 0x04;
    /// A telephone.
    pub const TELEPHONE: u8 = 0x05;
    /// A converter.
    pub const CONVERTER: u8 = 0x06;
    /// A recorder.
    pub const SOUND_RECORDER: u8 = 0x07;
    /// Inputs and outputs of any kind.
    pub const IO_BOX: u8 = 0x08;
    /// A musical instrument.
    pub const MUSICAL_INSTRUMENT: u8 = 0x09;
    /// Professional audio.
    pub const PRO_AUDIO: u8 = 0x0a;
    /// Audio and video.
    pub const AUDIO_VIDEO: u8 = 0x0b;
    /// A control panel.
    pub const CONTROL_PANEL: u8 = 0x0c;
    /// Something else.
    pub const OTHER: u8 = 0xff;

    /// The category in words; `None` for 0 and codes that are not given out.
    #[must_use]
    pub const fn name(code: u8) -> Option<&'static str> {
        Some(match code {
            DESKTOP_SPEAKER => "desktop speaker",
            HOME_THEATER => "home theater",
            MICROPHONE => "microphone",
            HEADSET => "headset",
            TELEPHONE => "telephone",
            CONVERTER => "converter",
            SOUND_RECORDER => "voice/sound recorder",
            IO_BOX => "I/O box",
            MUSICAL_INSTRUMENT => "musical instrument",
            PRO_AUDIO => "pro-audio",
            AUDIO_VIDEO => "audio/video",
            CONTROL_PANEL => "control panel",
            OTHER => "other",
            _ => return None,
        })
    }
}

/// `wProcessType` of a processing unit (UAC1 A.7, UAC2 A.12).
pub mod process_type {
    /// Up or down mix.
    pub const UP_DOWN_MIX: u16 = 0x01;
    /// Dolby Prologic.
    pub const DOLBY_PROLOGIC: u16 = 0x02;
    /// Stereo extender: Audio 1.0 has it as 3, as has Audio 2.0.
    pub const STEREO_EXTENDER: u16 = 0x03;
    /// Audio 1.0: reverberation.
    pub const UAC1_REVERBERATION: u16 = 0x04;
    /// Audio 1.0: chorus.
    pub const UAC1_CHORUS: u16 = 0x05;
    /// Audio 1.0: dynamic range compressor.
    pub const UAC1_DYNAMIC_RANGE_COMPRESSOR: u16 = 0x06;
}

/// `wEffectType` of an effect unit (UAC2 A.11).
pub mod effect_type {
    /// Parametric equalizer.
    pub const PARAMETRIC_EQUALIZER: u16 = 0x01;
    /// Reverberation.
    pub const REVERBERATION: u16 = 0x02;
    /// Modulation delay.
    pub const MODULATION_DELAY: u16 = 0x03;
    /// Dynamic range compressor.
    pub const DYNAMIC_RANGE_COMPRESSOR: u16 = 0x04;
}
