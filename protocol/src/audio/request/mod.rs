//! Requests to an audio function, and what they carry.

mod control;
mod payload;

pub use control::{Attribute, ControlRequest, Target, request_code, selector};
pub use payload::{
    Parameter, RangeBlock, RangeBlockError, SubRange, decode_sampling_frequency,
    encode_sampling_frequency,
};
