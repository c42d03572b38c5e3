//! Streaming interfaces: the alternate settings that carry sound.

mod endpoint;
mod format;
mod setting;

pub use endpoint::{DataEndpoint, EndpointAttributes, FeedbackEndpoint};
pub use format::{Encoding, Format, FormatType, Rates, SampleFormat};
pub use setting::StreamingSetting;
