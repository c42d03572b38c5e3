//! The stream that a host has opened by choosing an alternate setting.

use super::{Audio, Stream, StreamFormat, packets};
use crate::Endpoints;

/// What is the same for either stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    /// Of the format, among those of the stream.
    pub(super) index: usize,
    /// With the rate of now.
    pub(super) format: StreamFormat,
    /// From one packet to the next.
    pub(super) interval_microseconds: u32,
}

impl Audio {
    /// The stream that a run of this interface is of; `None` in the setting without one.
    pub(super) fn opened(&self, stream: Stream, endpoints: &Endpoints) -> Option<Opened> {
        let setting = endpoints.alternate_setting(endpoints.interface()?);
        let index = usize::from(setting).checked_sub(1)?;
        let options = self.stream_options(stream)?;
        let size = *options.sizes.get(index)?;
        Some(Opened {
            index,
            format: StreamFormat {
                channels: options.channels,
                size,
                rate: self.lock().stream(stream).rate,
            },
            interval_microseconds: packets::interval_microseconds(
                &self.options,
                options,
                size,
                endpoints.speed(),
            ),
        })
    }
}
