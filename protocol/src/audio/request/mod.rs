//! Requests to an audio function, and what they carry.

mod codes;
mod control;
mod payload;
mod setup;

pub use codes::{request_code, selector};
pub use control::{Attribute, ControlRequest, Target};
pub use payload::{
    Parameter, RangeBlock, RangeBlockError, SubRange, decode_sampling_frequency,
    encode_sampling_frequency,
};
