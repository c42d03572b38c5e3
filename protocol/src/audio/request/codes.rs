//! The codes of appendix A: requests and control selectors.

/// Request codes, `bRequest` (UAC1 A.9, UAC2 A.14).
pub mod request_code {
    /// Audio 1.0: write the value.
    pub const SET_CUR: u8 = 0x01;
    /// Audio 1.0: write the lowest value.
    pub const SET_MIN: u8 = 0x02;
    /// Audio 1.0: write the highest value.
    pub const SET_MAX: u8 = 0x03;
    /// Audio 1.0: write the step.
    pub const SET_RES: u8 = 0x04;
    /// Audio 1.0: write memory.
    pub const SET_MEM: u8 = 0x05;
    /// Audio 1.0: read the value.
    pub const GET_CUR: u8 = 0x81;
    /// Audio 1.0: read the lowest value.
    pub const GET_MIN: u8 = 0x82;
    /// Audio 1.0: read the highest value.
    pub const GET_MAX: u8 = 0x83;
    /// Audio 1.0: read the step.
    pub const GET_RES: u8 = 0x84;
    /// Audio 1.0: read memory.
    pub const GET_MEM: u8 = 0x85;
    /// Audio 1.0: read the status.
    pub const GET_STAT: u8 = 0xff;
    /// Audio 2.0: the value, read or written.
    pub const CUR: u8 = 0x01;
    /// Audio 2.0: the ranges of values.
    pub const RANGE: u8 = 0x02;
    /// Audio 2.0: memory, read or written.
    pub const MEM: u8 = 0x03;
}

/// Control selectors, the high byte of `wValue` (UAC1 A.10, UAC2 A.17). Those of feature units are in
/// [`FeatureControl`](super::super::FeatureControl).
pub mod selector {
    /// Clock source: the frequency in Hz, four bytes.
    pub const CLOCK_FREQUENCY: u8 = 0x01;
    /// Clock source: whether the clock is valid, one byte.
    pub const CLOCK_VALID: u8 = 0x02;
    /// Clock selector: the input pin, from 1, one byte.
    pub const CLOCK_SELECTOR: u8 = 0x01;
    /// Clock multiplier: the numerator, two bytes.
    pub const CLOCK_NUMERATOR: u8 = 0x01;
    /// Clock multiplier: the denominator, two bytes.
    pub const CLOCK_DENOMINATOR: u8 = 0x02;
    /// Terminal: copy protection, one byte.
    pub const TERMINAL_COPY_PROTECT: u8 = 0x01;
    /// Audio 2.0 terminal: what is plugged in.
    pub const TERMINAL_CONNECTOR: u8 = 0x02;
    /// Audio 2.0 terminal: whether the signal is too large, one byte.
    pub const TERMINAL_OVERLOAD: u8 = 0x03;
    /// Mixer: how much of an input channel goes into an output channel, two bytes of 1/256 dB.
    pub const MIXER: u8 = 0x01;
    /// Selector unit in Audio 2.0: the input pin, from 1, one byte. Audio 1.0 has 0.
    pub const SELECTOR: u8 = 0x01;
    /// Audio 1.0 endpoint: the sampling frequency in Hz, three bytes.
    pub const ENDPOINT_SAMPLING_FREQUENCY: u8 = 0x01;
    /// Audio 1.0 endpoint: whether it follows pitch, one byte.
    pub const UAC1_ENDPOINT_PITCH: u8 = 0x02;
    /// Audio 2.0 endpoint: whether it follows pitch, one byte.
    pub const ENDPOINT_PITCH: u8 = 0x01;
    /// Audio 2.0 streaming interface: the alternate setting, one byte.
    pub const ACTIVE_ALTERNATE_SETTING: u8 = 0x01;
    /// Audio 2.0 streaming interface: which alternate settings are valid, a counted bitmap.
    pub const VALID_ALTERNATE_SETTINGS: u8 = 0x02;
}
