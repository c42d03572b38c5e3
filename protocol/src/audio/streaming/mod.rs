//! Streaming interfaces: the alternate settings that carry sound.

mod encoding;
mod endpoint;
mod format;
mod rates;
mod setting;

pub use encoding::Encoding;
pub use endpoint::{DataEndpoint, EndpointAttributes, FeedbackEndpoint};
pub use format::{Format, FormatType, SampleFormat};
pub use rates::Rates;
pub use setting::StreamingSetting;
